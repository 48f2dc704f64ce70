// Messages: composing, checking, decoding. A message is its canonical body and its originator's signature; the id is the body's
// hash, so a body that was altered on its way is another message, and one that is not canonical is none.
import { hashOf, toCanonical, utf8Length, type Canonical } from './canonical.ts';
import {
  ADDRESS_CHARS_MAX,
  CLOCK_SKEW_MS_MAX,
  DECODED_CHARS_MAX,
  GUID_MAX,
  JSON_DEPTH_MAX,
  MESSAGE_BYTES_MAX,
  TTL_SECONDS_MAX,
} from './limits.ts';
import { Recent } from './recent.ts';
import { seal, unseal, type Sealed } from './seal.ts';
import { isSignature, SIGNATURE_CHARS } from './signed-text.ts';
import {
  err,
  ok,
  type Guid,
  type JsonObject,
  type JsonValue,
  type MessageContent,
  type MessageId,
  type Millis,
  type Result,
} from './types.ts';

/** Visible ASCII that needs no escapes in JSON, so that sizes can be computed before encoding. */
const ADDRESS = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/** The one event that only the boot node sends: new members, or members with a new address or certificate. */
export const PEER_JOINED = 'PEER_JOINED';

/** A member says that it leaves: believed from itself alone. */
export const PEER_LEAVING = 'PEER_LEAVING';

/** Somebody says that a member is dead: a reason to look, never more. */
export const DEAD_PEER = 'DEAD_PEER';

/** Why a body is not a message of this network. */
export type Rejection =
  | { readonly reason: 'bad-signature' }
  | { readonly reason: 'too-large'; readonly bytes: number }
  | { readonly reason: 'too-deep' }
  | { readonly reason: 'not-canonical' }
  | { readonly reason: 'bad-shape'; readonly field: string }
  | { readonly reason: 'other-network'; readonly network: string }
  | { readonly reason: 'from-the-future'; readonly broadcastAt: Millis };

/** A message that is still to be signed. */
export interface Draft {
  readonly id: MessageId;
  readonly body: Canonical;
  readonly content: MessageContent;
}

export interface Message {
  readonly id: MessageId;
  readonly sealed: Sealed;
  /** Of `sealed`, in UTF-8: counted once, and asked for at each delivery. */
  readonly bytes: number;
  readonly content: MessageContent;
}

/** Why `data` cannot be sent. */
export type CompositionError =
  | { readonly reason: 'too-large'; readonly bytes: number; readonly max: number }
  | { readonly reason: 'bad-data'; readonly path: string; readonly message: string };

/**
 * Makes a message. `nonce` tells apart equal data sent in the same millisecond: a whole number up to 2^53-1.
 */
export function composeMessage(content: MessageContent, nonce: number): Result<Draft, CompositionError> {
  let body: Canonical;
  try {
    body = toCanonical({
      broadcast_timestamp: content.broadcastAt / 1000,
      data: content.data,
      expires_at: content.expiresAt / 1000,
      network: content.network,
      nonce,
      originator: { address: content.originator.address, guid: content.originator.guid },
    });
  } catch (cause) {
    // canonicalize refuses what JSON cannot say exactly (a lone surrogate, a number that is not finite).
    return err({ reason: 'bad-data', path: 'data', message: cause instanceof Error ? cause.message : 'not JSON' });
  }
  const bytes = utf8Length(body);
  if (bytes > MESSAGE_BYTES_MAX) return err({ reason: 'too-large', bytes, max: MESSAGE_BYTES_MAX });
  if (depthOf(body) > JSON_DEPTH_MAX + 1) {
    return err({ reason: 'bad-data', path: 'data', message: `nested deeper than ${JSON_DEPTH_MAX}` });
  }
  return ok({ id: hashOf(body), body, content });
}

/**
 * Messages that were decoded last: objects that share an isolate get the same ones, and what a text says does not depend on who reads it
 * (measured, 64 nodes in one workerd: decoding was a quarter of the time of a delivery).
 */
const decoded = new Recent<Message>(DECODED_CHARS_MAX);

/** What a message is kept under: its signature, so that not all of its text is hashed at each look. */
function keyOf(sealed: string): string {
  return sealed.slice(0, SIGNATURE_CHARS);
}

/** A message of its draft and the originator's signature. */
export function sealMessage({ id, body, content }: Draft, signature: string): Message {
  const sealed = seal(body, signature);
  return { id, sealed, bytes: utf8Length(sealed), content };
}

/** Has a message that was made here known to those who will read it in the same isolate. */
export function rememberMessage(message: Message): void {
  decoded.set(keyOf(message.sealed), message, message.sealed.length);
}

/**
 * Checks what a peer sent and decodes it, all but the signature, which is the shell's business. Total: no input makes it throw.
 * `now` in milliseconds.
 */
export function decodeMessage(text: string, network: string, now: Millis): Result<Message, Rejection> {
  const found = decoded.get(keyOf(text));
  const known = found?.sealed === text ? found : undefined;
  const read = known ? ok(known) : decodeText(text);
  if (!read.ok) return read;
  const { content } = read.value;
  if (content.network !== network) return err({ reason: 'other-network', network: content.network.slice(0, 64) });
  if (content.broadcastAt > now + CLOCK_SKEW_MS_MAX) {
    return err({ reason: 'from-the-future', broadcastAt: content.broadcastAt });
  }
  if (!known) decoded.set(keyOf(text), read.value, text.length);
  return read;
}

function decodeText(text: string): Result<Message, Rejection> {
  const { signature, body } = unseal(text);
  if (signature !== null && !isSignature(signature)) return err({ reason: 'bad-signature' });
  // Two bytes a unit is not a bound, but a third of the limit in units can never be over it.
  const bytes = body.length * 3 <= MESSAGE_BYTES_MAX ? body.length : utf8Length(body);
  if (bytes > MESSAGE_BYTES_MAX) return err({ reason: 'too-large', bytes });
  if (depthOf(body) > JSON_DEPTH_MAX + 1) return err({ reason: 'too-deep' });
  let value: JsonValue;
  try {
    value = JSON.parse(body) as JsonValue;
    // Also refuses what JSON.parse changes silently: duplicate keys, numbers with more digits than a double has.
    if (toCanonical(value) !== body) return err({ reason: 'not-canonical' });
  } catch {
    return err({ reason: 'not-canonical' });
  }
  const content = readContent(value);
  if (!content.ok) return err({ reason: 'bad-shape', field: content.error });
  return ok({ id: hashOf(body), sealed: text as Sealed, bytes: utf8Length(text), content: content.value });
}

/** Decodes a message that was checked when it was stored. Null where the stored bytes are damaged. */
export function decodeStored(text: string): MessageContent | null {
  try {
    const content = readContent(JSON.parse(unseal(text).body) as JsonValue);
    return content.ok ? content.value : null;
  } catch {
    return null;
  }
}

/** The event that a message carries in `data.event` (seed), or null: other data is the application's own. */
export function eventOf(data: JsonObject): { readonly name: string; readonly args: JsonObject } | null {
  const event = data['event'];
  if (!isObject(event) || typeof event['name'] !== 'string') return null;
  const args = event['args'];
  return { name: event['name'], args: isObject(args) ? args : {} };
}

/** Whether a JSON value is an object. */
export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether a JSON value is a GUID, 0 for the boot node included. */
export function isGuid(value: JsonValue | undefined): value is Guid {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= GUID_MAX;
}

/** Whether a JSON value is an address of allowed length; who may be called is decided where calls are made. */
export function isAddress(value: JsonValue | undefined): value is string {
  return typeof value === 'string' && value.length <= ADDRESS_CHARS_MAX && ADDRESS.test(value);
}

/** Deepest nesting of arrays and objects in a JSON text, without parsing it. */
export function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (quoted) {
      if (unit === 0x5c) i++;
      else if (unit === 0x22) quoted = false;
    } else if (unit === 0x22) quoted = true;
    else if (unit === 0x7b || unit === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (unit === 0x7d || unit === 0x5d) depth--;
  }
  return deepest;
}

function readContent(value: JsonValue): Result<MessageContent, string> {
  if (!isObject(value)) return err('body');
  const { network, data, originator } = value;
  if (typeof network !== 'string') return err('network');
  if (!isObject(data)) return err('data');
  if (!isObject(originator)) return err('originator');
  const { guid, address } = originator;
  if (!isGuid(guid)) return err('originator.guid');
  if (!isAddress(address)) return err('originator.address');
  const broadcastAt = readTime(value['broadcast_timestamp']);
  if (broadcastAt === null) return err('broadcast_timestamp');
  const expiresAt = readTime(value['expires_at']);
  if (expiresAt === null || expiresAt <= broadcastAt || expiresAt > broadcastAt + TTL_SECONDS_MAX * 1000) {
    return err('expires_at');
  }
  if (typeof value['nonce'] !== 'number') return err('nonce');
  return ok({ network, data, originator: { guid, address }, broadcastAt, expiresAt });
}

function readTime(value: JsonValue | undefined): Millis | null {
  return typeof value === 'number' && value > 0 && value < 1e11 ? Math.round(value * 1000) : null;
}
