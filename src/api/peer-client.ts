// Calls to peers outside, over HTTP /api/v1. Each has a time limit that covers its body, an answer of bounded size, no redirects and only an
// address that a peer may have; an answer counts only where it is signed with the key that the peer is known by.
import type * as z from 'zod';
import { freshNonce, signRequest, type Credential } from '../crypto/http-signature.ts';
import type { Signer } from '../crypto/keys.ts';
import { verifyAnswer } from '../crypto/signatures.ts';
import { addressFault, type AddressPolicy } from '../protocol/address.ts';
import type { Outcome, PeerFault } from '../protocol/effects.ts';
import { ANSWER_BYTES_MAX, PROTOCOL } from '../protocol/limits.ts';
import { readMember, writeMember } from '../protocol/member.ts';
import { isObject } from '../protocol/message.ts';
import { reasonOf } from '../protocol/reason.ts';
import { parseJson } from '../protocol/scan-json.ts';
import { unseal } from '../protocol/seal.ts';
import type { SyncAnswer, SyncRequest } from '../protocol/sync.ts';
import type { Certificate, Delivery, Guid, JsonObject, JsonValue, Millis } from '../protocol/types.ts';
import { readCapped, TooLargeError } from './read-capped.ts';
import * as schemas from './schemas.ts';

/** A peer as it is called. */
export interface PeerAddress {
  readonly guid: Guid;
  readonly address: string;
  readonly publicKey: string;
}

/** In whose name a call is made. */
export interface CallingNode {
  readonly signer: Signer;
  readonly credential: Credential;
}

/** What a probe found: a peer, something else, or nothing. */
export type Probed =
  | { readonly type: 'peer'; readonly capabilities: readonly string[]; readonly certificate: Certificate | null }
  | { readonly type: 'refused'; readonly fault: PeerFault }
  | { readonly type: 'silent'; readonly reason: string };

export interface PeerClient {
  /** Who answers at a peer's address? Never rejects. */
  probe(peer: PeerAddress, timeoutMs: Millis): Promise<Probed>;
  /** Whether the node at an address has a key, joined or not; what is wrong, or null. Never rejects. */
  prove(address: string, publicKey: string, timeoutMs: Millis): Promise<string | null>;
  /** Network sync. The members of the answer are still to be checked. Rejects where there is no answer that counts. */
  sync(peer: PeerAddress, request: SyncRequest, from: CallingNode, timeoutMs: Millis): Promise<SyncAnswer>;
  /** Hands deliveries over; an outcome each. Rejects where there is no answer that counts. */
  deliver(
    peer: PeerAddress,
    deliveries: readonly Delivery[],
    maxGuid: Guid,
    from: CallingNode,
    timeoutMs: Millis,
  ): Promise<readonly Outcome[]>;
}

export interface PeerClientOptions {
  readonly network: string;
  readonly policy: AddressPolicy;
  readonly fetch: (request: Request, init: { readonly signal: AbortSignal }) => Promise<Response>;
  readonly now: () => Millis;
}

/** Answers are not nested deeper than member records are. */
const ANSWER_DEPTH_MAX = 16;

/** What answered is no peer, though something answered. */
class NoPeerError extends Error {
  readonly fault: PeerFault;

  constructor(fault: PeerFault) {
    super(fault);
    this.name = 'NoPeerError';
    this.fault = fault;
  }
}

export function createPeerClient({ network, policy, fetch, now }: PeerClientOptions): PeerClient {
  const call = async (address: string, request: () => Promise<Request>, timeoutMs: Millis): Promise<JsonObject> => {
    const fault = addressFault(address, policy);
    if (fault) throw new Error(`the address may not be called: ${fault}`);
    return await readObject(await fetch(await request(), { signal: AbortSignal.timeout(timeoutMs) }));
  };
  const get = (address: string, path: string, nonce: string, timeoutMs: Millis) =>
    call(address, async () => new Request(`${address}${path}?nonce=${nonce}`, { redirect: 'manual' }), timeoutMs);
  const post = async (peer: PeerAddress, path: string, body: JsonValue, from: CallingNode, timeoutMs: Millis) => {
    const nonce = freshNonce();
    const outgoing = { method: 'POST', url: `${peer.address}${path}`, body: JSON.stringify(body) } as const;
    const signed = () => signRequest(outgoing, from.signer, from.credential, nonce, now());
    const answer = await call(peer.address, signed, timeoutMs);
    if (!(await verifyAnswer(peer.publicKey, nonce, answer))) throw new NoPeerError('key-unproven');
    return answer;
  };
  return {
    async probe(peer, timeoutMs) {
      const nonce = freshNonce();
      try {
        const answer = await get(peer.address, '/api/v1/status', nonce, timeoutMs);
        const fault = await statusFault(answer, peer, network, nonce);
        if (fault) return { type: 'refused', fault };
        const { capabilities, certificate = null, left_at: leftAt = null } = schemas.peerStatus.parse(answer);
        if (leftAt !== null) return { type: 'silent', reason: 'it has left the network' };
        return { type: 'peer', capabilities, certificate: certificate && certificateOf(certificate) };
      } catch (cause) {
        if (cause instanceof NoPeerError) return { type: 'refused', fault: cause.fault };
        // A peer that is overloaded or has not joined says so; what has no such page is none.
        const isElsewhere = cause instanceof HttpError && cause.status < 500 && cause.status !== 429;
        if (isElsewhere) return { type: 'refused', fault: 'not-pychain' };
        return { type: 'silent', reason: reasonOf(cause) };
      }
    },
    async prove(address, publicKey, timeoutMs) {
      const nonce = freshNonce();
      try {
        const answer = await get(address, '/api/v1/network/challenge', nonce, timeoutMs);
        if (answer['network'] !== network) return 'another network';
        if (answer['protocol'] !== PROTOCOL) return 'another protocol';
        return (await verifyAnswer(publicKey, nonce, answer)) ? null : 'the key is not proved';
      } catch (cause) {
        return reasonOf(cause);
      }
    },
    async sync(peer, request, from, timeoutMs) {
      return syncAnswerOf(await post(peer, '/api/v1/sync', syncBody(request), from, timeoutMs));
    },
    async deliver(peer, deliveries, maxGuid, from, timeoutMs) {
      const body = { max_guid: maxGuid, deliveries: deliveries.map(deliveryBody) };
      const { outcomes } = readAnswer(
        schemas.deliveriesAnswer,
        await post(peer, '/api/v1/deliveries', body, from, timeoutMs),
      );
      return outcomes;
    },
  };
}

/** The JSON object of a good answer. */
async function readObject(response: Response): Promise<JsonObject> {
  // Also a redirect, which is not followed: it would lead where no policy looked.
  if (!response.ok) {
    // Not waited for: it may never end.
    response.body?.cancel().catch(() => undefined);
    throw new HttpError(response.status);
  }
  const bytes = await readCapped(response.body, ANSWER_BYTES_MAX).catch((cause: unknown) => {
    throw cause instanceof TooLargeError ? new NoPeerError('not-pychain') : cause;
  });
  const parsed = parseJson(new TextDecoder().decode(bytes), { depthMax: ANSWER_DEPTH_MAX });
  if (!parsed.ok || !isObject(parsed.value)) throw new NoPeerError('not-pychain');
  return parsed.value;
}

/** An HTTP status that is no success. */
class HttpError extends Error {
  readonly status: number;

  constructor(status: number) {
    super(status >= 300 && status < 400 ? `HTTP ${status}, redirects are not followed` : `HTTP ${status}`);
    this.name = 'HttpError';
    this.status = status;
  }
}

async function statusFault(
  answer: JsonObject,
  { guid, publicKey }: PeerAddress,
  network: string,
  nonce: string,
): Promise<PeerFault | null> {
  if (typeof answer['network'] !== 'string' || typeof answer['protocol'] !== 'string') return 'not-pychain';
  if (answer['network'] !== network) return 'other-network';
  if (answer['protocol'] !== PROTOCOL) return 'other-protocol';
  const status = schemas.peerStatus.safeParse(answer);
  if (!status.success) return 'not-pychain';
  if (status.data.guid !== guid) return 'other-guid';
  if (status.data.public_key !== publicKey) return 'key-unproven';
  return (await verifyAnswer(publicKey, nonce, answer)) ? null : 'key-unproven';
}

function readAnswer<Schema extends z.ZodType>(schema: Schema, answer: JsonObject): z.output<Schema> {
  const read = schema.safeParse(answer);
  if (!read.success) throw new NoPeerError('not-pychain');
  return read.data;
}

function syncBody({ guid, maxGuidNode, have, members, digest, wanted, doubted }: SyncRequest): JsonValue {
  return {
    guid,
    max_guid_node: { guid: maxGuidNode.guid, address: maxGuidNode.address },
    have: (have ?? []).map(([first, last]) => [first, last]),
    members: members.map(writeMember),
    ...(digest && { digest: { at: digest.at / 1000, frame: digest.frame as unknown as JsonValue } }),
    wanted: [...wanted],
    doubted: doubted.map(([peer, incarnation]) => [peer, incarnation]),
  };
}

function syncAnswerOf(answer: JsonObject): SyncAnswer {
  const told = readAnswer(schemas.syncAnswer, answer);
  const { guid, address, have, members, more, frame = null } = told;
  const { caller_state: callerState = null, caller_host: callerHost = null } = told;
  return {
    maxGuidNode: { guid, address },
    have,
    members: members.flatMap((member) => readMember(member) ?? []),
    more,
    frame,
    callerState,
    callerHost,
  };
}

function deliveryBody({ body, range, hops }: Delivery): JsonValue {
  const { signature, body: text } = unseal(body);
  return { signature, body: text, range: { from: range.from, to: range.to }, hops };
}

function certificateOf({ issued, expires, signature }: z.output<typeof schemas.peerStatus>['certificate'] & object) {
  return { issuedAt: issued * 1000, expiresAt: expires * 1000, signature };
}
