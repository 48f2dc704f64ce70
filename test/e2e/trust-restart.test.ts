// What trust must outlive: restarts, another address, certificates that run out.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually, getJson, startMeasured, type Measured } from '../../bench/network.ts';
import { OutsideHost } from '../../bench/outside-peer.ts';

const NODES = 3;
const VARS = { LOCAL_PEERS: 'on', POW_BITS: '4', NETWORK_SYNC_INTERVAL: '1', NETWORK_SYNC_JITTER: '0' };

let folder: string;
let host: OutsideHost;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pychain-trust-'));
  host = await OutsideHost.open();
});
afterEach(async () => {
  await host.close();
  rmSync(folder, { recursive: true });
});

interface Status {
  readonly guid: number;
  readonly public_key: string;
  readonly network_key: string;
  readonly address: string;
  readonly incarnation: number;
}

async function identities(network: Measured): Promise<Status[]> {
  return (await Promise.all(
    Array.from({ length: NODES }, (_, index) => getJson(`${network.url}/n/${index + 1}/api/v1/status`)),
  )) as Status[];
}

describe('a network that is stopped and started', () => {
  it('has the same keys and GUIDs, and hears no request twice', async () => {
    const first = await startMeasured(NODES, VARS, { storageDir: folder });
    const before = await identities(first);
    const peer = await host.peer('pychain');
    await peer.join(first.url);
    const body = JSON.stringify({ guid: peer.guid, max_guid_node: { guid: 1, address: 'https://n1.example.net' } });
    const request = await peer.request({ method: 'POST', url: `${first.url}/n/1/api/v1/sync`, body });
    expect((await fetch(request.clone())).status).toBe(200);
    await first.dispose();
    const second = await startMeasured(NODES, VARS, { storageDir: folder, port: Number(new URL(first.url).port) });
    try {
      expect((await fetch(request)).status).toBe(401);
      expect((await peer.sync(`${second.url}/n/1`)).status).toBe(200);
      expect((await identities(second)).map(({ guid, public_key: key }) => [guid, key])).toEqual(
        before.map(({ guid, public_key: key }) => [guid, key]),
      );
    } finally {
      await second.dispose();
    }
  });

  it('elsewhere: the same keys and GUIDs, known at their new addresses', async () => {
    const first = await startMeasured(NODES, VARS, { storageDir: folder });
    const before = await identities(first);
    await first.dispose();
    const second = await startMeasured(NODES, VARS, { storageDir: folder });
    try {
      const after = await identities(second);
      for (const [index, status] of after.entries()) {
        const { guid, public_key: key, network_key: network } = before[index] ?? status;
        expect(status).toMatchObject({ guid, public_key: key, network_key: network, incarnation: 1 });
        expect(status.address).toBe(`${second.url}/n/${index + 1}`);
        await eventually('the boot node knows it there', async () => {
          return (await getJson(`${second.url}/api/v1/nodes/${guid}`)) === status.address;
        });
      }
      expect(second.url).not.toBe(first.url);
    } finally {
      await second.dispose();
    }
  });
});

describe('a certificate', () => {
  it('that has run out proves nothing; the same key gets the next one, for the same GUID', async () => {
    // Four rounds of a second: the shortest that there is.
    const network = await startMeasured(NODES, { ...VARS, GUID_TIMEOUT: '1' });
    try {
      const peer = await host.peer('pychain');
      await peer.join(network.url);
      const { guid } = peer;
      const status = async () => (await peer.sync(`${network.url}/n/1`)).status;
      expect(await status()).toBe(200);
      const expiresAt = peer.credential?.certificate.expiresAt ?? Infinity;
      await eventually('its time is over', async () => Date.now() > expiresAt, 20_000);
      expect(await status()).toBe(401);
      const member = async () => (await fetch(`${network.url}/n/1/api/v1/members/${guid}`)).status;
      expect((await peer.join(network.url)).status).toBe(200);
      expect(peer.guid).toBe(guid);
      expect(await status()).toBe(200);
      await eventually('it is known again', async () => (await member()) === 200, 20_000);
    } finally {
      await network.dispose();
    }
  });
});
