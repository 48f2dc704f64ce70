// HTTP requests signed as RFC 9421 has it, with the digest of RFC 9530: method, host, path, query, body and certificate are covered,
// so that a request is worth nothing to another node, at another path, or later.
import { appendSignature, createSignature, isSignatureError, verifySignature, webcrypto } from 'http-message-sig';
import { readCertificateHeader, writeCertificateHeader } from '../protocol/certificate.ts';
import {
  CLOCK_SKEW_MS_MAX,
  NONCE_CHARS_MAX,
  NONCE_CHARS_MIN,
  PROTOCOL,
  REQUEST_SECONDS_MAX,
} from '../protocol/limits.ts';
import { isPublicKey } from '../protocol/signed-text.ts';
import { err, ok, type Certificate, type Guid, type Millis, type Result } from '../protocol/types.ts';
import { toBase64, toBase64url } from './base64url.ts';
import { importPublicKey, type Signer } from './keys.ts';

/** Carries a caller's certificate: `guid.issued.expires.signature`. */
export const CERTIFICATE_HEADER = 'pychain-certificate';

const COMPONENTS = ['@method', '@authority', '@path', '@query', 'content-digest'];
const PARAMETERS = ['created', 'expires', 'nonce', 'keyid', 'tag'];
const NONCE = /^[A-Za-z0-9_-]+$/;

/** Longest signature fields that are looked at, characters: ours have about 400. */
const FIELD_CHARS_MAX = 1_024;

/** A GUID and the certificate that proves it. */
export interface Credential {
  readonly guid: Guid;
  readonly certificate: Certificate;
}

/** A request to be signed. */
export interface Outgoing {
  readonly method: 'POST' | 'PUT';
  readonly url: string;
  readonly body: string | Uint8Array<ArrayBuffer>;
}

/** What a signature proves: that the holder of a key sent this. Its certificate is still to be checked. */
export interface SignedCall {
  readonly publicKey: string;
  readonly credential: Credential | null;
  readonly nonce: string;
  /** Until when the nonce must be remembered. */
  readonly expiresAt: Millis;
}

/** Why a request proves nothing: for the log, the caller is told nothing of it. */
export type SignatureFault =
  'unsigned' | 'too-long' | 'bad-digest' | 'bad-window' | 'bad-nonce' | 'bad-certificate' | string;

/** A nonce that nobody has used. */
export function freshNonce(): string {
  return toBase64url(crypto.getRandomValues(new Uint8Array(16)));
}

/** A request with its signature. `now` in milliseconds. */
export async function signRequest(
  { method, url, body }: Outgoing,
  signer: Signer,
  credential: Credential | null,
  nonce: string,
  now: Millis,
): Promise<Request> {
  const headers = new Headers({
    'accept': 'application/json',
    'content-type': 'application/json',
    'content-digest': await digestField(typeof body === 'string' ? new TextEncoder().encode(body) : body),
  });
  if (credential) headers.set(CERTIFICATE_HEADER, writeCertificateHeader(credential.guid, credential.certificate));
  const created = Math.floor(now / 1000);
  const unsigned = new Request(url, { method, headers, body, redirect: 'manual' });
  const fields = await createSignature(unsigned, {
    components: credential ? [...COMPONENTS, CERTIFICATE_HEADER] : COMPONENTS,
    parameters: {
      created,
      expires: created + REQUEST_SECONDS_MAX,
      nonce,
      keyid: signer.publicKey,
      alg: 'ed25519',
      tag: PROTOCOL,
    },
    signer: { algorithm: 'ed25519', sign: (data) => signer.sign(data) },
  });
  return new Request(url, { method, headers: appendSignature(headers, fields), body, redirect: 'manual' });
}

/** Whether a request claims to be signed. */
export function isSigned(headers: Headers): boolean {
  return headers.has('signature') || headers.has('signature-input');
}

/** What can be said of a signed request before its body is read: cheap, and so that a body need not be. */
export function precheckRequest(headers: Headers): SignatureFault | null {
  const [signature, input] = [headers.get('signature'), headers.get('signature-input')];
  if (signature === null || input === null || headers.get('content-digest') === null) return 'unsigned';
  const lengths = ['signature', 'signature-input', 'content-digest', CERTIFICATE_HEADER];
  return lengths.some((name) => (headers.get(name)?.length ?? 0) > FIELD_CHARS_MAX) ? 'too-long' : null;
}

/** Checks the signature of a request whose body was read. */
export async function verifyRequest(
  request: { readonly method: string; readonly url: string; readonly headers: Headers },
  body: Uint8Array,
  now: Millis,
): Promise<Result<SignedCall, SignatureFault>> {
  const early = precheckRequest(request.headers);
  if (early) return err(early);
  if (request.headers.get('content-digest') !== (await digestField(body))) return err('bad-digest');
  const carried = request.headers.get(CERTIFICATE_HEADER);
  const credential = carried === null ? null : readCertificateHeader(carried);
  if (carried !== null && credential === null) return err('bad-certificate');
  try {
    const { method, url, headers } = request;
    const verified = await verifySignature(new Request(url, { method, headers }), {
      policy: {
        algorithms: ['ed25519'],
        requiredComponents: carried === null ? COMPONENTS : [...COMPONENTS, CERTIFICATE_HEADER],
        requiredParameters: PARAMETERS,
        maxAge: REQUEST_SECONDS_MAX,
        clockSkew: CLOCK_SKEW_MS_MAX / 1000,
        now: Math.floor(now / 1000),
      },
      resolveVerifier: async ({ parameters }) => {
        if (!isPublicKey(parameters.keyid)) throw new Error('keyid is not a public key');
        return webcrypto.verifier(await importPublicKey(parameters.keyid));
      },
    });
    const { created = 0, expires = 0, nonce = '', keyid = '', tag } = verified.parameters;
    if (tag !== PROTOCOL) return err('other-tag');
    const isInWindow = expires > created && expires - created <= REQUEST_SECONDS_MAX;
    const expiresAt = expires * 1000 + CLOCK_SKEW_MS_MAX;
    if (!isInWindow || created * 1000 > now + CLOCK_SKEW_MS_MAX || expiresAt <= now) return err('bad-window');
    if (nonce.length < NONCE_CHARS_MIN || nonce.length > NONCE_CHARS_MAX || !NONCE.test(nonce)) return err('bad-nonce');
    return ok({ publicKey: keyid, credential, nonce, expiresAt });
  } catch (cause) {
    // Whatever a caller sends makes a signature that proves nothing, never an error of ours.
    return err(isSignatureError(cause) ? cause.code : 'unreadable');
  }
}

async function digestField(body: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', body as Uint8Array<ArrayBuffer>);
  return `sha-256=:${toBase64(new Uint8Array(digest))}:`;
}
