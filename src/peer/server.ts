// HTTP over Node.js: the API's app behind a server with limits.
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';

/** Connections at once (guess: far above what a network needs, below the usual limit on open files). */
const CONNECTIONS_MAX = 900;

/** A request's head, and all of it: who sends slower is cut off. */
const HEAD_MS = 10_000;
const REQUEST_MS = 30_000;

/** Callers come again within a sync interval, or not soon. */
const KEEP_ALIVE_MS = 65_000;

const IDLE_POLL_MS = 10;

/** How the app hears who calls, see ApiConfig.clientAddressHeader. Set here, whatever a caller sends under this name. */
export const CLIENT_HEADER = 'pychain-client-address';

const LOOPBACK = /^(127\.|::1$)/;

/** How Node.js says IPv4 where it listens for both. */
const MAPPED = /^::ffff:(?=\d+\.)/i;

export interface ServeOptions {
  /** `caller`: where the call comes from; null where the proxy does not say. */
  readonly fetch: (request: Request, caller: string | null) => Response | Promise<Response>;
  readonly host: string;
  readonly port: number;
  /** Where callers say that they found this node: requests are signed for this host, whatever their Host header says. */
  readonly address: string;
  /** Header in which the proxy in front says who calls; null: there is none. */
  readonly proxyHeader: string | null;
}

export interface Listening {
  readonly port: number;
  /** Takes no more requests, and gives those under way so many milliseconds. */
  close(graceMs: number): Promise<void>;
}

/** Listens; rejects where it can't. */
export async function serve(options: ServeOptions): Promise<Listening> {
  const server = createAdaptorServer({
    overrideGlobalObjects: false,
    fetch: (request, { incoming }) => {
      const caller = callerOf(request, options, incoming.socket?.remoteAddress ?? null);
      return options.fetch(asOwn(request, options, caller), caller);
    },
    serverOptions: { headersTimeout: HEAD_MS, requestTimeout: REQUEST_MS, keepAliveTimeout: KEEP_ALIVE_MS },
  }) as Server;
  server.maxConnections = CONNECTIONS_MAX;
  const listening = once(server, 'listening');
  server.listen({ host: options.host, port: options.port, exclusive: true });
  await listening;
  return {
    port: (server.address() as AddressInfo).port,
    close: (graceMs) => close(server, graceMs),
  };
}

/**
 * The request as one to this node's own address. A signature covers the host that it was made for: were the caller's Host header taken
 * for it, a request to another node could be played to this one.
 */
function asOwn(request: Request, { address }: ServeOptions, caller: string | null): Request {
  const { pathname, search } = new URL(request.url);
  const headers = new Headers(request.headers);
  headers.delete(CLIENT_HEADER);
  // Whoever calls from this machine is a proxy that says nothing, or its operator: not to be slowed as one.
  if (caller !== null && !LOOPBACK.test(caller)) headers.set(CLIENT_HEADER, caller);
  const { method, body, signal } = request;
  const hasBody = method !== 'GET' && method !== 'HEAD' && body !== null;
  return new Request(`${address}${pathname}${search}`, {
    method,
    headers,
    signal,
    ...(hasBody && { body, duplex: 'half' }),
  });
}

/** Where a call comes from: the other end of the connection, or what the proxy in front says. */
function callerOf(request: Request, { proxyHeader }: ServeOptions, remote: string | null): string | null {
  return (proxyHeader === null ? remote : request.headers.get(proxyHeader))?.replace(MAPPED, '') ?? null;
}

async function close(server: Server, graceMs: number): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  // A connection whose request has ended is kept for the next one, which would not be taken.
  const idle = setInterval(() => server.closeIdleConnections(), IDLE_POLL_MS);
  const late = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearInterval(idle);
  clearTimeout(late);
}
