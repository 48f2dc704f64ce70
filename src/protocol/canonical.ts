// Canonical JSON (RFC 8785) and message ids: the hash of the canonical bytes.
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import canonicalize from 'canonicalize';
import type { JsonValue, MessageId } from './types.ts';

/** A string that is canonical JSON. It never holds a raw line break, so bodies can be joined by them. */
export type Canonical = string & { readonly canonical: true };

/** RFC 8785 form of a JSON value. Throws on lone surrogates and non-finite numbers: check input with scanJson first. */
export function toCanonical(value: JsonValue): Canonical {
  const text = canonicalize(value);
  if (text === undefined) throw new Error('assertion failed: not a JSON value');
  return text as Canonical;
}

/** Lower-case hex SHA-256 of the UTF-8 bytes. */
export function hashOf(text: string): MessageId {
  return bytesToHex(sha256(asciiBytes(text) ?? utf8ToBytes(text)));
}

/** Bytes of a text that is all ASCII, as most are; null where it is not. In workerd TextEncoder took longer than hashing what it gave. */
function asciiBytes(text: string): Uint8Array | null {
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit >= 0x80) return null;
    bytes[index] = unit;
  }
  return bytes;
}

/** Length in UTF-8 bytes, without making them. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    bytes += unit < 0x800 ? 1 : 2;
    // A surrogate pair is two units and four bytes.
    if (unit >= 0xd800 && unit <= 0xdbff) {
      i++;
    }
  }
  return bytes;
}
