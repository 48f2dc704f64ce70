// What members, the boot node and originators sign, made and checked. What the texts are is told in protocol/signed-text.ts.
import { addressFault, type AddressPolicy } from '../protocol/address.ts';
import { checkCertificate } from '../protocol/certificate.ts';
import type { DeliveryCheck } from '../protocol/effects.ts';
import { readMember } from '../protocol/member.ts';
import { eventOf, isObject, PEER_JOINED, sealMessage, type Draft, type Message } from '../protocol/message.ts';
import { answerText, certificateText, memberText, messageText } from '../protocol/signed-text.ts';
import { unseal } from '../protocol/seal.ts';
import {
  BOOT_GUID,
  type Certificate,
  type Guid,
  type JsonObject,
  type JsonValue,
  type Member,
  type Millis,
  type SelfRecord,
} from '../protocol/types.ts';
import { signText, verifyText, type Signer } from './keys.ts';

/** Records of a member's announcement that are looked at: one is believed, so two are enough to refuse it. */
const TOLD_MAX = 2;

/** What certificates are checked against. */
export interface Authority {
  readonly network: string;
  readonly networkKey: string;
}

/** Signs a message as its originator. */
export async function signMessage(signer: Pick<Signer, 'sign'>, draft: Draft): Promise<Message> {
  return sealMessage(draft, await signText(signer, messageText(draft.body)));
}

/** Signs what a node says of itself. */
export async function signRecord(
  signer: Signer,
  network: string,
  facts: Pick<SelfRecord, 'address' | 'incarnation' | 'capabilities'>,
): Promise<SelfRecord> {
  const record = { ...facts, publicKey: signer.publicKey };
  return { ...record, signature: await signText(signer, memberText(network, record)) };
}

/** Whether a record is signed with the key that it names. */
export function verifyRecord(record: SelfRecord, network: string): Promise<boolean> {
  return verifyText(record.publicKey, record.signature, memberText(network, record));
}

/** Signs a certificate as the boot node. */
export async function signCertificate(
  signer: Signer,
  network: string,
  guid: Guid,
  publicKey: string,
  period: Omit<Certificate, 'signature'>,
): Promise<Certificate> {
  const { issuedAt, expiresAt } = period;
  return { issuedAt, expiresAt, signature: await signText(signer, certificateText(network, guid, publicKey, period)) };
}

/** Whether a certificate proves now that the GUID is the key's. */
export async function verifyCertificate(
  { network, networkKey }: Authority,
  guid: Guid,
  publicKey: string,
  certificate: Certificate,
  now: Millis,
): Promise<boolean> {
  if (!checkCertificate(certificate, now).ok) return false;
  // The boot node certifies itself, with the one key that can.
  if (guid === BOOT_GUID && publicKey !== networkKey) return false;
  return await isCertified({ network, networkKey }, guid, publicKey, certificate);
}

/** Whether the boot node signed a certificate, whenever. */
function isCertified(
  { network, networkKey }: Authority,
  guid: Guid,
  publicKey: string,
  certificate: Certificate,
): Promise<boolean> {
  return verifyText(networkKey, certificate.signature, certificateText(network, guid, publicKey, certificate));
}

/**
 * The members of a list that are proved: certified by the boot node, by their own word where they say that they are, and at an address
 * that a peer may have. The others are left out: whoever told of them may have been told so. `isOwn` says of a member at an address of this
 * deployment's own whether it is the node there: any member can sign that it is; without it they are left out.
 */
export async function provenMembers(
  members: readonly Member[],
  authority: Authority,
  policy: AddressPolicy,
  now: Millis,
  isOwn: (member: Member) => Promise<boolean> = nobody,
): Promise<Member[]> {
  const proven = await Promise.all(
    members.map(async (member) => {
      const fault = addressFault(member.address, policy);
      if (fault !== null && fault !== 'own-host') return false;
      const { guid, publicKey, certificate } = member;
      if (!(await verifyCertificate(authority, guid, publicKey, certificate, now))) return false;
      if (!(await verifyRecord(member, authority.network))) return false;
      return fault === null || (await isOwn(member));
    }),
  );
  return members.filter((_, index) => proven[index]);
}

/**
 * Whether each of these messages is signed by its originator. `keyOf` gives the key of a GUID, null where it is not known; `isProof` says
 * whether a member's word about itself is proved.
 */
export async function checkMessages(
  texts: readonly string[],
  keyOf: (guid: Guid) => string | null,
  isProof: (member: Member) => Promise<boolean>,
): Promise<DeliveryCheck[]> {
  return await Promise.all(
    texts.map(async (text): Promise<DeliveryCheck> => {
      const { signature, body } = unseal(text);
      const guid = originatorOf(body);
      if (signature === null || guid === null) return 'forged';
      const key = keyOf(guid);
      if (key === null) return 'unknown-originator';
      if (!(await verifyText(key, signature, messageText(body)))) return 'forged';
      const told = guid === BOOT_GUID ? [] : membersTold(body);
      for (const member of told) {
        if (member?.guid !== guid || member.publicKey !== key || !(await isProof(member))) return 'forged';
      }
      return 'sound';
    }),
  );
}

/**
 * Whether a member's own record is the boot node's and its own, and its address one that a peer may have. That the certificate has run
 * out meanwhile is no forgery: who passed the message on did so in good time.
 */
export async function isProvenRecord(
  member: Member,
  authority: Authority,
  policy: AddressPolicy,
  isOwn: (member: Member) => Promise<boolean> = nobody,
): Promise<boolean> {
  const fault = addressFault(member.address, policy);
  if (fault !== null && fault !== 'own-host') return false;
  const { guid, publicKey, certificate } = member;
  if (!(await isCertified(authority, guid, publicKey, certificate))) return false;
  if (!(await verifyRecord(member, authority.network))) return false;
  return fault === null || (await isOwn(member));
}

async function nobody(): Promise<boolean> {
  return false;
}

/** Members that a message tells of, null for what is no record; most tell of none, and are not parsed for that. */
function membersTold(body: string): readonly (Member | null)[] {
  if (!body.includes(PEER_JOINED)) return [];
  const { data } = JSON.parse(body) as { data?: JsonValue };
  const event = isObject(data) ? eventOf(data) : null;
  const members = event?.name === PEER_JOINED ? event.args['members'] : undefined;
  return Array.isArray(members) ? (members as readonly JsonValue[]).slice(0, TOLD_MAX).map(readMember) : [];
}

/** An answer with the signature that proves whose it is, and that it is to this question. */
export async function signAnswer<T extends object>(
  sign: (nonce: string, answer: JsonObject) => Promise<string>,
  nonce: string,
  answer: T,
): Promise<T & { readonly signature: string }> {
  // Answers are made of JSON values; their types only name the keys.
  return { ...answer, signature: await sign(nonce, answer as unknown as JsonObject) };
}

/** Whether an answer as it came, JSON with a `signature`, is by this key and to the question with this nonce. */
export async function verifyAnswer(publicKey: string, nonce: string, answer: JsonObject): Promise<boolean> {
  const { signature, ...rest } = answer;
  if (typeof signature !== 'string') return false;
  return await verifyText(publicKey, signature, answerText(nonce, rest));
}

function originatorOf(body: string): Guid | null {
  try {
    const { originator } = JSON.parse(body) as { originator?: { guid?: unknown } };
    return Number.isSafeInteger(originator?.guid) ? (originator?.guid as Guid) : null;
  } catch {
    return null;
  }
}
