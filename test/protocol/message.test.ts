import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashOf, toCanonical, utf8Length } from '../../src/protocol/canonical.ts';
import { decodeJob, encodeJob, packJobs, type Bundle } from '../../src/protocol/job.ts';
import {
  CLOCK_SKEW_MS_MAX,
  JOB_BYTES_MAX,
  JOB_LEGS_MAX,
  JSON_DEPTH_MAX,
  MESSAGE_BYTES_MAX,
} from '../../src/protocol/limits.ts';
import {
  composeMessage,
  decodeMessage,
  decodeStored,
  depthOf,
  eventOf,
  sealMessage,
} from '../../src/protocol/message.ts';
import { seal, signedTextOf, unseal } from '../../src/protocol/seal.ts';
import { messageText } from '../../src/protocol/signed-text.ts';
import type { JsonObject, JsonValue } from '../../src/protocol/types.ts';
import { keyOf, NO_SIGNATURE } from '../support/signed.ts';

const NOW = 1_700_000_000_000;
const content = (data: JsonObject) => ({
  network: 'test',
  data,
  originator: { guid: 3, address: 'https://n3.example' },
  broadcastAt: NOW,
  expiresAt: NOW + 600_000,
});

function composed(data: JsonObject, nonce = 1) {
  const draft = composeMessage(content(data), nonce);
  if (!draft.ok) throw new Error(JSON.stringify(draft.error));
  const { id, sealed } = sealMessage(draft.value, NO_SIGNATURE);
  return { id, sealed, content: draft.value.content, body: draft.value.body };
}

const json = fc.dictionary(
  fc.string({ unit: 'grapheme' }).filter((key) => key !== '__proto__'),
  fc.jsonValue({ stringUnit: 'grapheme' }),
) as fc.Arbitrary<JsonObject>;

describe('messages', () => {
  it('come back as they were sent, whatever the data', () => {
    fc.assert(
      fc.property(json, fc.nat(), (data, nonce) => {
        const { id, sealed, content: sent } = composed(data, nonce);
        const decoded = decodeMessage(sealed, 'test', NOW);
        const received = { ...sent, data: JSON.parse(JSON.stringify(data)) as JsonObject };
        const bytes = new TextEncoder().encode(sealed).length;
        expect(decoded.ok && decoded.value).toEqual({ id, sealed, bytes, content: received });
        expect(decodeStored(sealed)).toEqual(received);
      }),
    );
  });

  it('have the SHA-256 of their RFC 8785 form as id (vector computed with sha256sum)', () => {
    const body = toCanonical({ b: [1e21, -0, 'é\u0000'], a: null });
    expect(body).toBe('{"a":null,"b":[1e+21,0,"é\\u0000"]}');
    expect(hashOf('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });

  it('are the SHA-256 of the UTF-8 bytes, whatever the characters', () => {
    const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' }), fc.string());
    fc.assert(fc.property(text, (any) => hashOf(any) === createHash('sha256').update(any, 'utf8').digest('hex')));
  });

  it('differ by their nonce alone', () => {
    expect(composed({ a: 1 }, 1).id).not.toBe(composed({ a: 1 }, 2).id);
  });

  it('altered anywhere are another message, or none', () => {
    const { sealed, id } = composed({ pay: 'alice', amount: 10 });
    fc.assert(
      fc.property(fc.nat(sealed.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (position, character) => {
        const altered = sealed.slice(0, position) + character + sealed.slice(position + 1);
        const decoded = decodeMessage(altered, 'test', NOW);
        const isOther = !decoded.ok || decoded.value.id !== id;
        // What is altered in the signature is for whoever checks it: the id is of the body alone.
        const isSignatureAltered = unseal(altered).signature !== NO_SIGNATURE;
        expect(altered === sealed || isOther || isSignatureAltered).toBe(true);
      }),
    );
  });

  it('are the signature and the body that it signs, and come apart again', () => {
    const { sealed, body } = composed({ a: 1 });
    expect(sealed).toBe(`${NO_SIGNATURE}${body}`);
    expect(unseal(sealed)).toEqual({ signature: NO_SIGNATURE, body });
    expect(signedTextOf(unseal(sealed))).toBe(messageText(body));
    expect(signedTextOf(unseal(sealed))).toBe(`pychain/1 message\n${body}`);
  });

  it.each([
    ['too short', NO_SIGNATURE.slice(1)],
    ['too long', `${NO_SIGNATURE}A`],
    ['of other characters', `+${NO_SIGNATURE.slice(1)}`],
    ['in a second spelling of the same bytes', `${NO_SIGNATURE.slice(1)}B`],
  ])('with a signature %s are refused', (_, signature) => {
    const { body } = composed({ a: 1 });
    expect(decodeMessage(`${signature}${body}`, 'test', NOW)).toMatchObject({ ok: false });
    if (signature.length === NO_SIGNATURE.length) {
      expect(decodeMessage(`${signature}${body}`, 'test', NOW)).toEqual({
        ok: false,
        error: { reason: 'bad-signature' },
      });
    }
  });

  it('that were stored before there were signatures are still read', () => {
    const { body, id, content: stored } = composed({ a: 1 });
    expect(decodeStored(body)).toEqual(stored);
    expect(decodeMessage(body, 'test', NOW)).toMatchObject({ ok: true, value: { id } });
    expect(decodeStored('broken')).toBeNull();
  });

  it('never make the decoder throw', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json()), (text) => void decodeMessage(text, 'test', NOW)),
    );
  });

  const sizes = (target: number) => {
    const overhead = composed({ text: '' }).body.length;
    return 'x'.repeat(target - overhead);
  };

  it('of the largest size are taken, one byte more is refused with both numbers', () => {
    const fits = composed({ text: sizes(MESSAGE_BYTES_MAX) });
    expect(utf8Length(fits.body)).toBe(MESSAGE_BYTES_MAX);
    expect(decodeMessage(fits.sealed, 'test', NOW).ok).toBe(true);
    const over = composeMessage(content({ text: sizes(MESSAGE_BYTES_MAX + 1) }), 1);
    expect(over).toEqual({
      ok: false,
      error: { reason: 'too-large', bytes: MESSAGE_BYTES_MAX + 1, max: MESSAGE_BYTES_MAX },
    });
    const sent = fits.sealed.replace('"text":"', '"text":"x');
    expect(decodeMessage(sent, 'test', NOW)).toEqual({
      ok: false,
      error: { reason: 'too-large', bytes: MESSAGE_BYTES_MAX + 1 },
    });
    // Three bytes a character: a third of the characters.
    const wide = composeMessage(content({ text: '€'.repeat(MESSAGE_BYTES_MAX / 2) }), 1);
    expect(wide.ok).toBe(false);
  });

  const nested = (depth: number): JsonObject => {
    let value: JsonValue = 1;
    for (let level = 1; level < depth; level++) value = [value];
    return { value };
  };

  it('are refused one level too deep', () => {
    expect(composeMessage(content(nested(JSON_DEPTH_MAX)), 1).ok).toBe(true);
    expect(composeMessage(content(nested(JSON_DEPTH_MAX + 1)), 1)).toMatchObject({
      error: { reason: 'bad-data', path: 'data' },
    });
  });

  it.each([
    ['another network', (body: string) => body.replace('"network":"test"', '"network":"prod"'), 'other-network'],
    ['spaces', (body: string) => body.replace(',', ', '), 'not-canonical'],
    [
      'keys out of order',
      (body: string) =>
        body.replace('"address":"https://n3.example","guid":3', '"guid":3,"address":"https://n3.example"'),
      'not-canonical',
    ],
    ['a key twice', (body: string) => body.replace('"nonce":1', '"nonce":1,"nonce":1'), 'not-canonical'],
    [
      'a number that no double holds',
      (body: string) => body.replace('"nonce":1', '"nonce":9007199254740993'),
      'not-canonical',
    ],
    ['no originator', (body: string) => body.replace('"guid":3', '"guid":-3'), 'bad-shape'],
    [
      'an address that would need escapes',
      (body: string) => body.replace('https://n3.example', 'https://n3.\\"'),
      'bad-shape',
    ],
    [
      'expiry before its time',
      (body: string) => body.replace('"expires_at":1700000600', '"expires_at":1699999999'),
      'bad-shape',
    ],
    [
      'expiry beyond the longest lifetime',
      (body: string) => body.replace('"expires_at":1700000600', '"expires_at":1800000000'),
      'bad-shape',
    ],
  ])('with %s are refused', (_, alter, reason) => {
    const { sealed } = composed({ a: 1 });
    const altered = alter(sealed);
    expect(altered).not.toBe(sealed);
    expect(decodeMessage(altered, 'test', NOW)).toMatchObject({ ok: false, error: { reason } });
  });

  it('from the future are refused beyond the tolerated difference of clocks', () => {
    const { sealed } = composed({ a: 1 });
    expect(decodeMessage(sealed, 'test', NOW - CLOCK_SKEW_MS_MAX).ok).toBe(true);
    expect(decodeMessage(sealed, 'test', NOW - CLOCK_SKEW_MS_MAX - 1)).toMatchObject({
      error: { reason: 'from-the-future' },
    });
  });

  it('a lone surrogate is refused, since no UTF-8 can carry it', () => {
    expect(composeMessage(content({ text: 'a\ud800' }), 1)).toMatchObject({ error: { reason: 'bad-data' } });
  });

  it("carry events in data.event; other data is the application's own", () => {
    expect(eventOf({ event: { name: 'DEAD_PEER', args: { guid: 1 } } })).toEqual({
      name: 'DEAD_PEER',
      args: { guid: 1 },
    });
    expect(eventOf({ event: { name: 'X' } })).toEqual({ name: 'X', args: {} });
    for (const data of [{}, { event: 1 }, { event: null }, { event: [] }, { event: { name: 1 } }])
      expect(eventOf(data)).toBeNull();
  });
});

describe('sizes', () => {
  it('utf8Length is what TextEncoder makes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(utf8Length(text)).toBe(new TextEncoder().encode(text).length);
      }),
    );
  });

  it('depthOf counts what is outside of strings', () => {
    expect(depthOf('{"a":["[[[\\"{{"]}')).toBe(2);
    expect(depthOf('1')).toBe(0);
  });
});

describe('jobs', () => {
  const from = { guid: 1, address: 'local:/n/1', maxGuid: 9 };
  const legs = (count: number, address = 'local:/n/2') =>
    Array.from({ length: count }, (_, index) => ({
      to: index + 1,
      address,
      range: { from: index + 1, to: index },
      // Every third one is called over HTTP.
      outside: index % 3 > 0 ? null : { publicKey: keyOf(index), isTrusted: index % 2 === 0 },
    }));
  const text = fc
    .string({ unit: 'grapheme', maxLength: 9_000 })
    .map((name) => seal(toCanonical({ name }), NO_SIGNATURE));

  it('hold every message for every leg once, within the size of a queue message', () => {
    const bundle = fc.record({
      bodies: fc.array(text, { minLength: 1, maxLength: 20 }),
      legs: fc.integer({ min: 1, max: 700 }).map((count) => legs(count, `https://${'x'.repeat(count % 200)}.example`)),
      hops: fc.integer({ min: 1, max: 9 }),
      attempt: fc.constant(0),
      without: fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 8 }),
    });
    fc.assert(
      fc.property(fc.array(bundle, { minLength: 1, maxLength: 4 }), (bundles) => {
        const jobs = packJobs('test', from, bundles);
        const count = (all: readonly Bundle[]) =>
          all.reduce((sum, { bodies, legs: to }) => sum + bodies.length * to.length, 0);
        expect(jobs.reduce((sum, job) => sum + count(job.bundles), 0)).toBe(count(bundles));
        for (const job of jobs) {
          const encoded = encodeJob(job);
          expect(utf8Length(encoded)).toBeLessThanOrEqual(JOB_BYTES_MAX);
          expect(job.bundles.reduce((sum, { legs: to }) => sum + to.length, 0)).toBeLessThanOrEqual(JOB_LEGS_MAX);
          expect(decodeJob(encoded)).toEqual({ ok: true, value: job });
        }
      }),
      { numRuns: 30 },
    );
  });

  it('the largest message with the most and longest legs still fits', () => {
    const name = 'y'.repeat(MESSAGE_BYTES_MAX - 11);
    const bundle = {
      bodies: [seal(toCanonical({ name }), NO_SIGNATURE)],
      legs: legs(JOB_LEGS_MAX, `https://${'x'.repeat(240)}`),
      hops: 1,
      attempt: 0,
      without: [],
    };
    const jobs = packJobs('test', from, [bundle]);
    for (const job of jobs) expect(utf8Length(encodeJob(job))).toBeLessThanOrEqual(JOB_BYTES_MAX);
  });

  it('with a leg whose key is none are none', () => {
    const bundle = { bodies: [seal(toCanonical({}), NO_SIGNATURE)], legs: legs(1), hops: 1, attempt: 0, without: [] };
    const encoded = encodeJob({ network: 'test', from, bundles: [bundle], tries: 0 });
    expect(decodeJob(encoded)).toMatchObject({ ok: true });
    for (const key of ['"x"', '""', 'null', '7']) {
      const altered = encoded.replace(JSON.stringify(keyOf(0)), key);
      expect(altered).not.toBe(encoded);
      expect(decodeJob(altered)).toMatchObject({ ok: false });
    }
  });

  it('with more or fewer messages than their header says are none, also where the header was read before', () => {
    const bodies = ['a', 'b'].map((name) => seal(toCanonical({ name }), NO_SIGNATURE));
    const bundle = { bodies, legs: legs(2), hops: 1, attempt: 0, without: [] };
    const encoded = encodeJob({ network: 'test', from, bundles: [bundle], tries: 0 });
    const [head = '', first = '', second = ''] = encoded.split('\n');
    for (const lines of [[first], [first, second, first], []]) {
      expect(decodeJob([head, ...lines].join('\n'))).toMatchObject({ ok: false });
      const other = { ...bundle, bodies: bodies.toReversed() };
      expect(decodeJob([head, second, first].join('\n'))).toEqual({
        ok: true,
        value: { network: 'test', from, bundles: [other], tries: 0 },
      });
    }
  });

  it('that are none are told from those that are', () => {
    fc.assert(fc.property(fc.oneof(fc.anything(), fc.json()), (anything) => !decodeJob(anything).ok));
  });
});
