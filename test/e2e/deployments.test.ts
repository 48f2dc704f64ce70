// Several deployments, one network: the first hosts the boot node, the others join it over HTTP.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sendAndCount, hopsBound } from '../../bench/coverage.ts';
import { NEIGHBOURLY, startDeployment, startDeployments, type Deployment } from '../../bench/deployments.ts';
import { startKillable, type Killable } from '../../bench/killable.ts';
import {
  baseOf,
  broadcastAt,
  eventually,
  getJson,
  inParallel,
  messagesAt,
  TOKEN,
  type Hosted,
} from '../../bench/network.ts';
import { atRest, placesOf } from '../../bench/places.ts';
import { freePort } from '../../src/cli/ports.ts';
import { seededRandom } from '../support/network.ts';

const QUIET = { NETWORK_SYNC_INTERVAL: '3600', NETWORK_SYNC_JITTER: '0' };

interface Page {
  readonly members: readonly { readonly guid: number; readonly address: string }[];
}

describe('a deployment that joins the network of another', () => {
  let folder: string;
  const running: Deployment[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pychain-deployments-'));
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((deployment) => deployment.dispose()));
    rmSync(folder, { recursive: true });
  });

  it('hosts no boot node, and a node that comes later knows its neighbours at once', async () => {
    const [first] = await startDeployments(1, 1, QUIET);
    if (!first) throw new Error('it did not start');
    running.push(first);
    const options = { vars: QUIET, boot: first.url, storageDir: folder };
    const before = await startDeployment({ ...options, nodes: 1, port: null });
    const status = async (slot: number, at = before) =>
      (await getJson(`${at.url}/n/${slot}/api/v1/status`)) as { guid?: number; network_key?: string };
    await before.cron();
    expect(await status(1)).toMatchObject({ guid: 2 });
    expect(await status(1)).toMatchObject({ network_key: (await status(1, first)).network_key });
    expect(await getJson(`${before.url}/api/v1/status`)).toMatchObject({ type: 'urn:pychain:problem:no-boot-node' });
    await before.dispose();

    // The announcement tells the older of the newcomer, ten seconds later; nothing but what it asks tells the newcomer of the older.
    const after = await startDeployment({ ...options, nodes: 2, port: Number(new URL(before.url).port) });
    running.push(after);
    await after.cron();
    await eventually('the newcomer joins', async () => (await status(2, after)).guid === 3, 20_000);
    const { members } = (await getJson(`${after.url}/n/2/api/v1/members`)) as Page;
    expect(members.map(({ guid, address }) => [guid, address]).slice(0, 2)).toEqual([
      [1, `${first.url}/n/1`],
      [2, `${after.url}/n/1`],
    ]);
    expect(await status(1, after)).toMatchObject({ guid: 2 });
    expect([...first.trouble, ...before.trouble, ...after.trouble]).toEqual([]);
  });
});

describe('three deployments of two nodes', () => {
  const NODES = 2;
  const VARS = { FANOUT: '2' };
  let folder: string;
  let started: Deployment[] = [];
  /** A process of its own, that can be killed. */
  let third: Killable;
  let all: readonly Hosted[] = [];
  let restart: () => Killable;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pychain-deployments-'));
    started = await startDeployments(2, NODES, VARS);
    const port = await freePort('127.0.0.1', 0);
    const boot = started[0]?.url ?? '';
    restart = () => startKillable(NODES, folder, port, { ...NEIGHBOURLY, ...VARS, BOOT_NODE: boot });
    third = restart();
    await third.ready;
    all = [...started, { url: third.url, nodes: NODES }];
    await atRest(placesOf(all));
  });
  afterAll(async () => {
    await Promise.all([third.kill(), ...started.map((deployment) => deployment.dispose())]);
    rmSync(folder, { recursive: true, maxRetries: 10, retryDelay: 100 });
  });

  it('every message is at every node, once, within the bound of hops, whoever sends it', async () => {
    const run = await sendAndCount(placesOf(all), { single: 10, atOnce: 3 * NODES }, seededRandom(21));
    expect(run).toMatchObject({ messages: 10 + 3 * NODES, missing: 0, deliveriesPerNode: 1 });
    expect(run.hopsMax).toBeLessThanOrEqual(hopsBound(3 * NODES, 2));
  });

  it('a node that leaves is known to have left in all of them, and to the boot node', async () => {
    const leaver = baseOf(started[1] ?? third, 2);
    const operate = async (what: string) => {
      const headers = { authorization: `Bearer ${TOKEN}` };
      return await (await fetch(`${leaver}/api/v1/network/${what}`, { method: 'POST', headers })).json();
    };
    const { guid } = (await operate('leave')) as { guid: number };
    const others = placesOf(all).filter(({ base }) => base !== leaver);
    const states = async () =>
      await inParallel(others, async ({ base }) => {
        return ((await getJson(`${base}/api/v1/members/${guid}`)) as { state: string }).state;
      });
    await eventually('all know', async () => (await states()).every((state) => state === 'left'), 20_000);
    const atBoot = async () =>
      ((await getJson(`${started[0]?.url}/api/v1/members`)) as { members: { guid: number }[] }).members.map(
        (m) => m.guid,
      );
    await eventually('the boot node knows', async () => !(await atBoot()).includes(guid), 20_000);
    await operate('return');
    await eventually('it is back', async () => (await states()).every((state) => state === 'alive'), 40_000);
    expect(await atBoot()).toContain(guid);
  });

  it('one that is killed while all broadcast, and started again, has everything, and so have the others', async () => {
    const accepted: string[] = [];
    const send = async (from: readonly Hosted[], text: string) => {
      const sent = await Promise.all(placesOf(from).map(({ base }) => broadcastAt(base, { text })));
      accepted.push(...sent);
    };
    await send(all, 'right before');
    await third.kill();
    await send(started, 'meanwhile');
    third = restart();
    await send(started, 'while it starts');
    await third.ready;
    await send(all, 'after');
    await eventually(
      'all has arrived everywhere',
      async () => {
        const stored = await inParallel(placesOf(all), ({ base }) => messagesAt(base));
        return stored.every((messages) => {
          const there = new Set(messages.map(({ id }) => id));
          return accepted.every((id) => there.has(id));
        });
      },
      60_000,
    );
    expect(started.flatMap(({ trouble }) => trouble)).toEqual([]);
  });
});
