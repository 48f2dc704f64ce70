// Follows the files of LOG_DIR, over rotation: what was written to a file before it was renamed is read to its end.
import { open, readdir, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { LOG_NAMES, type LogName } from '../protocol/log-events.ts';
import { errorCode } from './errors.ts';
import { LOG_FILES_KEPT } from './log-files.ts';
import { parseFileLine } from './log-line.ts';

/** A line of a node's log. */
export interface TailedLine {
  readonly node: string;
  /** Null for `worker.log`, which belongs to no node. */
  readonly log: LogName | null;
  readonly text: string;
}

export interface TailOptions {
  readonly logDir: string;
  /** A slot, `boot` or `worker`; null for all of them. */
  readonly node: string | null;
  readonly log: LogName | null;
  /** Lines that are shown of what is there already. */
  readonly lines: number;
  readonly onLine: (line: TailedLine) => void;
}

interface Source {
  readonly node: string;
  readonly log: LogName | null;
  readonly path: string;
}

interface Followed extends Source {
  inode: number;
  /** Bytes that were read and given out. */
  offset: number;
  /** The last ones, which are not a whole line yet. */
  rest: Buffer;
  /** Of the last line that has a time: lines that go on from it, as those of a stack trace do, are of the same. */
  time: number;
}

/** A line that waits for those of other files, to be given out in order. */
interface TimedLine {
  readonly line: TailedLine;
  readonly time: number;
}

/** Rotated files that are looked at when a followed file was renamed: all that are kept. */
const ROTATED_LOOKED_AT = LOG_FILES_KEPT;
/** Of a file that was not there when following began: all of it is new. */
const NO_INODE = -1;
/** What every line but those that go on from one begins with. */
const STAMP = /^\d{4}-\d\d-\d\dT\S+/;
const READ_BYTES = 64 * 1024;
/** How much of a file's end is read for the lines that are there already. */
const BACKLOG_BYTES = 1024 * 1024;

/** Reads the logs of one node or of all; call `poll` again and again. */
export class Tail {
  readonly #options: TailOptions;
  readonly #followed = new Map<string, Followed>();
  #found: TimedLine[] = [];
  #started = false;

  constructor(options: TailOptions) {
    this.#options = options;
  }

  /**
   * Gives out the lines that are new since the last call, of all files by time; the first time, the last `lines` of what
   * is there.
   */
  async poll(): Promise<void> {
    const sources = await this.#sources();
    const first = !this.#started;
    this.#started = true;
    for (const source of sources) await (first ? this.#backlog(source) : this.#follow(source));
    // Stable: lines of one file and moment stay as they are.
    const found = this.#found.toSorted((a, b) => a.time - b.time);
    this.#found = [];
    for (const { line } of first ? last(found, this.#options.lines) : found) this.#options.onLine(line);
  }

  /** Files that are followed now. */
  get files(): number {
    return this.#followed.size;
  }

  async #sources(): Promise<Source[]> {
    const { logDir, node, log } = this.#options;
    const nodes = node === null ? await logNodes(logDir) : [node];
    return nodes.flatMap((name): Source[] => {
      if (name === 'worker') return log === null ? [{ node: name, log: null, path: join(logDir, 'worker.log') }] : [];
      const logs = log === null ? LOG_NAMES : [log];
      return logs.map((each) => ({ node: name, log: each, path: join(logDir, name, `${each}.log`) }));
    });
  }

  async #backlog(source: Source): Promise<void> {
    const followed = await start(source);
    if (followed === null) return;
    this.#followed.set(source.path, followed);
    for (const text of await lastLines(followed, this.#options.lines)) this.#keep(followed, text);
  }

  #keep(followed: Followed, text: string): void {
    const { node, log } = followed;
    const time = STAMP.exec(text)?.[0];
    followed.time = (time === undefined ? NaN : Date.parse(time)) || followed.time;
    this.#found.push({ line: { node, log, text }, time: followed.time });
  }

  async #follow(source: Source): Promise<void> {
    let followed = this.#followed.get(source.path);
    const now = await stat(source.path).catch(ignoreMissing);
    if (now === null || (now.ino === followed?.inode && now.size === followed.offset)) return;
    if (followed === undefined) {
      followed = { ...source, inode: NO_INODE, offset: 0, rest: Buffer.alloc(0), time: 0 };
      this.#followed.set(source.path, followed);
    }
    const files = await openUntil(source.path, followed.inode);
    try {
      for (const { file, inode, size } of files.toReversed()) {
        if (inode !== followed.inode || size < followed.offset) {
          followed.inode = inode;
          followed.offset = 0;
          followed.rest = Buffer.alloc(0);
        }
        await this.#readAll(followed, file);
      }
    } finally {
      await Promise.all(files.map(({ file }) => file.close()));
    }
  }

  async #readAll(followed: Followed, file: FileHandle): Promise<void> {
    for (;;) {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(READ_BYTES), 0, READ_BYTES, followed.offset);
      if (bytesRead === 0) return;
      followed.offset += bytesRead;
      this.#give(followed, Buffer.concat([followed.rest, buffer.subarray(0, bytesRead)]));
    }
  }

  #give(followed: Followed, bytes: Buffer): void {
    const end = bytes.lastIndexOf(0x0a);
    followed.rest = bytes.subarray(end + 1);
    if (end < 0) return;
    for (const text of bytes.subarray(0, end).toString('utf8').split('\n')) this.#keep(followed, text);
  }
}

/** What `--json` prints of a line: the Worker's record where it is one, else the line as it is. */
export function tailedJson(line: TailedLine): string {
  const record = parseFileLine(line.text);
  const from = line.log === null ? { node: line.node } : { node: line.node, log: line.log };
  return JSON.stringify(record === null ? { ...from, text: line.text } : { ...record, ...from });
}

/** Nodes that have logs: slots in order, then `boot` and `worker`. */
async function logNodes(logDir: string): Promise<string[]> {
  const names = (await readdir(logDir).catch(ignoreMissing)) ?? [];
  const slots = names.filter((name) => /^[1-9]\d*$/.test(name)).sort((a, b) => Number(a) - Number(b));
  return [...slots, ...(names.includes('boot') ? ['boot'] : []), ...(names.includes('worker.log') ? ['worker'] : [])];
}

/** The end of the newest file there is: just after a rotation that is the renamed one. */
async function start(source: Source): Promise<Followed | null> {
  for (const path of [source.path, `${source.path}.1`]) {
    const found = await stat(path).catch(ignoreMissing);
    if (found) return { ...source, path, inode: found.ino, offset: found.size, rest: Buffer.alloc(0), time: 0 };
  }
  return null;
}

/**
 * Opens the file and its rotated ones, newest first, up to the one with this inode. Rotation during this can only move a
 * file to where we come later, so none is missed; one that is met twice is dropped.
 */
async function openUntil(path: string, inode: number): Promise<{ file: FileHandle; inode: number; size: number }[]> {
  const opened: { file: FileHandle; inode: number; size: number }[] = [];
  for (let index = 0; index <= ROTATED_LOOKED_AT; index++) {
    const file = await open(index === 0 ? path : `${path}.${index}`, 'r').catch(ignoreMissing);
    if (file === null) continue;
    const { ino, size } = await file.stat();
    if (opened.some((other) => other.inode === ino)) {
      await file.close();
      continue;
    }
    opened.push({ file, inode: ino, size });
    if (ino === inode) break;
  }
  return opened;
}

/** The last whole lines before `offset`; a line that is being written is kept for the next poll. */
async function lastLines(followed: Followed, count: number): Promise<readonly string[]> {
  const from = Math.max(0, followed.offset - BACKLOG_BYTES);
  const bytes = Buffer.alloc(followed.offset - from);
  await withFile(followed.path, async (file) => {
    await file.read(bytes, 0, bytes.length, from);
  });
  const end = bytes.lastIndexOf(0x0a);
  followed.rest = bytes.subarray(end + 1);
  const lines = end < 0 ? [] : bytes.subarray(0, end).toString('utf8').split('\n');
  // Cut from the middle of a file, the first is half a line.
  return last(from > 0 ? lines.slice(1) : lines, count);
}

function last<T>(items: readonly T[], count: number): readonly T[] {
  return items.slice(Math.max(0, items.length - count));
}

async function withFile(path: string, use: (file: FileHandle) => Promise<void>): Promise<void> {
  const file = await open(path, 'r').catch(ignoreMissing);
  if (file === null) return;
  try {
    await use(file);
  } finally {
    await file.close();
  }
}

function ignoreMissing(error: unknown): null {
  if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return null;
  throw error;
}
