// One request to a node: in time, no longer than it may be, and a PychainError for all that is no answer.
import { believe, readProblem, type Check } from './checks.ts';
import { PychainError, timedOut, unexpected, unreachable } from './error.ts';

/** What is needed of `fetch`: the platform's, or one that does the same. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** A node, and how it is asked. */
export interface Target {
  /** Base URL of its API, without a trailing slash. */
  readonly api: string;
  readonly token: string | null;
  readonly timeoutMs: number;
  readonly fetch: Fetch;
}

export interface Asking {
  readonly method?: 'GET' | 'POST';
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/** Longest answer that is read, characters (guess: a page of messages has about a million). */
const ANSWER_CHARS_MAX = 16_000_000;

/** Asks, and gives the answer once it is checked. Rejects with a PychainError, or with the signal's reason. */
export async function ask<T>(target: Target, path: string, check: Check<T>, asking: Asking = {}): Promise<T> {
  const url = `${target.api}${path}`;
  const { method = 'GET', body, signal } = asking;
  const headers: Record<string, string> = { ...asking.headers };
  if (body) headers['content-type'] = 'application/json';
  if (method !== 'GET' && target.token !== null) headers['authorization'] = `Bearer ${target.token}`;
  const timeout = AbortSignal.timeout(target.timeoutMs);
  const init: RequestInit = {
    method,
    headers,
    // Not 'error', which Workers do not have. Whoever moves tells the operator; a token goes nowhere else.
    redirect: 'manual',
    signal: signal ? AbortSignal.any([timeout, signal]) : timeout,
    ...(body && { body: JSON.stringify(body) }),
  };
  let response: Response;
  let text: string;
  try {
    response = await target.fetch(url, init);
    text = await readText(response, url);
  } catch (cause) {
    if (cause instanceof PychainError) throw cause;
    if (signal?.aborted) throw signal.reason;
    if (timeout.aborted) throw timedOut(`${url}: no answer within ${target.timeoutMs / 1000} s`);
    throw unreachable(`${url}: ${reasonOf(cause)}`, cause);
  }
  if (!response.ok) throw problemOf(response, text, url);
  return believe(check, parse(text, url, response.status), url);
}

/** What a node said in place of an answer. */
export function problemOf(response: Response, text: string, url: string): PychainError {
  const { status } = response;
  // Browsers do not even show the status.
  if (status === 0 || (status >= 300 && status < 400))
    return unexpected(`${url}: redirects; give the URL that it leads to`, status);
  let value: unknown = null;
  try {
    value = JSON.parse(text);
  } catch {
    // A proxy's page: its status says enough.
  }
  const said = readProblem(value);
  return new PychainError({
    status,
    type: said.type ?? 'about:blank',
    title: said.title ?? `HTTP ${status}`,
    detail: said.detail ?? said.title ?? `${url}: answered ${status}`,
    errors: said.errors,
    retryAfterMs: retryAfterOf(response),
  });
}

/** The body as text. Rejects where it is longer than any answer of a node. */
export async function readText(response: Response, url: string): Promise<string> {
  const reader = response.body?.getReader();
  if (!reader) return '';
  const decoder = new TextDecoder();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    text += decoder.decode(value, { stream: true });
    if (text.length <= ANSWER_CHARS_MAX) continue;
    await reader.cancel();
    throw unexpected(`${url}: the answer is longer than ${ANSWER_CHARS_MAX} characters`, response.status);
  }
}

/** The text of what was thrown. The platform's `fetch` says why only in the cause. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  return cause instanceof Error && cause.message !== '' ? cause.message : error.message;
}

function parse(text: string, url: string, status: number): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw unexpected(`${url}: answers, but not with JSON: is it a node of a pychain network?`, status, cause);
  }
}

function retryAfterOf(response: Response): number | null {
  const text = response.headers.get('retry-after');
  return text !== null && /^\d{1,9}$/.test(text) ? Number(text) * 1000 : null;
}
