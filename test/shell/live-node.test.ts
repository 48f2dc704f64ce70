// A node at work: what its parts, each right by itself, do when they come between each other.
import { expect, it } from 'vitest';
import { eventually } from '../../bench/network.ts';
import { readConfig } from '../../src/config.ts';
import type { Signer } from '../../src/crypto/keys.ts';
import { DEAD_PEER, eventOf, PEER_LEAVING } from '../../src/protocol/message.ts';
import { ok, type Member } from '../../src/protocol/types.ts';
import { renewIdentity } from '../../src/shell/identity.ts';
import { LiveNode } from '../../src/shell/live-node.ts';
import { LogRing } from '../../src/shell/log-ring.ts';
import { createMemoryNodeStore } from '../../src/store/memory-store.ts';
import { certificate, keyOf, outsider, sealed } from '../support/signed.ts';

const SELF = 5;
const ADDRESS = 'local:/n/5';
const NETWORK = 'test';

/** A node that has joined, alone. `signer`: signs in place of its own. */
async function setUp(signer: (own: Signer) => Signer, members: readonly Member[] = []) {
  const config = readConfig({ NETWORK });
  if (!config.ok) throw new Error('no configuration');
  const store = createMemoryNodeStore();
  const own = await renewIdentity(store.meta, NETWORK, ADDRESS);
  const nothing = () => Promise.reject(new Error('there is nobody else'));
  const joinedAs = (incarnation: number) => ({
    guid: SELF,
    address: ADDRESS,
    incarnation,
    certificate: certificate(),
    networkKey: keyOf(0),
    maxGuid: SELF,
    members,
  });
  const node = new LiveNode(
    {
      store,
      config: config.value,
      log: () => undefined,
      recentLogs: new LogRing(),
      outlets: (self) => ({
        client: { probe: nothing, sync: nothing, deliver: nothing, prove: nothing },
        join: async () => ok(joinedAs(self.identity.self.incarnation)),
        depart: async () => undefined,
        tellBeacon: null,
        syncInside: nothing,
        handOver: async () => undefined,
      }),
      handle: null,
      setAlarm: () => undefined,
      alarmsSet: () => 0,
      keep: () => undefined,
    },
    { ...own, signer: signer(own.signer) },
  );
  await node.wake();
  return Object.assign(node, { store });
}

it('leaves as the incarnation that it is, though it refutes while its farewell is signed', async () => {
  const { promise: isHeld, resolve: release } = Promise.withResolvers<void>();
  const node = await setUp((own) => ({
    publicKey: own.publicKey,
    sign: async (data) => {
      await isHeld;
      return await own.sign(data);
    },
  }));
  const leaving = node.leave();
  const now = Date.now();
  const data = { event: { name: DEAD_PEER, args: { guid: SELF } } };
  const accusation = sealed({
    network: NETWORK,
    data,
    originator: { guid: 3, address: 'local:/n/3' },
    broadcastAt: now,
    expiresAt: now + 60_000,
  });
  await node.deliver([{ body: accusation.sealed, range: { from: SELF, to: SELF - 1 }, hops: 1 }], null);
  await eventually('the refutation', async () => (await node.status()).incarnation === 1);
  release();
  expect(await leaving).toEqual(ok(null));
  const said = (await node.messages(null, 10))?.messages.map((message) => eventOf(message.data));
  expect(said?.filter((event) => event?.name === PEER_LEAVING).map((event) => event?.args)).toEqual([
    { guid: SELF, incarnation: 1 },
  ]);
});

it('notes what it has handed over when it ends in order, also where that was to be noted later', async () => {
  const node = await setUp((own) => own, [outsider(7)]);
  const say = async () => {
    await node.originate([{ data: { a: 1 }, ttlSeconds: null, idempotencyKey: null }]);
    const { state } = node.running();
    await eventually('it is handed over', async () => state.settled === state.mempool.lastSeq);
    return state.settled;
  };
  const first = await say();
  const second = await say();
  const noted = () => Number(node.store.meta.get('settled'));
  expect([noted(), node.running().state.settlesLater]).toEqual([first, true]);
  node.close();
  expect(noted()).toBe(second);
});
