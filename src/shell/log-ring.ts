// What a node logged last, in memory: an operator reads it over HTTP where there is no other way to its logs. A node that is evicted forgets it.
import type { LogPage, LogQuery, LogRecord } from '../api/ports.ts';
import { LOG_RING_CHARS_MAX, LOG_RING_LINES_MAX } from '../protocol/limits.ts';
import { LEVELS, type Level } from '../protocol/log-events.ts';

export type { LogRecord } from '../api/ports.ts';

/** `<when this ring began>-<the number of a line>`. */
const CURSOR = /^(\d{1,15})-(\d{1,15})$/;

interface Kept {
  readonly text: string;
  readonly level: Level;
}

export class LogRing {
  readonly #linesMax: number;
  readonly #charsMax: number;
  readonly #began: number;
  readonly #kept: Kept[] = [];
  /** Number of the first line that is kept; they are numbered from 1 on. */
  #first = 1;
  #chars = 0;

  constructor(linesMax = LOG_RING_LINES_MAX, charsMax = LOG_RING_CHARS_MAX, began = Date.now()) {
    this.#linesMax = linesMax;
    this.#charsMax = charsMax;
    this.#began = began;
  }

  /** Keeps a line of JSON. What is longer than all that is kept is not. */
  add(text: string, level: Level): void {
    this.#kept.push({ text, level });
    this.#chars += text.length;
    while (this.#kept.length > this.#linesMax || this.#chars > this.#charsMax) {
      const dropped = this.#kept.shift();
      if (!dropped) return;
      this.#first++;
      this.#chars -= dropped.text.length;
    }
  }

  /** Oldest first; `cursor` null: from the oldest on. A cursor that is not ours gives null. */
  page({ cursor, limit, level }: LogQuery): LogPage | null {
    const [whole, began, number] = CURSOR.exec(cursor ?? `${this.#began}-0`) ?? [];
    if (whole === undefined) return null;
    // The node was evicted or restarted since: all that is here is new to the reader, and something may be missing between.
    const isOurs = Number(began) === this.#began;
    const after = isOurs ? Number(number) : 0;
    const threshold = LEVELS.indexOf(level);
    const logs: LogRecord[] = [];
    let at = Math.max(after + 1, this.#first);
    const end = this.#first + this.#kept.length;
    for (; at < end && logs.length < limit; at++) {
      const kept = this.#kept[at - this.#first];
      if (!kept || LEVELS.indexOf(kept.level) < threshold) continue;
      // What was added is what createLog wrote.
      logs.push(JSON.parse(kept.text) as LogRecord);
    }
    const here = `${this.#began}-${Math.max(at - 1, 0)}`;
    const isMissed = cursor !== null && (!isOurs || after + 1 < this.#first);
    return { logs, next: at < end ? here : null, cursor: here, isMissed };
  }
}
