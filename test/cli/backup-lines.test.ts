// Backup files: read to the end or not at all, and written so that only their owner can read them.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkBackup, readBackup, writeLines } from '../../src/cli/backup-lines.ts';
import { CliError } from '../../src/cli/errors.ts';
import { writeAllocation } from '../../src/protocol/allocation.ts';
import { BackupWriter } from '../../src/protocol/backup-file.ts';
import { keyOf, outsider } from '../support/signed.ts';

let dir = '';
let path = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pychain-lines-'));
  path = join(dir, 'backup.jsonl');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const HEAD = { network: 'test', networkKey: keyOf(0), privateKey: null, maxGuid: 10_000 };

function linesOf(count: number): string[] {
  const writer = new BackupWriter();
  const entries = Array.from({ length: count }, (_, index) => outsider(index + 1));
  const lines = [writer.head(HEAD, count, 1)];
  for (const member of entries) lines.push(writer.entry(writeAllocation({ ...member, group: 'g', joinedAt: 1_000 })));
  return [...lines, writer.end()];
}

async function* each(lines: readonly string[]): AsyncGenerator<string> {
  yield* lines;
}

describe('a file', () => {
  test('of many chunks is read line by line, with the number of each', async () => {
    const lines = linesOf(1_000);
    await writeLines(path, each(lines));
    expect(readFileSync(path, 'utf8')).toBe(`${lines.join('\n')}\n`);
    let last = 0;
    for await (const { line, allocation } of readBackup(path)) {
      expect(allocation.guid).toBe(line - 1);
      last = line;
    }
    expect(last).toBe(1_001);
    expect(await checkBackup(path)).toEqual({ head: HEAD, count: 1_000 });
  });

  test('is its owner’s, and takes the place of an older one', async () => {
    writeFileSync(path, 'older', { mode: 0o644 });
    await writeLines(path, each(linesOf(1)));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect((await checkBackup(path)).count).toBe(1);
  });

  test('that was not written to its end is not there, and an older one stays', async () => {
    writeFileSync(path, 'older');
    async function* broken(): AsyncGenerator<string> {
      yield 'first';
      throw new CliError('the network is gone', 3);
    }
    await expect(writeLines(path, broken())).rejects.toMatchObject({ message: 'the network is gone', exitCode: 3 });
    expect([readdirSync(dir), readFileSync(path, 'utf8')]).toEqual([['backup.jsonl'], 'older']);
  });

  test.each<[string, () => void, RegExp]>([
    ['that is not there', () => undefined, /backup\.jsonl: no such file or folder$/],
    ['that is a folder', () => mkdirSync(path), /backup\.jsonl: a folder; give a file$/],
    ['that is empty', () => writeFileSync(path, ''), /line 1: missing: the file is cut off/],
    ['that is cut off', () => writeFileSync(path, `${linesOf(3).slice(0, -1).join('\n')}\n`), /line 5: missing/],
    ['of one endless line', () => writeFileSync(path, 'x'.repeat(1_000_000)), /line 1: longer than/],
    ['of something else', () => writeFileSync(path, '{"a":"b"}\n'), /line 1: format: expected/],
  ])('%s is refused in one line', async (_name, make, message) => {
    make();
    const refusal = await checkBackup(path).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(CliError);
    expect((refusal as CliError).message).toMatch(message);
    expect((refusal as CliError).exitCode).toBe(1);
  });

  test('cannot be written where there is no folder', async () => {
    const nowhere = join(dir, 'no', 'backup.jsonl');
    await expect(writeLines(nowhere, each([]))).rejects.toThrow(/no such file or folder$/);
  });
});
