// What members, the boot node and originators sign, made and checked. What the texts are is told in protocol/signed-text.ts.
import { addressFault, type AddressPolicy } from '../protocol/address.ts';
import { checkCertificate } from '../protocol/certificate.ts';
import type { DeliveryCheck } from '../protocol/effects.ts';
import { sealMessage, type Draft, type Message } from '../protocol/message.ts';
import { answerText, certificateText, memberText, messageText } from '../protocol/signed-text.ts';
import { unseal } from '../protocol/seal.ts';
import type { Certificate, Guid, JsonObject, Member, Millis, SelfRecord } from '../protocol/types.ts';
import { signText, verifyText, type Signer } from './keys.ts';

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
  return await verifyText(networkKey, certificate.signature, certificateText(network, guid, publicKey, certificate));
}

/**
 * The members of a list that are proved: certified by the boot node, by their own word where they say that they are, and at an address
 * that a peer may have. The others are left out: whoever told of them may have been told so.
 */
export async function provenMembers(
  members: readonly Member[],
  authority: Authority,
  policy: AddressPolicy,
  now: Millis,
): Promise<Member[]> {
  const proven = await Promise.all(
    members.map(async (member) => {
      if (addressFault(member.address, policy) !== null) return false;
      const { guid, publicKey, certificate } = member;
      if (!(await verifyCertificate(authority, guid, publicKey, certificate, now))) return false;
      return await verifyRecord(member, authority.network);
    }),
  );
  return members.filter((_, index) => proven[index]);
}

/** Whether each of these messages is signed by its originator. `keyOf` gives the key of a GUID, null where it is not known. */
export async function checkMessages(
  texts: readonly string[],
  keyOf: (guid: Guid) => string | null,
): Promise<DeliveryCheck[]> {
  return await Promise.all(
    texts.map(async (text): Promise<DeliveryCheck> => {
      const { signature, body } = unseal(text);
      const guid = originatorOf(body);
      if (signature === null || guid === null) return 'forged';
      const key = keyOf(guid);
      if (key === null) return 'unknown-originator';
      return (await verifyText(key, signature, messageText(body))) ? 'sound' : 'forged';
    }),
  );
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
