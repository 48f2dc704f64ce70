// What a caller is told when something is refused or fails: RFC 9457 problem+json, and nothing from inside.
import type { Context, Env, ErrorHandler, NotFoundHandler } from 'hono';
import type { RouterRoute } from 'hono/types';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { ApiEnv, ApiLog } from './env.ts';
import { ANSWER_MS, OverdueError, UnavailableError } from './failures.ts';

/** Every kind of problem. The slug ends its `type`, for programs; the title is for people. */
export const PROBLEMS = {
  'malformed-body': { status: 400, title: 'The body cannot be read' },
  'admin-token-wrong': { status: 401, title: 'The operator token is missing or wrong' },
  'join-token-wrong': { status: 401, title: 'The join token is missing or wrong' },
  'unauthenticated': { status: 401, title: 'The request is not authenticated' },
  'not-admitted': { status: 403, title: 'Not admitted' },
  'admin-token-unset': { status: 403, title: 'Operator calls are switched off' },
  'not-found': { status: 404, title: 'Not found' },
  'no-such-slot': { status: 404, title: 'No such node in this deployment' },
  'no-boot-node': { status: 404, title: 'No boot node in this deployment' },
  'no-beacon': { status: 404, title: 'No beacon in this deployment' },
  'no-such-stream': { status: 404, title: 'No such stream' },
  'not-at-boot-node': { status: 404, title: 'Not at the boot node' },
  'method-not-allowed': { status: 405, title: 'Method not allowed' },
  'left': { status: 409, title: 'The node has left the network' },
  'stale-record': { status: 409, title: 'A later record of this key is known' },
  'backup-refused': { status: 409, title: 'The backup does not fit this boot node' },
  'body-too-large': { status: 413, title: 'The body is too large' },
  'message-too-large': { status: 413, title: 'The message is too large' },
  'unsupported-media-type': { status: 415, title: 'The body is not plain JSON' },
  'invalid-input': { status: 422, title: 'The input is not valid' },
  'members-need-keys': { status: 422, title: 'Members are admitted by key' },
  'message-rejected': { status: 422, title: 'The message was rejected' },
  'key-reused': { status: 422, title: 'The Idempotency-Key was used for another message' },
  'shut-out': { status: 429, title: 'Not heard for a while' },
  'too-many-requests': { status: 429, title: 'Too many requests' },
  'failed': { status: 500, title: 'Internal error' },
  'not-joined': { status: 503, title: 'The node has not joined yet' },
  'mempool-full': { status: 503, title: 'The mempool is full' },
  'too-many-readers': { status: 503, title: 'Too many readers' },
  'boot-starting': { status: 503, title: 'The boot node is not ready' },
  'boot-lost': { status: 503, title: 'The boot node lost its storage' },
  'network-full': { status: 503, title: 'The network is full' },
  'unavailable': { status: 503, title: 'Unavailable for the moment' },
  'overdue': { status: 503, title: 'No answer in time' },
} as const satisfies Record<string, { status: ContentfulStatusCode; title: string }>;

export const PROBLEM_TYPE = 'application/problem+json';

export type ProblemSlug = keyof typeof PROBLEMS;

/** One wrong place in the input. `path` as in `data.items[3].name`; empty for the whole. */
export interface InputError {
  readonly path: string;
  readonly message: string;
}

interface ProblemExtras {
  readonly errors?: readonly InputError[];
  readonly headers?: Readonly<Record<string, string>>;
}

const RETRY_SOON: ProblemExtras = { headers: { 'Retry-After': '1' } };
/** What hangs is seldom well a second later. */
const RETRY_LATER: ProblemExtras = { headers: { 'Retry-After': '5' } };

/** Longest error text that is logged, characters. */
const ERROR_CHARS_MAX = 4_096;

/** Refuses the request when thrown. `detail` is shown to the caller. */
export class ProblemError extends Error {
  readonly slug: ProblemSlug;
  readonly extras: ProblemExtras;

  constructor(slug: ProblemSlug, detail: string, extras: ProblemExtras = {}) {
    super(detail);
    this.name = 'ProblemError';
    this.slug = slug;
    this.extras = extras;
  }
}

/** The input is wrong in these places: a 422. `what` names the part of the request, such as "body". */
export function invalidInput(what: string, errors: readonly InputError[]): ProblemError {
  return new ProblemError('invalid-input', `the ${what} is not valid`, { errors });
}

/** The node cannot do it before the boot node has answered it. */
export function notJoined(): ProblemError {
  return new ProblemError('not-joined', 'this node has no GUID yet: try again in a second', {
    headers: { 'Retry-After': '1' },
  });
}

/** The node cannot take what it was given now. */
export function busy(): ProblemError {
  return new ProblemError('unavailable', 'the node cannot take messages now: try again', RETRY_SOON);
}

/** The cursor is none of ours. */
export function unknownCursor(): ProblemError {
  return invalidInput('query', [{ path: 'cursor', message: 'not a cursor of this list' }]);
}

/** The caller speaks with a GUID or key that it did not prove: the same answer as to any other call that proves nothing. */
export function unauthenticated(): ProblemError {
  return new ProblemError(
    'unauthenticated',
    'sign the request as a member of this network: RFC 9421, docs/protocol.md',
    {
      headers: { 'WWW-Authenticate': 'Signature realm="pychain"' },
    },
  );
}

/** The problem+json response. */
export function problemResponse<E extends Env>(
  c: Context<E>,
  slug: ProblemSlug,
  detail: string,
  extras: ProblemExtras,
): Response {
  const { status, title } = PROBLEMS[slug];
  const body = {
    type: `urn:pychain:problem:${slug}`,
    title,
    status,
    detail,
    ...(extras.errors && { errors: extras.errors }),
  };
  return c.body(JSON.stringify(body), status, { ...extras.headers, 'Content-Type': PROBLEM_TYPE });
}

/** Answers for everything that is thrown. Only a ProblemError's text reaches the caller; other errors go to the log. */
export function errorHandler(log: ApiLog): ErrorHandler<ApiEnv> {
  return (error, c) => {
    if (error instanceof ProblemError) return problemResponse(c, error.slug, error.message, error.extras);
    const { method, path } = c.req;
    const fields = { request_id: c.var.requestId, method, path, error: errorText(error) };
    if (error instanceof UnavailableError) {
      log(c.var.nodeName, 'request_unavailable', fields);
      return problemResponse(c, 'unavailable', 'the node could not answer: try again', RETRY_SOON);
    }
    if (error instanceof OverdueError) {
      log(c.var.nodeName, 'request_overdue', fields);
      return problemResponse(c, 'overdue', overdueText(method), RETRY_LATER);
    }
    log(c.var.nodeName, 'request_failed', fields);
    return problemResponse(c, 'failed', 'the error was logged under this X-Request-Id', {});
  };
}

/** What a caller has to know before it asks again. */
function overdueText(method: string): string {
  const what = `no answer within ${ANSWER_MS / 1_000} s`;
  if (method === 'GET' || method === 'HEAD') return `${what}: try again`;
  return `${what}: whether it was done, or still will be, is open; a message with an Idempotency-Key can be given again with the same one`;
}

/** What a page of another origin may send: `*` does not stand for `Authorization`. */
const PREFLIGHT = {
  'Access-Control-Allow-Headers': 'authorization, content-type, idempotency-key, last-event-id',
  'Access-Control-Max-Age': '7200',
};

/**
 * 404, or 405 with `Allow` where the path has other methods; OPTIONS is a browser's question what a page of another origin may do. Never PUT:
 * those are the original's calls, which a node believes by their address, and that would be the address of whoever looks at the page.
 * `routes` as in `app.routes`, read at the first request.
 */
export function notFoundHandler(routes: () => readonly RouterRoute[]): NotFoundHandler<ApiEnv> {
  let compiled: readonly { readonly method: string; readonly pattern: RegExp }[] | null = null;
  return (c) => {
    // Middleware and answers for every method are under ALL.
    compiled ??= routes()
      .filter((route) => route.method !== 'ALL')
      .map((route) => ({ method: route.method, pattern: pathPattern(route.path) }));
    const path = c.req.path;
    const methods = new Set(compiled.filter((route) => route.pattern.test(path)).map((route) => route.method));
    if (methods.size === 0) return problemResponse(c, 'not-found', 'there is nothing at this path', {});
    if (methods.has('GET')) methods.add('HEAD');
    const allow = [...methods].toSorted().join(', ');
    if (c.req.method === 'OPTIONS' && allow !== 'PUT') {
      return c.body(null, 204, { ...PREFLIGHT, 'Access-Control-Allow-Methods': allow.replace(', PUT', '') });
    }
    return problemResponse(c, 'method-not-allowed', `this path takes ${allow}`, { headers: { Allow: allow } });
  };
}

/** For the log: with the stack, and that of what a gateway threw. */
function errorText(error: Error): string {
  const cause = error.cause ?? error;
  const text = cause instanceof Error ? (cause.stack ?? String(cause)) : `threw ${typeof cause}: ${safeText(cause)}`;
  return text.slice(0, ERROR_CHARS_MAX);
}

function safeText(value: unknown): string {
  try {
    return String(value);
  } catch {
    return 'no text';
  }
}

function pathPattern(path: string): RegExp {
  const parts = path
    .split('/')
    .map((part) => (part.startsWith(':') ? '[^/]+' : part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')));
  return new RegExp(`^${parts.join('/')}$`);
}
