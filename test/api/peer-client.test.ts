// Calls to peers outside, over a fake network in which one honest peer has real keys, and everybody else does what it can.
import { describe, expect, test } from 'vitest';
import { createPeerClient, type CallingNode, type PeerAddress } from '../../src/api/peer-client.ts';
import { verifyRequest } from '../../src/crypto/http-signature.ts';
import { signText } from '../../src/crypto/keys.ts';
import { signAnswer, signCertificate, signRecord } from '../../src/crypto/signatures.ts';
import type { PeerFault } from '../../src/protocol/effects.ts';
import { ANSWER_BYTES_MAX } from '../../src/protocol/limits.ts';
import { writeMember } from '../../src/protocol/member.ts';
import type { Sealed } from '../../src/protocol/seal.ts';
import { answerText, messageText } from '../../src/protocol/signed-text.ts';
import type { SyncRequest } from '../../src/protocol/sync.ts';
import type { JsonObject, JsonValue, Member } from '../../src/protocol/types.ts';
import { newKey, type TestKey } from '../crypto/hand-signed.ts';
import { NO_SIGNATURE } from '../support/signed.ts';

const NOW = 1_700_000_000_000;
/** So long that no test waits for it, or so short that no test has to. */
const [PATIENT, AT_ONCE] = [60_000, 1];
const network = newKey();
const theirs = newKey();
const ours = newKey();
const peer: PeerAddress = { guid: 7, address: 'https://n7.peers.net/n/7', publicKey: theirs.publicKey };
const policy = { localPeers: false, hostedPrefix: 'https://ours.example.net/n/' };
const period = { issuedAt: NOW - 60_000, expiresAt: NOW + 3_600_000 };
const certificate = await signCertificate(network.signer, 'test', 7, theirs.publicKey, period);
const from: CallingNode = {
  signer: ours.signer,
  credential: { guid: 3, certificate: await signCertificate(network.signer, 'test', 3, ours.publicKey, period) },
};

const facts = { address: 'https://n9.peers.net', incarnation: 2, capabilities: ['sync'] };
const member: Member = {
  ...(await signRecord(ours.signer, 'test', facts)),
  guid: 9,
  certificate: await signCertificate(network.signer, 'test', 9, ours.publicKey, period),
};

type Fetch = (request: Request, init: { readonly signal: AbortSignal }) => Promise<Response>;

/** A client on a network that answers as told, and what it asked. */
function clientOf(fetch: Fetch) {
  const requests: Request[] = [];
  const client = createPeerClient({
    network: 'test',
    policy,
    now: () => NOW,
    fetch: async (request, init) => {
      requests.push(request.clone());
      return await fetch(request, init);
    },
  });
  return { client, requests };
}

const STATUS: JsonObject = {
  network: 'test',
  protocol: 'pychain/1',
  version: '9.9.9',
  guid: 7,
  public_key: theirs.publicKey,
  capabilities: ['deliveries', 'sync'],
  certificate: { issued: period.issuedAt / 1000, expires: period.expiresAt / 1000, signature: certificate.signature },
  anything: ['more'],
};
const PROOF: JsonObject = { network: 'test', protocol: 'pychain/1', public_key: theirs.publicKey };
const SYNC: JsonObject = {
  address: peer.address,
  guid: 9,
  have: [[1, 9]],
  members: [writeMember(member)],
  more: false,
};

/** The nonce that a request wants an answer to; checks its signature as a node does, where it is signed. */
async function nonceOf(request: Request): Promise<string> {
  const inQuery = new URL(request.url).searchParams.get('nonce');
  if (inQuery !== null) return inQuery;
  const body = new Uint8Array(await request.clone().arrayBuffer());
  const verified = await verifyRequest(request, body, NOW);
  if (!verified.ok) throw new Error(verified.error);
  return verified.value.nonce;
}

/** A peer that answers everything with `answer`, signed with `key` over the nonce of the question. */
function answering(answer: JsonObject, { key = theirs, nonce = null as string | null } = {}): Fetch {
  return async (request) => {
    const signing = (asked: string, value: JsonObject) => signText(key.signer, answerText(asked, value));
    return Response.json(await signAnswer(signing, nonce ?? (await nonceOf(request)), answer));
  };
}

/** What never answers, until the caller gives up. */
const silent: Fetch = (_, { signal }) =>
  new Promise((__, reject) => signal.addEventListener('abort', () => reject(signal.reason)));

/** Begins to answer and does not go on, until the caller gives up. */
const stalled: Fetch = async (_, { signal }) =>
  new Response(
    new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('{"network":'));
        signal.addEventListener('abort', () => controller.error(signal.reason));
      },
    }),
  );

const endless: Fetch = async () =>
  new Response(
    new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(new Uint8Array(10_000).fill(0x20)) }),
  );

const saying =
  (body: string, status = 200, headers: Record<string, string> = {}): Fetch =>
  async () =>
    new Response(body, { status, headers });

const redirecting = (status: number): Fetch => saying('', status, { Location: 'https://10.0.0.7/n/7/api/v1/status' });

/** JSON that is longer than may be read, and would be an answer. */
const tooLong = (answer: JsonObject): JsonObject => ({ ...answer, padding: 'x'.repeat(ANSWER_BYTES_MAX) });

const syncRequest: SyncRequest = {
  guid: 3,
  maxGuidNode: { guid: 8, address: 'https://n8.peers.net' },
  have: [[1, 8]],
  members: [member],
  digest: null,
  wanted: [],
  doubted: [],
};
const delivery = { body: `${NO_SIGNATURE}{"a":"ü\\""}` as Sealed, range: { from: 9, to: 5 }, hops: 2 };

describe('an honest peer', () => {
  test('is found where it says, and what it can do', async () => {
    const { client, requests } = clientOf(answering(STATUS));
    expect(await client.probe(peer, PATIENT)).toEqual({
      type: 'peer',
      capabilities: ['deliveries', 'sync'],
      certificate,
    });
    expect(requests).toHaveLength(1);
    expect(requests[0]?.method).toBe('GET');
    expect(requests[0]?.url).toMatch(/^https:\/\/n7\.peers\.net\/n\/7\/api\/v1\/status\?nonce=[\w-]{22}$/);
    expect(requests[0]?.redirect).toBe('manual');
  });

  test('is asked over another nonce each time', async () => {
    const { client, requests } = clientOf(answering(STATUS));
    await client.probe(peer, PATIENT);
    await client.probe(peer, PATIENT);
    expect(new Set(requests.map(({ url }) => url)).size).toBe(2);
  });

  test('may have no certificate to show', async () => {
    const { certificate: _, ...plain } = STATUS;
    for (const answer of [plain, { ...STATUS, certificate: null }]) {
      expect(await clientOf(answering(answer)).client.probe(peer, PATIENT)).toMatchObject({
        type: 'peer',
        certificate: null,
      });
    }
  });

  test('proves its key before it has a GUID', async () => {
    const { client, requests } = clientOf(answering(PROOF));
    expect(await client.prove(peer.address, theirs.publicKey, PATIENT)).toBeNull();
    expect(requests[0]?.url).toMatch(/\/n\/7\/api\/v1\/network\/challenge\?nonce=[\w-]{22}$/);
  });

  test('is synchronised with', async () => {
    const { client, requests } = clientOf(answering(SYNC));
    expect(await client.sync(peer, syncRequest, from, PATIENT)).toEqual({
      maxGuidNode: { guid: 9, address: peer.address },
      have: [[1, 9]],
      members: [member],
      more: false,
      frame: null,
      callerState: null,
      callerHost: null,
    });
    const [request] = requests;
    expect(request?.url).toBe('https://n7.peers.net/n/7/api/v1/sync');
    expect(await request?.json()).toEqual({
      guid: 3,
      max_guid_node: { guid: 8, address: 'https://n8.peers.net' },
      have: [[1, 8]],
      members: [writeMember(member)],
      wanted: [],
      doubted: [],
    });
  });

  test('is given deliveries, as they were signed by their originators', async () => {
    const { client, requests } = clientOf(answering({ outcomes: ['new', 'busy'] }));
    const outcomes = await client.deliver(peer, [delivery, delivery], 12, from, PATIENT);
    expect(outcomes).toEqual(['new', 'busy']);
    const [request] = requests;
    expect(request?.url).toBe('https://n7.peers.net/n/7/api/v1/deliveries');
    const wire = { signature: NO_SIGNATURE, body: '{"a":"ü\\""}', range: { from: 9, to: 5 }, hops: 2 };
    expect(await request?.json()).toEqual({ max_guid: 12, deliveries: [wire, wire] });
  });

  test('sees who calls: our key, certificate and a nonce that is new each time', async () => {
    const { client, requests } = clientOf(answering(SYNC));
    await client.sync(peer, syncRequest, from, PATIENT);
    await client.sync(peer, syncRequest, from, PATIENT);
    const seen = await Promise.all(
      requests.map(async (request) => await verifyRequest(request, new Uint8Array(await request.arrayBuffer()), NOW)),
    );
    for (const call of seen) {
      expect(call).toMatchObject({ ok: true, value: { publicKey: ours.publicKey, credential: from.credential } });
    }
    expect(new Set(seen.map((call) => call.ok && call.value.nonce)).size).toBe(2);
  });
});

/** What can answer instead of the peer, and what a probe says of it: a fault, or null where it may be the peer in trouble. */
const IMPOSTORS: readonly (readonly [string, Fetch, PeerFault | null])[] = [
  ['another network', answering({ ...STATUS, network: 'other' }), 'other-network'],
  ['another protocol', answering({ ...STATUS, protocol: 'pychain/2' }), 'other-protocol'],
  ['another GUID', answering({ ...STATUS, guid: 8 }), 'other-guid'],
  ['a node signing with another key', answering(STATUS, { key: newKey() }), 'key-unproven'],
  ['a node that names our key, and has another', answering(STATUS, { key: ours }), 'key-unproven'],
  ['an answer to another question', answering(STATUS, { nonce: 'an-old-nonce-of-it' }), 'key-unproven'],
  ['an answer without a signature', saying(JSON.stringify(STATUS)), 'key-unproven'],
  [
    'an answer with a signature of nothing',
    saying(JSON.stringify({ ...STATUS, signature: NO_SIGNATURE })),
    'key-unproven',
  ],
  ['a node that signs whatever it is asked', signingAnything(theirs), 'key-unproven'],
  ['a page', saying('<!doctype html><title>Hello</title>'), 'not-pychain'],
  ['nothing', saying(''), 'not-pychain'],
  ['half an object', saying('{"network":"test"'), 'not-pychain'],
  ['a list', saying('[]'), 'not-pychain'],
  ['null', saying('null'), 'not-pychain'],
  ['an empty object', saying('{}'), 'not-pychain'],
  ['a network that is a number', answering({ ...STATUS, network: 1 }), 'not-pychain'],
  ['no capabilities', answering({ ...STATUS, capabilities: 'all' }), 'not-pychain'],
  ['too many capabilities', answering({ ...STATUS, capabilities: Array(17).fill('a') }), 'not-pychain'],
  ['a certificate that is none', answering({ ...STATUS, certificate: {} }), 'not-pychain'],
  ['a key that is none', answering({ ...STATUS, public_key: 'x' }), 'not-pychain'],
  ['a GUID that is none', answering({ ...STATUS, guid: 0 }), 'not-pychain'],
  ['the same key twice', saying(`{"network":"other",${JSON.stringify(STATUS).slice(1)}`), 'not-pychain'],
  ['JSON ten thousand deep', saying('['.repeat(10_000) + ']'.repeat(10_000)), 'not-pychain'],
  ['a status seventeen deep', answering({ ...STATUS, a: nested(16) }), 'not-pychain'],
  ['404', saying('not found', 404), 'not-pychain'],
  ['401', saying('{}', 401), 'not-pychain'],
  ['301', redirecting(301), 'not-pychain'],
  ['302', redirecting(302), 'not-pychain'],
  ['307', redirecting(307), 'not-pychain'],
  ['308', redirecting(308), 'not-pychain'],
  ['429', saying('{}', 429), null],
  ['500', saying('oops', 500), null],
  ['503', saying('{}', 503, { 'Retry-After': '1' }), null],
  ['an answer that is too long', answering(tooLong(STATUS)), 'not-pychain'],
  ['an answer without end', endless, 'not-pychain'],
  ['no connection', async () => Promise.reject(new Error('connection refused')), null],
];

function nested(depth: number): JsonValue {
  return JSON.parse('['.repeat(depth) + ']'.repeat(depth)) as JsonValue;
}

/** Somebody who has the right key sign texts: messages, but no answers. */
function signingAnything(key: TestKey): Fetch {
  return async (request) => {
    const signature = await signText(key.signer, messageText(await nonceOf(request)));
    return Response.json({ ...STATUS, signature });
  };
}

describe.each(IMPOSTORS)('%s', (_name, fetch, fault) => {
  test('is no peer', async () => {
    const { client, requests } = clientOf(fetch);
    const probed = await client.probe(peer, PATIENT);
    if (fault === null) expect(probed).toEqual({ type: 'silent', reason: expect.stringMatching(/^.{1,200}$/) });
    else expect(probed).toEqual({ type: 'refused', fault });
    // Once: not followed, and not tried again.
    expect(requests).toHaveLength(1);
  });

  test('proves no key', async () => {
    expect(await clientOf(fetch).client.prove(peer.address, newKey().publicKey, PATIENT)).toEqual(expect.any(String));
  });

  test('is no answer to sync or deliveries', async () => {
    const { client } = clientOf(fetch);
    await expect(client.sync(peer, syncRequest, from, PATIENT)).rejects.toBeInstanceOf(Error);
    await expect(client.deliver(peer, [delivery], 9, from, PATIENT)).rejects.toBeInstanceOf(Error);
  });
});

test('an answer of the greatest length and depth is read', async () => {
  const deep = { a: nested(15) };
  const signature = `,"signature":"${NO_SIGNATURE}"}`.length - 1;
  const filled = { ...STATUS, ...deep, padding: '' };
  const padding = 'x'.repeat(ANSWER_BYTES_MAX - JSON.stringify(filled).length - signature);
  expect(await clientOf(answering({ ...filled, padding })).client.probe(peer, PATIENT)).toMatchObject({ type: 'peer' });
  const over = { ...filled, padding: `${padding}x` };
  expect(await clientOf(answering(over)).client.probe(peer, PATIENT)).toMatchObject({ type: 'refused' });
});

describe('the body of a refusal', () => {
  test('is read no further than an answer', async () => {
    let cancelled = false;
    const fetch: Fetch = async () =>
      new Response(
        new ReadableStream<Uint8Array>({
          pull: (controller) => controller.enqueue(new Uint8Array(10_000)),
          cancel: () => void (cancelled = true),
        }),
        { status: 404 },
      );
    expect((await clientOf(fetch).client.probe(peer, PATIENT)).type).not.toBe('peer');
    expect(cancelled).toBe(true);
  });
});

describe.each([
  ['that never answers', silent],
  ['that begins to answer and stops', stalled],
])('a peer %s', (_name, fetch) => {
  test('is given up after the time that it has', async () => {
    const { client } = clientOf(fetch);
    expect(await client.probe(peer, AT_ONCE)).toEqual({ type: 'silent', reason: expect.stringMatching(/time/i) });
    expect(await client.prove(peer.address, theirs.publicKey, AT_ONCE)).toMatch(/time/i);
    await expect(client.sync(peer, syncRequest, from, AT_ONCE)).rejects.toThrow(/time/i);
    await expect(client.deliver(peer, [delivery], 9, from, AT_ONCE)).rejects.toThrow(/time/i);
  });
});

describe('an answer that is signed, and not what was asked for', () => {
  test.each<[string, JsonObject]>([
    ['no members', { ...SYNC, members: undefined as unknown as null }],
    ['a member that is none', { ...SYNC, members: [{ ...writeMember(member), guid: 0 }] }],
    ['more members than may be', { ...SYNC, members: Array(130).fill(writeMember(member)) }],
    ['an interval backwards', { ...SYNC, have: [[3, 1]] }],
    ['more intervals than may be', { ...SYNC, have: Array.from({ length: 129 }, () => [1, 1]) }],
    ['a status', STATUS],
  ])('to sync: %s', async (_name, answer) => {
    const fetch = answering(JSON.parse(JSON.stringify(answer)) as JsonObject);
    await expect(clientOf(fetch).client.sync(peer, syncRequest, from, PATIENT)).rejects.toThrow('not-pychain');
  });

  test.each<[string, JsonObject]>([
    ['no outcomes', {}],
    ['an outcome that is none', { outcomes: ['fine'] }],
    ['more outcomes than may be', { outcomes: Array(257).fill('new') }],
    ['a sync answer', SYNC],
  ])('to deliveries: %s', async (_name, answer) => {
    const { client } = clientOf(answering(answer));
    await expect(client.deliver(peer, [delivery], 9, from, PATIENT)).rejects.toThrow('not-pychain');
  });

  test.each<[string, JsonObject, RegExp]>([
    ['another network', { ...PROOF, network: 'other' }, /network/],
    ['another protocol', { ...PROOF, protocol: 'pychain/2' }, /protocol/],
    ['a list', { 0: 'a' }, /network/],
  ])('to a proof: %s', async (_name, answer, reason) => {
    const { client } = clientOf(answering(answer));
    expect(await client.prove(peer.address, theirs.publicKey, PATIENT)).toMatch(reason);
  });
});

describe('a good answer', () => {
  test.each<[string, (answer: JsonObject) => Fetch]>([
    ['signed with another key', (answer) => answering(answer, { key: ours })],
    ['to another question', (answer) => answering(answer, { nonce: 'an-old-nonce-of-it' })],
    ['that is not signed', (answer) => saying(JSON.stringify(answer))],
    ['with a signature of nothing', (answer) => saying(JSON.stringify({ ...answer, signature: NO_SIGNATURE }))],
  ])('%s is none', async (_name, answer) => {
    const syncing = clientOf(answer(SYNC)).client.sync(peer, syncRequest, from, PATIENT);
    await expect(syncing).rejects.toThrow('key-unproven');
    const delivering = clientOf(answer({ outcomes: ['new'] })).client.deliver(peer, [delivery], 9, from, PATIENT);
    await expect(delivering).rejects.toThrow('key-unproven');
  });

  test('that was changed on its way is none', async () => {
    const fetch: Fetch = async (request, init) => {
      const text = await (await answering(SYNC)(request, init)).text();
      return new Response(text.replace('"more":false', '"more":true'));
    };
    await expect(clientOf(fetch).client.sync(peer, syncRequest, from, PATIENT)).rejects.toThrow('key-unproven');
  });
});

describe('a proof of a key', () => {
  test.each<[string, Fetch]>([
    ['with another key', answering(PROOF, { key: ours })],
    ['over another nonce', answering(PROOF, { nonce: 'an-old-nonce-of-it' })],
    ['with no signature', saying(JSON.stringify(PROOF))],
    ['of another text', signingAnything(theirs)],
  ])('signed %s is none', async (_name, fetch) => {
    const reason = await clientOf(fetch).client.prove(peer.address, theirs.publicKey, PATIENT);
    expect(reason).toBe('the key is not proved');
  });
});

describe('an address that may not be called', () => {
  test.each([
    'https://ours.example.net/n/1',
    'https://ours.example.net/elsewhere',
    'https://10.0.0.7/n/1',
    'https://127.0.0.1',
    'https://[::1]',
    'https://[fe80::1]/n/1',
    'https://2130706433',
    'https://0x7f000001',
    'https://localhost/n/1',
    'https://metadata.internal',
    'http://n7.peers.net',
    'https://n7.peers.net:8443',
    'https://user:secret@n7.peers.net',
    'https://n7.peers.net/a/../b',
    'https://n7.peers.net/?x=',
    'https://n7.peers.net#',
    'file:///etc/passwd',
    'not a url',
    `https://n7.peers.net/${'a'.repeat(250)}`,
    '',
  ])('%s is never fetched', async (address) => {
    const { client, requests } = clientOf(answering(STATUS));
    const there = { ...peer, address };
    expect(await client.probe(there, PATIENT)).toEqual({ type: 'silent', reason: expect.stringContaining('address') });
    expect(await client.prove(address, theirs.publicKey, PATIENT)).toContain('may not be called');
    await expect(client.sync(there, syncRequest, from, PATIENT)).rejects.toThrow('may not be called');
    await expect(client.deliver(there, [delivery], 9, from, PATIENT)).rejects.toThrow('may not be called');
    expect(requests).toEqual([]);
  });
});
