// In which order, and how often, a client of the original gets messages, where its answers go lost or it fails at some: with the handler's calls made by the
// test, and a client that answers as told. `seed-clients.test.ts` has real ones.
import { afterEach, expect, it } from 'vitest';
import { openNodeSql } from '../../src/peer/node-sql.ts';
import { SeedClients, type StandIn } from '../../src/peer/seed-clients.ts';
import type { StoredMessage } from '../../src/protocol/types.ts';
import type { Handle } from '../../src/shell/handler-client.ts';

const IP = '127.0.0.2';
const NOW = 1_700_000_000_000;
const SOURCE = { network: 'test', guid: 7, address: 'http://127.0.0.1/seed/127.0.0.2' };

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

const message = (n: number, ttlMs = 600_000): StoredMessage => ({
  id: String(n).padStart(64, '0'),
  network: 'test',
  data: { n },
  originator: { guid: 1, address: 'http://127.0.0.1' },
  broadcastAt: NOW,
  expiresAt: NOW + ttlMs,
  receivedAt: NOW,
  hops: 1,
});

/** What happens to a broadcast that a client is sent. `lost`: it takes it, and its answer does not arrive. */
type Fate = 'answered' | 'lost' | 500;

async function clientWith(fateOf: (n: number) => Fate) {
  const state = { now: NOW, has: [] as number[], highest: 0 };
  let handle: Handle | null = null;
  const sql = openNodeSql(':memory:');
  const status = async () => ({ guid: SOURCE.guid, maxGuid: 9 });
  const clients = new SeedClients({
    host: '127.0.0.1',
    port: 80,
    guidTimeoutMs: 3_600_000,
    sql,
    log: () => undefined,
    async start(_ip, given) {
      handle = given;
      return { status, stop: async () => undefined } as unknown as StandIn;
    },
    forget: async () => undefined,
    async call(request) {
      if (request.method === 'GET') return Response.json({});
      const { id, data } = (await request.json()) as { id: number; data: { n: number } };
      const fate = fateOf(data.n);
      if (fate === 500) return new Response(null, { status: 500 });
      const isNew = id > state.highest;
      state.highest = Math.max(state.highest, id);
      if (isNew) state.has.push(data.n);
      if (fate === 'lost') throw new Error('the connection was cut');
      return Response.json(isNew);
    },
    now: () => state.now,
  });
  stops.push(() => clients.stop({ leave: false, withinMs: 0 }));
  const joining = new Request('http://127.0.0.1/api/v1/network/join', { method: 'PUT' });
  expect((await clients.answer(joining, IP))?.status).toBe(200);
  const give = async (...messages: readonly StoredMessage[]) => {
    if (!handle) throw new Error('no node was started');
    await handle(SOURCE, messages);
  };
  return { state, give };
}

it('a message whose answer was lost goes again before others that came before it meanwhile, and is not brought twice', async () => {
  const fates: Fate[] = ['lost', 'lost', 'lost', 'lost'];
  const { state, give } = await clientWith((n) => (n === 1 ? (fates.shift() ?? 'answered') : 'answered'));
  for (let tries = 0; tries < 3; tries++) await expect(give(message(1))).rejects.toThrow('cut');
  // It was set aside. As long as nothing is sure the others wait: the client is hardly there.
  await expect(give(message(2))).rejects.toThrow('cut');
  await give(message(2), message(3));
  expect(state.has).toEqual([1, 2, 3]);
  await give(message(1));
  await give(message(4));
  expect(state.has).toEqual([1, 2, 3, 4]);
});

it('what it took of a batch that then failed is not brought again with a smaller one', async () => {
  const fates: Fate[] = ['lost', 'lost'];
  const { state, give } = await clientWith((n) => (n === 3 ? (fates.shift() ?? 'answered') : 'answered'));
  await expect(give(message(2), message(3))).rejects.toThrow('cut');
  await expect(give(message(2))).rejects.toThrow('cut');
  await give(message(2));
  await give(message(3));
  await give(message(4));
  expect(state.has).toEqual([2, 3, 4]);
});

it('a message that it fails at goes again after others', async () => {
  let isWell = false;
  const { state, give } = await clientWith((n) => (n === 1 && !isWell ? 500 : 'answered'));
  for (let tries = 0; tries < 3; tries++) await expect(give(message(1))).rejects.toThrow('500');
  await give(message(2));
  isWell = true;
  await give(message(1));
  expect(state.has).toEqual([2, 1]);
});

it('a message that has expired meanwhile keeps nobody waiting, whether the client has it or not', async () => {
  const { state, give } = await clientWith((n) => (n === 1 ? 'lost' : 'answered'));
  await expect(give(message(1, 1_000))).rejects.toThrow('cut');
  state.now += 1_000;
  await give(message(2));
  expect(state.has).toEqual([1, 2]);
});
