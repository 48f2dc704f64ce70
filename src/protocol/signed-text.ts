// The texts that signatures are made of. Each begins with a line that says what it is, so that a signature of one kind is never
// one of another (domain separation). HTTP requests are signed as RFC 9421 has it, which begins with a quote.
import { hashOf, toCanonical } from './canonical.ts';
import { PROTOCOL } from './limits.ts';
import type { Certificate, Guid, JsonValue, SelfRecord } from './types.ts';

/** Characters of an Ed25519 signature: base64url of 64 bytes. */
export const SIGNATURE_CHARS = 86;

/** 64 bytes in base64url; the last character has four bits to spare, which must be 0, or a signature would have many spellings. */
const SIGNATURE = /^[A-Za-z0-9_-]{85}[AQgw]$/;

/** 32 bytes in base64url; the last character has two bits to spare, which must be 0, or a key would have four spellings. */
const PUBLIC_KEY = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;

/**
 * The points of small order, in all their encodings (the list of libsodium's ge25519_has_small_order, with both signs). Some libraries take
 * one signature for any text under such a key, others none: nobody's identity may rest on one.
 */
const SMALL_ORDER = new Set([
  'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
  'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA',
  'AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
  'AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA',
  'JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU',
  'JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_IU',
  'xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o',
  'xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA_o',
  '7P_______________________________________38',
  '7P________________________________________8',
  '7f_______________________________________38',
  '7f________________________________________8',
  '7v_______________________________________38',
  '7v________________________________________8',
]);

/** Whether a value has the form of a signature. */
export function isSignature(value: JsonValue | undefined): value is string {
  return typeof value === 'string' && SIGNATURE.test(value);
}

/** Whether a value has the form of a public key, and is none of those that prove nothing. */
export function isPublicKey(value: JsonValue | undefined): value is string {
  return typeof value === 'string' && PUBLIC_KEY.test(value) && !SMALL_ORDER.has(value);
}

/** By the originator, over a message's canonical body. */
export function messageText(body: string): string {
  return `${PROTOCOL} message\n${body}`;
}

/** By the boot node: this GUID is this key's, in this network, from then to then. */
export function certificateText(
  network: string,
  guid: Guid,
  publicKey: string,
  { issuedAt, expiresAt }: Omit<Certificate, 'signature'>,
): string {
  const claims = { expires: expiresAt / 1000, guid, issued: issuedAt / 1000, network, public_key: publicKey };
  return `${PROTOCOL} certificate\n${toCanonical(claims)}`;
}

/** By a member: where it is, and what it can do. */
export function memberText(network: string, record: Omit<SelfRecord, 'signature'>): string {
  const { address, publicKey, incarnation, capabilities } = record;
  const claims = { address, capabilities: [...capabilities], incarnation, network, public_key: publicKey };
  return `${PROTOCOL} member\n${toCanonical(claims)}`;
}

/**
 * By whoever answers: this is my answer to the question with this nonce. `answer` is the JSON of the answer without its
 * `signature`; its hash is signed, so that a key may be kept where large texts don't go.
 */
export function answerText(nonce: string, answer: JsonValue): string {
  return answerHashText(nonce, hashOf(toCanonical(answer)));
}

/** {@link answerText} where the hash of the canonical answer is known. */
export function answerHashText(nonce: string, hash: string): string {
  return `${PROTOCOL} answer\n${nonce}\n${hash}`;
}
