// Signatures without Ed25519: only who has the secret can make one, everybody can check it. Simulated liars do not know secrets.
import { hashOf } from '../src/protocol/canonical.ts';
import type { DeliveryCheck } from '../src/protocol/effects.ts';
import { readMember } from '../src/protocol/member.ts';
import { eventOf, PEER_JOINED } from '../src/protocol/message.ts';
import { unseal } from '../src/protocol/seal.ts';
import { SIGNATURE_CHARS } from '../src/protocol/signed-text.ts';
import { BOOT_GUID, type Guid, type JsonObject, type JsonValue, type Member } from '../src/protocol/types.ts';

/** Has the form of a public key and tells slots apart; 0 is the boot node. */
export function keyOf(slot: number): string {
  return `key${String(slot).padStart(39, '0')}A`;
}

export function sign(publicKey: string, text: string): string {
  const hash = hashOf(`${publicKey}\n${text}`);
  return `${hash}${hash}`.slice(0, SIGNATURE_CHARS - 1) + 'A';
}

/** What a shell finds out about a message that a peer outside brought. */
export function checkMessage(
  text: string,
  keyFor: (guid: Guid) => string | null,
  isProof: (member: Member) => boolean,
): DeliveryCheck {
  const { signature, body } = unseal(text);
  const guid = originatorOf(body);
  if (signature === null || guid === null) return 'forged';
  const key = keyFor(guid);
  if (key === null) return 'unknown-originator';
  if (sign(key, body) !== signature) return 'forged';
  const told = guid === BOOT_GUID ? [] : membersTold(body);
  return told.every((member) => member?.guid === guid && isProof(member)) ? 'sound' : 'forged';
}

function membersTold(body: string): (Member | null)[] {
  const event = eventOf((JSON.parse(body) as { data: JsonObject }).data);
  const members = event?.name === PEER_JOINED ? event.args['members'] : undefined;
  return Array.isArray(members) ? (members as readonly JsonValue[]).map(readMember) : [];
}

function originatorOf(body: string): Guid | null {
  try {
    const { originator } = JSON.parse(body) as { originator?: { guid?: unknown } };
    return Number.isSafeInteger(originator?.guid) ? Number(originator?.guid) : null;
  } catch {
    return null;
  }
}
