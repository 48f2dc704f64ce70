// Secrets that callers must know: `Authorization: Bearer ADMIN_TOKEN` for operators, JOIN_TOKEN for joiners of a private network.
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import type { MiddlewareHandler } from 'hono';
import type { ApiEnv } from './env.ts';
import { ProblemError } from './problem.ts';

const BEARER = /^Bearer +(\S+)$/i;

/**
 * Lets operators pass. Without a configured token nobody is one (403); a missing or wrong one is a 401. Runs before the
 * body is read, so that a stranger cannot make us read one.
 */
export function requireAdmin(adminToken: string | null): MiddlewareHandler<ApiEnv> {
  const expected = adminToken === null || adminToken === '' ? null : digest(adminToken);
  return async (c, next) => {
    if (expected === null) {
      throw new ProblemError(
        'admin-token-unset',
        'ADMIN_TOKEN is not set: give the deployment one to allow operator calls',
      );
    }
    const given = BEARER.exec(c.req.header('Authorization') ?? '')?.[1];
    if (given === undefined) {
      throw unauthorized('give the operator token: Authorization: Bearer ADMIN_TOKEN', 'Bearer realm="pychain"');
    }
    if (!sameBytes(digest(given), expected)) {
      throw unauthorized('the operator token is wrong', 'Bearer realm="pychain", error="invalid_token"');
    }
    await next();
  };
}

/** Lets joiners pass who know the token of a private network; without one everybody may ask. */
export function requireJoinToken(joinToken: string | null): MiddlewareHandler<ApiEnv> {
  const expected = joinToken === null || joinToken === '' ? null : digest(joinToken);
  return async (c, next) => {
    const given = BEARER.exec(c.req.header('Authorization') ?? '')?.[1];
    if (expected !== null && (given === undefined || !sameBytes(digest(given), expected))) {
      throw new ProblemError('join-token-wrong', "give the network's token: Authorization: Bearer JOIN_TOKEN", {
        headers: { 'WWW-Authenticate': 'Bearer realm="pychain"' },
      });
    }
    await next();
  };
}

function unauthorized(detail: string, challenge: string): ProblemError {
  return new ProblemError('admin-token-wrong', detail, { headers: { 'WWW-Authenticate': challenge } });
}

/** Of equal length whatever the token's, so that comparing tells nothing of it. */
function digest(token: string): Uint8Array {
  return sha256(utf8ToBytes(token));
}

/** Looks at every byte, so that the time tells nothing of where the first difference is. */
function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}
