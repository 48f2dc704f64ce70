// The outer shield: how often one client may call what costs us cryptography or a look at the boot node, before anything is
// looked at. By the client's network, in this isolate's memory: not an account, a brake. Exact budgets are kept per member.
import type { MiddlewareHandler } from 'hono';
import { TokenBucket } from '../protocol/token-bucket.ts';
import type { ApiEnv } from './env.ts';
import { ProblemError } from './problem.ts';

/** Calls a second and at once from one network (guess: a deployment of a hundred nodes syncs with fewer). */
const PER_SECOND = 50;
const BURST = 500;

/** Longest text of an address, IPv6 with an embedded IPv4 address. */
const ADDRESS_CHARS_MAX = 45;

/** Networks that are remembered; the oldest gives way. */
const NETWORKS_MAX = 10_000;

/** Middleware for the calls that strangers may make. Where the platform does not say who calls, as locally, nobody is slowed. */
export function shield(clientAddressHeader: string | null): MiddlewareHandler<ApiEnv> {
  const buckets = new Map<string, TokenBucket>();
  return async (c, next) => {
    const address = clientAddressHeader === null ? undefined : c.req.header(clientAddressHeader);
    if (address !== undefined && !take(buckets, networkOf(address), Date.now())) {
      throw new ProblemError('too-many-requests', 'too many calls from this network: come slower', {
        headers: { 'Retry-After': '1' },
      });
    }
    await next();
  };
}

function take(buckets: Map<string, TokenBucket>, network: string, now: number): boolean {
  let bucket = buckets.get(network);
  if (!bucket) {
    const oldest = buckets.keys().next();
    if (buckets.size >= NETWORKS_MAX && !oldest.done) buckets.delete(oldest.value);
    buckets.set(network, (bucket = new TokenBucket(PER_SECOND, BURST, now)));
  }
  return bucket.take(1, now);
}

/** An IPv4 address, or the first half of an IPv6 address, which is what one subscriber has. */
export function networkOf(address: string): string {
  const short = address.slice(0, ADDRESS_CHARS_MAX).toLowerCase();
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(short)?.[1];
  if (mapped !== undefined || !short.includes(':')) return mapped ?? short;
  const [head = '', tail = ''] = short.split('::');
  const groups = head === '' ? [] : head.split(':');
  const missing = short.includes('::') ? 8 - groups.length - (tail === '' ? 0 : tail.split(':').length) : 0;
  const zeros = Array.from({ length: Math.max(0, missing) }, () => '0');
  return [...groups, ...zeros, ...(tail === '' ? [] : tail.split(':'))].slice(0, 4).join(':');
}
