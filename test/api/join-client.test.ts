// Joining over HTTP: the real API and the rules of admission on the other side, with real keys; and boot nodes that are none, or lie.
import { describe, expect, test } from 'vitest';
import { JoinClient, type Joiner, type JoinClientOptions } from '../../src/api/join-client.ts';
import { signText } from '../../src/crypto/keys.ts';
import { signAnswer, signCertificate, signRecord } from '../../src/crypto/signatures.ts';
import { makeChallenge } from '../../src/protocol/admission.ts';
import { admit, commitJoin, depart, draftJoin, joined, type BootContext } from '../../src/protocol/boot.ts';
import {
  ANSWER_BYTES_MAX,
  CHALLENGE_MS,
  CAPABILITIES,
  MEMBERS_PAGE_MAX,
  POW_BITS_MAX,
} from '../../src/protocol/limits.ts';
import { answerHashText, answerText } from '../../src/protocol/signed-text.ts';
import { hashOf, toCanonical } from '../../src/protocol/canonical.ts';
import type { JsonObject, Member } from '../../src/protocol/types.ts';
import { createMemoryBootStore } from '../../src/store/memory-store.ts';
import { newKey } from '../crypto/hand-signed.ts';
import { TEST_CONFIG } from '../support/network.ts';
import { setUp } from './fakes.ts';

const BOOT = 'https://boot.network.net';
const OURS = 'https://ours.joiners.net/n/';
const policy = { localPeers: false, hostedPrefix: OURS };

type Fetch = (request: Request) => Promise<Response>;
type Bend = (answer: JsonObject) => JsonObject | Promise<JsonObject>;

/** A boot node behind the real API. `bend` makes something else of its answers to joins, which it then signs. */
function bootNode({
  bits = 8,
  joinToken = null as string | null,
  bend = (answer: JsonObject) => answer as JsonObject | Promise<JsonObject>,
} = {}) {
  const key = newKey();
  const store = createMemoryBootStore();
  const secret = 'ab'.repeat(32);
  let bent: JsonObject | null = null;
  const context = (): BootContext => ({
    now: Date.now(),
    rng: Math.random,
    config: { ...TEST_CONFIG, powBits: bits, hostedPrefix: `${BOOT}/n/` },
    address: BOOT,
    networkKey: key.publicKey,
    secret,
    recentJoins: 0,
    store,
  });
  const works: boolean[] = [];
  const tokens: (string | null)[] = [];
  const requests: Request[] = [];
  const { app } = setUp({
    config: { joinToken },
    boot: {
      challenge: async () => ({
        challenge: makeChallenge(secret, bits, 'cd'.repeat(16), Date.now()),
        bits,
        expiresAt: Date.now() + CHALLENGE_MS,
        networkKey: key.publicKey,
      }),
      signAnswer: (nonce, answer) => signText(key.signer, answerHashText(nonce, hashOf(toCanonical(bent ?? answer)))),
      depart: async (publicKey, incarnation) => depart(context(), publicKey, incarnation),
      join: async (request) => {
        works.push(request.work !== null);
        const admitted = admit(context(), request);
        if (!admitted.ok) return admitted;
        const drafted = draftJoin(context(), request.record);
        if (!drafted.ok) return drafted;
        const { allocation, change } = drafted.value;
        const { guid, publicKey } = allocation;
        const certificate = await signCertificate(key.signer, 'test', guid, publicKey, allocation.certificate);
        commitJoin(context(), { allocation: { ...allocation, certificate }, change });
        return { ok: true, value: joined(context(), { ...allocation, certificate }) };
      },
    },
  });
  const fetch: Fetch = async (request) => {
    requests.push(request.clone());
    tokens.push(request.headers.get('authorization'));
    const response = await app.request(request);
    if (!request.url.endsWith('/join') || !response.ok) return response;
    const { signature: _signature, ...answer } = (await response.json()) as JsonObject;
    bent = await bend(answer as JsonObject);
    const nonce = /nonce="([^"]*)"/.exec(request.headers.get('signature-input') ?? '')?.[1] ?? '';
    const sign = (asked: string, value: JsonObject) => signText(key.signer, answerText(asked, value));
    const resigned = await signAnswer(sign, nonce, bent);
    return Response.json('signature' in bent ? { ...resigned, signature: bent['signature'] } : resigned);
  };
  return { key, store, fetch, works, tokens, requests };
}

async function joiner(
  changes: Partial<Joiner> = {},
  { slot = 1, incarnation = 0, key = newKey() } = {},
): Promise<Joiner> {
  const record = await signRecord(key.signer, 'test', {
    address: `${OURS}${slot}`,
    incarnation,
    capabilities: CAPABILITIES,
  });
  return { signer: key.signer, record, isMember: false, networkKey: null, ...changes };
}

function clientOf(fetch: Fetch, options: Partial<JoinClientOptions> = {}) {
  const now = () => Date.now();
  return new JoinClient({ boot: BOOT, network: 'test', policy, joinToken: null, fetch, now, ...options });
}

/** Why a join to this failed. */
async function reasonOf(fetch: Fetch, who?: Partial<Joiner>): Promise<string> {
  const result = await clientOf(fetch).join(await joiner(who));
  if (result.ok) throw new Error('it joined');
  return result.error.reason;
}

const saying =
  (body: string, status = 200, headers: Record<string, string> = {}): Fetch =>
  async () =>
    new Response(body, { status, headers });

describe('a newcomer', () => {
  test('solves the work that is asked for, and gets a GUID that is certified', async () => {
    const boot = bootNode({ bits: 10 });
    const who = await joiner();
    const result = await clientOf(boot.fetch).join(who);
    const { address, incarnation } = who.record;
    expect(result).toMatchObject({ ok: true, value: { guid: 1, address, incarnation, maxGuid: 1, members: [] } });
    expect(result.ok && result.value.networkKey).toBe(boot.key.publicKey);
    expect(boot.store.byGuid(1)).toMatchObject({ publicKey: who.record.publicKey, address });
    expect(boot.works).toEqual([true]);
  });

  test('learns of the members', async () => {
    const boot = bootNode();
    const first = await joiner();
    await clientOf(boot.fetch, { policy: { ...policy, hostedPrefix: 'https://x.net/n/' } }).join(first);
    const second = clientOf(boot.fetch, { policy: { ...policy, hostedPrefix: 'https://y.net/n/' } });
    const result = await second.join(await joiner({}, { slot: 2 }));
    expect(result).toMatchObject({ ok: true, value: { guid: 2, members: [{ guid: 1, ...first.record }] } });
  });

  test('tells the token of a private network', async () => {
    const token = 'a-join-token-for-tests';
    const boot = bootNode({ joinToken: token });
    expect(await reasonOf(boot.fetch)).toContain('HTTP 401');
    expect(await clientOf(boot.fetch, { joinToken: token }).join(await joiner())).toMatchObject({ ok: true });
    expect(boot.tokens.at(-1)).toBe(`Bearer ${token}`);
  });

  test('hears which of its fields the boot node did not take', async () => {
    const fault = { path: 'address', message: 'over https' };
    const problem = { type: 'x', title: 'x', status: 422, detail: 'the body is not valid', errors: [fault] };
    expect(await reasonOf(saying(JSON.stringify(problem), 422))).toContain(
      'the body is not valid: address: over https',
    );
    const many = { ...problem, errors: Array.from({ length: 1_000 }, () => fault) };
    expect((await reasonOf(saying(JSON.stringify(many), 422))).length).toBeLessThan(300);
  });

  test('goes on with its work where the boot node was busy', async () => {
    const boot = bootNode();
    let isBusy = true;
    const client = clientOf(async (request) => {
      if (isBusy && request.url.endsWith('/join')) return await saying('{}', 503)(request);
      return await boot.fetch(request);
    });
    const who = await joiner();
    expect(await client.join(who)).toMatchObject({ ok: false });
    isBusy = false;
    expect(await client.join(who)).toMatchObject({ ok: true });
    expect(boot.requests.filter(({ url }) => url.endsWith('/challenge'))).toHaveLength(1);
  });

  test('asks for another challenge where its own would run out', async () => {
    const boot = bootNode();
    let late = CHALLENGE_MS - 20_000;
    const client = clientOf(
      async (request) =>
        late > 0 && request.url.endsWith('/join') ? await saying('{}', 503)(request) : await boot.fetch(request),
      { now: () => Date.now() - late },
    );
    const who = await joiner();
    expect(await client.join(who)).toMatchObject({ ok: false });
    late = 0;
    expect(await client.join(who)).toMatchObject({ ok: true });
    expect(boot.requests.filter(({ url }) => url.endsWith('/challenge'))).toHaveLength(2);
  });

  test('goes on at the next attempt with work that takes longer than one may, and leaves others their turn', async () => {
    // By this clock a turn of work takes three seconds, until it is set right.
    let jump = 3_000;
    let ahead = 0;
    const begin = async () => {
      const boot = bootNode({ bits: 14 });
      const client = clientOf(boot.fetch, { now: () => Date.now() + (ahead += jump) });
      const who = await joiner();
      return { boot, client, who, first: await client.join(who) };
    };
    let ticks = 0;
    const ticking = setInterval(() => ticks++, 0);
    let begun = await begin();
    // Four times in ten the first turns happen to do it; then it goes on to ask, and may be refused for this clock.
    const isDone = () => begun.boot.requests.some(({ url }) => url.endsWith('/join'));
    for (let luck = 0; isDone() && luck < 50; luck++) begun = await begin();
    const { boot, client, who, first } = begun;
    expect(first).toMatchObject({
      ok: false,
      error: { reason: expect.stringMatching(/14 bits of work are not done/) },
    });
    jump = ahead = 0;
    expect(await client.join(who)).toMatchObject({ ok: true });
    clearInterval(ticking);
    expect(ticks).toBeGreaterThan(0);
    expect(boot.requests.filter(({ url }) => url.endsWith('/challenge'))).toHaveLength(1);
  });
});

describe('a member', () => {
  test('gets a certificate again without work, with the GUID that it has', async () => {
    const boot = bootNode();
    const client = clientOf(boot.fetch);
    const who = await joiner();
    await client.join(who);
    const again = await client.join({ ...who, isMember: true, networkKey: boot.key.publicKey });
    expect(again).toMatchObject({ ok: true, value: { guid: 1 } });
    expect(boot.works).toEqual([true, false]);
  });

  test('moves without work', async () => {
    const boot = bootNode();
    const key = newKey();
    const client = clientOf(boot.fetch);
    await client.join(await joiner({}, { key }));
    const moved = await joiner({ isMember: true }, { key, slot: 9, incarnation: 1 });
    expect(await client.join(moved)).toMatchObject({ ok: true, value: { guid: 1, address: `${OURS}9` } });
    expect(boot.works).toEqual([true, false]);
  });

  test('whom the boot node has lost does the work at its next attempt', async () => {
    const boot = bootNode();
    const client = clientOf(boot.fetch);
    const who = await joiner({ isMember: true });
    expect(await client.join(who)).toMatchObject({ ok: false });
    expect(await client.join(who)).toMatchObject({ ok: true });
    expect(boot.works).toEqual([false, true]);
  });

  test('hears which incarnation the boot node knows, where its own is older', async () => {
    const boot = bootNode();
    const key = newKey();
    const client = clientOf(boot.fetch);
    await client.join(await joiner({}, { key, incarnation: 7 }));
    const older = await joiner({ isMember: true }, { key, incarnation: 3 });
    expect(await client.join(older)).toMatchObject({ ok: false, error: { above: 7 } });
  });
});

describe('a member that leaves', () => {
  test('tells the boot node, which tells newcomers of it no more', async () => {
    const boot = bootNode();
    const { fetch } = boot;
    const elsewhere = { policy: { ...policy, hostedPrefix: 'https://y.net/n/' } };
    const who = await joiner();
    await clientOf(fetch).join(who);
    await clientOf(fetch).depart(who.signer, 0);
    const newcomer = await joiner({}, { slot: 2 });
    expect(await clientOf(fetch, elsewhere).join(newcomer)).toMatchObject({
      ok: true,
      value: { guid: 2, members: [] },
    });
  });

  test('is told where the boot node did not hear it', async () => {
    const { signer } = await joiner();
    await expect(clientOf(saying('{}', 503)).depart(signer, 0)).rejects.toThrow('HTTP 503');
  });
});

describe('members of an answer', () => {
  const stranger = newKey();
  /** A member that the boot node certifies, at an address. */
  const told = async (boot: ReturnType<typeof bootNode>, address: string, signer = stranger): Promise<JsonObject> => {
    const { publicKey } = stranger;
    const period = { issuedAt: Date.now() - 60_000, expiresAt: Math.ceil(Date.now() / 1000) * 1000 + 60_000 };
    const whole = { issuedAt: Math.floor(period.issuedAt / 1000) * 1000, expiresAt: period.expiresAt };
    const certificate = await signCertificate(boot.key.signer, 'test', 77, publicKey, whole);
    const record = await signRecord(signer.signer, 'test', { address, incarnation: 0, capabilities: ['sync'] });
    const times = { issued: whole.issuedAt / 1000, expires: whole.expiresAt / 1000, signature: certificate.signature };
    const { signature } = record;
    return {
      guid: 77,
      address,
      public_key: publicKey,
      incarnation: 0,
      capabilities: ['sync'],
      signature,
      certificate: times,
    };
  };
  const membersFrom = async (
    make: (boot: ReturnType<typeof bootNode>) => Promise<JsonObject>,
    isOwn?: (member: Member) => Promise<boolean>,
  ) => {
    const boot: ReturnType<typeof bootNode> = bootNode({
      bend: async (answer) => ({ ...answer, members: [await make(boot)] }),
    });
    const result = await clientOf(boot.fetch, isOwn ? { isOwn } : {}).join(await joiner());
    return result.ok ? result.value.members.map(({ guid }) => guid) : result.error.reason;
  };

  test('are taken where they prove themselves', async () => {
    expect(await membersFrom((boot) => told(boot, 'https://n77.peers.net'))).toEqual([77]);
  });

  test('are not looked at where there are more than a page of them', async () => {
    const boot: ReturnType<typeof bootNode> = bootNode({
      bend: async (answer) => {
        const one = await told(boot, 'https://n77.peers.net');
        return { ...answer, members: Array.from({ length: MEMBERS_PAGE_MAX + 1 }, () => one) };
      },
    });
    expect(await reasonOf(boot.fetch)).toMatch(/none to a join/);
  });

  test('are left out with the signature of another key, at a private address, and with the certificate of another network', async () => {
    expect(await membersFrom((boot) => told(boot, 'https://n77.peers.net', newKey()))).toEqual([]);
    expect(await membersFrom((boot) => told(boot, 'https://10.0.0.7'))).toEqual([]);
    const other = bootNode();
    expect(await membersFrom(() => told(other, 'https://n77.peers.net'))).toEqual([]);
  });

  test('at an address of the joiner’s own deployment are taken only where the node there is asked, and agrees', async () => {
    const asked: string[] = [];
    const saysYes = async ({ address }: Member) => asked.push(address) > 0;
    expect(await membersFrom((boot) => told(boot, `${OURS}3`))).toEqual([]);
    expect(
      await membersFrom(
        (boot) => told(boot, `${OURS}3`),
        async () => false,
      ),
    ).toEqual([]);
    expect(await membersFrom((boot) => told(boot, `${OURS}3`), saysYes)).toEqual([77]);
    expect(asked).toEqual([`${OURS}3`]);
  });
});

describe('what is no boot node of this network', () => {
  const bentChallenge = (changes: JsonObject): Fetch => {
    const boot = bootNode();
    return async (request) => {
      const response = await boot.fetch(request);
      if (!request.url.endsWith('/challenge')) return response;
      return Response.json({ ...((await response.json()) as JsonObject), ...changes });
    };
  };

  test.each([
    ['another network', bentChallenge({ network: 'other' }), /another network/],
    ['another protocol', bentChallenge({ protocol: 'pychain/2' }), /another protocol/],
    [
      'more work than there is',
      bentChallenge({ challenge: makeChallenge('ab'.repeat(32), POW_BITS_MAX + 1, 'cd'.repeat(16), Date.now()) }),
      /more than 24 bits/,
    ],
    ['a challenge that nothing solves', bentChallenge({ challenge: 'no challenge' }), /more than 24 bits/],
    ['HTML', saying('<html>', 200), /no boot node/],
    ['JSON of something else', saying('{"hello":"world"}'), /no boot node/],
    ['an error page', saying('<html>', 502), /HTTP 502/],
    ['a redirect', saying('', 302, { location: 'https://10.0.0.1/' }), /redirects are not followed/],
    ['an endless answer', saying(' '.repeat(ANSWER_BYTES_MAX + 1)), /more than/],
    ['nothing', () => Promise.reject(new Error('connection refused')), /connection refused/],
  ] as const)('%s', async (_, fetch, expected) => {
    expect(await reasonOf(fetch)).toMatch(expected);
  });

  test.each<[string, Bend, RegExp]>([
    ['another address', (answer) => ({ ...answer, address: `${OURS}2` }), /another record/],
    ['another incarnation', (answer) => ({ ...answer, incarnation: 5 }), /another record/],
    ['another GUID than is certified', (answer) => ({ ...answer, guid: 2 }), /certificate proves nothing/],
    ['another key than signs', (answer) => ({ ...answer, network_key: newKey().publicKey }), /not signed by its key/],
    ['a signature of another answer', (answer) => ({ ...answer, signature: 'A'.repeat(86) }), /not signed by its key/],
    ['no GUID', (answer) => ({ ...answer, guid: 0 }), /none to a join/],
  ])('an answer with %s', async (_, bend, expected) => {
    expect(await reasonOf(bootNode({ bend }).fetch)).toMatch(expected);
  });

  test('another key than the pinned one: no work is done for it, and a member’s certificate is not taken', async () => {
    const boot = bootNode();
    const pinned = newKey().publicKey;
    expect(await reasonOf(boot.fetch, { networkKey: pinned })).toMatch(/another key/);
    expect(boot.requests).toHaveLength(1);
    const who = await joiner();
    await clientOf(boot.fetch).join(who);
    expect(await clientOf(boot.fetch).join({ ...who, isMember: true, networkKey: pinned })).toMatchObject({
      ok: false,
    });
  });

  test('a claim of an incarnation that could not be raised any further', async () => {
    const errors = [{ path: 'incarnation', message: `must be above ${2 ** 53 - 1}` }];
    const problem = { type: 'urn:pychain:problem:stale-record', title: '', status: 409, detail: 'later', errors };
    const result = await clientOf(saying(JSON.stringify(problem), 409)).join(await joiner({ isMember: true }));
    expect(result).toMatchObject({ ok: false, error: { above: null } });
  });
});
