// The price of a GUID: a challenge with proof of work whose bits rise with the join rate. Challenges are not stored: the boot node
// knows its own by their MAC, so that a flood of askers costs it no row. What is checked is ordered by what it costs.
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { CHALLENGE_MS, JOIN_RATE_HALF_LIFE_MS, JOINS_FREE, POW_BITS_MAX } from './limits.ts';
import { err, ok, type Millis, type Result } from './types.ts';

/** Why a solution is refused. */
export type WorkFault = 'bad-challenge' | 'expired-challenge' | 'work-missing';

/** What a newcomer brings. */
export interface Solution {
  readonly challenge: string;
  /** What makes the hash of challenge, key, address and this begin with enough zero bits. */
  readonly solution: string;
}

/** `expires.bits.random.mac`: seconds, then hex. */
const CHALLENGE = /^(\d{1,12})\.(\d{1,2})\.([0-9a-f]{32})\.([0-9a-f]{32})$/;
const SOLUTION = /^[0-9a-z]{1,16}$/;

/** Makes a challenge. `secret` and `random` are hex, of 32 and 16 bytes. */
export function makeChallenge(secret: string, bits: number, random: string, now: Millis): string {
  const claims = `${Math.ceil((now + CHALLENGE_MS) / 1000)}.${bits}.${random}`;
  return `${claims}.${macOf(secret, claims)}`;
}

/** Checks a solution: one hash for who tries to pass off a challenge, a second one for who has a real one. */
export function checkWork(
  secret: string,
  { challenge, solution }: Solution,
  publicKey: string,
  address: string,
  now: Millis,
): Result<null, WorkFault> {
  const [, expires, bits, random, mac = ''] = CHALLENGE.exec(challenge) ?? [];
  if (expires === undefined || !sameHex(mac, macOf(secret, `${expires}.${bits}.${random}`)))
    return err('bad-challenge');
  if (Number(expires) * 1000 <= now) return err('expired-challenge');
  if (!SOLUTION.test(solution)) return err('work-missing');
  return zeroBits(workHash(challenge, publicKey, address, solution)) >= Number(bits) ? ok(null) : err('work-missing');
}

/** Bits of work that a challenge asks for; null for a text that is none. */
export function bitsOf(challenge: string): number | null {
  const bits = CHALLENGE.exec(challenge)?.[2];
  return bits === undefined ? null : Number(bits);
}

/**
 * Solves a challenge, from `start` on, in at most `triesMax` tries; null where none of them fits. A million tries are about a second
 * (PLATFORM.md 3.5), so callers that must stay responsive take turns. Throws RangeError for a text that is no challenge: nothing solves it,
 * and who takes turns would go on for ever.
 */
export function solveWork(
  challenge: string,
  publicKey: string,
  address: string,
  start: number,
  triesMax: number,
): string | null {
  const bits = bitsOf(challenge);
  if (bits === null) throw new RangeError('challenge: not one that a boot node makes');
  for (let count = start; count < start + triesMax; count++) {
    const solution = count.toString(36);
    if (zeroBits(workHash(challenge, publicKey, address, solution)) >= bits) return solution;
  }
  return null;
}

/** Bits that a newcomer must prove while `recent` others joined lately: one more for each doubling beyond the free ones. */
export function requiredBits(powBits: number, recent: number): number {
  if (powBits === 0) return 0;
  return Math.min(POW_BITS_MAX, powBits + Math.max(0, Math.ceil(Math.log2(recent / JOINS_FREE))));
}

/** How many joined lately: each counts one at first, half after JOIN_RATE_HALF_LIFE_MS. */
export class JoinRate {
  #count = 0;
  #at: Millis = 0;

  add(at: Millis): void {
    this.#count = this.recent(at) + 1;
    this.#at = Math.max(this.#at, at);
  }

  recent(now: Millis): number {
    return this.#count * 0.5 ** (Math.max(0, now - this.#at) / JOIN_RATE_HALF_LIFE_MS);
  }
}

function workHash(challenge: string, publicKey: string, address: string, solution: string): Uint8Array {
  return sha256(utf8ToBytes(`${challenge} ${publicKey} ${address} ${solution}`));
}

function zeroBits(hash: Uint8Array): number {
  let bits = 0;
  for (const byte of hash) {
    bits += byte === 0 ? 8 : Math.clz32(byte) - 24;
    if (byte !== 0) break;
  }
  return bits;
}

function macOf(secret: string, text: string): string {
  return bytesToHex(hmac(sha256, hexToBytes(secret), utf8ToBytes(text)).slice(0, 16));
}

/** Looks at every character, so that the time tells nothing of where the first difference is. */
function sameHex(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < b.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
}
