// What the stream promises, on real networks: exactly once and in order over bad lines, and nothing to pay for readers that only wait.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  broadcast,
  eventually,
  getJson,
  inParallel,
  messagesOf,
  startMeasured,
  type Measured,
} from '../../bench/network.ts';
import { startCuttingProxy } from '../support/cutting-proxy.ts';
import { seededRandom } from '../support/network.ts';
import { followStream } from '../support/stream-reader.ts';

const NODES = 4;
const MESSAGES = 1_000;
const CUTS = 50;
const READERS = 500;
const WATCHED_WORKER = join(import.meta.dirname, '../worker/watched-worker.ts');
/** No sync round while the test runs, so nothing but readers could wake a node; and all of them come from one address. */
const VARIABLES = { NETWORK_SYNC_INTERVAL: '86400', NETWORK_SYNC_JITTER: '0', LOCAL_PEERS: 'on' };

let network: Measured;
beforeAll(async () => {
  network = await startMeasured(NODES, VARIABLES, { entry: WATCHED_WORKER });
});
afterAll(() => network.dispose());

const api = (url: string, slot: number) => `${url}/n/${slot}/api/v1`;
const cursorOf = async (slot: number) =>
  ((await getJson(`${api(network.url, slot)}/messages?limit=500`)) as { cursor: string }).cursor;

describe('readers that are cut', () => {
  it(`${CUTS} times at random, over both transports: ${MESSAGES} messages, each exactly once and in order`, async () => {
    const random = seededRandom(11);
    const proxies = [await startCuttingProxy(network.url), await startCuttingProxy(network.url)] as const;
    const cursor = await cursorOf(2);
    const readers = [
      followStream(api(proxies[0].url, 2), 'websocket', cursor),
      followStream(api(proxies[1].url, 2), 'events', cursor),
    ] as const;
    const before = (await messagesOf(network, 2)).length;
    const sending = inParallel(
      Array.from({ length: MESSAGES }),
      async (_, index) => await broadcast(network, (index % NODES) + 1, { number: index }),
    );
    // Each cut comes at a random moment of a connection that there is, while messages are under way and after.
    const cutting = proxies.map(async (proxy, index) => {
      for (let cuts = 0; cuts < CUTS; cuts++) {
        await eventually('a connection', async () => proxy.connections > 0);
        await sleep(random() * 120);
        proxy.cut();
        const { connects } = readers[index] ?? { connects: 0 };
        await eventually('the next one', async () => (readers[index]?.connects ?? 0) > connects);
      }
    });
    const ids = await sending;
    await Promise.all(cutting);
    const stored = await eventually('all of them stored', async () => {
      const came = (await messagesOf(network, 2)).slice(before).map(({ id }) => id);
      return came.length >= MESSAGES && came;
    });
    for (const reader of readers) {
      await eventually('all messages', async () => reader.ids.length >= MESSAGES, 10_000);
      expect(reader.connects).toBeGreaterThan(CUTS);
      expect([reader.ids, reader.gaps]).toEqual([stored, []]);
      await reader.stop();
    }
    expect(stored.toSorted()).toEqual(ids.toSorted());
    // Nobody failed: the bound handler of node 1 has each once too, as node 1 got them.
    const own = (await messagesOf(network, 1)).map(({ id }) => id);
    await eventually('the handler has all', async () => {
      const handled = (await getJson(`${network.url}/handled`)) as string[];
      return JSON.stringify(handled.filter((id) => own.includes(id))) === JSON.stringify(own);
    });
    for (const proxy of proxies) await proxy.close();
  });
});

describe(`${READERS} readers that wait`, () => {
  it('wake nobody, whatever they ping; then all get what comes, and their node has slept', async () => {
    const wakes = async () => (await getJson(`${network.url}/wakes/3`)) as { made: number; calls: number };
    const got: string[] = [];
    let pongs = 0;
    const sockets = await inParallel(Array.from({ length: READERS }), () => {
      const socket = new WebSocket(`${api(network.url, 3).replace('http', 'ws')}/stream?cursor=now`);
      socket.addEventListener('message', ({ data }) => {
        if (data === 'pong') pongs++;
        else if (String(data).includes('"messages"')) got.push(String(data));
      });
      return new Promise<WebSocket>((resolve, reject) => {
        socket.addEventListener('open', () => resolve(socket));
        socket.addEventListener('close', () => reject(new Error('closed')));
      });
    });
    const before = await wakes();
    // The platform's hibernation: ten seconds after the last event.
    for (let round = 1; round <= 3; round++) {
      await sleep(4_000);
      for (const socket of sockets) socket.send('ping');
      await eventually('pongs', async () => pongs === READERS * round);
    }
    expect(await wakes()).toEqual(before);
    const id = await broadcast(network, 1, { wake: 'up' });
    await eventually('the message at all', async () => got.length === READERS);
    expect(got.every((frame) => frame.includes(id))).toBe(true);
    // It was made anew for the message, and the sockets had stayed.
    expect((await wakes()).made).toBe(before.made + 1);
    for (const socket of sockets) socket.close();
  });
});
