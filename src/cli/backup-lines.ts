// A backup file as the commands read and write it: line by line, since it may be larger than memory.
import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { BackupReader, type BackupHead } from '../protocol/backup-file.ts';
import { BACKUP_ENTRY_BYTES_MAX } from '../protocol/limits.ts';
import type { Allocation } from '../protocol/store.ts';
import { CliError, errorCode, errorLine, printable } from './errors.ts';

/** What is longer is no line of a backup; what reads it says so. */
const LINE_CHARS_MAX = 2 * BACKUP_ENTRY_BYTES_MAX;

/** One allocation of a file, and where it stands. */
export interface BackupEntry {
  readonly line: number;
  readonly allocation: Allocation;
}

/** What a whole file is of. */
export interface BackupFacts {
  readonly head: BackupHead;
  readonly count: number;
}

/** The allocations of a file, in order. Throws where a line is wrong, and at the end where the file is cut off or altered. */
export async function* readBackup(path: string): AsyncGenerator<BackupEntry, BackupFacts> {
  const reader = new BackupReader();
  const refuse = (line: number, field: string, message: string) =>
    new CliError(printable(`${path}: line ${line}: ${field === '' ? '' : `${field}: `}${message}`));
  let line = 0;
  for await (const text of linesOf(path)) {
    line++;
    const pushed = reader.push(text);
    if (!pushed.ok) throw refuse(pushed.error.line, pushed.error.field, pushed.error.message);
    if (pushed.value) yield { line, allocation: pushed.value };
  }
  const ended = reader.end();
  if (!ended.ok || reader.head === null) throw refuse(line + 1, '', ended.ok ? 'missing' : ended.error.message);
  return { head: reader.head, count: reader.count };
}

/** Reads a file to its end, for what it is of. */
export async function checkBackup(path: string): Promise<BackupFacts> {
  const entries = readBackup(path);
  for (;;) {
    const next = await entries.next();
    if (next.done) return next.value;
  }
}

async function* linesOf(path: string): AsyncGenerator<string> {
  let rest = '';
  try {
    for await (const chunk of createReadStream(path, 'utf8') as AsyncIterable<string>) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
      // Not a backup: it may be a disk full of something else.
      if (rest.length > LINE_CHARS_MAX) return yield rest;
    }
  } catch (error) {
    throw fileError(path, error);
  }
  if (rest !== '') yield rest;
}

/** Writes lines to a file that only its owner can read, and that is there only when it is whole. */
export async function writeLines(path: string, lines: AsyncGenerator<string>): Promise<void> {
  const making = `${path}.new-${process.pid}`;
  try {
    await pipeline(
      Readable.from(withBreaks(lines)),
      createWriteStream(making, { mode: 0o600, flags: 'wx', flush: true }),
    );
    await rename(making, path);
  } catch (error) {
    await rm(making, { force: true });
    throw error instanceof CliError ? error : fileError(path, error);
  }
}

/** Writes lines to standard output. */
export async function printLines(lines: AsyncGenerator<string>): Promise<void> {
  await pipeline(Readable.from(withBreaks(lines)), process.stdout, { end: false });
}

async function* withBreaks(lines: AsyncGenerator<string>): AsyncGenerator<string> {
  for await (const line of lines) yield `${line}\n`;
}

function fileError(path: string, error: unknown): CliError {
  const why = FILE_FAULTS[errorCode(error) ?? ''] ?? errorLine(error);
  return new CliError(`${path}: ${why}`);
}

const FILE_FAULTS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or folder',
  EACCES: 'not allowed to you',
  EISDIR: 'a folder; give a file',
  ENOTDIR: 'no such folder',
  ENOSPC: 'no space left on the disk',
};
