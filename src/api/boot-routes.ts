// What the boot node answers besides the common routes: it admits members. It keeps no messages.
import { Hono, type Context } from 'hono';
import { signAnswer } from '../crypto/signatures.ts';
import { refuseSeedJoin } from './body.ts';
import type { ApiConfig, BootEnv } from './env.ts';
import { ask } from './failures.ts';
import type { JoinRefusal } from './ports.ts';
import { busy, invalidInput, ProblemError, unauthenticated } from './problem.ts';
import { json, refusals } from './responses.ts';
import { defineRoute, serve, type Endpoint } from './route.ts';
import * as schemas from './schemas.ts';
import { staleRecord } from './stale-record.ts';
import { challengeView, joinedView } from './views.ts';

/** By then it has asked more of its nodes, or taken more of its backup. */
const STARTING_RETRY_SECONDS = '30';

/** A network that is full, or whose key is lost, stays so until its operator does something. */
const OPERATOR_RETRY_SECONDS = '3600';

const getChallenge = defineRoute({
  method: 'get',
  path: '/network/challenge',
  summary: 'What a newcomer must solve to join',
  isShielded: true,
  responses: { 200: json(schemas.challenge, 'a challenge'), ...refusals(429, 503) },
});

const putJoin = defineRoute({
  method: 'put',
  path: '/network/join',
  summary: 'Admit a member: the same key has the same GUID for ever',
  before: refuseSeedJoin(),
  isJoinCall: true,
  signing: 'key',
  body: schemas.joinRequest,
  responses: {
    200: json(schemas.joinAnswer, 'the GUID, its certificate, and members'),
    ...refusals(400, 401, 403, 409, 413, 415, 422, 429, 503),
  },
});

/** The routes of the boot node alone. Middleware of the app sets `boot`. */
export function bootRoutes(config: ApiConfig): Endpoint<BootEnv>[] {
  return [
    serve(getChallenge, async (c) => {
      const challenge = await ask(() => c.var.boot.challenge());
      return c.json(challengeView(challenge, config.protocol.network), 200);
    }),

    serve(putJoin, async (c, { body }) => {
      const { public_key: publicKey, challenge, solution, address, incarnation, capabilities, signature } = body;
      const { caller } = c.var;
      if (!caller || caller.publicKey !== publicKey) throw unauthenticated();
      const record = { publicKey, address, incarnation, capabilities, signature };
      const work = challenge === undefined || solution === undefined ? null : { challenge, solution };
      const joined = await ask(() => c.var.boot.join({ record, work }));
      if (!joined.ok) throw refusalOf(joined.error);
      const view = joinedView(joined.value);
      return c.json(await ask(() => signAnswer(c.var.boot.signAnswer, caller.nonce, view)), 200);
    }),
  ];
}

/** Tells who looks for messages at the boot node where they are. */
export function messageRefusals(): Hono {
  const app = new Hono();
  for (const path of ['/messages', '/messages/*', '/broadcast']) app.all(path, refuseMessages);
  return app;
}

function refuseMessages(c: Context): never {
  const rest = c.req.path.replace(/^\/api\/v1/, '');
  throw new ProblemError('not-at-boot-node', `the boot node keeps no messages: ask a node, /n/<slot>/api/v1${rest}`);
}

function refusalOf(error: JoinRefusal): ProblemError {
  switch (error.reason) {
    case 'bad-key':
      return invalidInput('body', [{ path: 'public_key', message: 'not an Ed25519 public key' }]);
    case 'bad-address':
      return invalidInput('body', [
        { path: 'address', message: `not an address that a peer may have: ${error.fault}` },
      ]);
    case 'bad-record':
      return invalidInput('body', [{ path: 'signature', message: 'not of this record by this key' }]);
    case 'bad-challenge':
    case 'expired-challenge':
      return invalidInput('body', [{ path: 'challenge', message: `${error.reason}: get one at /network/challenge` }]);
    case 'work-missing':
      return new ProblemError('not-admitted', 'the proof of work is missing or too little: solve a new challenge');
    case 'unanswered':
      return new ProblemError('not-admitted', `the address did not prove the key: ${error.detail}`);
    case 'group-full':
      return new ProblemError(
        'not-admitted',
        `${error.group} has ${error.max} members, as many as one domain may have`,
      );
    case 'stale-record':
      return staleRecord(error.incarnation);
    case 'busy':
      return busy();
    case 'restoring':
      return new ProblemError('boot-starting', 'the boot node is being restored from a backup: try again', {
        headers: { 'Retry-After': STARTING_RETRY_SECONDS },
      });
    case 'surveying':
      return new ProblemError('boot-starting', 'the boot node still asks its nodes which GUIDs are given: try again', {
        headers: { 'Retry-After': STARTING_RETRY_SECONDS },
      });
    case 'lost':
      return new ProblemError('boot-lost', 'the boot node lost its storage: its operator has to restore its key', {
        headers: { 'Retry-After': OPERATOR_RETRY_SECONDS },
      });
    case 'network-full':
      return new ProblemError('network-full', `the network has ${error.max} members, and takes no more`, {
        headers: { 'Retry-After': OPERATOR_RETRY_SECONDS },
      });
  }
}
