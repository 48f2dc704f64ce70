// Requests signed by hand: RFC 9421 and RFC 9530 written down a second time, with node:crypto and without the library that src/ uses. Ours
// are held against it, and it signs what ours never would.
import { createHash, createPrivateKey, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { openSigner, type Signer, type StoredKey } from '../../src/crypto/keys.ts';

/** A key, as node:crypto and as src/ has it. */
export interface TestKey {
  readonly publicKey: string;
  readonly privateKey: KeyObject;
  readonly stored: StoredKey;
  readonly signer: Signer;
}

export function keyOf(stored: StoredKey): TestKey {
  const privateKey = createPrivateKey({ key: { ...stored }, format: 'jwk' });
  return { publicKey: stored.x, privateKey, stored, signer: openSigner(stored) };
}

export function newKey(): TestKey {
  const { kty = '', crv = '', x = '', d = '' } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  return keyOf({ kty, crv, x, d });
}

/** What a request is signed over, in the order in which we sign. */
export const COVERED = ['@method', '@authority', '@path', '@query', 'content-digest'];

export interface HandRequest {
  readonly method: string;
  readonly url: string;
  readonly body: string | Uint8Array;
  readonly key: TestKey;
  /** Value of the header; covered unless `components` says otherwise. */
  readonly certificate?: string;
  /** Seconds. */
  readonly created?: number;
  /** Raw parameters as they stand in Signature-Input; null leaves one out. */
  readonly parameters?: Readonly<Record<string, string | number | null>>;
  readonly components?: readonly string[];
  readonly label?: string;
}

/** The headers that a signature takes. */
export function handSigned(request: HandRequest): Record<string, string> {
  const { certificate, label = 'sig1', key } = request;
  const headers: Record<string, string> = {
    'content-digest': digestOf(request.body),
    ...(certificate !== undefined && { 'pychain-certificate': certificate }),
  };
  const { input, base } = signatureBase(request, headers);
  const signature = sign(null, Buffer.from(base), key.privateKey).toString('base64');
  return { ...headers, 'signature-input': `${label}=${input}`, 'signature': `${label}=:${signature}:` };
}

/** RFC 9530: `sha-256=:…:`. */
export function digestOf(body: string | Uint8Array): string {
  return `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;
}

/** The text that is signed (RFC 9421 section 2.5), and the signature's parameters. */
export function signatureBase(
  request: Omit<HandRequest, 'body'>,
  headers: Readonly<Record<string, string>>,
): { readonly input: string; readonly base: string } {
  const { method, url, key, certificate } = request;
  const created = request.created ?? Math.floor(Date.now() / 1000);
  const { components = certificate === undefined ? COVERED : [...COVERED, 'pychain-certificate'] } = request;
  const parameters: Record<string, string | number | null> = {
    created,
    expires: created + 60,
    nonce: randomBytes(16).toString('base64url'),
    keyid: key.publicKey,
    alg: 'ed25519',
    tag: 'pychain/1',
    ...request.parameters,
  };
  const { host, pathname, search } = new URL(url);
  const derived: Record<string, string> = {
    '@method': method,
    '@authority': host,
    '@path': pathname,
    '@query': search === '' ? '?' : search,
  };
  const names = components.map((name) => `"${name}"`);
  const written = Object.entries(parameters).flatMap(([name, value]) => {
    if (value === null) return [];
    return [`;${name}=${typeof value === 'number' ? value : `"${value}"`}`];
  });
  const input = `(${names.join(' ')})${written.join('')}`;
  const lines = components.map((name) => `"${name}": ${derived[name] ?? headers[name] ?? ''}`);
  return { input, base: [...lines, `"@signature-params": ${input}`].join('\n') };
}
