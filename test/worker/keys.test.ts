// Ed25519 in workerd takes what other libraries refuse: keys of small order, under which one signature fits many texts.
import { describe, expect, it } from 'vitest';
import { generateKey, openSigner, signText, verifyText } from '../../src/crypto/keys.ts';

const SMALL_ORDER = [
  'AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
  'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
  'JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU',
  '7P_______________________________________38',
];

describe('a signature', () => {
  it('by a key that proves nothing proves nothing', async () => {
    // R is the identity, s is zero: with such keys it verifies for many texts where the library does not look.
    const forged = `AQ${'A'.repeat(84)}`;
    for (const key of SMALL_ORDER) {
      for (let index = 0; index < 64; index++) expect(await verifyText(key, forged, `text ${index}`)).toBe(false);
    }
  });

  it('by a real key is for its text alone', async () => {
    const signer = openSigner(await generateKey());
    const signature = await signText(signer, 'text');
    expect(await verifyText(signer.publicKey, signature, 'text')).toBe(true);
    expect(await verifyText(signer.publicKey, signature, 'other')).toBe(false);
  });
});
