// A network without any deployment: `pychain boot serve` and `pychain node`, each in a process of its own.
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually as poll, getJson } from '../../bench/network.ts';
import { SCRIPT, startBoot, startNode, type NodeProcess } from '../../bench/node-process.ts';
import { freePort } from '../../src/cli/ports.ts';

const VARS = { NETWORK_SYNC_INTERVAL: '1', NETWORK_SYNC_JITTER: '0', PROBATION: '0', POW_BITS: '8' };

const execute = promisify(execFile);
const eventually = <T>(what: string, probe: () => Promise<T | false>) => poll(what, probe, 30_000);

let folder: string;
let bootPort: number;
let boot: NodeProcess;
const nodes: NodeProcess[] = [];

const startTheBoot = (name: string, vars = {}) =>
  startBoot({ port: bootPort, folder: join(folder, name), vars: { ...VARS, ...vars } });

async function add(): Promise<number> {
  const port = await freePort('127.0.0.1', 0);
  const node = await startNode({ boot: boot.url, port, folder: join(folder, `node-${nodes.length}`), vars: VARS });
  nodes.push(node);
  return await node.joined;
}

/** Runs a command against a server, and gives what it prints; throws with what it says where it fails. */
async function operate(server: NodeProcess, ...args: string[]): Promise<string> {
  const env = { ...process.env, PYCHAIN_ADMIN_TOKEN: server.token };
  return (await execute(process.execPath, [SCRIPT, ...args, '--url', server.url], { env })).stdout;
}

async function expectBroadcast(from: NodeProcess): Promise<void> {
  const response = await fetch(`${from.url}/api/v1/messages`, {
    method: 'POST',
    headers: { 'authorization': `Bearer ${from.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ data: { from: from.url } }),
  });
  expect(response.status).toBe(202);
  const { id } = (await response.json()) as { id: string };
  await eventually('a broadcast everywhere', async () => {
    const found = await Promise.all(nodes.map(({ url }) => fetch(`${url}/api/v1/messages/${id}`)));
    return found.every(({ status }) => status === 200);
  });
}

async function expectAllKnown(): Promise<void> {
  await eventually('all know all', async () => {
    const all = await Promise.all(nodes.map(({ url }) => getJson(`${url}/api/v1/status`)));
    return (all as { peers: { alive: number } }[]).every(({ peers }) => peers.alive === nodes.length - 1);
  });
}

async function bootStatus() {
  return (await getJson(`${boot.url}/api/v1/status`)) as { network_key: string; public_key: string; max_guid: number };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pychain-boot-'));
  bootPort = await freePort('127.0.0.1', 0);
  boot = await startTheBoot('boot');
});

afterAll(async () => {
  for (const server of [boot, ...nodes]) await server.end('SIGKILL').catch(() => undefined);
  await rm(folder, { recursive: true, force: true });
});

describe('a network without a deployment', () => {
  it('forms, and delivers', async () => {
    for (const guid of [1, 2, 3]) expect(await add()).toBe(guid);
    await expectAllKnown();
    for (const node of nodes) await expectBroadcast(node);
  });

  it('has its nodes ask, broadcast, leave and come back by commands', async () => {
    const [, node = boot] = nodes;
    expect(JSON.parse(await operate(node, 'status', '--json'))).toMatchObject({ guid: 2, address: node.url });
    expect((await operate(node, 'peers', '--json')).trim().split('\n')).toHaveLength(nodes.length);
    const sent = JSON.parse(await operate(node, 'broadcast', '{"by": "a command"}', '--wait', '--json')) as {
      id: string;
    };
    expect(sent).toMatchObject({ reached: nodes.length, of: nodes.length });
    expect(await operate(node, 'messages', '--json')).toContain(sent.id);
    expect(await operate(node, 'leave')).toBe('the node (GUID 2) has left\n');
    expect(await operate(node, 'return')).toBe('the node (GUID 2) is a member again\n');
    await expectAllKnown();
    await expect(operate(node, 'status', '1')).rejects.toThrow(/leave 1 out/);
  });

  it('delivers while its boot node is away, which comes back as the same', async () => {
    const before = await bootStatus();
    expect((await boot.end('SIGTERM')).code).toBe(0);
    await expectBroadcast(nodes[1] ?? boot);
    boot = await startTheBoot('boot');
    await boot.end('SIGKILL');
    boot = await startTheBoot('boot');
    expect(await bootStatus()).toMatchObject({ network_key: before.network_key, max_guid: 3 });
    expect(await add()).toBe(4);
  });

  it('gives no GUID again where the boot node lost its storage, and goes on with a backup', async () => {
    const { network_key: key } = await bootStatus();
    const backup = join(folder, 'backup.jsonl');
    await operate(boot, 'boot', 'export', '--with-key', '--out', backup);
    await boot.end('SIGKILL');
    boot = await startTheBoot('another', { NETWORK_KEY: key });
    expect((await bootStatus()).public_key).not.toBe(key);
    await operate(boot, 'boot', 'import', backup);
    expect(await bootStatus()).toMatchObject({ public_key: key, network_key: key, max_guid: 4 });
    expect(await add()).toBe(5);
    await expectAllKnown();
    await expectBroadcast(nodes[0] ?? boot);
  });
});
