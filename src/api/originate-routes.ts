// Broadcasting: a message, or several together.
import type * as z from 'zod';
import type { Originated, Origination, OriginationError } from '../protocol/effects.ts';
import { JSON_DEPTH_MAX } from '../protocol/limits.ts';
import { batchAnswer, batchRequest } from './batch-schemas.ts';
import type { NodeEnv } from './env.ts';
import { ask } from './failures.ts';
import type { NodeGateway } from './ports.ts';
import { invalidInput, notJoined, ProblemError } from './problem.ts';
import { json, refusals } from './responses.ts';
import { defineRoute, serve, type Endpoint } from './route.ts';
import * as schemas from './schemas.ts';
import { originatedView } from './views.ts';

/** Room comes with the next segment that expires. */
const MEMPOOL_RETRY_SECONDS = '5';

const postMessages = defineRoute({
  method: 'post',
  path: '/messages',
  summary: 'Broadcast a message',
  isOperatorCall: true,
  headers: schemas.idempotencyHeaders,
  body: schemas.messageRequest,
  responses: {
    202: json(schemas.messageAnswer, 'accepted: it will reach every node'),
    ...refusals(400, 401, 403, 409, 413, 415, 422, 503),
  },
});

const postBatch = defineRoute({
  method: 'post',
  path: '/messages/batch',
  summary: 'Broadcast messages together: all are accepted, or none',
  isOperatorCall: true,
  headers: schemas.idempotencyHeaders,
  body: batchRequest,
  // The body, the list and the message around its `data`.
  bodyDepthMax: JSON_DEPTH_MAX + 3,
  responses: {
    202: json(batchAnswer, 'accepted: they will reach every node'),
    ...refusals(400, 401, 403, 409, 413, 415, 422, 503),
  },
});

/** The routes by which an application gives messages to a node. */
export function originateRoutes(): Endpoint<NodeEnv>[] {
  return [
    serve(postMessages, async (c, { body, headers }) => {
      const { 'idempotency-key': key = null } = headers;
      const originated = await originateOne(c.var.node, originationOf(body, key));
      return c.json(originatedView(originated), 202, { Location: `${c.req.path}/${originated.id}` });
    }),

    serve(postBatch, async (c, { body, headers }) => {
      const { 'idempotency-key': key } = headers;
      // A message is known by the key and its place. No header has a line break, so that no key of a message alone is the same.
      const keyOf = (index: number) => (key === undefined ? null : `${key}\n${index}`);
      const originations = body.messages.map((message, index) => originationOf(message, keyOf(index)));
      const taken = await ask(() => c.var.node.originate(originations));
      if (!taken.ok) throw refusalOf(taken.error.error, `messages[${taken.error.index}]`);
      return c.json({ messages: taken.value.map(originatedView) }, 202);
    }),
  ];
}

function originationOf(
  { data, event, ttl }: z.output<typeof schemas.messageRequest>,
  idempotencyKey: string | null,
): Origination {
  const named = event && { event: { name: event.name, args: event.args ?? {} } };
  return { data: named ?? data ?? {}, ttlSeconds: ttl ?? null, idempotencyKey };
}

/** Has a node take one message. Throws what its caller is told where it does not. */
export async function originateOne(node: NodeGateway, origination: Origination): Promise<Originated> {
  const taken = await ask(() => node.originate([origination]));
  if (!taken.ok) throw refusalOf(taken.error.error);
  const [originated] = taken.value;
  if (!originated) throw new Error('assertion failed: a message that was taken has an id');
  return originated;
}

/** What a caller is told of a message that was not taken. `place`: where it stands among those that came with it; empty: it came by itself. */
export function refusalOf(error: OriginationError, place = ''): ProblemError {
  const which = place === '' ? '' : `${place}: `;
  switch (error.reason) {
    case 'not-joined':
      return notJoined();
    case 'left':
      return new ProblemError('left', 'this node has left the network: have it come back first');
    case 'too-large':
      return new ProblemError(
        'message-too-large',
        `${which}the message has ${error.bytes} bytes, ${error.max} are allowed`,
      );
    case 'mempool-full':
      return new ProblemError(
        'mempool-full',
        `the node keeps ${error.max} messages: try again when some have expired`,
        {
          headers: { 'Retry-After': MEMPOOL_RETRY_SECONDS },
        },
      );
    case 'bad-data':
      return invalidInput('body', [
        { path: place === '' ? error.path : `${place}.${error.path}`, message: error.message },
      ]);
    case 'key-reused':
      return new ProblemError('key-reused', `${which}the Idempotency-Key was used with another body: take a new one`);
  }
}
