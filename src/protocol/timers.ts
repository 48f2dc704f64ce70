// Timers: one of each kind, all in the store. A Durable Object has one alarm, so the shell sets it to the earliest of them,
// overdue ones included: a timer that a crash left behind must still fire.
import { TIMER_KINDS, type TimerKind, type TimerRow, type TimerTable } from './store.ts';
import type { Millis } from './types.ts';

export class Timers {
  readonly #table: TimerTable;
  readonly #rows = new Map<TimerKind, TimerRow>();

  constructor(table: TimerTable) {
    this.#table = table;
    // A newer version may have left kinds that this one cannot handle: they would be due for ever.
    for (const row of table.all()) if (TIMER_KINDS.includes(row.kind)) this.#rows.set(row.kind, row);
  }

  get(kind: TimerKind): TimerRow | null {
    return this.#rows.get(kind) ?? null;
  }

  set(kind: TimerKind, at: Millis, now: Millis): void {
    const row = { kind, at, setAt: now };
    this.#rows.set(kind, row);
    this.#table.set(row);
  }

  /** Sets the timer unless it is already due no later than `at`. */
  setBy(kind: TimerKind, at: Millis, now: Millis): void {
    const known = this.#rows.get(kind);
    if (!known || known.at > at) this.set(kind, at, now);
  }

  clear(kind: TimerKind): void {
    if (this.#rows.delete(kind)) this.#table.delete(kind);
  }

  /** Kinds that are due, the longest overdue first. They stay set until handled: set anew or cleared. */
  due(now: Millis): TimerKind[] {
    const due = [...this.#rows.values()].filter((row) => row.at <= now);
    due.sort((a, b) => a.at - b.at || (a.kind < b.kind ? -1 : 1));
    return due.map((row) => row.kind);
  }

  /** When the next alarm must ring; null without timers. */
  earliest(): Millis | null {
    let earliest: Millis | null = null;
    for (const row of this.#rows.values()) earliest = earliest === null ? row.at : Math.min(earliest, row.at);
    return earliest;
  }
}
