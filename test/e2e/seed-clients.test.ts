// Two stock clients in a network whose boot node and nodes are a deployment's: they come in at a node that an operator runs for them.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { broadcast, eventually, messagesOf, startMeasured, type Measured } from '../../bench/network.ts';
import { startNode, type NodeProcess } from '../../bench/node-process.ts';
import { freePort } from '../../src/cli/ports.ts';
import { SeedClient } from '../support/seed-client.ts';

const NODES = 4;
const VARS = { NETWORK_SYNC_INTERVAL: '2', NETWORK_SYNC_JITTER: '1', PROBATION: '0', POW_BITS: '8' };

let network: Measured;
let folder: string;
let door: NodeProcess;
const clients: SeedClient[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pychain-seed-'));
  network = await startMeasured(NODES, { ...VARS, LOCAL_PEERS: 'on' });
  const port = await freePort('127.0.0.1', 0);
  const vars = { ...VARS, ADMISSION: 'open' };
  door = await startNode({ boot: network.url, port, folder, vars, args: ['--seed-host', `127.0.0.1:${port}`] });
  await door.joined;
  clients.push(new SeedClient('127.0.0.2', '127.0.0.1', port), new SeedClient('127.0.0.3', '127.0.0.1', port));
  for (const client of clients) await client.listen();
}, 60_000);

afterAll(async () => {
  for (const client of clients) await client.close();
  await door?.end('SIGTERM');
  await network.dispose();
  await rm(folder, { recursive: true, force: true });
});

it('get 50 of 50 broadcasts once, and ten of their own are everywhere', async () => {
  await Promise.all(clients.map((client) => client.join()));
  await eventually('both know of all', async () => {
    for (const client of clients) await client.sync();
    return clients.every(({ maxGuid }) => maxGuid === NODES + 3);
  });
  const expected = new Set<unknown>();
  for (let n = 0; n < 50; n++) {
    await broadcast(network, 1 + (n % NODES), { n });
    expected.add(n);
  }
  await eventually('50 of 50', async () => clients.every(({ messages }) => messages.length >= 50));
  for (const [index, client] of clients.entries()) {
    for (let n = 0; n < 10; n++) {
      await client.broadcast({ n: 100 * (index + 1) + n });
      expected.add(100 * (index + 1) + n);
    }
  }
  for (let slot = 1; slot <= NODES; slot++) {
    await eventually('twenty more', async () => {
      const numbers = (await messagesOf(network, slot)).flatMap(({ data }) => data['n'] ?? []);
      expect(new Set(numbers).size).toBe(numbers.length);
      return numbers.length === expected.size;
    });
  }
  await eventually('each has the other’s', async () =>
    clients.every(({ messages }) => messages.length >= expected.size),
  );
  for (const client of clients) {
    expect(new Set(client.messages.map(({ data }) => data['n']))).toEqual(expected);
    expect(client.messages).toHaveLength(expected.size);
    expect(client.faults).toEqual([]);
  }
});
