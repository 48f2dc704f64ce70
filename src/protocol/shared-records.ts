// What members say of themselves, once in memory however many nodes of a process know it: an isolate of the platform may run several nodes of one
// Worker, and a local network runs all of them in one. Records never change, so nobody can tell theirs from another's.
import { RECORDS_CHARS_MAX } from './limits.ts';
import { pickMember } from './member.ts';
import { Recent } from './recent.ts';
import type { Certificate, Member } from './types.ts';

const records = new Recent<Member>(RECORDS_CHARS_MAX);

/** By certificate, which its records share: as long as somebody has them. */
const texts = new WeakMap<Certificate, { readonly member: Member; readonly text: string }>();

/** The same record, made of what others in this process have already, where it says the same to the last field. */
export function sharing<T extends Member>(record: T): T {
  const key = `${record.guid} ${record.incarnation} ${record.certificate.issuedAt}`;
  const known = records.get(key);
  if (known) return isSame(known, record) ? { ...record, ...known } : record;
  const member = pickMember(record);
  records.set(key, member, key.length + textOfMember(member).length);
  return record;
}

/** A member record as JSON, written once for all who share it. */
export function textOfMember(record: Member): string {
  const known = texts.get(record.certificate);
  if (known && isSame(known.member, record)) return known.text;
  const member = pickMember(record);
  const text = JSON.stringify(member);
  texts.set(record.certificate, { member, text });
  return text;
}

/** Compares all fields: what a record is kept under says which one is meant, not what is in it. */
function isSame(a: Member, b: Member): boolean {
  return (
    a.guid === b.guid &&
    a.address === b.address &&
    a.publicKey === b.publicKey &&
    a.incarnation === b.incarnation &&
    a.signature === b.signature &&
    isSameList(a.capabilities, b.capabilities) &&
    isSameCertificate(a.certificate, b.certificate)
  );
}

function isSameCertificate(a: Certificate, b: Certificate): boolean {
  return a === b || (a.issuedAt === b.issuedAt && a.expiresAt === b.expiresAt && a.signature === b.signature);
}

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((name, index) => name === b[index]));
}
