// Routes as data: what each takes and what it answers, in schemas. Requests are checked with these and the OpenAPI
// document is made of them, so that the two cannot differ.
import { Hono, type Context, type MiddlewareHandler, type TypedResponse } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { JSONParsed } from 'hono/utils/types';
import type * as z from 'zod';
import { requireAdmin, requireJoinToken } from './auth.ts';
import { readJson } from './body.ts';
import type { ApiConfig, ApiEnv, ApiLog } from './env.ts';
import { checkInput } from './input.ts';
import type { PROBLEM_TYPE } from './problem.ts';
import { shield } from './shield.ts';
import { operatorOrPeer, requireSignature, type Signing } from './signed.ts';

/** One answer of a route: its media type, and the shape of what it carries. */
export interface Answer<Schema extends z.ZodType = z.ZodType, Type extends string = string> {
  readonly description: string;
  readonly type: Type;
  readonly schema: Schema;
}

export interface Route {
  readonly method: 'get' | 'post' | 'put';
  /** As OpenAPI has it: `/nodes/{guid}`. */
  readonly path: `/${string}`;
  readonly summary: string;
  /** Runs before anything else is looked at. */
  readonly before?: MiddlewareHandler<ApiEnv>;
  /** Needs the operator's token, or where `signing` is set too, that; the body of a stranger is not read. */
  readonly isOperatorCall?: true;
  /** Needs the network's JOIN_TOKEN, where it has one. */
  readonly isJoinCall?: true;
  /** Slowed where one network calls too often, though nothing is signed. */
  readonly isShielded?: true;
  /** Who must have signed the request. */
  readonly signing?: Signing;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  /** Names in lower case. */
  readonly headers?: z.ZodObject;
  /** JSON. */
  readonly body?: z.ZodType;
  /** How deep the body may be nested; as a message needs it, unless given. */
  readonly bodyDepthMax?: number;
  /** What the connection may become instead of being answered (101). */
  readonly upgrade?: string;
  readonly responses: Readonly<Partial<Record<ContentfulStatusCode, Answer>>>;
}

type Part = 'params' | 'query' | 'headers' | 'body';

/** The parts of a request that a route has schemas for, as these read them. */
export type Input<R extends Route> = {
  readonly [P in Part & keyof R]: R[P] extends z.ZodType ? z.output<R[P]> : never;
};

/** What a handler may return; problems are thrown. */
export type Reply<R extends Route> = Response &
  {
    [Status in keyof R['responses'] & ContentfulStatusCode]: R['responses'][Status] extends Answer<
      infer Schema,
      infer Type
    >
      ? Type extends typeof PROBLEM_TYPE
        ? never
        : TypedResponse<JSONParsed<z.output<Schema>>, Status, string>
      : never;
  }[keyof R['responses'] & ContentfulStatusCode];

/** A route with the code that answers it. */
export interface Endpoint<E extends ApiEnv> {
  readonly route: Route;
  handle(c: Context<E>): Promise<Response>;
}

/** Keeps the exact type of a description, which `serve` needs to type what the handler gets and returns. */
export function defineRoute<const R extends Route>(route: R): R {
  return route;
}

/** Answers a route. The handler gets what has passed the schemas. */
export function serve<E extends ApiEnv, R extends Route>(
  route: R,
  handler: (c: Context<E>, input: Input<R>) => Promise<Reply<R>>,
): Endpoint<E> {
  return {
    route,
    // The parts are those of the route, as Input<R> has them.
    handle: async (c) => handler(c, (await readInput(c as unknown as Context<ApiEnv>, route)) as Input<R>),
  };
}

/** An app of these endpoints. */
export function mount<E extends ApiEnv>(endpoints: readonly Endpoint<E>[], config: ApiConfig, log: ApiLog): Hono<E> {
  const app = new Hono<E>();
  const operatorOnly = requireAdmin(config.adminToken);
  const joinersOnly = requireJoinToken(config.joinToken);
  const shielded = shield(config.clientAddressHeader);
  for (const { route, handle } of endpoints) {
    const path = route.path.replace(/\{(\w+)\}/g, ':$1');
    const use = (middleware: MiddlewareHandler<ApiEnv>) => app.on(route.method, path, middleware);
    if (route.before) use(route.before);
    if (route.isShielded || route.signing) use(shielded);
    if (route.isJoinCall) use(joinersOnly);
    if (route.isOperatorCall) use(route.signing ? operatorOrPeer(operatorOnly, log) : operatorOnly);
    else if (route.signing) use(requireSignature(route.signing, log));
    app.on(route.method, path, handle);
  }
  return app;
}

/** Throws where the request does not fit: about the first part that does not. */
async function readInput(c: Context<ApiEnv>, route: Route): Promise<Partial<Record<Part, unknown>>> {
  // A body that cannot be read at all comes first, whatever else is wrong.
  const body = route.body ? await readJson(c, route.bodyDepthMax) : undefined;
  return {
    ...(route.query && { query: checkInput('query', route.query, queryOf(c)) }),
    ...(route.params && { params: checkInput('path', route.params, c.req.param()) }),
    ...(route.headers && { headers: checkInput('header', route.headers, c.req.header()) }),
    ...(route.body && { body: checkInput('body', route.body, body) }),
  };
}

/** What is given once is a string, and what is given again a list, which no schema takes. */
function queryOf(c: Context): Record<string, unknown> {
  const pairs = Object.entries(c.req.queries());
  return Object.fromEntries(pairs.map(([name, values]) => [name, values.length === 1 ? values[0] : values]));
}
