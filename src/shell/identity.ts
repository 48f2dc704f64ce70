// A node's Ed25519 key and what it says of itself: the key is made once and kept in its own storage. A node's never leaves it; the boot
// node's does in a backup whose operator asks for it.
import { generateKey, openSigner, signText, verifyText, type Signer, type StoredKey } from '../crypto/keys.ts';
import { signRecord } from '../crypto/signatures.ts';
import { CAPABILITIES } from '../protocol/limits.ts';
import type { MetaTable } from '../protocol/store.ts';
import type { SelfRecord } from '../protocol/types.ts';

/** Meta key: the key, as a JWK. */
const IDENTITY_KEY = 'identity';
/** Meta key: the signed record. */
const SELF_KEY = 'self';
/** Signed to see whether a key works; of no kind that anybody believes, see signed-text.ts. */
const PROBE_TEXT = 'a key that is restored';

export interface Identity {
  readonly signer: Signer;
  readonly self: SelfRecord;
}

/** A key pair, and its signer. */
export interface Pair {
  readonly signer: Signer;
  readonly key: StoredKey;
}

/** The stored key, or null before the first start. */
export function readSigner(meta: MetaTable): Signer | null {
  const text = meta.get(IDENTITY_KEY);
  return text === null ? null : openSigner(JSON.parse(text) as StoredKey);
}

/** Makes a key and stores it. */
export async function createSigner(meta: MetaTable): Promise<Signer> {
  const key = await generateKey();
  meta.set(IDENTITY_KEY, JSON.stringify(key));
  return openSigner(key);
}

/** The secret half of the stored key, base64url; null before the first start. */
export function readPrivateKey(meta: MetaTable): string | null {
  const text = meta.get(IDENTITY_KEY);
  return text === null ? null : (JSON.parse(text) as StoredKey).d;
}

/** A key pair that was told; null where its halves do not belong together. */
export async function openPair(publicKey: string, privateKey: string): Promise<Pair | null> {
  const key = { kty: 'OKP', crv: 'Ed25519', x: publicKey, d: privateKey };
  const signer = openSigner(key);
  // A runtime may refuse such a key, or sign what nobody can verify.
  const signature = await signText(signer, PROBE_TEXT).catch(() => '');
  return (await verifyText(publicKey, signature, PROBE_TEXT)) ? { signer, key } : null;
}

/** Puts a key in the place of the one that is stored. */
export function storeKey(meta: MetaTable, { key }: Pair): void {
  meta.set(IDENTITY_KEY, JSON.stringify(key));
}

/** The stored identity; null where there is none yet, or where it says something else than what is true now. */
export function readIdentity(meta: MetaTable, address: string): Identity | null {
  const signer = readSigner(meta);
  const self = readSelf(meta);
  const isTrue = self?.address === address && self.capabilities.join() === CAPABILITIES.join();
  return signer && self && isTrue ? { signer, self } : null;
}

/**
 * Makes what is missing of an identity: a key, or a record with a higher incarnation, since its address or what it can do has
 * changed. `above`: an incarnation that others know already.
 */
export async function renewIdentity(
  meta: MetaTable,
  network: string,
  address: string,
  above: number | null = null,
): Promise<Identity> {
  const signer = readSigner(meta) ?? (await createSigner(meta));
  const before = Math.max(readSelf(meta)?.incarnation ?? -1, above ?? -1);
  const self = await signRecord(signer, network, { address, incarnation: before + 1, capabilities: CAPABILITIES });
  meta.set(SELF_KEY, JSON.stringify(self));
  return { signer, self };
}

function readSelf(meta: MetaTable): SelfRecord | null {
  const text = meta.get(SELF_KEY);
  return text === null ? null : (JSON.parse(text) as SelfRecord);
}
