// Log files: a folder per node, rotation by size and by day, and `tail` over rotation.
import { mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { mkdtempSync, readdirSync, readlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LogFiles, type LogFilesOptions } from '../../src/cli/log-files.ts';
import { Tail, tailedJson, type TailedLine } from '../../src/cli/tail.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pychain-logs-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

function record(node: string, log: string, event: string, fields: object = {}) {
  const text = JSON.stringify({ time: 1_795_377_600, level: 'INFO', node, log, event, ...fields });
  return { time: new Date(0), level: 'log', text };
}

function open(options: Partial<LogFilesOptions> = {}): LogFiles {
  const onFault = (message: string) => {
    throw new Error(message);
  };
  return new LogFiles({ logDir: dir, onFault, ...options });
}

async function lines(name: string): Promise<string[]> {
  return (await readFile(join(dir, name), 'utf8')).split('\n').slice(0, -1);
}

describe('log files', () => {
  test('each node and log has its file; all else goes to worker.log, on lines of its own', async () => {
    const logs = open();
    logs.write(record('1', 'api', 'a'));
    logs.write(record('1', 'mempool', 'b'));
    logs.write(record('boot', 'network_sync', 'c'));
    logs.write(record('worker', 'api', 'd'));
    logs.write({ time: new Date(0), level: 'error', text: 'Error: boom\n    at \u001b[31mx' });
    await logs.close();
    expect((await readdir(dir)).sort()).toEqual(['1', 'boot', 'worker.log']);
    expect(await lines('1/api.log')).toEqual(['2026-11-22T20:00:00.000Z INFO a']);
    expect(await lines('1/mempool.log')).toHaveLength(1);
    expect(await lines('boot/network_sync.log')).toHaveLength(1);
    expect(await lines('worker.log')).toEqual([
      '2026-11-22T20:00:00.000Z INFO d',
      '1970-01-01T00:00:00.000Z error Error: boom',
      '        at \\u001b[31mx',
    ]);
  });

  test('rotates by size, keeps the given number of old files, loses no line among those kept', async () => {
    const logs = open({ maxBytes: 400, kept: 3 });
    for (let index = 0; index < 100; index++) {
      logs.write(record('1', 'api', 'line', { index }));
      if (index % 7 === 0) await logs.flush();
    }
    await logs.close();
    const names = (await readdir(join(dir, '1'))).sort();
    expect(names).toEqual(['api.log', 'api.log.1', 'api.log.2', 'api.log.3']);
    const kept: string[] = [];
    for (const name of names.toReversed()) {
      const content = await lines(`1/${name}`);
      expect(content.join('\n').length).toBeLessThanOrEqual(400);
      kept.push(...content);
    }
    const numbers = kept.map((line) => Number(/index=(\d+)/.exec(line)?.[1]));
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, index) => 100 - numbers.length + index));
  });

  test('a line longer than the limit has a file to itself', async () => {
    const logs = open({ maxBytes: 100 });
    logs.write(record('1', 'api', 'long', { text: 'x'.repeat(500) }));
    logs.write(record('1', 'api', 'short'));
    await logs.close();
    expect((await lines('1/api.log'))[0]).toContain('short');
    expect((await lines('1/api.log.1'))[0]).toContain('x'.repeat(500));
  });

  test('rotates when the day changes, also when it did so while nothing ran', async () => {
    let now = Date.UTC(2026, 10, 22, 23, 59, 59);
    await mkdir(join(dir, '1'));
    await writeFile(join(dir, '1/api.log'), 'of the day before\n');
    await utimes(join(dir, '1/api.log'), new Date(now - 86_400_000), new Date(now - 86_400_000));
    const logs = open({ now: () => now });
    logs.write(record('1', 'api', 'evening'));
    await logs.flush();
    now += 2_000;
    logs.write(record('1', 'api', 'morning'));
    await logs.close();
    expect((await lines('1/api.log'))[0]).toContain('morning');
    expect((await lines('1/api.log.1'))[0]).toContain('evening');
    expect(await lines('1/api.log.2')).toEqual(['of the day before']);
  });

  test('256 nodes leave no file open', async () => {
    const logs = open();
    for (let node = 1; node <= 256; node++) {
      for (const log of ['api', 'network_sync', 'mempool']) logs.write(record(String(node), log, 'x'));
    }
    await logs.flush();
    const opened = readdirSync('/proc/self/fd').filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).startsWith(dir);
      } catch {
        return false;
      }
    });
    expect(opened).toEqual([]);
    expect(await readdir(dir)).toHaveLength(256);
    await logs.close();
  });

  test('a write error is reported once, and later lines are written when writing works again', async () => {
    const faults: string[] = [];
    const logs = open({ onFault: (message) => faults.push(message) });
    await writeFile(join(dir, '1'), 'a file where the folder should be');
    for (let index = 0; index < 5; index++) {
      logs.write(record('1', 'api', 'lost'));
      await logs.flush();
    }
    expect(faults).toHaveLength(1);
    expect(faults[0]).toContain(join(dir, '1/api.log'));
    await rm(join(dir, '1'));
    logs.write(record('1', 'api', 'written'));
    await logs.close();
    expect(await lines('1/api.log')).toEqual(['2026-11-22T20:00:00.000Z INFO written']);
  });
});

describe('tail', () => {
  function follow(options: { node?: string; lines?: number } = {}) {
    const seen: TailedLine[] = [];
    const onLine = (line: TailedLine) => seen.push(line);
    const tail = new Tail({ logDir: dir, node: options.node ?? null, log: null, lines: options.lines ?? 0, onLine });
    return { seen, tail };
  }
  const indexes = (seen: readonly TailedLine[]) => seen.map((line) => Number(/index=(\d+)/.exec(line.text)?.[1]));

  test('gives every line once and in order, however often the file is rotated between two looks', async () => {
    const logs = open({ maxBytes: 300, kept: 5 });
    const { seen, tail } = follow();
    await tail.poll();
    for (let index = 0; index < 200; index++) {
      logs.write(record('1', 'api', 'line', { index }));
      await logs.flush();
      // A file holds some seven of these lines, so up to three rotations fall between two looks.
      if (index % 23 === 0) await tail.poll();
    }
    await tail.poll();
    await logs.close();
    expect(indexes(seen)).toEqual(Array.from({ length: 200 }, (_, index) => index));
  });

  test('loses nothing while writing, rotating and reading go on at the same time', async () => {
    const logs = open({ maxBytes: 2_000, kept: 5 });
    const { seen, tail } = follow();
    await tail.poll();
    const done = new AbortController();
    const reader = (async () => {
      while (!done.signal.aborted) await tail.poll();
    })();
    for (let index = 0; index < 500; index++) {
      logs.write(record('1', 'api', 'line', { index }));
      if (index % 3 === 0) await logs.flush();
    }
    await logs.close();
    done.abort();
    await reader;
    await tail.poll();
    expect(indexes(seen)).toEqual(Array.from({ length: 500 }, (_, index) => index));
  });

  test('merges what several files got between two looks by time; lines that go on from one stay with it', async () => {
    const logs = open();
    const { seen, tail } = follow();
    await tail.poll();
    for (const index of [1, 3, 5, 0, 2, 4])
      logs.write(record(String(1 + (index % 2)), 'api', 'line', { index, time: 1_000 + index }));
    logs.write({ time: new Date(1_002_500), level: 'error', text: 'Error: index=2.5\n    at index=2.6' });
    await logs.close();
    await tail.poll();
    expect(indexes(seen)).toEqual([0, 1, 2, 2, 2, 3, 4, 5]);
    expect(seen.map((line) => line.node)).toEqual(['1', '2', '1', 'worker', 'worker', '2', '1', '2']);
  });

  test('shows the last lines that are there, of all nodes by time, then new ones, and files that come later', async () => {
    const logs = open();
    for (let index = 0; index < 6; index++)
      logs.write(record(String(1 + (index % 2)), 'api', 'line', { index, time: 1_000 + index }));
    await logs.flush();
    const { seen, tail } = follow({ lines: 3 });
    await tail.poll();
    expect(indexes(seen)).toEqual([3, 4, 5]);
    logs.write(record('7', 'mempool', 'line', { index: 6 }));
    await logs.close();
    await tail.poll();
    expect(indexes(seen)).toEqual([3, 4, 5, 6]);
    expect(seen.at(-1)).toMatchObject({ node: '7', log: 'mempool' });
  });

  test('starts in the moment after a rotation without telling old lines again', async () => {
    await mkdir(join(dir, '1'));
    await writeFile(join(dir, '1/api.log.1'), '2026-11-22T20:00:00.000Z INFO line index=0\n');
    const { seen, tail } = follow();
    await tail.poll();
    await writeFile(join(dir, '1/api.log'), '2026-11-22T20:00:00.000Z INFO line index=1\n');
    await tail.poll();
    expect(indexes(seen)).toEqual([1]);
  });

  test('half a line waits for its other half', async () => {
    await mkdir(join(dir, '1'));
    const path = join(dir, '1/api.log');
    await writeFile(path, 'first ha');
    const { seen, tail } = follow({ node: '1' });
    await tail.poll();
    await writeFile(path, 'lf ö', { flag: 'a' });
    await tail.poll();
    expect(seen).toEqual([]);
    await writeFile(path, 'k\n', { flag: 'a' });
    await tail.poll();
    expect(seen.map((line) => line.text)).toEqual(['first half ök']);
  });

  test('as JSON a line is the record that the Worker logged; other lines are kept as text', () => {
    const text = '2026-11-22T20:00:00.500Z WARNING peer_failed guid=3 why="no answer" seen=[1,2]';
    expect(JSON.parse(tailedJson({ node: '2', log: 'network_sync', text }))).toEqual({
      time: 1_795_377_600.5,
      level: 'WARNING',
      node: '2',
      log: 'network_sync',
      event: 'peer_failed',
      guid: 3,
      why: 'no answer',
      seen: [1, 2],
    });
    expect(JSON.parse(tailedJson({ node: 'worker', log: null, text: 'boom' }))).toEqual({
      node: 'worker',
      text: 'boom',
    });
  });
});
