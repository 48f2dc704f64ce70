// STORAGE_DIR: one runner at a time, and nothing of anybody else's is removed.
import { mkdtempSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findTarget } from '../../src/cli/target.ts';
import * as state from '../../src/cli/state-folder.ts';
import { isNoneOfOurs } from '../support/watch-fetch.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pychain-state-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe('lock', () => {
  test('a second runner is refused with the number of the first, until that is done', async () => {
    const lock = await state.lockFolder(dir);
    await expect(state.lockFolder(dir)).rejects.toThrow(`(process ${process.pid})`);
    await expect(state.lockFolder(dir)).rejects.toThrow('--port');
    await lock.release();
    await (await state.lockFolder(dir)).release();
  });

  test('what a killed runner left does not hold the folder', async () => {
    await writeFile(join(dir, 'up.pid'), '1\n');
    await writeFile(join(dir, 'up.lock'), '');
    const lock = await state.lockFolder(dir);
    expect((await readFile(join(dir, 'up.pid'), 'utf8')).trim()).toBe(String(process.pid));
    await lock.release();
  });
});

describe('state', () => {
  test('is kept, and removed by --fresh alone', async () => {
    const made = await state.openState(dir, false);
    await writeFile(join(made, 'database'), 'x');
    await writeFile(join(dir, 'mine.txt'), 'x');
    await state.openState(dir, false);
    expect(await readdir(made)).toContain('database');
    await state.openState(dir, true);
    expect(await readdir(made)).not.toContain('database');
    expect((await readdir(dir)).sort()).toEqual(['mine.txt', 'state']);
  });

  test('notes the number of nodes, for as long as it is kept', async () => {
    expect(await state.readNodeCount(dir)).toBeNull();
    await state.openState(dir, false);
    expect(await state.readNodeCount(dir)).toBeNull();
    await state.writeSize(dir, 6, 2);
    await state.openState(dir, false);
    expect(await state.readNodeCount(dir)).toBe(6);
    await state.openState(dir, true);
    expect(await state.readNodeCount(dir)).toBeNull();
  });

  test.each([true, false])("another's folder of that name is left as it is (fresh: %s)", async (fresh) => {
    await mkdir(join(dir, 'state'));
    await writeFile(join(dir, 'state', 'precious'), 'x');
    await expect(state.openState(dir, fresh)).rejects.toThrow('not made by pychain');
    expect(await readdir(join(dir, 'state'))).toEqual(['precious']);
  });
});

describe('admin token', () => {
  test('is made once, kept, and readable by its owner alone', async () => {
    const token = await state.ensureAdminToken(dir, undefined);
    expect(token).toMatch(/^[\w-]{43}$/);
    expect(await state.ensureAdminToken(dir, undefined)).toBe(token);
    expect((await stat(state.adminTokenFile(dir))).mode & 0o777).toBe(0o600);
  });

  test('a given one takes its place, also in a file that others could read', async () => {
    await writeFile(state.adminTokenFile(dir), 'old', { mode: 0o644 });
    expect(await state.ensureAdminToken(dir, 'given-token-of-enough-length')).toBe('given-token-of-enough-length');
    expect((await readFile(state.adminTokenFile(dir), 'utf8')).trim()).toBe('given-token-of-enough-length');
    expect((await stat(state.adminTokenFile(dir))).mode & 0o777).toBe(0o600);
  });
});

describe('which network a command speaks to', () => {
  const running = { url: 'http://127.0.0.1:4711', pid: 1, nodes: 4, started: 0, log_dir: '/tmp', others: [] };

  test('--url, PYCHAIN_URL, the one that runs here, the default', async () => {
    const url = async (option: string | undefined, env: Record<string, string>) =>
      (await findTarget({ url: option }, { STORAGE_DIR: dir, ...env })).client.url;
    expect(await url(undefined, {})).toBe('http://127.0.0.1:8787');
    await state.writeRunning(dir, running);
    expect(await url(undefined, {})).toBe('http://127.0.0.1:4711');
    expect(await url(undefined, { PYCHAIN_URL: 'https://a.example/' })).toBe('https://a.example');
    expect(await url('https://b.example', { PYCHAIN_URL: 'https://a.example' })).toBe('https://b.example');
    await expect(url('ftp://b.example', {})).rejects.toMatchObject({ exitCode: 2 });
  });

  test('the URL of one node is not that of a network', async () => {
    for (const url of ['https://a.example/n/3', 'https://a.example/sub/n/3/', 'https://a.example/n/boot'])
      await expect(findTarget({ url }, { STORAGE_DIR: dir })).rejects.toMatchObject({ exitCode: 2 });
    await expect(findTarget({ url: 'https://a.example/n/3' }, {})).rejects.toThrow('without /n/3');
  });

  describe('the kept token', () => {
    let asked: { method: string | undefined; authorization: string | undefined }[] = [];
    const server = createServer(({ method, headers: { authorization } }, response) => {
      asked.push({ method, authorization });
      const body =
        method === 'GET' ? { network: 'a', protocol: 'a', guid: 1, address: 'a', max_guid: 1, time: 0 } : { id: 'a' };
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ ...body, broadcast_timestamp: 0 }));
    });
    beforeEach(async () => {
      asked = [];
      await once(server.listen(0, '127.0.0.1'), 'listening');
    });
    afterEach(() => {
      server.closeAllConnections();
      server.close();
    });
    // Safe: a server that listens on TCP has an address with a port.
    const serverUrl = () => isNoneOfOurs(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const broadcast = async (url: string | undefined) => {
      const { client } = await findTarget({ url }, { STORAGE_DIR: dir });
      return client.broadcast(1, { data: {} }, null);
    };

    test('is told to the network that it was made for, and to no other', async () => {
      const token = await state.ensureAdminToken(dir, undefined);
      await state.writeRunning(dir, running);
      await expect(broadcast(serverUrl())).rejects.toThrow('no admin token');
      await state.writeRunning(dir, { ...running, url: serverUrl() });
      await broadcast(undefined);
      expect(asked).toEqual([
        { method: 'GET', authorization: undefined },
        { method: 'POST', authorization: `Bearer ${token}` },
      ]);
    });

    test('is not missed where no network runs', async () => {
      await expect(broadcast('http://127.0.0.1:1')).rejects.toMatchObject({ exitCode: 3 });
      expect(asked).toEqual([]);
    });
  });
});

test('a folder that cannot be made or written to is told in one line', async () => {
  await writeFile(join(dir, 'file'), '');
  for (const path of [join(dir, 'file'), join(dir, 'file', 'below'), '/proc/pychain']) {
    const error: unknown = await state.ensureWritable(path, 'STORAGE_DIR').catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ exitCode: 1 });
    expect(String(error)).toContain(path);
    expect(String(error)).toContain('-e STORAGE_DIR=DIR');
    expect(String(error)).not.toContain('\n');
  }
});
