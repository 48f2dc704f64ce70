// Pieces of the shapes on the wire: what GUIDs, times, keys and the like look like, each with its limit.
import * as z from 'zod';
import {
  ADDRESS_CHARS_MAX,
  CAPABILITIES_MAX,
  CAPABILITY_CHARS_MAX,
  GUID_MAX,
  NONCE_CHARS_MAX,
  NONCE_CHARS_MIN,
} from '../protocol/limits.ts';
import type { JsonObject } from '../protocol/types.ts';

/** The protocol's limit on a time: the year 5138. */
const TIME_SECONDS_MAX = 1e11;

/** Visible ASCII that needs no escapes in JSON: what the protocol takes for an address. */
export const ADDRESS = /^[\x21\x23-\x5b\x5d-\x7e]+$/;
/** 32 bytes in base64url: the last of the 43 characters holds four bits. */
const KEY_32_BYTES = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;
/** 64 bytes in base64url: the last of the 86 characters holds two bits. */
const SIGNATURE = /^[A-Za-z0-9_-]{85}[AQgw]$/;
const NONCE = /^[A-Za-z0-9_-]+$/;
const WHOLE_NUMBER = /^[0-9]{1,15}$/;

export const guid = z
  .int()
  .min(1)
  .max(GUID_MAX)
  .meta({ examples: [3] });
export const guidOrBoot = z.int().min(0).max(GUID_MAX).meta({ description: '0 is the boot node' });
export const messageId = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'expected a message id: 64 lower-case hexadecimal digits')
  .meta({ examples: ['a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447'] });
export const seconds = z
  .number()
  .gt(0)
  .lt(TIME_SECONDS_MAX)
  .meta({ description: 'Unix time in seconds', examples: [1700000000.25] });
export const peerAddress = z
  .string()
  .max(ADDRESS_CHARS_MAX)
  .regex(ADDRESS, 'expected an address: visible ASCII characters');
export const node = z.object({ guid: guidOrBoot, address: peerAddress });
export const publicKey = z
  .string()
  .regex(KEY_32_BYTES, 'expected an Ed25519 public key: base64url of 32 bytes, 43 characters');
export const signature = z
  .string()
  .regex(SIGNATURE, 'expected an Ed25519 signature: base64url of 64 bytes, 86 characters');
export const nonce = z
  .string()
  .min(NONCE_CHARS_MIN)
  .max(NONCE_CHARS_MAX)
  .regex(NONCE, 'expected base64url characters')
  .meta({ description: 'chosen by the caller, never twice: the answer is signed over it' });
export const incarnation = z.int().min(0);
export const capabilityNames = z
  .array(
    z
      .string()
      .max(CAPABILITY_CHARS_MAX)
      .regex(/^[a-z0-9-]+$/, 'expected lower-case letters, digits and hyphens'),
  )
  .max(CAPABILITIES_MAX);
const wholeSeconds = z.int().min(1).lt(TIME_SECONDS_MAX);
export const certificate = z
  .object({ issued: wholeSeconds, expires: wholeSeconds, signature })
  .meta({ id: 'Certificate', description: 'by the network: this GUID is this key’s, from then to then' });
/** 32 bytes that nobody else may know; no example is given. */
export const privateKey = z
  .string()
  .regex(KEY_32_BYTES, 'expected a private key: base64url of 32 bytes, 43 characters');
/** A position on the ring; 0 is one too. */
export const position = z.int().min(0).max(GUID_MAX);

/**
 * A JSON object that is passed on as it came. Not `z.record`: that makes a copy, and takes an object with a key
 * "constructor" for something else in some versions.
 */
export const jsonObject = z
  .custom<JsonObject>((value) => typeof value === 'object' && value !== null && !Array.isArray(value), {
    error: (issue) => (issue.input === undefined ? 'missing, and needed' : 'expected an object'),
  })
  .meta({ type: 'object', additionalProperties: true });

/** A whole number in a path or query. */
export function numeral(low: number, high: number) {
  return z.string().regex(WHOLE_NUMBER, 'expected a whole number').transform(Number).pipe(z.int().min(low).max(high));
}
