// Ed25519 keys with WebCrypto, which Workers, Node.js and browsers have. Private keys never leave the object that has the signer.
import { isPublicKey, isSignature } from '../protocol/signed-text.ts';
import { fromBase64url, toBase64url } from './base64url.ts';

/** A private key as it is stored: an Ed25519 JWK (RFC 8037). */
export interface StoredKey {
  readonly kty: string;
  readonly crv: string;
  /** The public key. */
  readonly x: string;
  readonly d: string;
}

/** What WebCrypto makes of a key; the runtimes' types of it differ in name. */
type ImportedKey = Awaited<ReturnType<typeof crypto.subtle.importKey>>;

/** Signs with one key. */
export interface Signer {
  /** base64url of the 32 bytes. */
  readonly publicKey: string;
  /** The 64 bytes of a signature. */
  sign(data: Uint8Array): Promise<Uint8Array>;
}

/** Public keys that stay imported; importing costs half of a verification (measured in bench/trust-main.ts). */
const IMPORTED_MAX = 2_048;

const imported = new Map<string, Promise<ImportedKey>>();

/** Makes a key pair, as a JWK that can be stored. */
export async function generateKey(): Promise<StoredKey> {
  const pair = (await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify'])) as { privateKey: ImportedKey };
  const { kty, crv, x, d } = (await crypto.subtle.exportKey('jwk', pair.privateKey)) as Partial<StoredKey>;
  if (kty === undefined || crv === undefined || x === undefined || d === undefined) {
    throw new Error('assertion failed: an Ed25519 key has x and d');
  }
  return { kty, crv, x, d };
}

/** A signer of a stored key. Throws where it is none: a broken store. */
export function openSigner(stored: StoredKey): Signer {
  if (!isPublicKey(stored.x)) throw new Error('the stored key has no public key');
  let key: Promise<ImportedKey> | null = null;
  return {
    publicKey: stored.x,
    async sign(data) {
      key ??= crypto.subtle.importKey('jwk', { ...stored }, 'Ed25519', false, ['sign']);
      return new Uint8Array(await crypto.subtle.sign('Ed25519', await key, data as Uint8Array<ArrayBuffer>));
    },
  };
}

/** Signs a text; base64url. */
export async function signText(signer: Pick<Signer, 'sign'>, text: string): Promise<string> {
  return toBase64url(await signer.sign(new TextEncoder().encode(text)));
}

/** Whether a signature (base64url) of a text is by a public key (base64url). False for what is no key or no signature. */
export async function verifyText(publicKey: string, signature: string, text: string): Promise<boolean> {
  if (!isPublicKey(publicKey) || !isSignature(signature)) return false;
  const key = await importPublicKey(publicKey).catch(() => null);
  if (key === null) return false;
  return await crypto.subtle.verify('Ed25519', key, fromBase64url(signature), new TextEncoder().encode(text));
}

/** The key for WebCrypto. Rejects where the bytes are no point of the curve. */
export function importPublicKey(publicKey: string): Promise<ImportedKey> {
  const known = imported.get(publicKey);
  if (known) return known;
  const oldest = imported.keys().next();
  if (imported.size >= IMPORTED_MAX && !oldest.done) imported.delete(oldest.value);
  const key = crypto.subtle.importKey('raw', fromBase64url(publicKey), 'Ed25519', false, ['verify']);
  imported.set(publicKey, key);
  key.catch(() => imported.delete(publicKey));
  return key;
}
