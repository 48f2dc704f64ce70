import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  certificateLifetime,
  checkCertificate,
  isRenewalDue,
  readCertificateHeader,
  writeCertificateHeader,
} from '../../src/protocol/certificate.ts';
import { CERTIFICATE_MS_MAX, CLOCK_SKEW_MS_MAX, GUID_MAX } from '../../src/protocol/limits.ts';
import { certificate, NO_SIGNATURE } from '../support/signed.ts';

const NOW = 1_700_000_000_000;
const HOUR = 3_600_000;
const valid = certificate({ issuedAt: NOW, expiresAt: NOW + HOUR });
const refused = (error: string) => ({ ok: false, error });

describe('a certificate', () => {
  it("lives as a newcomer's at first, then as long as its member has been one, a week at most", () => {
    expect(certificateLifetime(0, HOUR)).toBe(HOUR);
    expect(certificateLifetime(HOUR / 2, HOUR)).toBe(HOUR);
    expect(certificateLifetime(5 * HOUR, HOUR)).toBe(5 * HOUR);
    expect(certificateLifetime(10 * CERTIFICATE_MS_MAX, HOUR)).toBe(CERTIFICATE_MS_MAX);
    expect(certificateLifetime(0, 10 * CERTIFICATE_MS_MAX)).toBe(CERTIFICATE_MS_MAX);
  });

  it('never lives shorter because its member is older', () => {
    const age = fc.nat(2 * CERTIFICATE_MS_MAX);
    fc.assert(
      fc.property(age, age, fc.integer({ min: 1, max: HOUR }), (a, b, newcomer) => {
        const [young, old] = [Math.min(a, b), Math.max(a, b)];
        expect(certificateLifetime(young, newcomer)).toBeLessThanOrEqual(certificateLifetime(old, newcomer));
        expect(certificateLifetime(young, newcomer)).toBeGreaterThanOrEqual(newcomer);
      }),
    );
  });

  it('is renewed when half of its life has passed, not before', () => {
    expect(isRenewalDue(valid, NOW + HOUR / 2 - 1)).toBe(false);
    expect(isRenewalDue(valid, NOW + HOUR / 2)).toBe(true);
    expect(isRenewalDue(valid, NOW + 2 * HOUR)).toBe(true);
  });

  it('proves something from a little before it was issued until it expires', () => {
    expect(checkCertificate(valid, NOW).ok).toBe(true);
    expect(checkCertificate(valid, NOW - CLOCK_SKEW_MS_MAX).ok).toBe(true);
    expect(checkCertificate(valid, NOW - CLOCK_SKEW_MS_MAX - 1)).toEqual(refused('from-the-future'));
    expect(checkCertificate(valid, NOW + HOUR - 1).ok).toBe(true);
    expect(checkCertificate(valid, NOW + HOUR)).toEqual(refused('expired'));
  });

  it('that lives longer than any may is refused, whoever signed it', () => {
    const longest = certificate({ issuedAt: NOW, expiresAt: NOW + CERTIFICATE_MS_MAX });
    expect(checkCertificate(longest, NOW).ok).toBe(true);
    const longer = { ...longest, expiresAt: longest.expiresAt + 1 };
    expect(checkCertificate(longer, NOW)).toEqual(refused('too-long'));
  });

  it.each([
    { signature: '' },
    { signature: NO_SIGNATURE.slice(1) },
    { expiresAt: NOW },
    { expiresAt: NOW - 1 },
    { expiresAt: NaN },
    { issuedAt: NaN },
  ])('with %j is none', (changes) => {
    expect(checkCertificate({ ...valid, ...changes }, NOW)).toEqual(refused('malformed'));
  });
});

describe('its header', () => {
  it('comes back as it was written', () => {
    const seconds = fc.integer({ min: 1, max: 99_999_999_999 }).map((value) => value * 1000);
    const signature = fc.stringMatching(/^[A-Za-z0-9_-]{85}[AQgw]$/);
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: GUID_MAX }),
        seconds,
        seconds,
        signature,
        (guid, issuedAt, expiresAt, s) => {
          const carried = { issuedAt, expiresAt, signature: s };
          expect(readCertificateHeader(writeCertificateHeader(guid, carried))).toEqual({ guid, certificate: carried });
        },
      ),
    );
  });

  const header = writeCertificateHeader(7, valid);
  it.each([
    ['nothing', ''],
    ['words', 'certificate'],
    ['no guid', header.slice(1)],
    ['a guid beyond the highest', header.replace('7.', `${GUID_MAX + 1}.`)],
    ['a negative guid', `-${header}`],
    ['a fraction', header.replace('.1700000000.', '.1700000000.5.')],
    ['spaces', ` ${header}`],
    ['a line after it', `${header}\n`],
    ['a short signature', header.slice(0, -1)],
    ['a long signature', `${header}A`],
    ['a second spelling of the signature', `${header.slice(0, -1)}B`],
    ['other characters', `${header.slice(0, -2)}+A`],
    ['hours', header.replace('1700000000', '1e9')],
  ])('with %s is none', (_, text) => {
    expect(text).not.toBe(header);
    expect(readCertificateHeader(text)).toBeNull();
  });

  it('never makes the reader throw', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => readCertificateHeader(text) === null));
  });
});
