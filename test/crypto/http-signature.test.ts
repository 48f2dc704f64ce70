import { verify } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  CERTIFICATE_HEADER,
  freshNonce,
  isSigned,
  precheckRequest,
  signRequest,
  verifyRequest,
  type Credential,
} from '../../src/crypto/http-signature.ts';
import { writeCertificateHeader } from '../../src/protocol/certificate.ts';
import { NO_SIGNATURE } from '../support/signed.ts';
import { COVERED, digestOf, handSigned, keyOf, newKey, signatureBase, type HandRequest } from './hand-signed.ts';

/** The key of RFC 9421, appendix B.1.4. */
const key = keyOf({
  kty: 'OKP',
  crv: 'Ed25519',
  d: 'n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU',
  x: 'JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs',
});
const URL_ASKED = 'https://n2.example.net/n/2/api/v1/sync?a=b';
const BODY = '{"guid":3,"ü":"😀"}';
const NOW = 1_700_000_000_000;
const SECONDS = NOW / 1000;
const NONCE = 'abcdefghijklmnop_-0123';
const credential: Credential = {
  guid: 3,
  certificate: { issuedAt: NOW - 60_000, expiresAt: NOW + 3_600_000, signature: NO_SIGNATURE },
};
const CARRIED = writeCertificateHeader(credential.guid, credential.certificate);

interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
}

const bytes = (text: string) => new TextEncoder().encode(text);

async function signed(given: Credential | null = credential): Promise<Received> {
  return await signRequest({ method: 'POST', url: URL_ASKED, body: BODY }, key.signer, given, NONCE, NOW);
}

/** What is verified of a request with changes: the reason why not, or 'ok'. */
async function verdict(request: Received, changes: Partial<Received> = {}, body = bytes(BODY), now = NOW) {
  const { method, url, headers } = request;
  const result = await verifyRequest({ method, url, headers, ...changes }, body, now);
  return result.ok ? 'ok' : result.error;
}

function withHeaders(request: Received, changes: Readonly<Record<string, string | null>>): { headers: Headers } {
  const headers = new Headers(request.headers);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) headers.delete(name);
    else headers.set(name, value);
  }
  return { headers };
}

/** A request by hand, as it should be but for changes. */
function byHand(changes: Partial<HandRequest> = {}): Received {
  const request = {
    method: 'POST',
    url: URL_ASKED,
    body: BODY,
    key,
    certificate: CARRIED,
    created: SECONDS,
    ...changes,
  };
  return { method: request.method, url: request.url, headers: new Headers(handSigned(request)) };
}

describe('a signed request', () => {
  test('proves its key, its certificate and its nonce, until it has expired everywhere', async () => {
    const request = await signed();
    expect(await verifyRequest(request, bytes(BODY), NOW)).toEqual({
      ok: true,
      value: { publicKey: key.publicKey, credential, nonce: NONCE, expiresAt: NOW + 60_000 + 60_000 },
    });
  });

  test('of a newcomer proves its key alone', async () => {
    const request = await signed(null);
    expect(request.headers.has(CERTIFICATE_HEADER)).toBe(false);
    expect(await verifyRequest(request, bytes(BODY), NOW)).toMatchObject({
      ok: true,
      value: { publicKey: key.publicKey, credential: null, nonce: NONCE },
    });
  });

  test('without a query verifies too', async () => {
    const url = 'https://n2.example.net/api/v1/network/join';
    const request = await signRequest({ method: 'PUT', url, body: '{}' }, key.signer, null, NONCE, NOW);
    expect(await verdict(request, {}, bytes('{}'))).toBe('ok');
    expect(await verdict(request, { url: `${url}?a` }, bytes('{}'))).toBe('VerificationFailed');
  });

  test('never follows a redirect, and carries the body that it signed', async () => {
    const request = await signRequest({ method: 'POST', url: URL_ASKED, body: BODY }, key.signer, null, NONCE, NOW);
    expect(request.redirect).toBe('manual');
    expect(await request.text()).toBe(BODY);
  });

  test('is what RFC 9421 says it is, checked with node:crypto', async () => {
    const { headers } = await signed();
    const shown = Object.fromEntries(headers);
    expect(shown['content-digest']).toBe(digestOf(BODY));
    const { input, base } = signatureBase(
      { method: 'POST', url: URL_ASKED, key, certificate: CARRIED, created: SECONDS, parameters: { nonce: NONCE } },
      shown,
    );
    // Written out once, so that the helper is not held against itself alone.
    expect(base).toBe(
      [
        '"@method": POST',
        '"@authority": n2.example.net',
        '"@path": /n/2/api/v1/sync',
        '"@query": ?a=b',
        `"content-digest": ${digestOf(BODY)}`,
        `"pychain-certificate": 3.1699999940.1700003600.${NO_SIGNATURE}`,
        '"@signature-params": ("@method" "@authority" "@path" "@query" "content-digest" "pychain-certificate")' +
          `;created=1700000000;expires=1700000060;nonce="${NONCE}";keyid="${key.publicKey}";alg="ed25519";tag="pychain/1"`,
      ].join('\n'),
    );
    const [, label, sent] = /^([a-z0-9]+)=(.*)$/.exec(shown['signature-input'] ?? '') ?? [];
    expect(sent).toBe(input);
    const [, signature = ''] = new RegExp(`^${label}=:([^:]+):$`).exec(shown['signature'] ?? '') ?? [];
    expect(verify(null, Buffer.from(base), key.privateKey, Buffer.from(signature, 'base64'))).toBe(true);
  });

  test('by hand verifies', async () => {
    expect(await verdict(byHand())).toBe('ok');
    expect(await verdict(byHand({ components: [...COVERED, 'pychain-certificate'].toReversed() }))).toBe('ok');
  });
});

describe('a signed request is worth nothing', () => {
  test.each<[string, Partial<Received>]>([
    ['with another method', { method: 'PUT' }],
    ['at another path', { url: URL_ASKED.replace('/sync', '/deliveries') }],
    ['at another node of the deployment', { url: URL_ASKED.replace('/n/2/', '/n/1/') }],
    ['with another query', { url: URL_ASKED.replace('a=b', 'a=c') }],
    ['without its query', { url: URL_ASKED.replace('?a=b', '') }],
    ['at another host', { url: URL_ASKED.replace('n2.', 'n3.') }],
    ['at another port', { url: URL_ASKED.replace('.net/', '.net:8443/') }],
  ])('%s', async (_name, changes) => {
    expect(await verdict(await signed(), changes)).toBe('VerificationFailed');
  });

  test('with another body, or none', async () => {
    for (const body of [BODY.replace('3', '4'), `${BODY} `, '']) {
      expect(await verdict(await signed(), {}, bytes(body))).toBe('bad-digest');
    }
  });

  test('with another body and its digest', async () => {
    const request = await signed();
    const changes = withHeaders(request, { 'content-digest': digestOf('{}') });
    expect(await verdict(request, changes, bytes('{}'))).toBe('VerificationFailed');
  });

  test('with a digest of another kind, or a second one', async () => {
    const request = await signed();
    const right = digestOf(BODY);
    for (const value of [right.replace('sha-256', 'sha-512'), `${right}, ${digestOf('')}`, right.slice(0, -1), 'x']) {
      expect(await verdict(request, withHeaders(request, { 'content-digest': value }))).toBe('bad-digest');
    }
    expect(await verdict(request, withHeaders(request, { 'content-digest': null }))).toBe('unsigned');
  });

  test('with another certificate, or without the one that it had', async () => {
    const request = await signed();
    const other = CARRIED.replace(/^3\./, '4.');
    expect(await verdict(request, withHeaders(request, { [CERTIFICATE_HEADER]: other }))).toBe('VerificationFailed');
    expect(await verdict(request, withHeaders(request, { [CERTIFICATE_HEADER]: null }))).not.toBe('ok');
    expect(await verdict(request, withHeaders(request, { [CERTIFICATE_HEADER]: 'x' }))).toBe('bad-certificate');
  });

  test('with a certificate that somebody put onto it', async () => {
    const request = await signed(null);
    expect(await verdict(request, withHeaders(request, { [CERTIFICATE_HEADER]: CARRIED }))).toBe('PolicyViolation');
    expect(await verdict(byHand({ components: COVERED }))).toBe('PolicyViolation');
  });

  test.each([...COVERED, 'pychain-certificate'])('where %s is not covered', async (name) => {
    const components = [...COVERED, 'pychain-certificate'].filter((other) => other !== name);
    expect(await verdict(byHand({ components }))).toBe('PolicyViolation');
  });

  test('with no method that could have a body', async () => {
    const headers = new Headers(handSigned({ method: 'GET', url: URL_ASKED, body: '', key, created: SECONDS }));
    for (const name of ['content-digest', 'signature', 'signature-input']) {
      const left = new Headers(headers);
      left.delete(name);
      expect(await verdict({ method: 'GET', url: URL_ASKED, headers: left }, {}, bytes(''))).toBe('unsigned');
    }
    const { 'content-digest': _, ...plain } = handSigned({
      method: 'GET',
      url: URL_ASKED,
      body: '',
      key,
      components: ['@method', '@authority', '@path', '@query'],
    });
    expect(await verdict({ method: 'GET', url: URL_ASKED, headers: new Headers(plain) }, {}, bytes(''))).toBe(
      'unsigned',
    );
  });
});

describe('the window', () => {
  test.each([
    ['just made', 0, 'ok'],
    ['made by a clock that is a minute ahead', 60, 'ok'],
    ['from the future', 61, 'other'],
    ['in its last second', -119, 'ok'],
    ['too old', -120, 'other'],
    ['of last year', -31_536_000, 'other'],
  ])('a request %s (%i s): %s', async (_name, seconds, expected) => {
    const found = await verdict(byHand({ created: SECONDS + seconds }));
    if (expected === 'ok') expect(found).toBe('ok');
    else expect(['bad-window', 'PolicyViolation']).toContain(found);
  });

  test.each<[string, Record<string, string | number | null>]>([
    ['a second too long', { expires: SECONDS + 61 }],
    ['of a year', { expires: SECONDS + 31_536_000 }],
    ['of no time', { expires: SECONDS }],
    ['that ends before it begins', { expires: SECONDS - 1 }],
    ['without an end', { expires: null }],
    ['without a beginning', { created: null }],
    ['with an end that is no number', { expires: 'soon' }],
    ['with a beginning that is no number', { created: 'now' }],
    ['with times that are not whole', { created: SECONDS + 0.5, expires: SECONDS + 0.75 }],
    ['below zero', { created: -SECONDS, expires: -SECONDS + 60 }],
    ['at the end of numbers', { created: 999_999_999_999_999, expires: 999_999_999_999_999 }],
  ])('%s is none', async (_name, parameters) => {
    const request = { method: 'POST', url: URL_ASKED, body: BODY, key, certificate: CARRIED, created: SECONDS };
    const headers = new Headers(handSigned({ ...request, parameters }));
    expect(await verdict({ ...request, headers })).not.toBe('ok');
  });

  test('moves with the clock: what was good is not, two minutes later', async () => {
    const request = await signed();
    expect(await verdict(request, {}, bytes(BODY), NOW + 119_000)).toBe('ok');
    expect(await verdict(request, {}, bytes(BODY), NOW + 120_000)).not.toBe('ok');
    expect(await verdict(request, {}, bytes(BODY), NOW - 61_000)).not.toBe('ok');
  });
});

describe('the parameters', () => {
  test.each<[string, Record<string, string | number | null>, string]>([
    ['a nonce of 15 characters', { nonce: 'a'.repeat(15) }, 'bad-nonce'],
    ['a nonce of 65 characters', { nonce: 'a'.repeat(65) }, 'bad-nonce'],
    ['a nonce with a space', { nonce: `${'a'.repeat(16)} b` }, 'bad-nonce'],
    ['a nonce with a dot', { nonce: `${'a'.repeat(16)}.b` }, 'bad-nonce'],
    ['an empty nonce', { nonce: '' }, 'bad-nonce'],
    ['another tag', { tag: 'pychain/2' }, 'other-tag'],
    ['no nonce', { nonce: null }, 'PolicyViolation'],
    ['no tag', { tag: null }, 'PolicyViolation'],
    ['no key', { keyid: null }, 'PolicyViolation'],
    ['another algorithm', { alg: 'hmac-sha256' }, 'PolicyViolation'],
    ['a name for a key', { keyid: 'my key' }, 'ResolverFailed'],
    ['a key of 42 characters', { keyid: 'A'.repeat(42) }, 'ResolverFailed'],
    ['a key in a second spelling', { keyid: key.publicKey.replace(/s$/, 't') }, 'ResolverFailed'],
    ['the key of another', { keyid: newKey().publicKey }, 'VerificationFailed'],
    ['a key that is a number', { keyid: 7 }, 'MalformedField'],
  ])('%s: %j', async (_name, parameters, expected) => {
    const found = await verdict(byHand({ parameters }));
    expect(found).not.toBe('ok');
    expect(found).toBe(expected);
  });

  test('nonces of 16 and of 64 characters are fine', async () => {
    for (const nonce of ['-'.repeat(16), '_'.repeat(64)]) {
      expect(await verifyRequest(byHand({ parameters: { nonce } }), bytes(BODY), NOW)).toMatchObject({
        value: { nonce },
      });
    }
  });

  test('a key that is no point of the curve proves nothing', async () => {
    // y = 2 is on no point of edwards25519.
    const keyid = Buffer.from([2, ...Array.from({ length: 31 }, () => 0)]).toString('base64url');
    expect(await verdict(byHand({ parameters: { keyid } }))).not.toBe('ok');
  });

  test('the key of small order, for which anybody can sign, proves nothing', async () => {
    const request = byHand({ parameters: { keyid: Buffer.from([1, ...new Uint8Array(31)]).toString('base64url') } });
    // R the neutral element, s = 0: verifies every message where small orders are let pass.
    const forged = Buffer.from([1, ...new Uint8Array(63)]).toString('base64');
    expect(await verdict(request, withHeaders(request, { signature: `sig1=:${forged}:` }))).not.toBe('ok');
  });
});

describe('the fields', () => {
  test('two signatures: none of them', async () => {
    const [one, two] = [byHand(), byHand({ label: 'sig2', key: newKey() })];
    const both = new Headers(one.headers);
    for (const name of ['signature', 'signature-input']) both.append(name, two.headers.get(name) ?? '');
    expect(await verdict(one, { headers: both })).not.toBe('ok');
    const same = new Headers(one.headers);
    for (const name of ['signature', 'signature-input']) same.append(name, one.headers.get(name) ?? '');
    expect(await verdict(one, { headers: same })).not.toBe('ok');
  });

  test('a signature under another label than its input', async () => {
    const request = byHand();
    const renamed = (request.headers.get('signature') ?? '').replace('sig1', 'sig2');
    expect(await verdict(request, withHeaders(request, { signature: renamed }))).not.toBe('ok');
  });

  test.each(['signature', 'signature-input', 'content-digest', CERTIFICATE_HEADER])(
    'a field %s that is too long is not looked at',
    async (name) => {
      const request = byHand();
      const changes = withHeaders(request, { [name]: 'x'.repeat(1_025) });
      expect(precheckRequest(changes.headers)).toBe('too-long');
      expect(await verdict(request, changes)).toBe('too-long');
      expect(precheckRequest(withHeaders(request, { [name]: 'x'.repeat(1_024) }).headers)).toBeNull();
    },
  );

  test('a request is signed where it says so, and only whole', () => {
    const { headers } = byHand();
    expect(isSigned(headers)).toBe(true);
    expect(precheckRequest(headers)).toBeNull();
    expect(isSigned(new Headers({ 'signature-input': 'x' }))).toBe(true);
    expect(isSigned(new Headers({ signature: 'x' }))).toBe(true);
    expect(isSigned(new Headers({ 'content-digest': 'x' }))).toBe(false);
    expect(precheckRequest(new Headers({ 'signature': 'x', 'content-digest': 'x' }))).toBe('unsigned');
  });

  test('any change of any character of them: never an error of ours, and never a proof of something else', async () => {
    const request = byHand();
    const proved = await verifyRequest(request, bytes(BODY), NOW);
    expect(proved.ok).toBe(true);
    const names = fc.constantFrom('signature', 'signature-input', 'content-digest', CERTIFICATE_HEADER);
    const piece = fc.oneof(fc.string(), fc.constantFrom(';', ',', '=', '"', '(', ')', ':', ';created=0', ';bs', ';sf'));
    await fc.assert(
      fc.asyncProperty(names, fc.nat(), fc.nat(3), piece, async (name, at, cut, put) => {
        const value = request.headers.get(name) ?? '';
        const place = at % (value.length + 1);
        const changed = value.slice(0, place) + put.replace(/[^\x20-\x7e]/g, '') + value.slice(place + cut);
        const { headers } = withHeaders(request, { [name]: changed });
        const result = await verifyRequest({ ...request, headers }, bytes(BODY), NOW);
        // Structured fields have several spellings: white space, base64 without padding, leading zeros. They say the same.
        if (result.ok) expect(result).toEqual(proved);
      }),
      { numRuns: 500 },
    );
  });

  test('garbage: refused, whatever it is', async () => {
    const field = fc.string({ maxLength: 3_000 }).map((text) => text.replace(/[^\x20-\x7e]/g, ''));
    await fc.assert(
      fc.asyncProperty(field, field, field, fc.string(), async (signature, input, certificate, method) => {
        const headers = new Headers({
          'signature': signature,
          'signature-input': input,
          'content-digest': digestOf(''),
          [CERTIFICATE_HEADER]: certificate,
        });
        const result = await verifyRequest({ method, url: URL_ASKED, headers }, bytes(''), NOW);
        expect(result.ok).toBe(false);
        if (!result.ok) expect(result.error.length).toBeLessThan(100);
      }),
      { numRuns: 200 },
    );
  });
});

test('nonces are long enough, never twice, and what a verifier takes', async () => {
  const nonces = Array.from({ length: 1_000 }, freshNonce);
  expect(new Set(nonces).size).toBe(nonces.length);
  for (const nonce of nonces) expect(nonce).toMatch(/^[A-Za-z0-9_-]{22}$/);
});
