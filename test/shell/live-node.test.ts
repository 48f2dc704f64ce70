// A node at work: what its parts, each right by itself, do when they come between each other.
import { expect, it } from 'vitest';
import { eventually } from '../../bench/network.ts';
import { readConfig } from '../../src/config.ts';
import type { Signer } from '../../src/crypto/keys.ts';
import { DEAD_PEER, eventOf, PEER_LEAVING } from '../../src/protocol/message.ts';
import { ok } from '../../src/protocol/types.ts';
import { renewIdentity } from '../../src/shell/identity.ts';
import { LiveNode } from '../../src/shell/live-node.ts';
import { LogRing } from '../../src/shell/log-ring.ts';
import { createMemoryNodeStore } from '../../src/store/memory-store.ts';
import { certificate, keyOf, sealed } from '../support/signed.ts';

const SELF = 5;
const ADDRESS = 'local:/n/5';
const NETWORK = 'test';

/** A node that has joined, alone. `signer`: signs in place of its own. */
async function setUp(signer: (own: Signer) => Signer) {
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
    members: [],
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
  return node;
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
