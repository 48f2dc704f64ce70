// What members, the boot node and originators sign. Each thing is altered in every place that it has: none may be believed then.
import { createPublicKey, verify } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { generateKey, importPublicKey, openSigner, signText, verifyText } from '../../src/crypto/keys.ts';
import * as signatures from '../../src/crypto/signatures.ts';
import { readMember, writeMember } from '../../src/protocol/member.ts';
import { composeMessage } from '../../src/protocol/message.ts';
import { answerText, certificateText, memberText, messageText } from '../../src/protocol/signed-text.ts';
import type { Certificate, JsonObject, Member, SelfRecord } from '../../src/protocol/types.ts';
import { NO_SIGNATURE } from '../support/signed.ts';
import { newKey } from './hand-signed.ts';

const NOW = 1_700_000_000_000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const network = newKey();
const alice = newKey();
const bob = newKey();
const authority = { network: 'test', networkKey: network.publicKey };
const policy = { localPeers: false, hostedPrefix: 'https://ours.example.net/n/' };
const period = { issuedAt: NOW - HOUR, expiresAt: NOW + HOUR };

const certify = (guid: number, publicKey: string, when = period, name = 'test') =>
  signatures.signCertificate(network.signer, name, guid, publicKey, when);

async function memberOf(guid: number, key = alice, changes: Partial<SelfRecord> = {}): Promise<Member> {
  const facts = { address: `https://n${guid}.peers.net`, incarnation: 1, capabilities: ['sync'], ...changes };
  const record = await signatures.signRecord(key.signer, 'test', facts);
  return { ...record, guid, certificate: await certify(guid, key.publicKey) };
}

describe('keys', () => {
  test('are made, stored and opened again; what they sign verifies, also with node:crypto', async () => {
    const stored = await generateKey();
    expect(Object.keys(stored).toSorted()).toEqual(['crv', 'd', 'kty', 'x']);
    const signer = openSigner(JSON.parse(JSON.stringify(stored)) as typeof stored);
    const signature = await signText(signer, 'ü\n😀');
    expect(signature).toMatch(/^[A-Za-z0-9_-]{86}$/);
    expect(await verifyText(signer.publicKey, signature, 'ü\n😀')).toBe(true);
    const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: signer.publicKey }, format: 'jwk' });
    expect(verify(null, Buffer.from('ü\n😀'), publicKey, Buffer.from(signature, 'base64url'))).toBe(true);
    expect(await verifyText(signer.publicKey, signature, 'ü\n😁')).toBe(false);
    expect(await verifyText(alice.publicKey, signature, 'ü\n😀')).toBe(false);
  });

  test('two are never the same', async () => {
    expect((await generateKey()).x).not.toBe((await generateKey()).x);
  });

  test('a store without a key is a broken store', () => {
    expect(() => openSigner({ ...alice.stored, x: '' })).toThrow(/public key/);
  });

  test('what is no key or no signature proves nothing, and does not throw', async () => {
    const signature = await signText(alice.signer, 'text');
    const offCurve = Buffer.from([2, ...new Uint8Array(31)]).toString('base64url');
    for (const key of ['', 'x', 'A'.repeat(42), `${alice.publicKey}A`, offCurve]) {
      expect(await verifyText(key, signature, 'text')).toBe(false);
      // Twice: a key that failed is not remembered as a good one.
      expect(await verifyText(key, signature, 'text')).toBe(false);
    }
    for (const bad of ['', 'x', NO_SIGNATURE, signature.slice(1), `${signature}A`, `${signature}==`]) {
      expect(await verifyText(alice.publicKey, bad, 'text')).toBe(false);
    }
  });

  test('a key that the platform refused once is not refused for ever', async () => {
    const { publicKey, signer } = newKey();
    const signature = await signText(signer, 'text');
    const importing = vi.spyOn(crypto.subtle, 'importKey').mockRejectedValueOnce(new Error('not now'));
    try {
      expect(await verifyText(publicKey, signature, 'text')).toBe(false);
    } finally {
      importing.mockRestore();
    }
    expect(await verifyText(publicKey, signature, 'text')).toBe(true);
  });

  test('a signature has one spelling', async () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const signature = await signText(alice.signer, 'text');
    const last = alphabet.indexOf(signature.slice(-1));
    for (const spare of [1, 2, 8]) {
      const other = signature.slice(0, -1) + (alphabet[last ^ spare] ?? '');
      expect(Buffer.from(other, 'base64url')).toEqual(Buffer.from(signature, 'base64url'));
      expect(await verifyText(alice.publicKey, other, 'text')).toBe(false);
    }
  });

  test('so many are kept imported, not more; who is forgotten is imported again', async () => {
    const first = importPublicKey(alice.publicKey);
    expect(importPublicKey(alice.publicKey)).toBe(first);
    const others = Array.from({ length: 2_100 }, (_, index) => {
      const bytes = Buffer.alloc(32);
      bytes.writeUInt32LE(index + 1);
      return importPublicKey(bytes.toString('base64url')).catch(() => null);
    });
    await Promise.all(others);
    expect(importPublicKey(alice.publicKey)).not.toBe(first);
    const signature = await signText(alice.signer, 'text');
    expect(await verifyText(alice.publicKey, signature, 'text')).toBe(true);
  });
});

describe('certificates', () => {
  const check = (guid: number, key: string, certificate: Certificate, now = NOW, by = authority) =>
    signatures.verifyCertificate(by, guid, key, certificate, now);

  test('prove that a GUID is a key’s, while they live', async () => {
    const certificate = await certify(3, alice.publicKey);
    expect(await check(3, alice.publicKey, certificate)).toBe(true);
    expect(await check(3, alice.publicKey, certificate, period.expiresAt - 1)).toBe(true);
    expect(await check(3, alice.publicKey, certificate, period.expiresAt)).toBe(false);
    // A minute is forgiven to clocks, not more.
    expect(await check(3, alice.publicKey, certificate, period.issuedAt - 60_000)).toBe(true);
    expect(await check(3, alice.publicKey, certificate, period.issuedAt - 60_001)).toBe(false);
  });

  test('of GUID 0 prove the boot node alone, which certifies itself', async () => {
    const own = await certify(0, authority.networkKey);
    expect(await check(0, authority.networkKey, own)).toBe(true);
    expect(await check(0, alice.publicKey, await certify(0, alice.publicKey))).toBe(false);
  });

  test('prove nothing of another GUID, key or network, or by another network’s key', async () => {
    const certificate = await certify(3, alice.publicKey);
    expect(await check(4, alice.publicKey, certificate)).toBe(false);
    expect(await check(3, bob.publicKey, certificate)).toBe(false);
    expect(await check(3, alice.publicKey, certificate, NOW, { ...authority, network: 'other' })).toBe(false);
    expect(await check(3, alice.publicKey, certificate, NOW, { ...authority, networkKey: bob.publicKey })).toBe(false);
    const foreign = await signatures.signCertificate(bob.signer, 'test', 3, alice.publicKey, period);
    expect(await check(3, alice.publicKey, foreign)).toBe(false);
    const ownWord = await signatures.signCertificate(alice.signer, 'test', 3, alice.publicKey, period);
    expect(await check(3, alice.publicKey, ownWord)).toBe(false);
  });

  test('prove nothing with other times', async () => {
    const certificate = await certify(3, alice.publicKey);
    const second = 1_000;
    for (const changes of [
      { expiresAt: certificate.expiresAt + second },
      { expiresAt: certificate.expiresAt - second },
      { issuedAt: certificate.issuedAt + second },
      { issuedAt: certificate.issuedAt - second },
      { signature: NO_SIGNATURE },
      { signature: '' },
    ]) {
      expect(await check(3, alice.publicKey, { ...certificate, ...changes })).toBe(false);
    }
  });

  test('of more than a week, of no time or backwards prove nothing, though they are signed', async () => {
    const week = { issuedAt: NOW, expiresAt: NOW + 7 * DAY };
    expect(await check(3, alice.publicKey, await certify(3, alice.publicKey, week))).toBe(true);
    for (const when of [
      { ...week, expiresAt: week.expiresAt + 1_000 },
      { issuedAt: NOW, expiresAt: NOW },
      { issuedAt: NOW + 30_000, expiresAt: NOW + 20_000 },
    ]) {
      expect(await check(3, alice.publicKey, await certify(3, alice.publicKey, when))).toBe(false);
    }
  });
});

describe('records', () => {
  test('are believed as they were signed', async () => {
    const record = await memberOf(3);
    expect(await signatures.verifyRecord(record, 'test')).toBe(true);
    // Order is part of what was said.
    const two = await signatures.signRecord(alice.signer, 'test', { ...record, capabilities: ['a', 'b'] });
    expect(await signatures.verifyRecord({ ...two, capabilities: ['b', 'a'] }, 'test')).toBe(false);
  });

  test.each<[string, Partial<SelfRecord>]>([
    ['another address', { address: 'https://evil.peers.net' }],
    ['a higher incarnation', { incarnation: 2 }],
    ['a lower incarnation', { incarnation: 0 }],
    ['one capability more', { capabilities: ['sync', 'deliveries'] }],
    ['no capability', { capabilities: [] }],
    ['another key', { publicKey: bob.publicKey }],
    ['no signature', { signature: '' }],
    ['another signature', { signature: NO_SIGNATURE }],
  ])('with %s: not believed', async (_name, changes) => {
    expect(await signatures.verifyRecord({ ...(await memberOf(3)), ...changes }, 'test')).toBe(false);
  });

  test('of another network: not believed', async () => {
    expect(await signatures.verifyRecord(await memberOf(3), 'other')).toBe(false);
  });
});

describe('messages', () => {
  const keys = new Map([
    [0, network.publicKey],
    [3, alice.publicKey],
    [4, bob.publicKey],
  ]);
  const keyOf = (guid: number) => keys.get(guid) ?? null;

  const isProof = (member: Member) => signatures.isProvenRecord(member, authority, policy);

  async function messageOf(guid: number, data: JsonObject = { a: 1 }, key = alice) {
    const draft = composeMessage(
      {
        network: 'test',
        data,
        originator: { guid, address: `https://n${guid}.peers.net` },
        broadcastAt: NOW,
        expiresAt: NOW + 600_000,
      },
      1,
    );
    if (!draft.ok) throw new Error(draft.error.reason);
    return (await signatures.signMessage(key.signer, draft.value)).sealed;
  }

  const announcing = (...members: Member[]) => ({
    event: { name: 'PEER_JOINED', args: { members: members.map(writeMember) } },
  });

  test('in which a node of this deployment announces itself, brought from outside, are sound where the node there says that it is it', async () => {
    const address = `${policy.hostedPrefix}3`;
    const record = await signatures.signRecord(alice.signer, 'test', { address, incarnation: 1, capabilities: [] });
    const own = { ...(await memberOf(3)), ...record };
    const texts = [await messageOf(3, announcing(own))];
    const asking = (isOwn: (member: Member) => Promise<boolean>) =>
      signatures.checkMessages(texts, keyOf, (member) => signatures.isProvenRecord(member, authority, policy, isOwn));
    expect(await asking(async ({ publicKey }) => publicKey === alice.publicKey)).toEqual(['sound']);
    expect(await asking(async () => false)).toEqual(['forged']);
    expect(await signatures.checkMessages(texts, keyOf, isProof)).toEqual(['forged']);
  });

  test('in which a member announces itself are sound where its record is proved, also after its certificate has run out', async () => {
    const own = await memberOf(3);
    const late = { issuedAt: NOW - 2 * HOUR, expiresAt: NOW - HOUR };
    const old = { ...own, certificate: await certify(3, alice.publicKey, late) };
    const texts = [await messageOf(3, announcing(own)), await messageOf(3, announcing(old))];
    expect(await signatures.checkMessages(texts, keyOf, isProof)).toEqual(['sound', 'sound']);
    // What the boot node announces is checked by those who take it in.
    const told = await messageOf(0, announcing(await memberOf(4, bob), own), network);
    expect(await signatures.checkMessages([told], keyOf, isProof)).toEqual(['sound']);
  });

  test.each<[string, (own: Member) => Promise<JsonObject> | JsonObject]>([
    ['another', async () => announcing(await memberOf(4, bob))],
    ['itself and another', async (own) => announcing(own, await memberOf(4, bob))],
    ['a higher incarnation that it did not sign', (own) => announcing({ ...own, incarnation: 9 })],
    ['another key', async () => announcing(await memberOf(3, bob))],
    [
      'a certificate that the boot node did not sign',
      (own) => announcing({ ...own, certificate: { ...own.certificate, issuedAt: NOW } }),
    ],
    [
      'an address that nobody may have',
      async () => announcing(await memberOf(3, alice, { address: 'http://10.0.0.1' })),
    ],
    ['nothing that is a record', () => ({ event: { name: 'PEER_JOINED', args: { members: [{ guid: 3 }] } } })],
  ])('in which a member announces %s are forged', async (_name, dataOf) => {
    const text = await messageOf(3, await dataOf(await memberOf(3)));
    expect(await signatures.checkMessages([text], keyOf, isProof)).toEqual(['forged']);
  });

  test('are sound where their originator signed them', async () => {
    const texts = [
      await messageOf(3, { text: 'ü"\n😀' }),
      await messageOf(4, {}, bob),
      await messageOf(0, {}, network),
    ];
    expect(await signatures.checkMessages(texts, keyOf, isProof)).toEqual(['sound', 'sound', 'sound']);
  });

  test('altered, by another, unsigned or no messages: forged; and the sound one among them is sound', async () => {
    const sealed = await messageOf(3);
    const texts = [
      sealed.replace('"a":1', '"a":2'),
      sealed.replace('"guid":3', '"guid":4'),
      sealed.replace('n3.', 'n5.'),
      await messageOf(3, { a: 1 }, bob),
      sealed.slice(86),
      `${NO_SIGNATURE}${sealed.slice(86)}`,
      `${sealed} `,
      sealed.slice(0, -1),
      '',
      'x'.repeat(200),
      `${NO_SIGNATURE}{"originator":null}`,
      `${NO_SIGNATURE}{"originator":{"guid":"3"}}`,
      `${NO_SIGNATURE}{"originator":{"guid":3.5}}`,
      `${NO_SIGNATURE}null`,
      sealed,
    ];
    const found = await signatures.checkMessages(texts, keyOf, isProof);
    expect(found.map((check, index) => [index, check])).toEqual(
      texts.map((_, index) => [index, index === texts.length - 1 ? 'sound' : 'forged']),
    );
  });

  test('of an originator that is not known: nothing can be said yet', async () => {
    expect(await signatures.checkMessages([await messageOf(9)], keyOf, isProof)).toEqual(['unknown-originator']);
  });

  test('whatever they are, checking does not throw, and nothing is sound by chance', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: 'binary' }), { maxLength: 4 }), async (texts) => {
        const found = await signatures.checkMessages([...texts, ...texts.map((text) => `{${text}`)], keyOf, isProof);
        expect(found).toHaveLength(texts.length * 2);
        expect(found).not.toContain('sound');
      }),
    );
  });
});

describe('answers', () => {
  const NONCE = 'a-nonce-of-the-caller';
  const answer = { guid: 3, list: [1, { b: 'ü', a: null }], more: false };
  const signed = () =>
    signatures.signAnswer((nonce, value) => signText(alice.signer, answerText(nonce, value)), NONCE, answer);

  test('are believed by the key that was asked, whatever the order of their keys', async () => {
    const whole = await signed();
    expect(whole).toMatchObject(answer);
    expect(await signatures.verifyAnswer(alice.publicKey, NONCE, whole)).toBe(true);
    const turned = Object.fromEntries(Object.entries(whole).toReversed());
    expect(await signatures.verifyAnswer(alice.publicKey, NONCE, turned)).toBe(true);
  });

  test('to another question, or of another node: not believed', async () => {
    const whole = await signed();
    expect(await signatures.verifyAnswer(alice.publicKey, 'another-nonce-of-it', whole)).toBe(false);
    expect(await signatures.verifyAnswer(bob.publicKey, NONCE, whole)).toBe(false);
  });

  test.each<[string, JsonObject]>([
    ['a value changed', { guid: 4 }],
    ['a value deep inside changed', { list: [1, { b: 'ü', a: 0 }] }],
    ['a key more', { extra: null }],
    ['no signature', { signature: null }],
    ['an empty signature', { signature: '' }],
    ['a number for a signature', { signature: 1 }],
    ['another signature', { signature: NO_SIGNATURE }],
  ])('with %s: not believed', async (_name, changes) => {
    expect(await signatures.verifyAnswer(alice.publicKey, NONCE, { ...(await signed()), ...changes })).toBe(false);
  });

  test('without one of their keys: not believed', async () => {
    const { more: _, ...rest } = await signed();
    expect(await signatures.verifyAnswer(alice.publicKey, NONCE, rest)).toBe(false);
  });
});

test('a signature of one kind is never one of another', async () => {
  const body = '{"a":1}';
  const record = { address: 'https://a.peers.net', publicKey: alice.publicKey, incarnation: 1, capabilities: [] };
  const texts = {
    message: messageText(body),
    certificate: certificateText('test', 3, alice.publicKey, period),
    member: memberText('test', record),
    answer: answerText('nonce-of-a-caller', { a: 1 }),
  };
  const certificate = { ...period, signature: '' };
  /** Whether a signature is taken for one of each kind. */
  const takenAs = async (signature: string) => ({
    message:
      (
        await signatures.checkMessages(
          [`${signature}{"originator":{"guid":3}}`],
          () => alice.publicKey,
          async () => false,
        )
      )[0] === 'sound',
    certificate: await signatures.verifyCertificate(
      { network: 'test', networkKey: alice.publicKey },
      3,
      alice.publicKey,
      { ...certificate, signature },
      NOW,
    ),
    member: await signatures.verifyRecord({ ...record, signature }, 'test'),
    answer: await signatures.verifyAnswer(alice.publicKey, 'nonce-of-a-caller', { a: 1, signature }),
  });
  const none = { message: false, certificate: false, member: false, answer: false };
  for (const [kind, text] of Object.entries({ ...texts, message: messageText('{"originator":{"guid":3}}') })) {
    expect(await takenAs(await signText(alice.signer, text))).toEqual({ ...none, [kind]: true });
  }
  // The same claims without the line that says what they are, as somebody might have a node sign them.
  for (const text of Object.values(texts)) {
    expect(await takenAs(await signText(alice.signer, text.slice(text.indexOf('\n') + 1)))).toEqual(none);
  }
  // The first lines differ, and none is how a signed request begins.
  const first = Object.values(texts).map((text) => text.split('\n')[0] ?? '');
  expect(new Set(first).size).toBe(first.length);
  for (const line of first) expect(line).toMatch(/^pychain\/1 [a-z]+$/);
});

describe('the members that somebody tells of', () => {
  const proven = (members: readonly Member[], by = authority, places = policy) =>
    signatures.provenMembers(members, by, places, NOW);

  test('the bad ones are left out, the good ones stay in their order', async () => {
    const [first, second, third] = [await memberOf(3), await memberOf(4, bob), await memberOf(5, newKey())];
    const expired = { issuedAt: NOW - 2 * HOUR, expiresAt: NOW };
    const bad: Member[] = [
      { ...first, address: 'https://evil.peers.net' },
      { ...first, guid: 9 },
      { ...first, incarnation: 2 },
      { ...first, signature: NO_SIGNATURE },
      { ...first, certificate: second.certificate },
      { ...first, certificate: { ...first.certificate, expiresAt: NOW + DAY } },
      { ...first, certificate: await certify(3, alice.publicKey, expired) },
      { ...first, certificate: await certify(3, alice.publicKey, period, 'other') },
      { ...second, publicKey: alice.publicKey },
    ];
    const mixed = [first, ...bad.slice(0, 4), second, ...bad.slice(4), third];
    expect(await proven(mixed)).toEqual([first, second, third]);
    expect(await proven(bad)).toEqual([]);
    expect(await proven([])).toEqual([]);
  });

  test.each([
    'https://ours.example.net/n/7',
    'https://ours.example.net/elsewhere',
    'https://10.0.0.7',
    'https://127.0.0.1/n/1',
    'https://[::1]/n/1',
    'https://0x7f.1',
    'https://localhost',
    'https://node.internal',
    'http://n3.peers.net',
    'https://n3.peers.net:8443',
    'https://user@n3.peers.net',
    'https://n3.peers.net/',
    'https://N3.peers.net',
    'https://n3.peers.net/a/../b',
    'https://n3.peers.net?a',
    'ftp://n3.peers.net',
    'n3.peers.net',
    '',
  ])('at %s, signed and certified: not a peer’s address', async (address) => {
    expect(await proven([await memberOf(3, alice, { address })])).toEqual([]);
  });

  test('on one machine, peers may be there, but not where our own nodes are', async () => {
    const local = { localPeers: true, hostedPrefix: 'http://127.0.0.1:8787/n/' };
    const other = await memberOf(3, alice, { address: 'http://127.0.0.1:9999/n/1' });
    const ours = await memberOf(4, bob, { address: 'http://127.0.0.1:8787/n/9' });
    expect(await proven([other, ours], authority, local)).toEqual([other]);
  });

  test('what is told in JSON is what was signed', async () => {
    const member = await memberOf(3);
    const read = readMember(JSON.parse(JSON.stringify(writeMember(member))) as JsonObject);
    expect(read).toEqual(member);
    expect(await proven(read ? [read] : [])).toEqual([member]);
  });
});
