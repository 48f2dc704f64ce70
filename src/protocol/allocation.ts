// Allocations as JSON (snake_case), as they stand in a backup of the boot node: a member's record, and when it joined. Members of long ago
// may have no signatures; what they have is the GUID.
import { addressGroup } from './address.ts';
import { isCapabilities } from './member.ts';
import { isAddress, isGuid, isObject } from './message.ts';
import { isPublicKey, isSignature } from './signed-text.ts';
import type { Allocation } from './store.ts';
import { err, ok, type Certificate, type Guid, type JsonValue, type Millis, type Result } from './types.ts';

/** What is wrong with a value, and where in it; `field` empty for the whole. */
export interface FieldFault {
  readonly field: string;
  readonly message: string;
}

/** The protocol's limit on a time: the year 5138. */
const SECONDS_MAX = 1e11;

/** In place of a certificate that was never made. */
const NO_CERTIFICATE: Certificate = { issuedAt: 0, expiresAt: 0, signature: '' };

/** An allocation as JSON; times in Unix seconds. A type alias, so that it is a JsonObject too. */
export type AllocationJson = {
  guid: Guid;
  address: string;
  public_key: string;
  incarnation: number;
  capabilities: string[];
  signature: string | null;
  certificate: { issued: number; expires: number; signature: string } | null;
  joined_at: number;
};

/** Writes an allocation. */
export function writeAllocation(allocation: Allocation): AllocationJson {
  const { guid, address, publicKey, incarnation, capabilities, signature, certificate, joinedAt } = allocation;
  const { issuedAt, expiresAt, signature: signed } = certificate;
  return {
    guid,
    address,
    public_key: publicKey,
    incarnation,
    capabilities: [...capabilities],
    signature: signature === '' ? null : signature,
    certificate: signed === '' ? null : { issued: issuedAt / 1000, expires: expiresAt / 1000, signature: signed },
    joined_at: joinedAt / 1000,
  };
}

/** Reads an allocation from untrusted JSON. The address group follows from the address. */
export function readAllocation(value: JsonValue | undefined): Result<Allocation, FieldFault> {
  if (!isObject(value)) return fault('', 'expected an object');
  const { guid, address, public_key: publicKey, incarnation, capabilities, signature, joined_at: joined } = value;
  if (!isGuid(guid) || guid === 0) return fault('guid', 'expected a GUID');
  if (!isAddress(address)) return fault('address', 'expected an address');
  if (!isPublicKey(publicKey)) return fault('public_key', 'expected an Ed25519 public key');
  if (!isWhole(incarnation)) return fault('incarnation', 'expected a whole number from 0');
  if (!isCapabilities(capabilities)) return fault('capabilities', 'expected names of capabilities');
  if (signature !== null && !isSignature(signature)) return fault('signature', 'expected a signature or null');
  const certificate = readCertificate(value['certificate']);
  if (!certificate) return fault('certificate', 'expected a certificate or null');
  if (!isSeconds(joined)) return fault('joined_at', 'expected a Unix time');
  const known = { guid, publicKey, address, incarnation, capabilities, group: addressGroup(address) };
  return ok({ ...known, signature: signature ?? '', certificate, joinedAt: toMillis(joined) });
}

/** Not held to whole seconds: that of a member whose place another took ends when it did. */
function readCertificate(value: JsonValue | undefined): Certificate | null {
  if (value === null) return NO_CERTIFICATE;
  if (!isObject(value)) return null;
  const { issued, expires, signature } = value;
  if (!isSeconds(issued) || !isSeconds(expires) || !isSignature(signature)) return null;
  return { issuedAt: toMillis(issued), expiresAt: toMillis(expires), signature };
}

function isWhole(value: JsonValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isSeconds(value: JsonValue | undefined): value is number {
  return typeof value === 'number' && value > 0 && value < SECONDS_MAX;
}

function toMillis(seconds: number): Millis {
  return Math.round(seconds * 1000);
}

function fault(field: string, message: string): Result<never, FieldFault> {
  return err({ field, message });
}
