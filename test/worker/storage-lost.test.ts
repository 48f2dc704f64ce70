// A hosted node whose storage is gone has lost its key, and with it its GUID: it is another node, at the same address.
import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { beforeAll, expect, it } from 'vitest';
import { bootFacade } from '../../src/durable/boot-facade.ts';
import {
  bindings,
  broadcast,
  call,
  callsOf,
  eventually,
  everywhere,
  NODE_COUNT,
  objectOf,
  SLOTS,
  startNetwork,
  total,
} from './support.ts';

const LOST = 5;

beforeAll(() => startNetwork());

it('gets a new GUID, and the old one dies everywhere', async () => {
  await runInDurableObject(objectOf(LOST), (_, state) => state.storage.deleteAll());
  await evictDurableObject(objectOf(LOST));
  const guid = await callsOf(LOST).wake();
  expect(guid).toBe(NODE_COUNT + 1);
  await eventually('everybody knows the new one, and nobody the old one', async () => {
    for (const slot of SLOTS) {
      if (slot !== LOST && (await callsOf(slot).member(NODE_COUNT + 1)) === null) return false;
      if ((await callsOf(slot).member(LOST)) !== null) return false;
    }
    return true;
  });
  const { body } = await call(`/api/v1/members?limit=${NODE_COUNT + 1}`);
  expect((body as { members: { guid: number }[] }).members.map((member) => member.guid)).not.toContain(LOST);
  // Its GUID is not given again.
  expect((await bootFacade(bindings).status()).maxGuid).toBe(NODE_COUNT + 1);
  const before = await total('pychain_deliveries_total');
  const id = await broadcast(1, { after: 'the loss' });
  await everywhere([id]);
  expect((await total('pychain_deliveries_total')) - before).toBe(NODE_COUNT - 1);
});
