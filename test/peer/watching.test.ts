// What an operator sees of a network: its logs, and the way of a message.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { doctor } from '../../src/cli/doctor.ts';
import type { Finding } from '../../src/cli/doctor-checks.ts';
import { tail } from '../../src/cli/queries.ts';
import { trace } from '../../src/cli/trace.ts';
import { metricFaults, metricNames } from '../support/metric-rules.ts';
import { printed } from '../support/printed.ts';
import { broadcastAt, eventually, inParallel, messagesAt, TOKEN } from '../../bench/network.ts';
import { freePort } from '../../src/cli/ports.ts';
import { readConfig } from '../../src/config.ts';
import { PeerBoot } from '../../src/peer/boot.ts';
import { PeerNode } from '../../src/peer/node.ts';
import type { Level } from '../../src/protocol/log-events.ts';
import { LogRing, type LogRecord } from '../../src/shell/log-ring.ts';
import { createLog } from '../../src/shell/log.ts';

const MESSAGES = 300;
const VARIABLES = { NETWORK_SYNC_INTERVAL: '3600', NETWORK_SYNC_JITTER: '0', PROBATION: '0', POW_BITS: '0' };

interface Started {
  readonly address: string;
  readonly lines: LogRecord[];
}

const stops: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const stop of stops.toReversed()) await stop();
});

async function options(level: Level) {
  const port = await freePort('127.0.0.1', 0);
  const address = `http://127.0.0.1:${port}`;
  const config = readConfig({ ...VARIABLES, PUBLIC_URL: address, LOCAL_PEERS: 'on', ADMIN_TOKEN: TOKEN });
  if (!config.ok) throw new Error(JSON.stringify(config.error));
  const lines: LogRecord[] = [];
  const recentLogs = new LogRing();
  const log = createLog('node', level, {
    recent: recentLogs,
    write: (line) => lines.push(JSON.parse(line) as LogRecord),
  });
  const server = { storageDir: null, proxyHeader: null, host: '127.0.0.1', port, address, config: config.value };
  return { lines, options: { ...server, log, recentLogs } };
}

async function start(boot: string, level: Level): Promise<Started> {
  const { lines, options: own } = await options(level);
  const node = await PeerNode.start({ ...own, boot });
  stops.push(() => node.stop({ leave: false, withinMs: 1_000 }));
  await eventually('the join', async () => (await node.status()).guid !== null);
  return { address: own.address, lines };
}

describe('a network under load', () => {
  const nodes: Started[] = [];
  let boot = '';
  beforeAll(async () => {
    const { options: own } = await options('INFO');
    const started = await PeerBoot.start(own);
    stops.push(() => started.stop(1_000));
    boot = own.address;
    // The last tells everything.
    nodes.push(...(await inParallel(['INFO', 'INFO', 'DEBUG'] as const, (level) => start(own.address, level))));
    await eventually('all know all', async () =>
      (await inParallel(nodes, membersOf)).every((known) => known === nodes.length),
    );
  }, 30_000);

  const at = (index: number) => {
    const node = nodes[index];
    if (!node) throw new Error('no such node');
    return node;
  };

  async function membersOf({ address }: Started): Promise<number> {
    const page = (await (await fetch(`${address}/api/v1/members`)).json()) as { members: unknown[] };
    return page.members.length;
  }

  it('tells nothing at INFO for each message, and at DEBUG names those that come', async () => {
    const before = nodes.map(({ lines }) => lines.length);
    const ids = await inParallel(Array.from({ length: MESSAGES }), (_, index) => broadcastAt(at(0).address, { index }));
    await eventually('all have all', async () =>
      (await inParallel(nodes, ({ address }) => messagesAt(address))).every(({ length }) => length === MESSAGES),
    );
    const grown = nodes.map(({ lines }, index) => lines.slice(before[index]));
    // What they find out of each other meanwhile; and that a node sent more than others take at once, now and then.
    for (const lines of grown.slice(0, 2)) {
      const told = lines.filter(({ event }) => event !== 'peer_proved');
      expect(told.every(({ event }) => event === 'received_busy')).toBe(true);
      expect(lines.length).toBeLessThan(MESSAGES / 10);
    }
    const received = grown[2]?.filter(({ event }) => event === 'received') ?? [];
    expect(received.length).toBeGreaterThan(0);
    const known = new Set(ids.map((id) => id.slice(0, 12)));
    expect(received.flatMap((line) => line['ids'] as string[]).every((id) => known.has(id))).toBe(true);
  });

  it('tells at DEBUG which message a request made, and what came of it', async () => {
    const id = await broadcastAt(at(2).address, { to: 'be followed' });
    await eventually('both lines', async () => at(2).lines.some((line) => line['message'] === id.slice(0, 12)));
    const made = at(2).lines.find((line) => line['message'] === id.slice(0, 12));
    expect(made).toMatchObject({ event: 'request', method: 'POST', status: 202, request_id: expect.any(String) });
    expect(at(2).lines).toContainEqual(expect.objectContaining({ event: 'originated', ids: [id.slice(0, 12)] }));
  });

  it('has its messages traced by hops, by whole ids and their beginnings, where there is no beacon', async () => {
    const id = await broadcastAt(at(0).address, { to: 'be traced' });
    await eventually('all have it', async () =>
      (await inParallel(nodes, ({ address }) => messagesAt(address))).every((all) => all.some((one) => one.id === id)),
    );
    const [told] = await printed(() => trace(id, { url: at(1).address, json: true }));
    expect(JSON.parse(told ?? '')).toMatchObject({ source: 'nodes', id, missing: [] });
    const { originator, receipts } = JSON.parse(told ?? '') as {
      originator: number;
      receipts: { guid: number; hops: number }[];
    };
    expect(receipts.map(({ hops }) => hops)).toEqual([0, 1, 1]);
    expect(receipts[0]?.guid).toBe(originator);
    const drawn = await printed(() => trace(id.slice(0, 12), { url: at(1).address, json: false }));
    expect(drawn.join('\n')).toMatch(/3 of 3 nodes[^]*\n +0 +1 +█+ [^]*\n +1 +2 +█+ /);
    await expect(trace('ab'.repeat(32), { url: at(1).address, json: false })).rejects.toThrow('none of the nodes');
    await expect(trace('00000000', { url: at(1).address, json: false })).rejects.toThrow('no message whose id');
  });

  it('has its logs followed from elsewhere', async () => {
    const asked = { url: at(0).address, token: TOKEN, json: true, follow: false, lines: '2' };
    const lines = await printed(() => tail(undefined, asked));
    expect(lines.map((line) => JSON.parse(line) as LogRecord)).toEqual(at(0).lines.slice(-2));
    await expect(tail(undefined, { ...asked, token: 'wrong' })).rejects.toThrow('not the admin token');
    await expect(tail('worker', asked)).rejects.toThrow('wrangler tail');
  });

  it('is looked over from one node on, and found well: a message reaches all', async () => {
    const asked = { token: TOKEN, json: true, probe: true, timeout: '5' };
    const [told] = await printed(() => doctor(at(0).address, asked));
    const { findings } = JSON.parse(told ?? '') as { findings: Finding[] };
    expect(findings.filter(({ result }) => result === 'problem')).toEqual([]);
    expect(findings.map(({ check }) => check)).toContain('probe');
    expect(findings.find(({ check }) => check === 'probe')).toMatchObject({
      result: 'ok',
      found: expect.stringContaining('all 3'),
    });
    expect(findings.find(({ check }) => check === 'outside')?.found).toBe('of 2 members elsewhere all answer');
  });

  it('has metrics as Prometheus wants them, and all that the dashboard and the documents name', async () => {
    const pages = await inParallel([boot, at(0).address], async (address) =>
      (await fetch(`${address}/api/v1/metrics`)).text(),
    );
    expect(pages.flatMap(metricFaults)).toEqual([]);
    const known = new Set(pages.flatMap((page) => [...metricNames(page)]));
    const named = (file: string) =>
      readFileSync(new URL(`../../docs/${file}`, import.meta.url), 'utf8').match(/pychain_\w+/g) ?? [];
    for (const file of ['grafana.json', 'operations.md']) {
      expect(named(file).length).toBeGreaterThan(20);
      expect(named(file).filter((name) => !known.has(name))).toEqual([]);
    }
  });

  it('shows an operator what a node logged, over HTTP', async () => {
    const response = await fetch(`${at(0).address}/api/v1/logs?level=INFO`, {
      headers: { authorization: `Bearer ${TOKEN}` },
    });
    const { logs } = (await response.json()) as { logs: LogRecord[] };
    expect(logs).toEqual(at(0).lines);
    expect(logs.map(({ event }) => event)).toContain('joined');
    expect((await fetch(`${at(0).address}/api/v1/logs`)).status).toBe(401);
  });
});
