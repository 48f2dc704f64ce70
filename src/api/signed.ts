// The one place where callers from outside prove who they are. Cheap checks come first: the form of the signature fields, then the body and
// the signature, and last what costs the node something: certificate, rate and standing of the member, nonce. Every failure looks alike to the caller; the reason is in the log.
import type { Context, MiddlewareHandler } from 'hono';
import { isSigned, precheckRequest, verifyRequest, type SignatureFault } from '../crypto/http-signature.ts';
import { TokenBucket } from '../protocol/token-bucket.ts';
import { readBody } from './body.ts';
import type { ApiEnv, ApiLog, BeaconEnv, Caller, NodeEnv } from './env.ts';
import { ask } from './failures.ts';
import { busy, notJoined, ProblemError, unauthenticated } from './problem.ts';

/** Who may call: a certified peer of the node, a certified member, whoever has a key, or anybody, who is then believed nothing. */
export type Signing = 'peer' | 'member' | 'key' | 'optional';

/** Refusals that are logged, a second and at once: strangers must not fill the log. */
const LOGGED_PER_SECOND = 5;
const LOGGED_BURST = 50;

/**
 * Middleware that sets `caller`. `peer` and `optional` are for nodes, whose gateway looks at certificate, standing and nonce; `member` is for the
 * beacon, whose gateway looks at the certificate: what it is told twice counts once.
 */
export function requireSignature(signing: Signing, log: ApiLog): MiddlewareHandler<ApiEnv> {
  const logged = new TokenBucket(LOGGED_PER_SECOND, LOGGED_BURST, 0);
  const refuse = (c: Context<ApiEnv>, reason: SignatureFault): never => {
    if (logged.take(1, Date.now())) {
      const fields = { request_id: c.var.requestId, path: c.req.path, reason };
      log(c.var.nodeName, 'request_unauthenticated', fields);
    }
    throw unauthenticated();
  };
  return async (c, next) => {
    // The boot node believes nobody at sync, so it looks at no signature there.
    const isAnybody = !isSigned(c.req.raw.headers) || (c as unknown as Context<NodeEnv>).get('node') === undefined;
    if (signing === 'optional' && isAnybody) return await next();
    const early = precheckRequest(c.req.raw.headers);
    if (early) return refuse(c, early);
    const { method, url, headers } = c.req.raw;
    const verified = await verifyRequest({ method, url, headers }, await readBody(c), Date.now());
    if (!verified.ok) return refuse(c, verified.error);
    const { publicKey, credential, nonce } = verified.value;
    if (signing !== 'key') {
      if (credential === null) return refuse(c, 'no-certificate');
      const admission = await ask(() =>
        signing === 'member'
          ? (c as unknown as Context<BeaconEnv>).var.beacon.admit(verified.value)
          : (c as unknown as Context<NodeEnv>).var.node.admit(verified.value),
      );
      if (admission !== 'ok') throw refusalOf(admission) ?? refuse(c, admission);
    }
    const caller: Caller = { publicKey, guid: credential?.guid ?? null, nonce };
    c.set('caller', caller);
    return await next();
  };
}

/** Lets a certified peer pass who signs, and else an operator. */
export function operatorOrPeer(operatorOnly: MiddlewareHandler<ApiEnv>, log: ApiLog): MiddlewareHandler<ApiEnv> {
  const peersOnly = requireSignature('peer', log);
  return async (c, next) => await (isSigned(c.req.raw.headers) ? peersOnly : operatorOnly)(c, next);
}

/** The refusals that an honest caller can do something about; null for those that are a 401. */
function refusalOf(admission: string): ProblemError | null {
  switch (admission) {
    case 'limited':
      return new ProblemError('too-many-requests', 'too many calls of this member: come slower', {
        headers: { 'Retry-After': '1' },
      });
    case 'shut-out':
      return new ProblemError('shut-out', 'this member sent what no honest node sends: it is not heard for a while', {
        headers: { 'Retry-After': '40' },
      });
    case 'busy':
      return busy();
    case 'not-joined':
      return notJoined();
    default:
      return null;
  }
}
