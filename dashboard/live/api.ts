// The deployment that this page was loaded from.
import type { Check } from '../../src/client/checks.ts';
import { PychainClient } from '../../src/client/client.ts';
import { PychainError } from '../../src/client/error.ts';
import { ask, type Asking } from '../../src/client/http.ts';

const TIMEOUT_MS = 15_000;

/** Where it answers, without a trailing slash. */
export function origin(): string {
  return location.origin;
}

/** Base URL of a hosted node; of the boot node with null. */
export function baseOf(slot: number | null): string {
  return slot === null ? origin() : `${origin()}/n/${slot}`;
}

export function clientOf(slot: number | null, token?: string): PychainClient {
  return new PychainClient({ url: baseOf(slot), token, timeoutMs: TIMEOUT_MS });
}

/** Asks what the client has no method for. Rejects with a PychainError. */
export function askAt<T>(
  slot: number | null,
  path: string,
  check: Check<T>,
  asking?: Asking,
  token?: string,
): Promise<T> {
  const fetchAny = (url: string, init: RequestInit) => fetch(url, { ...init, cache: 'no-store' });
  const target = { api: `${baseOf(slot)}/api/v1`, token: token ?? null, timeoutMs: TIMEOUT_MS, fetch: fetchAny };
  return ask(target, path, check, asking);
}

/** The text of `/metrics`. */
export async function metricsOf(slot: number): Promise<string> {
  const response = await fetch(`${baseOf(slot)}/api/v1/metrics`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!response.ok) throw new Error(`metrics of ${baseOf(slot)}: ${response.status}`);
  return await response.text();
}

/** What went wrong, for people. */
export function reasonOf(error: unknown): string {
  if (error instanceof PychainError) return error.status === null ? 'It does not answer.' : sentence(error.message);
  return sentence(error instanceof Error ? error.message : String(error));
}

/** Whether a node, or the deployment, refused with this problem. */
export function isProblem(error: unknown, ...slugs: readonly string[]): boolean {
  return error instanceof PychainError && slugs.some((slug) => error.type === `urn:pychain:problem:${slug}`);
}

function sentence(text: string): string {
  const start = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(start) ? start : `${start}.`;
}
