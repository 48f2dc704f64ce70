// The words of the original pychain (SEED.md section 4), in both directions. All that is known of them is here; which clients there are, and the
// node that stands in for each, is src/peer/seed-clients.ts.
import { Hono } from 'hono';
import { requestId } from 'hono/request-id';
import * as z from 'zod';
import { GUID_MAX } from '../protocol/limits.ts';
import { primaryPeers } from '../protocol/ring.ts';
import type { Guid, JsonObject, StoredMessage } from '../protocol/types.ts';
import { readJson } from './body.ts';
import type { ApiEnv, ApiLog } from './env.ts';
import { checkInput } from './input.ts';
import { errorHandler, invalidInput } from './problem.ts';
import { readCapped } from './read-capped.ts';

/** The original's port. */
export const SEED_PORT = 80;

const CALL_MS = 5_000;
const ANSWER_BYTES_MAX = 1_024;
const ADDRESS_CHARS_MAX = 255;
const SEEN_BY_MAX = 100_000;

const number = z.int().min(-Number.MAX_SAFE_INTEGER).max(Number.MAX_SAFE_INTEGER);
const guid = z.int().min(0).max(GUID_MAX);
const place = z.object({ address: z.string().max(ADDRESS_CHARS_MAX), guid });
const syncRequest = z.object({ guid, max_guid_node: place });
const broadcastRequest = z.object({
  data: z.record(z.string(), z.json()),
  id: number.nullable(),
  originator: place,
  broadcast_timestamp: z.number().nullable(),
  ttl: z.number(),
  seen_by: z.array(z.number()).max(SEEN_BY_MAX).optional(),
});

/** A broadcast that a client has stamped. */
export interface SeedBroadcast {
  /** The client's number for it. */
  readonly id: number;
  /** Unix seconds. */
  readonly at: number;
  readonly originator: Guid;
  readonly data: JsonObject;
}

/** The client's side of the network. */
export interface SeedHost {
  /** Lets it in, unless it is in. Throws a ProblemError where it cannot. */
  join(): Promise<Guid>;
  /** Bare address of a member; null: there is none. */
  lookup(of: Guid): Promise<string | null>;
  /** The highest GUID, and the bare address that stands for it. */
  highest(): Promise<{ readonly address: string; readonly guid: Guid }>;
  /** Whether it is new. */
  take(broadcast: SeedBroadcast): Promise<boolean>;
}

/** Answers what a client at `ip` asks. Its `routes` tell what that is. */
export function seedApp(ip: string, host: SeedHost, log: ApiLog): Hono<ApiEnv> {
  const app = new Hono<ApiEnv>();
  app.onError(errorHandler(log));
  app.use(requestId());
  app.use(async (c, next) => {
    c.set('nodeName', 'node');
    await next();
  });
  app.put('/api/v1/network/join', async (c) => c.json({ address: ip, guid: await host.join() }));
  app.get('/api/v1/nodes/:guid', async (c) => {
    const asked = checkInput('path', z.object({ guid }), { guid: Number(c.req.param('guid')) });
    return c.json(await host.lookup(asked.guid));
  });
  app.post('/api/v1/sync', async (c) => {
    // What it says of others is not believed, of the highest least of all.
    checkInput('body', syncRequest, await readJson(c));
    return c.json(await host.highest());
  });
  app.put('/api/v1/broadcast', async (c) => {
    // Hops to go and who has seen it are not asked for: the tree has its own bound, and the original's README gives too few hops.
    const { id, broadcast_timestamp: at, data, originator } = checkInput('body', broadcastRequest, await readJson(c));
    if (id === null || at === null) {
      throw invalidInput('body', [{ path: 'id', message: 'give it to your own node, which stamps it' }]);
    }
    return c.json(await host.take({ id, at, originator: originator.guid, data: data as JsonObject }));
  });
  return app;
}

/** Whether a request is a client's call to join: it has no keys, and no body. */
export function isSeedJoin(request: Request): boolean {
  const isEmpty = request.headers.get('content-length') === '0' || request.body === null;
  return request.method === 'PUT' && new URL(request.url).pathname === '/api/v1/network/join' && isEmpty;
}

/** Whether a client's app answers a request. */
export function answers(app: Hono<ApiEnv>, request: Request): boolean {
  const given = new URL(request.url).pathname.split('/');
  return app.routes.some(({ method, path }) => {
    const pattern = path.split('/');
    const isPath =
      pattern.length === given.length && pattern.every((part, at) => part.startsWith(':') || part === given[at]);
    return method === request.method && isPath;
  });
}

/** A client answered, and refused. */
export class AnsweredError extends Error {}

/** Calls to a client. They reject where it does not answer as the original does. */
export class SeedCaller {
  readonly #base: string;
  readonly #call: (request: Request, init: { readonly signal: AbortSignal }) => Promise<Response>;

  constructor(
    ip: string,
    port: number,
    call: (request: Request, init: { readonly signal: AbortSignal }) => Promise<Response>,
  ) {
    this.#base = `http://${ip}:${port}/api/v1`;
    this.#call = call;
  }

  async status(): Promise<void> {
    await this.#ask('GET', 'status');
  }

  /**
   * Brings it a message under a number. `to`: the client's GUID; `host`: the bare address that stands for all others. False: it drops it, as it
   * knows that number or a higher one.
   */
  async broadcast(
    { data, originator, broadcastAt }: StoredMessage,
    id: number,
    to: { readonly guid: Guid; readonly maxGuid: Guid },
    host: string,
  ): Promise<boolean> {
    // Whom it would pass it on to. It need not: all of them have it of us.
    const others = primaryPeers(to.guid, Math.max(to.guid, to.maxGuid));
    const answer = await this.#ask('PUT', 'broadcast', {
      data,
      id,
      originator: { address: host, guid: originator.guid },
      broadcast_timestamp: broadcastAt / 1000,
      ttl: 1,
      seen_by: [...new Set([originator.guid, ...others])],
    });
    if (typeof answer !== 'boolean') throw new Error('its answer to a broadcast is neither true nor false');
    return answer;
  }

  /** Any JSON that comes with a status below 300. */
  async #ask(method: string, path: string, body?: object): Promise<unknown> {
    const request = new Request(`${this.#base}/${path}`, {
      method,
      ...(body && { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
    });
    const response = await this.#call(request, { signal: AbortSignal.timeout(CALL_MS) });
    const bytes = await readCapped(response.body, ANSWER_BYTES_MAX);
    if (!response.ok) throw new AnsweredError(`answered ${response.status}`);
    return JSON.parse(new TextDecoder().decode(bytes)) as unknown;
  }
}
