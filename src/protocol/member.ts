// Member records as JSON (snake_case), as they stand in announcements and sync bodies.
import { CAPABILITIES_MAX, CAPABILITY_CHARS_MAX } from './limits.ts';
import { isAddress, isGuid, isObject } from './message.ts';
import { isPublicKey, isSignature } from './signed-text.ts';
import type { Certificate, JsonValue, Member, SelfRecord } from './types.ts';

/** The part of a peer record that is told to others. */
export function pickMember(member: Member): Member {
  const { guid, address, publicKey, incarnation, capabilities, signature, certificate } = member;
  return { guid, address, publicKey, incarnation, capabilities, signature, certificate };
}

/** What a member says of itself. */
export function pickSelf(record: SelfRecord): SelfRecord {
  const { address, publicKey, incarnation, capabilities, signature } = record;
  return { address, publicKey, incarnation, capabilities, signature };
}

/**
 * Whether a record says something that another does not: a higher incarnation, or a later certificate. Neither can be made up:
 * the one is signed by the member, the other by the boot node.
 */
export function isNewer(member: Member, known: Member): boolean {
  return member.incarnation > known.incarnation || isRenewed(member, known);
}

/** Whether a record brings a later certificate. */
export function isRenewed(member: Member, known: Member): boolean {
  return member.certificate.issuedAt > known.certificate.issuedAt;
}

/** Reads a member from untrusted JSON; null where it is malformed. The signatures are for the shell to check. */
export function readMember(value: JsonValue | undefined): Member | null {
  if (!isObject(value)) return null;
  const { guid, address, public_key: publicKey, incarnation, capabilities, signature } = value;
  if (!isGuid(guid) || guid === 0 || !isAddress(address) || !isPublicKey(publicKey) || !isSignature(signature))
    return null;
  if (typeof incarnation !== 'number' || !Number.isSafeInteger(incarnation) || incarnation < 0) return null;
  if (!isCapabilities(capabilities)) return null;
  const certificate = readCertificate(value['certificate']);
  return certificate && { guid, address, publicKey, incarnation, capabilities, signature, certificate };
}

/** A member as JSON. */
export function writeMember(member: Member): { [key: string]: JsonValue } {
  const { guid, address, publicKey, incarnation, capabilities, signature, certificate } = member;
  return {
    guid,
    address,
    public_key: publicKey,
    incarnation,
    capabilities: [...capabilities],
    signature,
    certificate: writeCertificate(certificate),
  };
}

/** A certificate as JSON: times in Unix seconds. */
export function writeCertificate({ issuedAt, expiresAt, signature }: Certificate): { [key: string]: JsonValue } {
  return { issued: issuedAt / 1000, expires: expiresAt / 1000, signature };
}

function readCertificate(value: JsonValue | undefined): Certificate | null {
  if (!isObject(value)) return null;
  const { issued, expires, signature } = value;
  if (!isWholeSeconds(issued) || !isWholeSeconds(expires) || !isSignature(signature)) return null;
  return { issuedAt: issued * 1000, expiresAt: expires * 1000, signature };
}

function isWholeSeconds(value: JsonValue | undefined): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 && value < 1e11;
}

/** Whether a JSON value is a list of capabilities within its limits. */
export function isCapabilities(value: JsonValue | undefined): value is readonly string[] {
  if (!Array.isArray(value) || value.length > CAPABILITIES_MAX) return false;
  return (value as readonly JsonValue[]).every(
    (name) => typeof name === 'string' && name.length <= CAPABILITY_CHARS_MAX && /^[a-z0-9-]+$/.test(name),
  );
}
