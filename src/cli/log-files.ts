// LOG_DIR: a folder for each node, with a file for each of its logs, rotated by size and at midnight UTC.
//
// Lines are collected for a moment and appended with one open-write-close per file, so no file stays open: 256 nodes have
// 768 files, and a limit on open files must not become a limit on nodes. A failed write costs the lines, not the network.
import { appendFile, mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorCode, errorLine, printable } from './errors.ts';
import type { RuntimeLine } from './local-network.ts';
import { formatRecord, parseWorkerLine } from './log-line.ts';

/** A file is rotated when it would grow beyond this. */
export const LOG_FILE_BYTES_MAX = 10 * 1024 * 1024;
/** A file is rotated when its last line is of an earlier period than the next: by day, UTC. */
export const LOG_FILE_PERIOD_MS = 24 * 60 * 60 * 1000;
/** Rotated files that are kept beside the current one: `api.log.1` (newest) to `api.log.5`. */
export const LOG_FILES_KEPT = 5;
/** How long lines may wait to be written. */
const FLUSH_MS = 200;
/** Lines of one file that may wait while the disk is slow; more are dropped, and counted. */
const PENDING_BYTES_MAX = 4 * 1024 * 1024;
/** Files written at the same time. */
const WRITERS = 8;

export interface LogFilesOptions {
  readonly logDir: string;
  /** Told once when a file cannot be written, and once more for each other kind of fault. */
  readonly onFault: (message: string) => void;
  readonly maxBytes?: number;
  readonly periodMs?: number;
  readonly kept?: number;
  readonly now?: () => number;
}

interface LogFile {
  readonly path: string;
  /** Null until the file was looked at. */
  size: number | null;
  lastWrite: number;
  pending: string[];
  pendingBytes: number;
  dropped: number;
}

/** Writes what a local network prints to the files that `pychain tail` follows, and what a node alone logs. */
export class LogFiles {
  readonly #options: Required<LogFilesOptions>;
  readonly #files = new Map<string, LogFile>();
  readonly #faults = new Set<string>();
  #timer: NodeJS.Timeout | null = null;
  #flushing: Promise<void> | null = null;

  constructor(options: LogFilesOptions) {
    this.#options = {
      maxBytes: LOG_FILE_BYTES_MAX,
      periodMs: LOG_FILE_PERIOD_MS,
      kept: LOG_FILES_KEPT,
      now: Date.now,
      ...options,
    };
  }

  /** Takes a line; it is in its file within a moment. Never throws. */
  write(line: RuntimeLine): void {
    const record = parseWorkerLine(line.text);
    if (record === null) {
      const text = line.text.split('\n').map(printable).join('\n    ');
      this.#append('worker.log', `${line.time.toISOString()} ${line.level} ${text}\n`);
    } else if (record.node === 'worker') {
      this.#append('worker.log', `${formatRecord(record)}\n`);
    } else if (record.node === 'node') {
      // Of a node that has a process, and this folder, of its own.
      this.#append(`${record.log}.log`, `${formatRecord(record)}\n`);
    } else {
      this.#append(join(record.node, `${record.log}.log`), `${formatRecord(record)}\n`);
    }
  }

  /** Writes what is waiting. */
  async flush(): Promise<void> {
    while (this.#flushing !== null || [...this.#files.values()].some((file) => file.pending.length > 0)) {
      await (this.#flushing ?? this.#startFlush());
    }
  }

  /** Writes what is waiting; nothing may be written afterwards. */
  async close(): Promise<void> {
    await this.flush();
    if (this.#timer) clearTimeout(this.#timer);
  }

  #append(name: string, text: string): void {
    let file = this.#files.get(name);
    if (file === undefined) {
      const path = join(this.#options.logDir, name);
      file = { path, size: null, lastWrite: 0, pending: [], pendingBytes: 0, dropped: 0 };
      this.#files.set(name, file);
    }
    const bytes = Buffer.byteLength(text);
    if (file.pendingBytes + bytes > PENDING_BYTES_MAX) {
      file.dropped += 1;
      return;
    }
    file.pending.push(text);
    file.pendingBytes += bytes;
    this.#arm();
  }

  #arm(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      if (this.#flushing === null) void this.#startFlush();
      else this.#arm();
    }, FLUSH_MS);
  }

  #startFlush(): Promise<void> {
    this.#flushing = this.#flushAll().finally(() => {
      this.#flushing = null;
    });
    return this.#flushing;
  }

  async #flushAll(): Promise<void> {
    const waiting = [...this.#files.values()].filter((file) => file.pending.length > 0);
    const next = waiting.values();
    await Promise.all(
      Array.from({ length: Math.min(WRITERS, waiting.length) }, async () => {
        for (const file of next) await this.#flushFile(file);
      }),
    );
  }

  async #flushFile(file: LogFile): Promise<void> {
    const lines = file.pending;
    if (file.dropped > 0) {
      lines.push(`${new Date(this.#options.now()).toISOString()} WARNING lines_dropped count=${file.dropped}\n`);
    }
    file.pending = [];
    file.pendingBytes = 0;
    file.dropped = 0;
    try {
      await this.#write(file, lines);
    } catch (error) {
      file.size = null; // What was written is not known; look again.
      this.#report(file.path, error);
    }
  }

  async #write(file: LogFile, lines: readonly string[]): Promise<void> {
    if (file.size === null) await this.#look(file);
    let chunk = '';
    let bytes = 0;
    for (const line of lines) {
      const length = Buffer.byteLength(line);
      if (this.#isFull(file, bytes, length)) {
        await this.#appendChunk(file, chunk, bytes);
        await this.#rotate(file);
        chunk = '';
        bytes = 0;
      }
      chunk += line;
      bytes += length;
    }
    await this.#appendChunk(file, chunk, bytes);
  }

  /** Whether a line of `more` bytes, after `before` that go first, needs a new file. An empty file is never full. */
  #isFull(file: LogFile, before: number, more: number): boolean {
    const { maxBytes, periodMs, now } = this.#options;
    const size = file.size ?? 0;
    if (size > 0 && Math.floor(file.lastWrite / periodMs) !== Math.floor(now() / periodMs)) return true;
    return size + before > 0 && size + before + more > maxBytes;
  }

  async #appendChunk(file: LogFile, chunk: string, bytes: number): Promise<void> {
    if (bytes === 0) return;
    await appendFile(file.path, chunk);
    file.size = (file.size ?? 0) + bytes;
    file.lastWrite = this.#options.now();
  }

  async #look(file: LogFile): Promise<void> {
    await mkdir(dirname(file.path), { recursive: true });
    const found = await statOrNull(file.path);
    file.size = found?.size ?? 0;
    file.lastWrite = found?.mtimeMs ?? 0;
  }

  async #rotate(file: LogFile): Promise<void> {
    const { kept } = this.#options;
    if ((await statOrNull(file.path)) === null) {
      file.size = 0;
      return;
    }
    await rm(`${file.path}.${kept}`, { force: true });
    for (let index = kept - 1; index >= 0; index--) {
      const from = index === 0 ? file.path : `${file.path}.${index}`;
      if ((await statOrNull(from)) !== null) await rename(from, `${file.path}.${index + 1}`);
    }
    file.size = 0;
  }

  #report(path: string, error: unknown): void {
    const code = errorCode(error) ?? errorLine(error);
    if (this.#faults.has(code)) return;
    this.#faults.add(code);
    this.#options.onFault(
      `cannot write the log ${path}: ${errorLine(error)}; the network runs on, these lines are lost`,
    );
  }
}

async function statOrNull(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
}
