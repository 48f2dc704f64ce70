// `pychain node`: nodes in processes of their own, in a network whose other nodes and boot node are a deployment's.
import { mkdtemp, rm } from 'node:fs/promises';
// oxlint-disable-next-line no-restricted-imports -- fetch takes no Upgrade
import { get, type IncomingMessage } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  broadcast,
  eventually as poll,
  getJson,
  messagesOf,
  startMeasured,
  type Measured,
} from '../../bench/network.ts';
import { startNode, type NodeProcess, type NodeProcessOptions } from '../../bench/node-process.ts';
import { freePort } from '../../src/cli/ports.ts';
import { watch } from '../support/watch-fetch.ts';

const NODES = 4;
const VARS = {
  NETWORK_SYNC_INTERVAL: '2',
  NETWORK_SYNC_JITTER: '1',
  PROBATION: '0',
  POW_BITS: '8',
};
/** Two of them. */
const INTERVALS_MS = 2 * 3_000;

let network: Measured;
let folder: string;
let port: number;
let peer: NodeProcess;

const eventually = <T>(what: string, probe: () => Promise<T | false>) => poll(what, probe, 30_000);
const hosted = (slot: number) => `${network.url}/n/${slot}`;
const everyHosted = Array.from({ length: NODES }, (_, index) => index + 1);

function start(changes: Partial<NodeProcessOptions> = {}): Promise<NodeProcess> {
  return startNode({ boot: network.url, port, folder, vars: VARS, ...changes });
}

/** Gives a message to the node itself. Null where it did not answer with 202. */
async function originate(node: NodeProcess, data: object): Promise<string | null> {
  const response = await fetch(`${node.url}/api/v1/messages`, {
    method: 'POST',
    headers: { 'authorization': `Bearer ${node.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ data }),
  });
  const { id } = (await response.json()) as { id: string };
  return response.status === 202 ? id : null;
}

/** Ids in a mempool. */
async function idsAt(base: string): Promise<Set<string>> {
  const ids = new Set<string>();
  let cursor = '';
  for (;;) {
    const page = (await getJson(`${base}/api/v1/messages?limit=500${cursor}`)) as {
      messages: { id: string }[];
      next: string | null;
    };
    for (const { id } of page.messages) ids.add(id);
    if (page.next === null) return ids;
    cursor = `&cursor=${page.next}`;
  }
}

async function expectEverywhere(bases: readonly string[], ids: readonly string[]): Promise<void> {
  await eventually(`${ids.length} messages at ${bases.length} nodes`, async () => {
    for (const base of bases) {
      const there = await idsAt(base);
      if (!ids.every((id) => there.has(id))) return false;
    }
    return true;
  });
}

/** What hosted nodes think of it. */
async function opinions(guid: number): Promise<{ state: string; address: string }[]> {
  return await Promise.all(
    everyHosted.map(
      async (slot) => (await getJson(`${hosted(slot)}/api/v1/members/${guid}`)) as { state: string; address: string },
    ),
  );
}

async function expectAs(what: string, guid: number, state: string, address: string): Promise<void> {
  await eventually(what, async () => {
    const all = await opinions(guid);
    return all.every((member) => member.state === state && member.address === address);
  });
}

async function metric(base: string, name: string): Promise<number> {
  const text = await (await fetch(`${base}/api/v1/metrics`)).text();
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${name} `))
      ?.split(' ')[1],
  );
}

beforeAll(async () => {
  network = await startMeasured(NODES, { ...VARS, LOCAL_PEERS: 'on' });
  folder = await mkdtemp(join(tmpdir(), 'pychain-node-'));
  port = await freePort('127.0.0.1', 0);
  peer = await start();
  await expectAs('the node past its probation', await peer.joined, 'alive', peer.url);
});

afterAll(async () => {
  await peer.end('SIGKILL').catch(() => undefined);
  await network.dispose();
  await rm(folder, { recursive: true, force: true });
});

describe('a node in a process of its own', () => {
  it('knows all, gets every broadcast once, and reaches all', async () => {
    const guid = await peer.joined;
    await eventually('it trusts all', async () => {
      const { peers } = (await getJson(`${peer.url}/api/v1/status`)) as { peers: { alive: number } };
      return peers.alive === NODES;
    });
    const own = await originate(peer, { from: 'the peer' });
    const others = await Promise.all(everyHosted.map((slot) => broadcast(network, slot, { from: slot })));
    const before = await metric(peer.url, 'pychain_deliveries_total{result="duplicate"}');
    expect(own).not.toBeNull();
    await expectEverywhere([peer.url, ...everyHosted.map(hosted)], [own ?? '', ...others]);
    expect(await metric(peer.url, 'pychain_deliveries_total{result="duplicate"}')).toBe(before);
    const [first] = (await messagesOf(network, 1)).filter(({ id }) => id === own);
    expect(first?.originator.guid).toBe(guid);
  });

  it('ends in order: what it accepted is delivered, nobody else is needed', async () => {
    const guid = await peer.joined;
    const ids: string[] = [];
    const clients = Array.from({ length: 100 }, async (_, index) => {
      const id = await originate(peer, { index }).catch(() => null);
      if (id) ids.push(id);
    });
    await eventually('some are accepted', async () => ids.length > 5);
    const { code, trouble } = await peer.end('SIGTERM');
    expect({ code, trouble }).toEqual({ code: 0, trouble: '' });
    await Promise.all(clients);
    await expectEverywhere(everyHosted.map(hosted), ids);
    peer = await start();
    expect(await peer.joined).toBe(guid);
  });

  it('gets what was sent while it was down', async () => {
    await peer.end('SIGKILL');
    const id = await broadcast(network, 2, { sent: 'meanwhile' });
    peer = await start();
    await expectEverywhere([peer.url], [id]);
  });

  it('is killed again and again, and loses nothing that it answered with 202', async () => {
    const guid = await peer.joined;
    const accepted: string[] = [];
    for (let kill = 0; kill < 4; kill++) {
      const down = new AbortController();
      const clients = Array.from({ length: 4 }, async () => {
        while (!down.signal.aborted) {
          const id = await originate(peer, { kill, n: accepted.length }).catch(() => null);
          if (id) accepted.push(id);
        }
      });
      const before = accepted.length;
      await eventually('some are accepted', async () => accepted.length > before + 3);
      await sleep(Math.random() * 200);
      await peer.end('SIGKILL');
      down.abort();
      await Promise.all(clients);
      peer = await start();
      expect(await peer.joined).toBe(guid);
    }
    await expectEverywhere([peer.url, ...everyHosted.map(hosted)], accepted);
  });

  it('is found again at a new port, though the boot node is away', async () => {
    const guid = await peer.joined;
    await expectAs('it is well', guid, 'alive', peer.url);
    await peer.end('SIGTERM');
    const nobody = `http://127.0.0.1:${await freePort('127.0.0.1', 0)}`;
    port = await freePort('127.0.0.1', 0);
    peer = await start({ boot: nobody });
    expect(await peer.joined).toBe(guid);
    const isFound = async () => (await opinions(guid)).every(({ address }) => address === peer.url);
    await poll('all know the new address, two sync intervals later', isFound, INTERVALS_MS);
    const id = await broadcast(network, 3, { to: 'the new address' });
    await expectEverywhere([peer.url], [id]);
  });

  it('leaves when it ends, where it was told to, and comes back with its GUID', async () => {
    const guid = await peer.joined;
    await peer.end('SIGTERM');
    peer = await start({ args: ['--leave-on-exit'] });
    await expectAs('it is well', guid, 'alive', peer.url);
    expect((await peer.end('SIGTERM')).code).toBe(0);
    await expectAs('it has left', guid, 'left', peer.url);
    peer = await start();
    expect(await peer.joined).toBe(guid);
    await expectAs('it is back', guid, 'alive', peer.url);
  });

  it('tells the boot node that it leaves, which tells newcomers of it no more', async () => {
    const guid = await peer.joined;
    const certified = async () =>
      ((await getJson(`${network.url}/api/v1/members?limit=100`)) as { members: { guid: number }[] }).members.some(
        (member) => member.guid === guid,
      );
    await eventually('the boot node certifies it', certified);
    await peer.end('SIGTERM');
    peer = await start({ args: ['--leave-on-exit'] });
    await peer.joined;
    await peer.end('SIGTERM');
    expect(await certified()).toBe(false);
    peer = await start();
    await eventually('the boot node certifies it again', certified);
  });

  it('streams what comes as Server-Sent Events, which end with it, and says that it has no WebSockets', async () => {
    const url = `${peer.url}/api/v1/stream`;
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      get(url, { headers: { Connection: 'Upgrade', Upgrade: 'websocket' } }, resolve).on('error', reject);
    });
    const { statusCode: status = 0, headers } = answer;
    watch(url, undefined, new Response(await textOf(answer), { status, headers: headers as Record<string, string> }));
    expect(status).toBe(404);
    const stream = await fetch(`${peer.url}/api/v1/stream?cursor=now`);
    const id = await broadcast(network, 1, { to: 'a reader' });
    let text = '';
    let isEnding = false;
    for await (const chunk of (stream.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (isEnding || !text.includes(id)) continue;
      isEnding = true;
      expect((await peer.end('SIGTERM')).code).toBe(0);
    }
    expect(text).toMatch(/"type":"end","reason":"time"/);
    peer = await start();
  });

  it('does not share its folder', async () => {
    const second = start({ port: await freePort('127.0.0.1', 0) });
    await expect(second).rejects.toThrow(/another pychain \(process \d+\) runs on this folder/);
  });
});
