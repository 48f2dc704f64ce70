import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  answerHashText,
  answerText,
  certificateText,
  isPublicKey,
  isSignature,
  memberText,
  messageText,
} from '../../src/protocol/signed-text.ts';
import { keyOf, selfRecord } from '../support/signed.ts';

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Never drawn at random, but fast-check likes small numbers. */
function isSmallOrder(key: Uint8Array): boolean {
  const [first = 0, ...rest] = key;
  return first <= 1 && rest.slice(0, -1).every((byte) => byte === 0) && [0, 0x80].includes(rest.at(-1) ?? 0);
}

describe('what is signed', () => {
  // Whoever speaks this protocol in another language signs these bytes.
  it('is for ever this', () => {
    expect(messageText('{"a":1}')).toBe('pychain/1 message\n{"a":1}');
    const period = { issuedAt: 1_700_000_000_000, expiresAt: 1_700_003_600_000 };
    expect(certificateText('test', 7, keyOf(7), period)).toBe(
      `pychain/1 certificate\n{"expires":1700003600,"guid":7,"issued":1700000000,"network":"test","public_key":"${keyOf(7)}"}`,
    );
    const record = selfRecord(7, { address: 'https://n7.example.net', incarnation: 3, capabilities: ['sync', 'a'] });
    expect(memberText('test', record)).toBe(
      'pychain/1 member\n{"address":"https://n7.example.net","capabilities":["sync","a"],"incarnation":3,' +
        `"network":"test","public_key":"${keyOf(7)}"}`,
    );
    // SHA-256 of "{}", computed with sha256sum.
    const hash = '44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a';
    expect(answerText('nonce', {})).toBe(`pychain/1 answer\nnonce\n${hash}`);
    expect(answerHashText('nonce', hash)).toBe(answerText('nonce', {}));
  });

  it('of one kind is never of another, whatever is in it', () => {
    const kindOf = (text: string) => text.split('\n')[0];
    fc.assert(
      fc.property(fc.string(), fc.nat(), (text, number) => {
        const kinds = [
          messageText(text),
          certificateText(text, number, text, { issuedAt: number, expiresAt: number }),
          memberText(text, selfRecord(number, { address: text })),
          answerText(text, text),
        ].map(kindOf);
        expect(new Set(kinds).size).toBe(4);
      }),
    );
  });

  it('tells apart what one question was from what another was, and of networks', () => {
    expect(answerText('a', { b: 1 })).not.toBe(answerText('b', { b: 1 }));
    expect(answerText('a', { b: 1 })).not.toBe(answerText('a', { b: 2 }));
    expect(memberText('a', selfRecord(1))).not.toBe(memberText('b', selfRecord(1)));
  });
});

describe('bytes in base64url', () => {
  it('have one spelling: a signature is 64 of them, a key 32', () => {
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
    fc.assert(
      fc.property(bytes(64), bytes(32), (signature, key) => {
        expect(isSignature(Buffer.from(signature).toString('base64url'))).toBe(true);
        expect(isPublicKey(Buffer.from(key).toString('base64url'))).toBe(!isSmallOrder(key));
      }),
    );
    const last = (count: number, isOne: (text: string) => boolean) =>
      [...BASE64URL].filter((character) => isOne(`${'A'.repeat(count)}${character}`));
    // Four and two bits to spare: a fourth, and a sixteenth, of all characters.
    expect(last(85, isSignature)).toHaveLength(4);
    // All zero is a point of small order, which is no key.
    expect(last(42, isPublicKey)).toHaveLength(15);
  });

  it('are no points of small order, under which one signature fits many texts', () => {
    const orders = ['00'.repeat(32), `01${'00'.repeat(31)}`, `ec${'ff'.repeat(30)}7f`, `ed${'ff'.repeat(30)}7f`];
    for (const hex of orders) {
      const bytes = Buffer.from(hex, 'hex');
      expect(isPublicKey(bytes.toString('base64url'))).toBe(false);
      bytes[31] = (bytes[31] ?? 0) | 0x80;
      expect(isPublicKey(bytes.toString('base64url'))).toBe(false);
    }
  });

  it.each([null, undefined, 7, '', [], {}, 'A'.repeat(64)])('are not %j', (value) => {
    expect(isSignature(value)).toBe(false);
    expect(isPublicKey(value)).toBe(false);
  });
});
