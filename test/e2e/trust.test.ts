// Strangers and liars against a running network, over HTTP: none of it works, and honest nodes go on. docs/security.md names these tests.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  broadcast,
  eventually as poll,
  getJson,
  messagesOf,
  startMeasured,
  type Measured,
} from '../../bench/network.ts';
import { openSigner, generateKey, signText } from '../../src/crypto/keys.ts';
import { signCertificate, signRecord } from '../../src/crypto/signatures.ts';
import { CAPABILITIES, RECONCILE_AFTER_MS, RECONCILE_STEP_MS } from '../../src/protocol/limits.ts';
import { unseal } from '../../src/protocol/seal.ts';
import { certificateText } from '../../src/protocol/signed-text.ts';
import type { JsonObject } from '../../src/protocol/types.ts';
import { OutsideHost, read, type OutsidePeer } from '../../bench/outside-peer.ts';

const NODES = 4;
const VARS = {
  LOCAL_PEERS: 'on',
  POW_BITS: '8',
  GROUP_MEMBERS: '100',
  NETWORK_SYNC_INTERVAL: '1',
  NETWORK_SYNC_JITTER: '0',
  PROBATION: '2',
};

/** A good deal longer than anything here takes, two rounds of sync included. */
const eventually = (what: string, probe: () => Promise<boolean>) => poll(what, probe, 20_000);

let network: Measured;
let host: OutsideHost;
/** An honest peer outside, whom others want to be. */
let victim: OutsidePeer;
/** A certified member that lies. */
let mallory: OutsidePeer;

/** What a callee may answer as its status, and why that is no peer's. */
const LIES: [what: string, lie: JsonObject | null, reason: string][] = [
  ['the GUID of another', { guid: 1 }, 'other-guid'],
  ['no proof', { signature: 'A'.repeat(86) }, 'key-unproven'],
  ['another network', { network: 'elsewhere' }, 'other-network'],
  ['another protocol version', { protocol: 'pychain/2' }, 'other-protocol'],
  ['nothing of ours', null, 'not-pychain'],
];
const liars = new Map<string, OutsidePeer>();

const node = (slot: number) => `${network.url}/n/${slot}`;

async function joined(): Promise<OutsidePeer> {
  const peer = await host.peer('pychain');
  const { status } = await peer.join(network.url);
  if (status !== 200) throw new Error(`cannot join: ${status}`);
  return peer;
}

/** Tells every node of itself, as sync does in time. */
async function introduce(peer: OutsidePeer): Promise<void> {
  for (let slot = 1; slot <= NODES; slot++) expect((await peer.sync(node(slot))).status).toBe(200);
}

interface MemberView extends JsonObject {
  readonly guid: number;
  readonly address: string;
  readonly state: string;
  readonly public_key: string;
}

async function memberAt(slot: number, guid: number): Promise<MemberView | null> {
  const { status, body } = await read(await fetch(`${node(slot)}/api/v1/members/${guid}`));
  return status === 200 ? (body as MemberView) : null;
}

/** Waits until a member is so at every hosted node. */
async function everywhere(what: string, guid: number, holds: (member: MemberView | null) => boolean): Promise<void> {
  await eventually(what, async () => {
    for (let slot = 1; slot <= NODES; slot++) if (!holds(await memberAt(slot, guid))) return false;
    return true;
  });
}

async function metric(slot: number, name: string): Promise<number> {
  const text = await (await fetch(`${node(slot)}/api/v1/metrics`)).text();
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
  return Number(line?.split(' ')[1] ?? NaN);
}

async function storedAt(slot: number, id: string): Promise<boolean> {
  return (await fetch(`${node(slot)}/api/v1/messages/${id}`)).status === 200;
}

/** What an honest broadcast still does: reaches every hosted node and the victim. */
async function expectHonestBroadcast(): Promise<void> {
  const text = `honest ${Math.random()}`;
  const id = await broadcast(network, 1, { text });
  await eventually('an honest broadcast everywhere', async () => {
    for (let slot = 1; slot <= NODES; slot++) if (!(await storedAt(slot, id))) return false;
    return [...victim.received.keys()].some((body) => body.includes(text));
  });
}

beforeAll(async () => {
  network = await startMeasured(NODES, VARS);
  host = await OutsideHost.open();
  victim = await joined();
  mallory = await joined();
  for (const [, lie, reason] of LIES) {
    const liar = await host.peer('pychain');
    liar.bend = (path, answer) => (path === '/api/v1/status' ? lie && { ...answer, ...lie } : answer);
    if ((await liar.join(network.url)).status !== 200) throw new Error('a liar cannot join');
    liars.set(reason, liar);
  }
  // Past probation, so that what follows is against members in good standing.
  await everywhere('the victim is trusted', victim.guid, (member) => member?.state === 'alive');
  await everywhere('mallory is trusted', mallory.guid, (member) => member?.state === 'alive');
});

afterAll(async () => {
  await network.dispose();
  await host.close();
});

describe('the GUID of another', () => {
  it('is not to be had by joining with its public key: the signature is missing', async () => {
    const record = await victim.sayWhere();
    const join = await mallory.join(network.url, { public_key: record.publicKey, signature: record.signature });
    expect(join.status).toBe(401);
    expect(mallory.guid).not.toBe(victim.guid);
  });

  it('is not to be had by joining with a request of the victim that was kept: it leads to the victim', async () => {
    const stranger = await host.peer('pychain');
    const record = await victim.sayWhere();
    // Signed by the stranger, in the victim's words.
    const join = await stranger.join(network.url, { ...wire(record), public_key: record.publicKey });
    expect(join.status).toBe(401);
  });

  it('is not to be had at sync: a caller speaks for itself', async () => {
    const sync = await mallory.sync(node(1), [mallory.member], { guid: victim.guid });
    expect(sync.status).toBe(401);
  });

  it('keeps its address when another tells of it at sync', async () => {
    const record = { ...mallory.member, guid: victim.guid };
    const moved = { ...victim.member, address: mallory.address, incarnation: 9 };
    const resigned = await signRecord(mallory.signer, 'pychain', {
      address: mallory.address,
      incarnation: 9,
      capabilities: CAPABILITIES,
    });
    const borrowed = { ...resigned, publicKey: victim.signer.publicKey, ...certified(victim) };
    for (const lie of [record, moved, borrowed]) {
      expect((await mallory.sync(node(2), [mallory.member, lie])).status).toBe(200);
    }
    await everywhere('the victim is where it was', victim.guid, (member) => member?.address === victim.address);
    expect((await memberAt(2, victim.guid))?.public_key).toBe(victim.signer.publicKey);
  });

  it.each(LIES)(
    'is not to be had by a status: whoever answers with %s is not kept as a peer',
    async (_, __, reason) => {
      const name = `pychain_peers_refused_total{reason="${reason}"}`;
      const liar = liars.get(reason);
      await eventually('every node has looked at it', async () => {
        for (let slot = 1; slot <= NODES; slot++) if ((await metric(slot, name)) !== 1) return false;
        return true;
      });
      await everywhere('the liar is not kept', liar?.guid ?? NaN, (member) => member === null);
      expect(await memberAt(1, liar?.guid ?? NaN)).toBeNull();
    },
  );

  it('is not proved by a certificate of another network', async () => {
    const foreign = openSigner(await generateKey());
    const period = { issuedAt: 1_700_000_000_000, expiresAt: Math.ceil(Date.now() / 1000) * 1000 + 3_600_000 };
    for (const name of ['pychain', 'elsewhere']) {
      const certificate = await signCertificate(foreign, name, victim.guid, mallory.signer.publicKey, {
        ...period,
        issuedAt: period.expiresAt - 7_200_000,
      });
      const credential = { guid: victim.guid, certificate };
      const sync = {
        method: 'POST',
        url: `${node(1)}/api/v1/sync`,
        body: JSON.stringify(syncOf(victim.guid)),
      } as const;
      expect((await mallory.send(sync, { credential })).status).toBe(401);
    }
  });

  it('is not proved by a certificate whose GUID or times were changed', async () => {
    const { certificate } = certified(mallory);
    const later = { ...certificate, expiresAt: certificate.expiresAt + 86_400_000 };
    for (const credential of [
      { guid: victim.guid, certificate },
      { guid: mallory.guid, certificate: later },
    ]) {
      const body = JSON.stringify(syncOf(credential.guid));
      const sync = { method: 'POST', url: `${node(1)}/api/v1/sync`, body } as const;
      expect((await mallory.send(sync, { credential })).status).toBe(401);
    }
    // The text that was signed is the true one: only the network's key could sign another.
    expect(certificateText('pychain', mallory.guid, mallory.signer.publicKey, certificate)).toContain('certificate');
  });

  it('is not proved without a certificate', async () => {
    const body = JSON.stringify(syncOf(mallory.guid));
    const sync = { method: 'POST', url: `${node(1)}/api/v1/sync`, body } as const;
    expect((await mallory.send(sync, { credential: null })).status).toBe(401);
  });

  it('an honest broadcast still reaches everybody', async () => {
    await expectHonestBroadcast();
  });
});

describe('a message', () => {
  it("in another's name is refused by everybody", async () => {
    const forged = await mallory.message({ forged: true }, { originator: victim.guid, address: victim.address });
    const answer = await mallory.deliver(node(1), [forged]);
    expect(answer).toMatchObject({ status: 200, body: { outcomes: ['rejected'] } });
    expect(await storedAt(1, forged.id)).toBe(false);
  });

  it('in the name of the boot node, or of a hosted node, is refused', async () => {
    for (const originator of [0, 1]) {
      const forged = await mallory.message({ forged: true }, { originator, address: network.url });
      expect((await mallory.deliver(node(2), [forged])).body).toMatchObject({ outcomes: ['rejected'] });
    }
  });

  it.each<[string, (text: string) => string]>([
    ['data', (text) => text.replace('"amount":1', '"amount":9')],
    ['ttl', (text) => text.replace(/"expires_at":(\d+)/, (_, at: string) => `"expires_at":${Number(at) + 60}`)],
    ['originator', (text) => text.replace(/"guid":\d+/, '"guid":1')],
    ['network', (text) => text.replace('"network":"pychain"', '"network":"pychaim"')],
  ])('whose %s was changed on its way is refused', async (_, change) => {
    const message = await victim.message({ amount: 1 });
    const { body } = unseal(message.sealed);
    const changed = change(body);
    expect(changed).not.toBe(body);
    const relayed = await mallory.deliver(node(3), [message], { body: changed });
    expect(relayed.body).toMatchObject({ outcomes: ['rejected'] });
    expect((await messagesOf(network, 3)).some(({ data }) => data['amount'] === 9)).toBe(false);
  });

  it.each<[string, (body: string) => string]>([
    ['range', (body) => body.replace(/"to":\d+/, '"to":7')],
    ['hops', (body) => body.replace('"hops":1', '"hops":2')],
    ['max_guid', (body) => body.replace(/"max_guid":\d+/, '"max_guid":1000')],
  ])('whose %s is changed between two nodes is refused: the request is signed', async (_, change) => {
    const message = await victim.message({ kept: true });
    const url = `${node(1)}/api/v1/deliveries`;
    const body = victim.deliveries([message]);
    const request = await victim.request({ method: 'POST', url, body });
    const altered = change(body);
    expect(altered).not.toBe(body);
    const answer = await read(await fetch(url, { method: 'POST', headers: request.headers, body: altered }));
    expect(answer.status).toBe(401);
    expect(await storedAt(1, message.id)).toBe(false);
  });

  it('brought by another than its originator is taken: relays need no leave', async () => {
    const message = await victim.message({ relayed: true });
    expect((await mallory.deliver(node(4), [message])).body).toMatchObject({ outcomes: ['new'] });
    await eventually('it is everywhere', async () => {
      for (let slot = 1; slot <= NODES; slot++) if (!(await storedAt(slot, message.id))) return false;
      return true;
    });
  });

  it("in the seed's form needs the originator's signature as well", async () => {
    const message = await mallory.message({ seed: true });
    const { signature, body } = unseal(message.sealed);
    const { broadcast_timestamp, data, expires_at, network: name, nonce, originator } = JSON.parse(body) as JsonObject;
    const seed = { id: message.id, data, broadcast_timestamp, expires_at, network: name, nonce, originator, ttl: 4 };
    const put = async (changes: JsonObject) => {
      const text = JSON.stringify({ ...seed, seen_by: [], ...changes });
      return await mallory.send({ method: 'PUT', url: `${node(2)}/api/v1/broadcast`, body: text });
    };
    expect((await put({})).status).toBe(422);
    expect((await put({ signature: await signText(mallory.signer, 'something else') })).status).toBe(422);
    expect((await put({ signature, data: { seed: 'other' } })).status).toBe(422);
    expect(await put({ signature })).toMatchObject({ status: 200, body: true });
    expect(await put({ signature })).toMatchObject({ status: 200, body: false });
    // A member has nothing originated for it: that is the operator's.
    expect((await put({ id: null, broadcast_timestamp: null })).status).toBe(422);
  });
});

describe('a signed request again', () => {
  const sync = (peer: OutsidePeer, slot = 1) =>
    ({ method: 'POST', url: `${node(slot)}/api/v1/sync`, body: JSON.stringify(syncOf(peer.guid)) }) as const;

  it('is refused, within the window', async () => {
    const request = await victim.request(sync(victim));
    expect((await fetch(request.clone())).status).toBe(200);
    for (let again = 0; again < 3; again++) expect((await fetch(request.clone())).status).toBe(401);
  });

  it('is refused after the window, also the first time, and from the future', async () => {
    for (const now of [Date.now() - 200_000, Date.now() - 86_400_000, Date.now() + 200_000]) {
      expect((await victim.send(sync(victim), { now })).status).toBe(401);
    }
  });

  it('is refused at another node, and at another path', async () => {
    const request = await victim.request(sync(victim));
    const body = await request.clone().text();
    for (const url of [`${node(2)}/api/v1/sync`, `${node(1)}/api/v1/deliveries`, `${node(1)}/api/v1/sync?x=1`]) {
      const moved = await fetch(url, { method: 'POST', headers: request.headers, body });
      expect(moved.status).toBe(401);
    }
    const put = await fetch(`${node(1)}/api/v1/broadcast`, { method: 'PUT', headers: request.headers, body });
    expect(put.status).toBe(401);
    // It was not used up by that.
    expect((await fetch(request)).status).toBe(200);
  });

  it('looks like every other failure to the caller', async () => {
    const answers = [
      await victim.send(sync(victim), { now: 1_700_000_000_000 }),
      await mallory.sync(node(1), [mallory.member], { guid: victim.guid }),
      await victim.send(sync(victim), { credential: null }),
    ];
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    expect(answers[0]?.headers.get('content-type')).toBe('application/problem+json');
  });
});

describe('an event', () => {
  it('DEAD_PEER about one that lives has it looked at, no more', async () => {
    const calls = victim.calls;
    const lie = await mallory.message({ event: { name: 'DEAD_PEER', args: { guid: victim.guid } } });
    expect((await mallory.deliver(node(1), [lie])).body).toMatchObject({ outcomes: ['new'] });
    await eventually('it is looked at', async () => victim.calls > calls);
    await everywhere('the victim lives', victim.guid, (member) => member?.state === 'alive');
    await everywhere('hosted nodes live', 1, (member) => member?.state === 'alive');
  });

  it('PEER_LEAVING is believed of the leaver alone, and not after it came back', async () => {
    const lie = { event: { name: 'PEER_LEAVING', args: { guid: victim.guid, incarnation: 5 } } };
    await mallory.deliver(node(1), [await mallory.message(lie)]);
    const leaver = await joined();
    await introduce(leaver);
    await everywhere('it is known', leaver.guid, (member) => member !== null);
    const truth = await leaver.message({
      event: { name: 'PEER_LEAVING', args: { guid: leaver.guid, incarnation: 0 } },
    });
    expect((await leaver.deliver(node(1), [truth])).body).toMatchObject({ outcomes: ['new'] });
    await everywhere('it has left', leaver.guid, (member) => member?.state === 'left');
    await leaver.sayWhere({ incarnation: 1 });
    expect((await leaver.join(network.url)).status).toBe(200);
    await introduce(leaver);
    await everywhere('it is back', leaver.guid, (member) => member !== null && member.state !== 'left');
    // True once, and signed by the leaver; kept and said again as a message of its own.
    const old = await leaver.message({ event: { name: 'PEER_LEAVING', args: { guid: leaver.guid, incarnation: 0 } } });
    await mallory.deliver(node(2), [truth, old]);
    await eventually('it has been heard', async () => await storedAt(4, old.id));
    await everywhere('it is still there', leaver.guid, (member) => member !== null && member.state !== 'left');
    expect((await memberAt(1, victim.guid))?.state).toBe('alive');
  });

  it('PEER_JOINED about another is refused where it comes in', async () => {
    const moved = { ...victim.member, address: mallory.address, incarnation: 3 };
    const args = {
      members: [
        { ...wire(moved), guid: victim.guid, certificate: { issued: 1, expires: 2, signature: moved.signature } },
      ],
    };
    const lie = await mallory.message({ event: { name: 'PEER_JOINED', args } });
    expect((await mallory.deliver(node(1), [lie])).body).toMatchObject({ outcomes: ['rejected'] });
    await everywhere('the victim is where it was', victim.guid, (member) => member?.address === victim.address);
  });
});

describe('max_guid of 10^9', () => {
  it('is believed by nobody, from anybody, and holds nothing up', async () => {
    const highest = async () => {
      const { max_guid } = (await getJson(`${node(1)}/api/v1/status`)) as { max_guid: number };
      return max_guid;
    };
    const before = await highest();
    const claim = { max_guid_node: { guid: 1_000_000_000, address: mallory.address } };
    expect((await mallory.sync(node(1), [mallory.member], claim)).status).toBe(200);
    const unsigned = { ...syncOf(77), ...claim };
    const options = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(unsigned) };
    expect((await fetch(`${node(1)}/api/v1/sync`, options)).status).toBe(200);
    expect((await fetch(`${network.url}/api/v1/sync`, options)).status).toBe(200);
    mallory.bend = (path, answer) => (path === '/api/v1/sync' ? { ...answer, guid: 1_000_000_000 } : answer);
    mallory.maxGuid = 1_000_000_000;
    const message = await mallory.message({ claims: 'many' });
    expect((await mallory.deliver(node(1), [message])).body).toMatchObject({ outcomes: ['new'] });
    await eventually('it is everywhere all the same', async () => await storedAt(4, message.id));
    await expectHonestBroadcast();
    expect(await highest()).toBe(before);
    mallory.bend = (_, answer) => answer;
    mallory.maxGuid = before;
  });
});

function certified({ credential }: OutsidePeer) {
  if (!credential) throw new Error('has not joined');
  return credential;
}

describe('a peer that was away', () => {
  it('asks for what it missed, at sync, and is sent it', async () => {
    const away = await joined();
    await introduce(away);
    const id = await broadcast(network, 2, { while: 'away' });
    const sent = Date.now();
    // Compared is what was there well before a moment that all can share: younger ones may be under way.
    const moment = () => Math.floor(Date.now() / RECONCILE_STEP_MS) * RECONCILE_STEP_MS;
    await poll('it is old enough to be compared', async () => moment() - sent > RECONCILE_AFTER_MS, 40_000);
    // As one that has nothing: the callee lists what it has.
    const digest = { at: moment() / 1000, frame: { ranges: [[null, []]] } };
    const answer = await away.sync(node(1), [away.member], { digest });
    const { ranges } = answer.body['frame'] as unknown as { ranges: [null, string[]][] };
    expect(ranges.flatMap(([, ids]) => ids)).toContain(id);
    away.received.clear();
    expect((await away.sync(node(1), [away.member], { wanted: [id] })).status).toBe(200);
    await eventually('it is sent', async () =>
      [...away.received.keys()].some((body) => body.includes('"while":"away"')),
    );
    expect(away.received.size).toBe(1);
  });
});

function syncOf(guid: number): JsonObject {
  return { guid, max_guid_node: { guid: 1, address: 'https://n1.example.net' }, have: [[1, 4]] };
}

function wire(record: {
  address: string;
  publicKey: string;
  incarnation: number;
  capabilities: readonly string[];
  signature: string;
}) {
  const { address, publicKey, incarnation, capabilities, signature } = record;
  return { address, public_key: publicKey, incarnation, capabilities: [...capabilities], signature };
}
