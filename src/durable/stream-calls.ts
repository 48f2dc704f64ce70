// How the Worker asks an object for a stream: a request, since a WebSocket does not go through RPC. Both ends are here.
import type { StreamRefusal, StreamRequest } from '../api/ports.ts';
import type { SocketReaders } from './socket-readers.ts';
import type { HostedCalls } from './stubs.ts';

/** Where the object says why it refuses; what it answers to a reader has none. */
const REFUSAL = 'Pychain-Refusal';

/** Asks the object. */
export async function askStream(
  object: Pick<HostedCalls, 'fetch'>,
  request: StreamRequest,
): Promise<Response | StreamRefusal> {
  const url = `https://stream/?${new URLSearchParams({ request: JSON.stringify(request) })}`;
  const headers = request.transport === 'websocket' ? { Upgrade: 'websocket' } : undefined;
  const response = await object.fetch(new Request(url, headers && { headers }));
  const refusal = response.headers.get(REFUSAL);
  if (refusal !== null) return refusal as StreamRefusal;
  // Made anew: headers of an answer that came from elsewhere cannot be added to.
  const { status, headers: answered, body, webSocket } = response;
  return webSocket ? new Response(null, { status, webSocket }) : new Response(body, { status, headers: answered });
}

/** The object's answer. */
export async function openStream(
  request: Request,
  sockets: SocketReaders,
  events: { stream(asked: StreamRequest): Promise<Response | StreamRefusal> },
): Promise<Response> {
  const asked = JSON.parse(new URL(request.url).searchParams.get('request') ?? '') as StreamRequest;
  const opened = asked.transport === 'websocket' ? sockets.open(asked) : await events.stream(asked);
  return typeof opened === 'string' ? new Response(null, { headers: { [REFUSAL]: opened } }) : opened;
}
