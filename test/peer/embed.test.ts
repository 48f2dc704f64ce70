// The node that the package gives to applications, against a real boot node, over real HTTP.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { eventually } from '../../bench/network.ts';
import { freePort } from '../../src/cli/ports.ts';
import type { Message } from '../../src/client/client.ts';
import { readConfig } from '../../src/config.ts';
import { LogRing } from '../../src/shell/log-ring.ts';
import { PeerBoot } from '../../src/peer/boot.ts';
import { startNode, type EmbeddedNode, type NodeOptions } from '../../src/peer/embed.ts';
import { productOf, repositorySources } from '../support/sources.ts';

const VARIABLES = {
  LOCAL_PEERS: 'on',
  POW_BITS: '0',
  PROBATION: '0',
  NETWORK_SYNC_INTERVAL: '1',
  NETWORK_SYNC_JITTER: '0',
};

it('on a Node.js without SQLite says what it needs', async () => {
  const without = vi.spyOn(process, 'getBuiltinModule').mockReturnValue(undefined as never);
  const kept = mkdtempSync(join(tmpdir(), 'pychain-embed-'));
  for (const storageDir of [null, kept]) {
    const started = startNode({ boot: 'https://network.example.org', address: 'https://me.example.org', storageDir });
    await expect(started).rejects.toThrow(/needs Node.js 24 .*node:sqlite: this is \d+\./);
  }
  without.mockRestore();
  rmSync(kept, { recursive: true });
  // What is imported is looked for before any of our code runs.
  const importing = productOf(repositorySources()).filter(({ text }) => /^import (?!type).*'node:sqlite'/m.test(text));
  expect(importing.map(({ path }) => path)).toEqual([]);
});

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});

async function startBoot(): Promise<string> {
  const port = await freePort('127.0.0.1', 0);
  const address = `http://127.0.0.1:${port}`;
  const read = readConfig({ ...VARIABLES, PUBLIC_URL: address });
  if (!read.ok) throw new Error('variables');
  const log = () => undefined;
  const where = {
    address,
    host: '127.0.0.1',
    port,
    storageDir: null,
    proxyHeader: null,
    log,
    recentLogs: new LogRing(),
  };
  const boot = await PeerBoot.start({ ...where, config: read.value });
  stops.push(() => boot.stop(1_000));
  return address;
}

async function start(boot: string, changes: Partial<NodeOptions> = {}): Promise<EmbeddedNode> {
  const port = await freePort('127.0.0.1', 0);
  const address = `http://127.0.0.1:${port}`;
  const node = await startNode({ boot, address, listen: { port }, storageDir: null, variables: VARIABLES, ...changes });
  stops.push(() => node.stop({ withinMs: 1_000 }));
  return node;
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'pychain-embed-'));
  stops.push(async () => rmSync(path, { recursive: true }));
  return path;
}

describe('a node in an application', () => {
  it('joins, sends, and gives what comes to the application, once and in the order of arrival', async () => {
    const boot = await startBoot();
    const got: Message[] = [];
    let failures = 1;
    const first = await start(boot);
    const second = await start(boot, {
      onMessages: async (messages) => {
        // The same come again.
        if (failures-- > 0) throw new Error('not yet');
        got.push(...messages);
      },
    });
    expect([await first.joined(), await second.joined()].toSorted()).toEqual([1, 2]);
    await eventually(
      'that they know each other',
      async () => (await first.client.member(await second.joined())) !== null,
    );
    const sent: string[] = [];
    for (let n = 0; n < 20; n++) sent.push((await first.client.broadcast({ n })).id);
    const own = () => got.filter(({ originator }) => originator.guid !== 0);
    await eventually('the messages', async () => own().length >= sent.length);
    const arrived: string[] = [];
    for await (const { id, originator } of second.client.messages()) if (originator.guid !== 0) arrived.push(id);
    expect(own().map(({ id }) => id)).toEqual(arrived);
    expect(arrived.toSorted()).toEqual(sent.toSorted());
  });

  it('can be read as a stream, which ends with it, as all calls do', async () => {
    const boot = await startBoot();
    const node = await start(boot);
    await node.joined();
    const { cursor } = await node.client.messagePage();
    const { id } = await node.client.broadcast({ hello: 'stream' });
    const stop = new AbortController();
    const seen: string[] = [];
    for await (const event of node.client.stream({ cursor, signal: stop.signal })) {
      if (event.type === 'messages') seen.push(...event.messages.map((message) => message.id));
      if (seen.includes(id)) break;
    }
    await Promise.all([node.stop({ withinMs: 1_000 }), node.stop()]);
    await expect(node.client.status()).rejects.toMatchObject({ type: 'urn:pychain:problem:stopped' });
    await expect(node.client.broadcast({ too: 'late' })).rejects.toMatchObject({ status: 410 });
    await expect(node.joined()).rejects.toThrow('the node has stopped');
  });

  it('keeps its GUID and its messages in its folder, which is its alone', async () => {
    const boot = await startBoot();
    const storageDir = folder();
    const node = await start(boot, { storageDir });
    const guid = await node.joined();
    const { id } = await node.client.broadcast({ kept: true });
    await expect(start(boot, { storageDir })).rejects.toThrow('another node runs on this folder');
    await node.stop({ withinMs: 1_000 });
    const again = await start(boot, { storageDir });
    expect(await again.joined()).toBe(guid);
    expect((await again.client.message(id))?.data).toEqual({ kept: true });
  });

  it('says what goes on to the log that it was given', async () => {
    const lines: string[] = [];
    const node = await start('http://127.0.0.1:1', {
      variables: { ...VARIABLES, LOG_LEVEL: 'DEBUG' },
      onLog: (line) => lines.push(line),
    });
    await eventually('the line', async () => lines.some((line) => line.includes('"event":"join_failed"')));
    const giveUp = AbortSignal.abort(new Error('enough'));
    await expect(node.joined({ signal: giveUp })).rejects.toThrow('enough');
  });
});

describe('startNode refuses', () => {
  const good = { boot: 'https://network.example.org', address: 'https://me.example.org', storageDir: null };
  it.each<[option: string, changes: object]>([
    ['boot', { boot: undefined }],
    ['boot http://', { boot: 'http://network.example.org' }],
    ['address', { address: '' }],
    ['address http://', { address: 'http://me.example.org' }],
    ['address https://192', { address: 'https://192.0.2.1' }],
    ['storageDir', { storageDir: undefined }],
    ['storageDir', { storageDir: '' }],
    ['listen.port', { listen: { port: 70_000 } }],
    ['onMessages', { onMessages: 'print' }],
    ['onLog', { onLog: {} }],
    ['clientHeader', { clientHeader: 'a b' }],
    ['variables.FANUOT', { variables: { FANUOT: '3' } }],
    ['variables.BOOT_NODE', { variables: { BOOT_NODE: 'https://x.example.org' } }],
    ['variables.HANDLER_URL', { variables: { HANDLER_URL: 'https://x.example.org' } }],
    ['variables: FANOUT=1', { variables: { FANOUT: '1' } }],
  ])('%s', async (option, changes) => {
    const started = startNode({ ...good, ...changes } as NodeOptions);
    await expect(started).rejects.toThrow(TypeError);
    await expect(started).rejects.toThrow(option);
  });
});
