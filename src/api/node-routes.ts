// What a node of the ring answers besides the common routes: broadcasts and its mempool.
import type { Originated, Origination, OriginationError } from '../protocol/effects.ts';
import type { ApiConfig, NodeEnv } from './env.ts';
import { ask } from './failures.ts';
import type { NodeGateway } from './ports.ts';
import { busy, invalidInput, notJoined, ProblemError, unknownCursor } from './problem.ts';
import { json, refusals } from './responses.ts';
import { defineRoute, serve, type Endpoint } from './route.ts';
import * as schemas from './schemas.ts';
import { messagePageView, messageView, originatedView } from './views.ts';

/** Room comes with the next segment that expires. */
const MEMPOOL_RETRY_SECONDS = '5';

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

const postMessages = defineRoute({
  method: 'post',
  path: '/messages',
  summary: 'Broadcast a message',
  isOperatorCall: true,
  headers: schemas.idempotencyHeaders,
  body: schemas.messageRequest,
  responses: {
    202: json(schemas.messageAnswer, 'accepted: it will reach every node'),
    ...refusals(400, 401, 403, 413, 415, 422, 503),
  },
});

const putBroadcast = defineRoute({
  method: 'put',
  path: '/broadcast',
  summary: 'A message in the seed’s form: originate it, or receive it',
  // Also from peers, until messages carry their originators' signatures.
  isOperatorCall: true,
  body: schemas.broadcastRequest,
  responses: {
    200: json(schemas.broadcastAnswer, 'whether it was new'),
    ...refusals(400, 401, 403, 413, 415, 422, 503),
  },
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

    serve(postMessages, async (c, { body, headers }) => {
      const { data, event, ttl = null } = body;
      const { 'idempotency-key': idempotencyKey = null } = headers;
      const originated = await originate(c.var.node, {
        data: event ? { event: { name: event.name, args: event.args ?? {} } } : (data ?? {}),
        ttlSeconds: ttl,
        idempotencyKey,
      });
      return c.json(originatedView(originated), 202, { Location: `${c.req.path}/${originated.id}` });
    }),

    serve(putBroadcast, async (c, { body }) => {
      const { id, data, originator, broadcast_timestamp: at, expires_at: end } = body;
      if (id === null || at === null) {
        await originate(c.var.node, { data, ttlSeconds: null, idempotencyKey: null });
        return c.json(true, 200);
      }
      const { network = config.protocol.network, nonce = 0 } = body;
      const broadcastAt = toMillis(at);
      const expiresAt = end === undefined ? broadcastAt + config.protocol.messageTtlMs : toMillis(end);
      const message = { id, data, originator, broadcastAt, expiresAt, network, nonce };
      const verdict = await ask(() => c.var.node.receive(message));
      if (verdict === 'busy') throw busy();
      if (verdict === 'rejected') {
        throw new ProblemError(
          'message-rejected',
          'it is expired, from the future, too large, or its id is not its hash',
        );
      }
      return c.json(verdict === 'new', 200);
    }),

    serve(putJoin, async (c) => c.json({}, 200)),
  ];
}

async function originate(node: NodeGateway, origination: Origination): Promise<Originated> {
  const result = await ask(() => node.originate(origination));
  if (!result.ok) throw refusalOf(result.error);
  return result.value;
}

function refusalOf(error: OriginationError): ProblemError {
  switch (error.reason) {
    case 'not-joined':
      return notJoined();
    case 'too-large':
      return new ProblemError('message-too-large', `the message has ${error.bytes} bytes, ${error.max} are allowed`);
    case 'mempool-full':
      return new ProblemError(
        'mempool-full',
        `the node keeps ${error.max} messages: try again when some have expired`,
        {
          headers: { 'Retry-After': MEMPOOL_RETRY_SECONDS },
        },
      );
    case 'bad-data':
      return invalidInput('body', [{ path: error.path, message: error.message }]);
    case 'key-reused':
      return new ProblemError('key-reused', 'the Idempotency-Key was used with another body: take a new one');
  }
}

function toMillis(seconds: number): number {
  return Math.round(seconds * 1000);
}
