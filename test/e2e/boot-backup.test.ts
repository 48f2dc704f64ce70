// A boot node that loses its storage, in a real network: with a backup, without one, and what `pychain boot` says of it all.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually, getJson, startMeasured, TOKEN, type Measured } from '../../bench/network.ts';
import { OutsideHost } from '../../bench/outside-peer.ts';
import { verifyCertificate } from '../../src/crypto/signatures.ts';

const MAIN = resolve(import.meta.dirname, '../../src/cli/main.ts');

/** Certificates of newcomers live for twelve seconds: renewals can be waited for, and all can be heard of while nobody renews them. */
const VARS = {
  NETWORK_SYNC_INTERVAL: '1',
  NETWORK_SYNC_JITTER: '0',
  GUID_TIMEOUT: '12',
  LOCAL_PEERS: 'on',
  POW_BITS: '4',
};

interface Status {
  readonly guid: number;
  readonly public_key: string;
  readonly network_key: string;
  readonly max_guid: number;
  readonly certificate: { readonly issued: number; readonly expires: number; readonly signature: string } | null;
}

let folder: string;
let network: Measured | null = null;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pychain-backup-'));
});
afterEach(async () => {
  await network?.dispose();
  network = null;
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
});

const state = () => join(folder, 'state');
const file = () => join(folder, 'backup.jsonl');

async function start(nodes: number, vars: Readonly<Record<string, string>> = {}): Promise<Measured> {
  const port = network ? Number(new URL(network.url).port) : undefined;
  await network?.dispose();
  network = await startMeasured(
    nodes,
    { ...VARS, ...vars },
    { storageDir: state(), ...(port !== undefined && { port }) },
  );
  return network;
}

/** Removes the storage of the boot object, and only that. */
function loseBoot(): void {
  const files = readdirSync(state(), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.sqlite'));
  const lost = files.filter((name) => {
    const database = new DatabaseSync(join(state(), name), { readOnly: true });
    try {
      return database.prepare(`SELECT name FROM sqlite_master WHERE name = 'allocations'`).get() !== undefined;
    } finally {
      database.close();
    }
  });
  expect(lost).toHaveLength(1);
  for (const name of lost) for (const end of ['', '-wal', '-shm']) rmSync(join(state(), name + end), { force: true });
}

/** Runs `pychain boot …` against the network. */
async function boot(...args: readonly string[]): Promise<{ code: number | null; out: string; err: string }> {
  const target = ['--url', network?.url ?? 'http://127.0.0.1:9', '--token', TOKEN];
  const child = spawn(process.execPath, [MAIN, 'boot', ...args, ...target], { cwd: folder });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  await once(child, 'close');
  return { code: child.exitCode, out, err };
}

const statusOf = async ({ url }: Measured, slot: number | null) =>
  (await getJson(`${url}${slot === null ? '' : `/n/${slot}`}/api/v1/status`)) as Status;

const statuses = (on: Measured) => Promise.all(Array.from({ length: on.nodes }, (_, index) => statusOf(on, index + 1)));

const guids = async (on: Measured) => (await statuses(on)).map(({ guid }) => guid);

/** Waits until all nodes have a certificate of now, by this key. */
async function renewed(on: Measured, networkKey: string): Promise<void> {
  const since = Date.now() / 1000;
  await eventually('certificates are renewed', async () => {
    const proofs = await Promise.all(
      (await statuses(on)).map(async ({ guid, public_key: key, certificate }) => {
        if (certificate === null || certificate.issued < since - 1) return false;
        const { issued, expires, signature } = certificate;
        const told = { issuedAt: issued * 1000, expiresAt: expires * 1000, signature };
        return await verifyCertificate({ network: 'pychain', networkKey }, guid, key, told, Date.now());
      }),
    );
    return proofs.every(Boolean);
  });
}

describe('a boot node that lost its storage', () => {
  it('is restored from a backup: same key, same GUIDs, certificates go on, and the next GUID is 5', async () => {
    const first = await start(4);
    const before = await statuses(first);
    const networkKey = before[0]?.network_key ?? '';
    const exported = await boot('export', '--with-key', '--out', file());
    expect(exported).toMatchObject({ code: 0, out: '', err: expect.stringContaining('4 allocations, highest GUID 4') });
    expect(exported.err).toContain('private key');
    expect(statSync(file()).mode & 0o777).toBe(0o600);

    await first.dispose();
    loseBoot();
    const second = await start(4);
    expect((await statusOf(second, null)).public_key).not.toBe(networkKey);
    expect(await boot('import', file(), '--dry-run')).toEqual({
      code: 0,
      out: `0 allocations would be new, 0 would be brought up to date, 4 left as they are\nthe network's key would be that of the backup\nthe next GUID would be 5\n`,
      err: '',
    });
    expect((await statusOf(second, null)).public_key).not.toBe(networkKey);
    const imported = await boot('import', file(), '--json');
    expect(imported.code).toBe(0);
    expect(JSON.parse(imported.out)).toEqual({
      new: 0,
      newer: 0,
      kept: 4,
      max_guid: 4,
      key_replaced: true,
      dry_run: false,
    });
    expect((await statusOf(second, null)).public_key).toBe(networkKey);
    await renewed(second, networkKey);

    const third = await start(5);
    const after = await statuses(third);
    expect(after.map(({ guid }) => guid)).toEqual([1, 2, 3, 4, 5]);
    expect(after.map(({ network_key: key }) => key)).toEqual(Array(5).fill(networkKey));
    expect(after.slice(0, 4).map(({ public_key: key }) => key)).toEqual(before.map(({ public_key: key }) => key));
    await renewed(third, networkKey);
    expect(third.trouble).toEqual([]);
    // The same file again changes nothing, though it is older than what is there.
    const again = await boot('import', file(), '--json');
    expect(JSON.parse(again.out)).toMatchObject({ new: 0, newer: 0, kept: 4, max_guid: 5, key_replaced: false });
  });

  it('without a backup gives a new node a GUID above all; all know each other, and it says what happened', async () => {
    const first = await start(4);
    const [{ network_key: networkKey } = { network_key: '' }] = await statuses(first);
    await first.dispose();
    loseBoot();
    const second = await start(5);
    expect(await guids(second)).toEqual([1, 2, 3, 4, 5]);
    expect(new Set((await statuses(second)).map(({ network_key: key }) => key))).toEqual(new Set([networkKey]));
    const told = second.trouble.map((line) => JSON.parse(line) as { event: string; network_key?: string });
    expect(told).toContainEqual(expect.objectContaining({ event: 'boot_storage_lost', network_key: networkKey }));

    const own = (await statusOf(second, null)).public_key;
    const host = await OutsideHost.open();
    try {
      const peer = await host.peer('pychain');
      expect((await peer.join(second.url)).status).toBe(503);
      // The operator takes the new key: nodes keep their GUIDs, and others may join again.
      const third = await start(5, { NETWORK_KEY: own });
      await renewed(third, own);
      expect(await guids(third)).toEqual([1, 2, 3, 4, 5]);
      expect((await peer.join(third.url)).status).toBe(200);
      expect(peer.guid).toBe(6);
      expect(third.trouble).toEqual([]);
    } finally {
      await host.close();
    }
  });

  it('restored from a backup that is older than its last members gives none of their GUIDs', async () => {
    await start(2);
    expect((await boot('export', '--with-key', '--out', file())).code).toBe(0);
    const second = await start(4);
    const networkKey = (await statusOf(second, null)).network_key;
    const before = await guids(second);
    await second.dispose();
    loseBoot();
    const third = await start(5);
    expect((await boot('import', file())).code).toBe(0);
    await renewed(third, networkKey);
    expect(await guids(third)).toEqual([...before, 5]);
  });
});

describe('pychain boot', () => {
  it('export: JSON lines on standard output, without the key unless it is asked for', async () => {
    await start(2);
    const plain = await boot('export');
    expect(plain).toMatchObject({ code: 0, err: '2 allocations, highest GUID 2\n' });
    expect(plain.out).not.toContain('private_key');
    const lines = plain.out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.map((line) => line['guid'])).toEqual([undefined, 1, 2, undefined]);
    expect(lines[0]).toMatchObject({ format: 'pychain-boot-backup/1', network: 'pychain', max_guid: 2, count: 2 });
    expect(lines[3]).toEqual({ count: 2, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect((await boot('export', '--with-key')).out).toContain('private_key');
    const told = await boot('export', '--out', file(), '--json');
    expect(JSON.parse(told.out)).toEqual({ allocations: 2, max_guid: 2, with_key: false, file: file() });
    expect(readdirSync(folder).toSorted()).toEqual(['backup.jsonl', 'state']);

    // What cannot be taken, in one line each, and nothing of it is.
    const text = readFileSync(file(), 'utf8');
    const refused = async (content: string) => {
      writeFileSync(file(), content);
      const { code, out, err } = await boot('import', file());
      expect(out).toBe('');
      expect(err.trimEnd().split('\n')).toHaveLength(1);
      return [code, err.replace(`pychain: ${file()}: `, '').trimEnd()];
    };
    expect(await refused(text.slice(0, -30))).toEqual([1, expect.stringMatching(/^line 4: .*cut off/)]);
    expect(await refused(text.replace('"guid":2', '"guid":3'))).toEqual([1, expect.stringMatching(/^line 3: guid: /)]);
    expect(await refused(text.replace('backup/1', 'backup/2'))).toEqual([
      1,
      expect.stringMatching(/^line 1: format: /),
    ]);
    expect(await refused(text.replace('"incarnation":0', '"incarnation":7'))).toEqual([
      1,
      expect.stringMatching(/^line 4: sha256: /),
    ]);
    expect((await boot('import', join(folder, 'nothing'))).code).toBe(1);
    expect((await boot('floor', 'x')).code).toBe(2);
    expect(await boot('floor', '40')).toMatchObject({ code: 0, out: 'the next GUID is 41\n' });
    expect(await guids(await start(3))).toEqual([1, 2, 41]);
  });

  it('import: a file of another network with the same name is refused, naming the line that contradicts', async () => {
    const first = await start(2);
    expect((await boot('export', '--with-key', '--out', file())).code).toBe(0);
    const kept = join(folder, 'first.jsonl');
    copyFileSync(file(), kept);
    await first.dispose();
    rmSync(state(), { recursive: true });
    const second = await start(2);
    const key = (await statusOf(second, null)).network_key;
    expect(await boot('import', kept)).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringContaining('network_key: of another network'),
    });
    expect((await statusOf(second, null)).network_key).toBe(key);
    expect(existsSync(kept)).toBe(true);
    await second.dispose();
    expect(await boot('export')).toMatchObject({ code: 3, out: '' });
  });
});
