// Several deployments, one network: the first hosts the boot node, the others join it over HTTP.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startDeployment, startDeployments, type Deployment } from '../../bench/deployments.ts';
import { eventually, getJson } from '../../bench/network.ts';

let folder: string;
const running: Deployment[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pychain-deployments-'));
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((deployment) => deployment.dispose()));
  rmSync(folder, { recursive: true });
});

const QUIET = { NETWORK_SYNC_INTERVAL: '3600', NETWORK_SYNC_JITTER: '0' };

interface Page {
  readonly members: readonly { readonly guid: number; readonly address: string }[];
}

describe('a deployment that joins the network of another', () => {
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
