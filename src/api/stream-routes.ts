// The stream of a node's messages, over a WebSocket or as Server-Sent Events (WHATWG HTML, section 9.2).
import type { Context } from 'hono';
import type * as z from 'zod';
import type { ApiConfig, ApiEnv, NodeEnv } from './env.ts';
import { ask } from './failures.ts';
import type { StreamRefusal, StreamRequest } from './ports.ts';
import { ProblemError, unknownCursor } from './problem.ts';
import { refusals } from './responses.ts';
import { defineRoute, serve, type Endpoint, type Reply } from './route.ts';
import { networkOf } from './shield.ts';
import * as schemas from './stream-schemas.ts';

const getStream = defineRoute({
  method: 'get',
  path: '/stream',
  summary: 'Messages as they come, in order: a WebSocket where one is asked for, else Server-Sent Events',
  isShielded: true,
  query: schemas.streamQuery,
  headers: schemas.streamHeaders,
  upgrade: 'a WebSocket: docs/protocol.md tells what goes over it',
  responses: {
    200: { description: 'events, for some minutes', type: 'text/event-stream', schema: schemas.eventStream },
    ...refusals(404, 422, 429, 503),
  },
});

/** The stream of a node. Middleware of the app sets `node`. */
export function streamRoutes(config: Pick<ApiConfig, 'clientAddressHeader'>): Endpoint<NodeEnv>[] {
  return [
    serve(getStream, async (c: Context<NodeEnv>, { query, headers }) => {
      const asked = { cursor: query.cursor ?? null, events: query.event ?? [] };
      return (await openStream(c, (request) => c.var.node.stream(request), asked, headers, config)) as Reply<
        typeof getStream
      >;
    }),
  ];
}

/** Opens a stream for a caller, whoever has it. Throws the problem where it is refused. */
export async function openStream<E extends ApiEnv>(
  c: Context<E>,
  open: (request: StreamRequest) => Promise<Response | StreamRefusal>,
  { cursor, events }: Pick<StreamRequest, 'cursor' | 'events'>,
  headers: z.output<typeof schemas.streamHeaders>,
  { clientAddressHeader }: Pick<ApiConfig, 'clientAddressHeader'>,
): Promise<Response> {
  const { 'last-event-id': lastEventId, upgrade } = headers;
  const address = clientAddressHeader === null ? undefined : c.req.header(clientAddressHeader);
  const opened = await ask(() =>
    open({
      transport: upgrade?.toLowerCase() === 'websocket' ? 'websocket' : 'events',
      // An EventSource that comes back sends the query that it began with.
      cursor: lastEventId || cursor,
      events,
      network: address === undefined ? null : networkOf(address),
    }),
  );
  if (typeof opened === 'string') throw refusalOf(opened);
  return opened;
}

function refusalOf(refusal: StreamRefusal): ProblemError {
  switch (refusal) {
    case 'unknown-cursor':
      return unknownCursor();
    case 'too-many-readers':
      return new ProblemError('too-many-readers', 'this node, or your network, has as many readers as it may have', {
        headers: { 'Retry-After': '10' },
      });
    case 'not-here':
      return new ProblemError('no-such-stream', 'this node has no stream of this kind');
  }
}
