// What the beacon answers: how far messages have come, to anybody; and what members elsewhere report to it.
import { coverageDetailView, coverageView, beaconSummaryView, reportOf } from './beacon-views.ts';
import * as schemas from './beacon-schemas.ts';
import type { ApiConfig, BeaconEnv } from './env.ts';
import { ask } from './failures.ts';
import { METRICS_TYPE, metricsText } from './metrics.ts';
import { ProblemError, unauthenticated, unknownCursor } from './problem.ts';
import { json, prometheus, refusals } from './responses.ts';
import { defineRoute, serve, type Endpoint, type Reply } from './route.ts';
import { messageParams, PAGE_LIMIT_DEFAULT } from './schemas.ts';
import { openStream } from './stream-routes.ts';
import { eventStream, streamHeaders } from './stream-schemas.ts';

const getMessages = defineRoute({
  method: 'get',
  path: '/beacon/messages',
  summary: 'How far messages have come, newest first',
  query: schemas.beaconQuery,
  responses: { 200: json(schemas.coveragePage, 'a page of messages'), ...refusals(404, 422, 503) },
});

const getMessage = defineRoute({
  method: 'get',
  path: '/beacon/messages/{id}',
  summary: 'How far one message has come: who has it since when, and who has not',
  params: messageParams,
  responses: { 200: json(schemas.coverageDetail, 'the message'), ...refusals(404, 422, 503) },
});

const getSummary = defineRoute({
  method: 'get',
  path: '/beacon/summary',
  summary: 'How messages of the last hour and day have come through',
  responses: { 200: json(schemas.beaconSummary, 'the figures'), ...refusals(404, 503) },
});

const getMetrics = defineRoute({
  method: 'get',
  path: '/beacon/metrics',
  summary: 'Prometheus metrics of the beacon',
  responses: { 200: prometheus, ...refusals(404, 503) },
});

const getStream = defineRoute({
  method: 'get',
  path: '/beacon/stream',
  summary: 'Receipts as the beacon hears of them: a WebSocket where one is asked for, else Server-Sent Events',
  isShielded: true,
  query: schemas.beaconStreamQuery,
  headers: streamHeaders,
  upgrade: 'a WebSocket: docs/protocol.md tells what goes over it',
  responses: {
    200: { description: 'events, for some minutes', type: 'text/event-stream', schema: eventStream },
    ...refusals(404, 422, 429, 503),
  },
});

const postReceipts = defineRoute({
  method: 'post',
  path: '/beacon/receipts',
  summary: 'What a member elsewhere has had since its last report',
  signing: 'member',
  body: schemas.beaconReport,
  responses: {
    200: json(schemas.beaconHeard, 'how far the beacon has heard the caller'),
    ...refusals(400, 401, 404, 413, 415, 422, 429, 503),
  },
});

/** The routes of the beacon. Middleware of the app sets `beacon`. */
export function beaconRoutes(config: Pick<ApiConfig, 'clientAddressHeader'>): Endpoint<BeaconEnv>[] {
  return [
    serve(getMessages, async (c, { query }) => {
      const { cursor = null, limit = PAGE_LIMIT_DEFAULT, originator = null } = query;
      const page = await ask(() => c.var.beacon.messages(cursor, limit, originator));
      if (page === null) throw unknownCursor();
      return c.json({ messages: page.messages.map(coverageView), next: page.next }, 200);
    }),

    serve(getMessage, async (c, { params: { id } }) => {
      const found = await ask(() => c.var.beacon.message(id));
      if (found === null)
        throw new ProblemError('not-found', 'the beacon has not heard of this message, or has forgotten it');
      return c.json(coverageDetailView(found), 200);
    }),

    serve(getSummary, async (c) => c.json(beaconSummaryView(await ask(() => c.var.beacon.summary())), 200)),

    serve(getMetrics, async (c) => {
      const samples = await ask(() => c.var.beacon.samples());
      return c.text(metricsText(samples), 200, { 'Content-Type': METRICS_TYPE });
    }),

    serve(getStream, async (c, { query, headers }) => {
      const asked = { cursor: query.cursor ?? null, events: [] };
      return (await openStream(c, (request) => c.var.beacon.stream(request), asked, headers, config)) as Reply<
        typeof getStream
      >;
    }),

    serve(postReceipts, async (c, { body }) => {
      const { caller } = c.var;
      if (!caller || caller.guid === null) throw unauthenticated();
      const report = reportOf(caller.guid, body);
      const heard = await ask(() => c.var.beacon.hear(report));
      if (heard === null) {
        throw new ProblemError('too-many-requests', 'too many reports of this member: come slower', {
          headers: { 'Retry-After': '5' },
        });
      }
      return c.json({ ...heard }, 200);
    }),
  ];
}
