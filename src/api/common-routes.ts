// What every node answers, the boot node too: who it is, whom it knows, how it fares.
import { signAnswer } from '../crypto/signatures.ts';
import { readMember } from '../protocol/member.ts';
import type { CommonEnv } from './env.ts';
import { ask } from './failures.ts';
import { logPage, logsQuery } from './log-schemas.ts';
import { METRICS_TYPE, metricsText } from './metrics.ts';
import { unauthenticated, notJoined, ProblemError, unknownCursor } from './problem.ts';
import { json, prometheus, refusals } from './responses.ts';
import { defineRoute, serve, type Endpoint } from './route.ts';
import * as schemas from './schemas.ts';
import { PAGE_LIMIT_DEFAULT } from './schemas.ts';
import { capabilitiesView, logPageView, memberPageView, peerView, statusView, syncAnswerView } from './views.ts';

const getStatus = defineRoute({
  method: 'get',
  path: '/status',
  summary: 'Who this node is; signed over a nonce, it proves it',
  query: schemas.statusQuery,
  responses: { 200: json(schemas.status, 'the node has joined'), ...refusals(422, 503) },
});

const getCapabilities = defineRoute({
  method: 'get',
  path: '/capabilities',
  summary: 'Limits and features',
  responses: { 200: json(schemas.capabilities, 'limits and features'), ...refusals(503) },
});

const getAddress = defineRoute({
  method: 'get',
  path: '/nodes/{guid}',
  summary: 'Address of a member (seed)',
  params: schemas.guidParams,
  responses: { 200: json(schemas.address, 'its address, or null'), ...refusals(422, 503) },
});

const getMembers = defineRoute({
  method: 'get',
  path: '/members',
  summary: 'The roster, by ascending GUID',
  query: schemas.membersQuery,
  responses: { 200: json(schemas.memberPage, 'a page of members'), ...refusals(422, 503) },
});

const getMember = defineRoute({
  method: 'get',
  path: '/members/{guid}',
  summary: 'One member',
  params: schemas.guidParams,
  responses: { 200: json(schemas.member, 'the member'), ...refusals(404, 422, 503) },
});

const postSync = defineRoute({
  method: 'post',
  path: '/sync',
  summary: 'Network sync (seed keys, and ours)',
  signing: 'optional',
  body: schemas.syncRequest,
  responses: {
    200: json(schemas.syncAnswer, 'what this node knows'),
    ...refusals(400, 401, 413, 415, 422, 429, 503),
  },
});

const getMetrics = defineRoute({
  method: 'get',
  path: '/metrics',
  summary: 'Prometheus metrics',
  responses: { 200: prometheus, ...refusals(503) },
});

const getLogs = defineRoute({
  method: 'get',
  path: '/logs',
  summary: 'What this node logged last, oldest first',
  isOperatorCall: true,
  query: logsQuery,
  responses: { 200: json(logPage, 'a page of log lines'), ...refusals(401, 403, 422, 503) },
});

/** The routes that nodes and the boot node share. Middleware of the app sets `directory`. */
export const commonRoutes: readonly Endpoint<CommonEnv>[] = [
  serve(getStatus, async (c, { query: { nonce } }) => {
    const status = await ask(() => c.var.directory.status());
    if (status.guid === null) throw notJoined();
    const view = statusView(status, status.guid);
    if (nonce === undefined) return c.json(view, 200);
    return c.json(await ask(() => signAnswer(c.var.directory.signAnswer, nonce, view)), 200);
  }),

  serve(getCapabilities, async (c) => {
    const status = await ask(() => c.var.directory.status());
    return c.json(capabilitiesView(status), 200);
  }),

  serve(getAddress, async (c, { params: { guid } }) => {
    return c.json(await ask(() => c.var.directory.lookup(guid)), 200);
  }),

  serve(getMembers, async (c, { query }) => {
    const { cursor = null, limit = PAGE_LIMIT_DEFAULT } = query;
    const page = await ask(() => c.var.directory.members(cursor, limit));
    if (page === null) throw unknownCursor();
    return c.json(memberPageView(page), 200);
  }),

  serve(getMember, async (c, { params: { guid } }) => {
    const peer = await ask(() => c.var.directory.member(guid));
    if (peer === null) throw new ProblemError('not-found', `this node knows no member with the GUID ${guid}`);
    return c.json(peerView(peer), 200);
  }),

  serve(postSync, async (c, { body }) => {
    const { guid, max_guid_node: maxGuidNode, have = null } = body;
    const { caller } = c.var;
    if (caller && caller.guid !== guid) throw unauthenticated();
    // Members are believed only from callers that prove who they are.
    const members = caller ? (body.members ?? []).flatMap((member) => readMember(member) ?? []) : [];
    const digest = body.digest ? { at: Math.round(body.digest.at * 1000), frame: body.digest.frame } : null;
    const request = {
      guid,
      maxGuidNode,
      have,
      members,
      digest,
      wanted: body.wanted ?? [],
      doubted: body.doubted ?? [],
    };
    const answer = await ask(() => c.var.directory.sync(request, caller?.guid ?? null));
    if (answer === null) throw notJoined();
    const view = syncAnswerView({ ...answer, callerHost: caller ? c.var.clientAddress : null });
    if (!caller) return c.json(view, 200);
    return c.json(await ask(() => signAnswer(c.var.directory.signAnswer, caller.nonce, view)), 200);
  }),

  serve(getMetrics, async (c) => {
    const samples = await ask(() => c.var.directory.samples());
    return c.text(metricsText(samples), 200, { 'Content-Type': METRICS_TYPE });
  }),

  serve(getLogs, async (c, { query }) => {
    const { cursor = null, limit = PAGE_LIMIT_DEFAULT, level = 'DEBUG' } = query;
    const page = await ask(() => c.var.directory.logs({ cursor, limit, level }));
    if (page === null) throw unknownCursor();
    return c.json(logPageView(page), 200);
  }),
];
