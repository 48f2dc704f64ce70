// A node's Ed25519 key: made once, kept in its own storage. The public key is what the boot node knows it by.
import type { MetaTable } from '../protocol/store.ts';

const IDENTITY_KEY = 'identity';

export interface Identity {
  /** base64url of the 32 bytes. */
  readonly publicKey: string;
}

/** The stored identity, or null before the first start. */
export function readIdentity(meta: MetaTable): Identity | null {
  const text = meta.get(IDENTITY_KEY);
  if (text === null) return null;
  const jwk = JSON.parse(text) as JsonWebKey;
  if (typeof jwk.x !== 'string') throw new Error('the stored identity has no public key');
  return { publicKey: jwk.x };
}

/** Makes a key pair and stores it. */
export async function createIdentity(meta: MetaTable): Promise<Identity> {
  const pair = (await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify'])) as CryptoKeyPair;
  const jwk = (await crypto.subtle.exportKey('jwk', pair.privateKey)) as JsonWebKey;
  if (typeof jwk.x !== 'string') throw new Error('assertion failed: an Ed25519 key has x');
  meta.set(IDENTITY_KEY, JSON.stringify(jwk));
  return { publicKey: jwk.x };
}
