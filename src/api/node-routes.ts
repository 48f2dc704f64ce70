// What a node of the ring answers besides the common routes: its mempool, and what members bring.
import type * as z from 'zod';
import { signAnswer } from '../crypto/signatures.ts';
import type { Canonical } from '../protocol/canonical.ts';
import { composeMessage } from '../protocol/message.ts';
import { seal, type Sealed } from '../protocol/seal.ts';
import { onlyMe } from '../protocol/tree.ts';
import type { ApiConfig, NodeEnv } from './env.ts';
import { ask } from './failures.ts';
import { originateOne } from './originate-routes.ts';
import { busy, invalidInput, notJoined, ProblemError, unauthenticated, unknownCursor } from './problem.ts';
import { json, refusals } from './responses.ts';
import { defineRoute, serve, type Endpoint } from './route.ts';
import * as schemas from './schemas.ts';
import { messagePageView, messageView, proofView } from './views.ts';

const getMessages = defineRoute({
  method: 'get',
  path: '/messages',
  summary: 'The mempool, oldest first',
  query: schemas.messagesQuery,
  responses: { 200: json(schemas.messagePage, 'a page of messages'), ...refusals(422, 503) },
});

const getMessage = defineRoute({
  method: 'get',
  path: '/messages/{id}',
  summary: 'One message',
  params: schemas.messageParams,
  responses: { 200: json(schemas.message, 'the message'), ...refusals(404, 422, 503) },
});

const putJoin = defineRoute({
  method: 'put',
  path: '/network/join',
  summary: 'Nothing: only the boot node admits members (seed)',
  responses: { 200: json(schemas.nothing, 'always empty') },
});

const putBroadcast = defineRoute({
  method: 'put',
  path: '/broadcast',
  summary:
    'A message in the seed’s form: an operator has it originated, a member brings it with its originator’s signature',
  isOperatorCall: true,
  signing: 'peer',
  body: schemas.broadcastRequest,
  responses: {
    200: json(schemas.broadcastAnswer, 'whether it was new'),
    ...refusals(400, 401, 403, 409, 413, 415, 422, 429, 503),
  },
});

const postDeliveries = defineRoute({
  method: 'post',
  path: '/deliveries',
  summary: 'A batch of legs of the broadcast tree, from a member',
  signing: 'peer',
  body: schemas.deliveriesRequest,
  responses: {
    200: json(schemas.deliveriesAnswer, 'what became of each'),
    ...refusals(400, 401, 413, 415, 422, 429, 503),
  },
});

const getProof = defineRoute({
  method: 'get',
  path: '/network/challenge',
  summary: 'Proof that this node has its key, before it has a GUID too',
  isShielded: true,
  query: schemas.proofQuery,
  responses: { 200: json(schemas.proof, 'the key, and a signature over the nonce'), ...refusals(422, 429, 503) },
});

/** The routes of a node alone. Middleware of the app sets `node`. */
export function nodeRoutes(config: ApiConfig): Endpoint<NodeEnv>[] {
  return [
    serve(getMessages, async (c, { query }) => {
      const { cursor = null, limit = schemas.PAGE_LIMIT_DEFAULT } = query;
      const page = await ask(() => c.var.node.messages(cursor, limit));
      if (page === null) throw unknownCursor();
      return c.json(messagePageView(page), 200);
    }),

    serve(getMessage, async (c, { params: { id } }) => {
      const message = await ask(() => c.var.node.message(id));
      if (message === null) throw new ProblemError('not-found', 'this node has no such message, or not any more');
      return c.json(messageView(message), 200);
    }),

    serve(putBroadcast, async (c, { body }) => {
      const { caller } = c.var;
      if (body.id === null || body.broadcast_timestamp === null) {
        // Whoever may call as a member may speak for itself only, and does so in messages that it signed.
        if (caller) throw invalidInput('body', [{ path: 'id', message: 'a member brings stamped messages only' }]);
        await originateOne(c.var.node, { data: body.data, ttlSeconds: null, idempotencyKey: null });
        return c.json(true, 200);
      }
      if (!caller || caller.guid === null) throw unauthenticated();
      const { guid, publicKey } = caller;
      const sealed = sealedOf(body, config);
      const self = await ask(() => c.var.node.status());
      if (self.guid === null) throw notJoined();
      const delivery = { body: sealed, range: onlyMe(self.guid), hops: 1 };
      const [outcome] = await ask(() => c.var.node.deliver({ guid, publicKey }, 0, [delivery]));
      if (outcome === 'busy' || outcome === undefined) throw busy();
      if (outcome === 'rejected') {
        throw new ProblemError('message-rejected', 'it is expired, from the future, too large, or not what was signed');
      }
      return c.json(outcome === 'new', 200);
    }),

    serve(postDeliveries, async (c, { body }) => {
      const { caller } = c.var;
      if (!caller || caller.guid === null) throw unauthenticated();
      const { guid, publicKey, nonce } = caller;
      const deliveries = body.deliveries.map(({ signature, body: text, range, hops }) => ({
        body: seal(text as Canonical, signature),
        range,
        hops,
      }));
      const outcomes = await ask(() => c.var.node.deliver({ guid, publicKey }, body.max_guid, deliveries));
      return c.json(await ask(() => signAnswer(c.var.node.signAnswer, nonce, { outcomes: [...outcomes] })), 200);
    }),

    serve(getProof, async (c, { query: { nonce } }) => {
      const { publicKey } = await ask(() => c.var.node.status());
      const view = proofView(publicKey, config.protocol.network);
      return c.json(await ask(() => signAnswer(c.var.node.signAnswer, nonce, view)), 200);
    }),

    serve(putJoin, async (c) => c.json({}, 200)),
  ];
}

/** The sealed message of the seed's form. Throws where it is not the one that its id is the hash of, or is not signed. */
function sealedOf(body: z.output<typeof schemas.broadcastRequest>, config: ApiConfig): Sealed {
  const { id, data, originator, signature, nonce = 0, network = config.protocol.network } = body;
  const broadcastAt = toMillis(body.broadcast_timestamp ?? 0);
  const end = body.expires_at;
  const expiresAt = end === undefined ? broadcastAt + config.protocol.messageTtlMs : toMillis(end);
  if (signature === undefined) {
    throw invalidInput('body', [
      { path: 'signature', message: 'missing, and needed: the originator signs its messages' },
    ]);
  }
  const composed = composeMessage({ network, data, originator, broadcastAt, expiresAt }, nonce);
  if (composed.ok && composed.value.id === id) return seal(composed.value.body, signature);
  throw new ProblemError('message-rejected', 'its id is not the hash of what it says');
}

function toMillis(seconds: number): number {
  return Math.round(seconds * 1000);
}
