// Tokens and private keys: in no log line, answer, error or metric, whatever is asked and at the most talkative level.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { bundleWorker, startLocalNetwork } from '../../src/cli/local-network.ts';
import { freePort } from '../../src/cli/ports.ts';
import { eventually } from '../../bench/network.ts';
import { OutsideHost } from '../../bench/outside-peer.ts';

const ADMIN_TOKEN = 'admin-token-that-nobody-may-see';
const JOIN_TOKEN = 'join-token-that-nobody-may-see';
const WRONG_TOKEN = 'wrong-token-that-somebody-typed';

/** What is secret of the keys that objects keep: `d` of each JWK. */
function privateKeys(folder: string): string[] {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.sqlite'));
  return files.flatMap((file) => {
    const database = new DatabaseSync(join(folder, file), { readOnly: true });
    try {
      const row = database.prepare(`SELECT value FROM meta WHERE key = 'identity'`).get() as
        { value: string } | undefined;
      return row ? [(JSON.parse(row.value) as { d: string }).d] : [];
    } catch {
      // Not an object of ours: Miniflare keeps databases of its own.
      return [];
    } finally {
      database.close();
    }
  });
}

it('are shown nowhere', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pychain-secrets-'));
  const seen: string[] = [];
  const port = await freePort('127.0.0.1', 0);
  const vars = {
    ADMIN_TOKEN,
    JOIN_TOKEN,
    LOCAL_PEERS: 'on',
    POW_BITS: '4',
    LOG_LEVEL: 'DEBUG',
    NETWORK_SYNC_INTERVAL: '1',
  };
  const options = { nodes: 2, host: '127.0.0.1', port, storageDir: folder, bundle: await bundleWorker() };
  const network = await startLocalNetwork({ ...options, vars, onLog: ({ text }) => seen.push(text) });
  const host = await OutsideHost.open();
  let privateKey = '';
  try {
    const ask = async (path: string, init: RequestInit = {}) => {
      const response = await fetch(`${network.url}${path}`, init);
      seen.push(await response.text(), JSON.stringify([...response.headers]));
      return response.status;
    };
    await eventually('both have joined', async () => {
      await network.cron();
      return (await ask('/n/2/api/v1/status')) === 200 && (await ask('/n/1/api/v1/status')) === 200;
    });
    const peer = await host.peer('pychain');
    // Without the token, with a wrong one, and with the right one.
    const joinWith = async (token: string | null) => {
      const original = globalThis.fetch;
      const request = peer.join.bind(peer);
      if (token === null) return (await request(network.url)).status;
      const withToken: typeof fetch = (input, init) => {
        const outgoing = new Request(input, init);
        outgoing.headers.set('authorization', `Bearer ${token}`);
        return original(outgoing);
      };
      globalThis.fetch = withToken;
      try {
        return (await request(network.url)).status;
      } finally {
        globalThis.fetch = original;
      }
    };
    expect(await joinWith(null)).toBe(401);
    expect(await joinWith(WRONG_TOKEN)).toBe(401);
    expect(await joinWith(JOIN_TOKEN)).toBe(200);
    const post = (token: string, body: string) => ({
      method: 'POST',
      headers: { 'authorization': `Bearer ${token}`, 'content-type': 'application/json' },
      body,
    });
    expect(await ask('/n/1/api/v1/messages', post(ADMIN_TOKEN, '{"data":{"a":1}}'))).toBe(202);
    expect(await ask('/n/1/api/v1/messages', post(WRONG_TOKEN, '{"data":{"a":1}}'))).toBe(401);
    expect(await ask('/n/1/api/v1/messages', post(ADMIN_TOKEN, '{'))).toBe(400);
    // Its operator may have the network's key: in the answer, and nowhere else.
    const withKey = '/api/v1/boot/backup?with_key=true';
    expect(await ask(withKey, { headers: { authorization: `Bearer ${WRONG_TOKEN}` } })).toBe(401);
    const backup = await fetch(`${network.url}${withKey}`, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } });
    const head = (await backup.json()) as { private_key: string };
    privateKey = head.private_key;
    const put = {
      method: 'PUT',
      headers: { 'authorization': `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
    };
    expect(await ask('/api/v1/boot/backup', { ...put, body: JSON.stringify(head) })).toBe(200);
    const other = { ...head, network: 'other' };
    expect(await ask('/api/v1/boot/backup', { ...put, body: JSON.stringify(other) })).toBe(409);
    const last = JSON.stringify({ allocations: [], last: true });
    expect(await ask('/api/v1/boot/allocations', { ...put, body: last })).toBe(200);
    for (const base of ['', '/n/1']) {
      for (const path of [
        'status?nonce=0123456789abcdef',
        'capabilities',
        'members',
        'metrics',
        'openapi.json',
        'nope',
      ]) {
        await ask(`${base}/api/v1/${path}`, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } });
      }
    }
    await peer.sync(`${network.url}/n/1`);
    await eventually('a sync round is logged', async () => seen.some((line) => line.includes('"sync_round"')));
  } finally {
    await network.dispose();
    await host.close();
  }
  const keys = privateKeys(folder);
  rmSync(folder, { recursive: true });
  // Two nodes and the boot node.
  expect(keys).toHaveLength(3);
  expect(keys).toContain(privateKey);
  const all = seen.join('\n');
  expect(all).toContain('"request"');
  for (const secret of [ADMIN_TOKEN, JOIN_TOKEN, WRONG_TOKEN, ...keys]) expect(all).not.toContain(secret);
});
