// Membership certificates: a peer proves its GUID with the boot node's signature and its own key, with no call to the boot node.
// The signature itself is checked by the shell, where Ed25519 is; the rules are here.
import { isGuid } from './message.ts';
import { isSignature } from './signed-text.ts';
import { CERTIFICATE_MS_MAX, CLOCK_SKEW_MS_MAX } from './limits.ts';
import { err, ok, type Certificate, type Guid, type Millis, type Result } from './types.ts';

/** Why a certificate proves nothing now. */
export type CertificateFault = 'malformed' | 'expired' | 'from-the-future' | 'too-long';

/** `guid.issued.expires.signature`, seconds: how a request carries it. */
const HEADER = /^(\d{1,10})\.(\d{1,12})\.(\d{1,12})\.([A-Za-z0-9_-]{86})$/;

/**
 * Lifetime of a certificate. A newcomer's lives for GUID_TIMEOUT, so that one that vanishes is forgotten everywhere without a
 * single call; a member's grows with its age, so that an outage of the boot node, however it grows, does not end membership.
 */
export function certificateLifetime(memberForMs: Millis, newcomerMs: Millis): Millis {
  return Math.min(CERTIFICATE_MS_MAX, Math.max(newcomerMs, memberForMs));
}

/** Whether it is time to ask the boot node for a new one: half of its life has passed. */
export function isRenewalDue({ issuedAt, expiresAt }: Certificate, now: Millis): boolean {
  return now >= issuedAt + (expiresAt - issuedAt) / 2;
}

/** Checks all but the signature. */
export function checkCertificate(certificate: Certificate, now: Millis): Result<null, CertificateFault> {
  const { issuedAt, expiresAt, signature } = certificate;
  if (!isSignature(signature) || !(expiresAt > issuedAt)) return err('malformed');
  if (expiresAt - issuedAt > CERTIFICATE_MS_MAX) return err('too-long');
  if (issuedAt > now + CLOCK_SKEW_MS_MAX) return err('from-the-future');
  return expiresAt <= now ? err('expired') : ok(null);
}

/** Reads the header's form; null where it is none. GUID 0 is the boot node's, which certifies itself. */
export function readCertificateHeader(text: string): { guid: Guid; certificate: Certificate } | null {
  const [, guidText, issued, expires, signature = ''] = HEADER.exec(text) ?? [];
  const guid = Number(guidText);
  if (!isGuid(guid) || !isSignature(signature)) return null;
  return { guid, certificate: { issuedAt: Number(issued) * 1000, expiresAt: Number(expires) * 1000, signature } };
}

/** Writes the header's form. Times of certificates are whole seconds. */
export function writeCertificateHeader(guid: Guid, { issuedAt, expiresAt, signature }: Certificate): string {
  return `${guid}.${issuedAt / 1000}.${expiresAt / 1000}.${signature}`;
}
