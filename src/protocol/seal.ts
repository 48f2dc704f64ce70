// Messages as they travel and are stored: the originator's signature, then the canonical body that it signs. Nobody on the way
// takes them apart, so the forwarded bytes are the signed bytes.
import type { Canonical } from './canonical.ts';
import { messageText, SIGNATURE_CHARS } from './signed-text.ts';

/** Signature (86 characters of base64url) and canonical body, without a line break: sealed messages are joined by them. */
export type Sealed = string & { readonly sealed: true };

/** A sealed message taken apart. `signature` is null for what was stored before messages were signed. */
export interface Unsealed {
  readonly signature: string | null;
  readonly body: string;
}

/** A body opens with a brace, which base64url does not have. */
const BODY_START = '{';

/** Puts a message together. */
export function seal(body: Canonical, signature: string): Sealed {
  return `${signature}${body}` as Sealed;
}

/** Takes a message apart; what is not one has a body that is not canonical either. */
export function unseal(text: string): Unsealed {
  if (text.startsWith(BODY_START)) return { signature: null, body: text };
  return { signature: text.slice(0, SIGNATURE_CHARS), body: text.slice(SIGNATURE_CHARS) };
}

/** The text that a message's signature must be of. */
export function signedTextOf({ body }: Unsealed): string {
  return messageText(body);
}
