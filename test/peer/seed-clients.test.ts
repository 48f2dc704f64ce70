// Clients of the original in a network of ours: two hosts, each as strict as the original is, at a node on Node.js that lets them in.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually, getJson } from '../../bench/network.ts';
import { freePort } from '../../src/cli/ports.ts';
import { readConfig } from '../../src/config.ts';
import { PeerBoot } from '../../src/peer/boot.ts';
import { PeerNode } from '../../src/peer/node.ts';
import { LogRing } from '../../src/shell/log-ring.ts';
import { SeedClient } from '../support/seed-client.ts';

const VARIABLES = {
  NETWORK_SYNC_INTERVAL: '3600',
  NETWORK_SYNC_JITTER: '0',
  PROBATION: '0',
  POW_BITS: '0',
  LOCAL_PEERS: 'on',
  ADMISSION: 'open',
};

/** Newcomers are known by sync: the boot node announces them up to ten seconds later. */
const SOON = { NETWORK_SYNC_INTERVAL: '1' };

/** One more, and a message is set aside for a minute. */
const FAILURES = 2;

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});

async function optionsAt(port: number, variables: Readonly<Record<string, string>> = {}) {
  const address = `http://127.0.0.1:${port}`;
  const config = readConfig({ ...VARIABLES, ...variables, PUBLIC_URL: address });
  if (!config.ok) throw new Error(JSON.stringify(config.error));
  const quiet = { storageDir: null, proxyHeader: null, log: () => undefined, recentLogs: new LogRing() };
  return { ...quiet, config: config.value, address, host: '127.0.0.1', port };
}

async function startBoot(): Promise<string> {
  const at = await optionsAt(await freePort('127.0.0.1', 0));
  const boot = await PeerBoot.start(at);
  stops.push(() => boot.stop(1_000));
  return at.address;
}

interface Options {
  readonly letsClientsIn?: boolean;
  readonly port?: number;
  readonly storageDir?: string | null;
  readonly variables?: Readonly<Record<string, string>>;
}

async function startNode(
  boot: string,
  { letsClientsIn = false, port: wanted, storageDir = null, variables = {} }: Options = {},
) {
  const port = wanted ?? (await freePort('127.0.0.1', 0));
  const at = await optionsAt(port, variables);
  const seed = { host: '127.0.0.1', port };
  const node = await PeerNode.start({ ...at, storageDir, boot, ...(letsClientsIn && { seed }) });
  let ended: Promise<void> | null = null;
  const stop = () => (ended ??= node.stop({ leave: false, withinMs: 1_000 }));
  stops.push(stop);
  await eventually('the join', async () => (await node.status()).guid !== null);
  return { port, address: at.address, node, stop };
}

async function startClient(host: number, port: number): Promise<SeedClient> {
  const client = new SeedClient(`127.0.0.${host}`, '127.0.0.1', port);
  await client.listen();
  stops.push(() => client.close());
  return client;
}

/** A boot node, a node that lets clients in, two others that do not. */
async function startNetwork(variables: Readonly<Record<string, string>> = {}) {
  const boot = await startBoot();
  const door = await startNode(boot, { letsClientsIn: true, variables });
  const others = [await startNode(boot, { variables }), await startNode(boot, { variables })];
  return { boot, door, others, nodes: [door, ...others] };
}

async function say(node: PeerNode, data: { readonly n: number }): Promise<void> {
  const said = await node.originate([{ data, ttlSeconds: null, idempotencyKey: null }]);
  expect(said.ok).toBe(true);
}

/** What nodes have of applications. */
async function dataAt(address: string): Promise<{ n: number; guid: number }[]> {
  const { messages } = (await getJson(`${address}/api/v1/messages?limit=500`)) as {
    messages: { data: { n?: number }; originator: { guid: number } }[];
  };
  return messages.flatMap(({ data, originator }) =>
    data.n === undefined ? [] : [{ n: data.n, guid: originator.guid }],
  );
}

const numbersOf = ({ messages }: SeedClient) => messages.map(({ data }) => data['n']);
const upTo = (count: number, from = 0) => Array.from({ length: count }, (_, index) => from + index);

describe('clients of the original', () => {
  it('join, find peers, get each of 50 broadcasts once, and have ten of their own reach everybody', async () => {
    const { door, nodes } = await startNetwork(SOON);
    const clients = [await startClient(2, door.port), await startClient(3, door.port)];
    await Promise.all(clients.map((client) => client.join()));
    expect(clients.map(({ guid }) => guid).sort()).toEqual([4, 5]);
    await eventually('the highest GUID', async () => {
      for (const client of clients) await client.sync();
      return clients.every(({ maxGuid }) => maxGuid === 5);
    });
    await eventually('all know them', async () => {
      const known = await Promise.all(nodes.map(async ({ node }) => (await node.knows(4)) && (await node.knows(5))));
      return known.every(Boolean);
    });
    for (const n of upTo(50)) await say(nodes[n % nodes.length]?.node as PeerNode, { n });
    await eventually('50 of 50', async () => clients.every((client) => client.messages.length >= 50));
    for (const client of clients) expect(numbersOf(client).toSorted((a, b) => Number(a) - Number(b))).toEqual(upTo(50));
    // All at once, both from the same number on.
    for (const n of upTo(10)) {
      await Promise.all(clients.map((client, index) => client.broadcast({ n: 100 + 100 * index + n })));
    }
    const all = [...upTo(50), ...upTo(10, 100), ...upTo(10, 200)];
    for (const { address } of nodes) {
      await eventually('twenty more', async () => (await dataAt(address)).length >= all.length);
      expect((await dataAt(address)).map(({ n }) => n).toSorted((a, b) => a - b)).toEqual(all);
    }
    const [first, second] = clients.map(({ guid }) => guid);
    const told = await dataAt(door.address);
    expect(new Set(told.filter(({ n }) => n >= 100 && n < 200).map(({ guid }) => guid))).toEqual(new Set([first]));
    expect(new Set(told.filter(({ n }) => n >= 200).map(({ guid }) => guid))).toEqual(new Set([second]));
    await eventually('each has the other’s', async () =>
      clients.every((client) => new Set(numbersOf(client)).size === all.length),
    );
    for (const client of clients) {
      expect(client.messages).toHaveLength(all.length);
      expect(client.faults).toEqual([]);
    }
  });

  it('get one GUID an address, however often they join', async () => {
    const { boot, door } = await startNetwork();
    const client = await startClient(2, door.port);
    await Promise.all([client.join(), client.join()]);
    const { guid } = client;
    await client.join();
    expect(client.guid).toBe(guid);
    expect(await getJson(`${boot}/api/v1/status`)).toMatchObject({ max_guid: 4 });
  });

  it('are let in only where something answers at their address', async () => {
    const { door } = await startNetwork();
    const client = new SeedClient('127.0.0.2', '127.0.0.1', door.port);
    await expect(client.join()).rejects.toThrow(/403.*status must answer with JSON/);
  });

  it('are believed nothing about others, and speak in nobody else’s name', async () => {
    const { door } = await startNetwork();
    const client = await startClient(2, door.port);
    await client.join();
    const put = (path: string, method: string, body: object) => client.raw(method, path, body);
    const place = { address: '127.0.0.9', guid: 1_000 };
    expect(await put('sync', 'POST', { guid: 4, max_guid_node: place })).toEqual({ address: '127.0.0.2', guid: 4 });
    const message = { data: { n: 1 }, id: 7, broadcast_timestamp: 1.5, ttl: 3, seen_by: [1] };
    expect(await put('broadcast', 'PUT', { ...message, originator: { address: '127.0.0.1', guid: 1 } })).toBe(false);
    const own = { ...message, originator: { address: '127.0.0.2', guid: 4 } };
    await expect(put('broadcast', 'PUT', { ...own, id: null })).rejects.toThrow(/422.*"path":"id"/);
    await expect(put('broadcast', 'PUT', { ...own, seen_by: 'all' })).rejects.toThrow(/422.*"path":"seen_by"/);
    await expect(put('broadcast', 'PUT', { ...own, data: { event: { name: 'PEER_LEAVING' } } })).rejects.toThrow(
      /422.*data.event.name/,
    );
    expect(await put('broadcast', 'PUT', own)).toBe(true);
    expect(await put('broadcast', 'PUT', { ...own, seen_by: [1, 4] })).toBe(false);
    await eventually('one', async () => (await dataAt(door.address)).length === 1);
    expect(await put('nodes/1', 'GET', {})).toBe('127.0.0.1');
    expect(await put('nodes/4', 'GET', {})).toBe('127.0.0.2');
    expect(await put('nodes/77', 'GET', {})).toBe(null);
  });

  it('get what was sent while they did not answer, once, whatever numbers they have used', async () => {
    const door = await startNode(await startBoot(), { letsClientsIn: true, variables: SOON });
    const client = await startClient(2, door.port);
    await client.join();
    await eventually('the newcomer is known', async () => await door.node.knows(client.guid));
    // It has them; that it said so was lost.
    client.isDeaf = true;
    for (const n of upTo(3)) await say(door.node, { n });
    await eventually('a try', async () => client.received > 0);
    // Numbers that were given elsewhere.
    const [one] = client.messages;
    if (!one) throw new Error('it took nothing');
    client.isDeaf = false;
    await eventually('all three', async () => client.messages.length >= 3);
    client.messages.push({ ...one, id: 5_000, data: { n: 3 } });
    for (const n of upTo(3, 4)) await say(door.node, { n });
    await eventually('three more', async () => client.messages.length >= 7);
    // In the order in which they came to the node that stands in for it, which is not always that in which they were said.
    expect(numbersOf(client).toSorted()).toEqual(upTo(7));
    expect(client.faults).toEqual([]);
  });

  it('get all messages, each once, also those that they failed at; meanwhile others are not kept waiting', async () => {
    const door = await startNode(await startBoot(), { letsClientsIn: true, variables: SOON });
    const [failing, well] = [await startClient(2, door.port), await startClient(3, door.port)];
    await Promise.all([failing.join(), well.join()]);
    await eventually('the newcomers are known', async () => (await door.node.knows(2)) && (await door.node.knows(3)));
    let tries = 0;
    const { promise: othersHaveAll, resolve: tellThat } = Promise.withResolvers<void>();
    // The last try ends when the other has all.
    failing.failsAt = async ({ data }) => {
      if (data['n'] !== 1) return false;
      if (++tries <= FAILURES) return true;
      await othersHaveAll;
      return false;
    };
    for (const n of upTo(6)) await say(door.node, { n });
    await eventually('all, at the other', async () => well.messages.length >= 6);
    expect(numbersOf(failing)).not.toContain(1);
    tellThat();
    await eventually('all, at both', async () => failing.messages.length >= 6);
    expect(tries).toBeGreaterThan(FAILURES);
    for (const { messages, faults } of [failing, well]) {
      expect(messages.map(({ data }) => Number(data['n'])).toSorted()).toEqual(upTo(6));
      expect(faults).toEqual([]);
    }
  });

  it('keep their GUIDs, and miss nothing, where the process that stands in for them ends and starts again', async () => {
    const boot = await startBoot();
    const other = await startNode(boot, { variables: SOON });
    const storageDir = await mkdtemp(join(tmpdir(), 'pychain-seed-'));
    stops.unshift(() => rm(storageDir, { recursive: true }));
    const door = await startNode(boot, { letsClientsIn: true, storageDir, variables: SOON });
    const client = await startClient(2, door.port);
    await client.join();
    const { guid } = client;
    await eventually('the newcomer is known', async () => await other.node.knows(guid));
    await say(other.node, { n: 0 });
    await eventually('the first', async () => client.messages.length === 1);
    await door.stop();
    await say(other.node, { n: 1 });
    const again = await startNode(boot, { letsClientsIn: true, storageDir, port: door.port, variables: SOON });
    await say(again.node, { n: 2 });
    await client.join();
    expect(client.guid).toBe(guid);
    await eventually('both', async () => client.messages.length >= 3);
    // What was under way when the process ended came again under its number, which the client knows.
    expect(numbersOf(client).toSorted()).toEqual(upTo(3));
    expect(client.received).toBeLessThanOrEqual(4);
  });

  it('that are gone for GUID_TIMEOUT leave the network, and come back with their GUIDs', async () => {
    const boot = await startBoot();
    const storageDir = await mkdtemp(join(tmpdir(), 'pychain-seed-'));
    stops.unshift(() => rm(storageDir, { recursive: true }));
    const door = await startNode(boot, { letsClientsIn: true, storageDir, variables: { GUID_TIMEOUT: '2' } });
    const client = await startClient(2, door.port);
    await client.join();
    const { guid } = client;
    // By its certificate, which the boot node ends when it hears that a member leaves.
    const isMember = async () => {
      const told = (await getJson(`${boot}/api/v1/members/${guid}`)) as { certificate: { expires: number } };
      return told.certificate.expires * 1000 > Date.now();
    };
    expect(await isMember()).toBe(true);
    await eventually('it has left', async () => !(await isMember()));
    await client.join();
    expect(client.guid).toBe(guid);
    await eventually('it is back', isMember);
  });

  it('are refused by a node that does not let them in, and by the boot node, with words that say where to go', async () => {
    const { boot, others } = await startNetwork();
    const ports = [Number(new URL(boot).port), others[0]?.port ?? 0];
    const refusals = await Promise.all(
      ports.map(async (port) => {
        const client = await startClient(2, port);
        const refusal = await client.join().then(
          () => 'let in',
          (cause: unknown) => String(cause),
        );
        await client.close();
        return refusal;
      }),
    );
    expect(refusals[0]).toMatch(/422.*a node with a host of its own.*ADMISSION=open/);
    // As any node of the original that is not the boot node: an answer without a GUID.
    expect(refusals[1]).toMatch(/its answer to network\/join: guid/);
  });
});
