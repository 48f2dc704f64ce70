// Records and certificates that look signed, for tests of rules that do not look at signatures: the shell checks those.
import { composeMessage, sealMessage, type Message } from '../../src/protocol/message.ts';
import type { Certificate, Member, MessageContent, SelfRecord } from '../../src/protocol/types.ts';

/** 86 characters that have the form of a signature and are none. */
export const NO_SIGNATURE = 'A'.repeat(86);

/** 43 characters that tell a number apart and have the form of a public key. */
export function keyOf(number: number): string {
  return `key${String(number).padStart(39, '0')}A`;
}

/** A certificate that is valid whenever a test may run, unless it says otherwise. */
export function certificate(changes: Partial<Certificate> = {}): Certificate {
  return { issuedAt: 1_000, expiresAt: 9_000_000_000_000, signature: NO_SIGNATURE, ...changes };
}

/** What a node of this deployment says of itself. */
export function selfRecord(slot: number, changes: Partial<SelfRecord> = {}): SelfRecord {
  const capabilities = ['broadcast', 'deliveries', 'members', 'messages', 'sync'];
  const fixed = { publicKey: keyOf(slot), incarnation: 0, capabilities, signature: NO_SIGNATURE };
  return { address: `local:/n/${slot}`, ...fixed, ...changes };
}

/** A member: by default a node of this deployment whose slot is its GUID. */
export function member(guid: number, changes: Partial<Member> = {}): Member {
  return { ...selfRecord(guid), guid, certificate: certificate(), ...changes };
}

/** A peer outside. */
export function outsider(guid: number, changes: Partial<Member> = {}): Member {
  return member(guid, { address: `https://n${guid}.example.net`, ...changes });
}

/** A message that looks signed. */
export function sealed(content: MessageContent, nonce = 1): Message {
  const draft = composeMessage(content, nonce);
  if (!draft.ok) throw new Error(draft.error.reason);
  return sealMessage(draft.value, NO_SIGNATURE);
}
