// A transaction's writes, kept until it ends. Where there is but one, as for most messages that come, SQLite needs no savepoint for it (a tenth of
// the time to all among 256 nodes); and what throws before the end has written nothing.
import type { MetaTable, Note, TextTable } from '../protocol/store.ts';
import type { Sql } from './sql.ts';

interface Write {
  /** What it changes, and what is read there from now on; null: nothing. */
  readonly row: string;
  readonly value: string | null;
  /** A row that is there no more. */
  readonly gone: string | null;
  /** Whether a transaction that writes this has a note. */
  readonly carries: boolean;
  readonly run: (note: string | null) => void;
}

export class Writes {
  readonly #sql: Sql;
  /** Null outside of a transaction. */
  #kept: Write[] | null = null;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Writes at the end of the transaction; at once, without a note, where none is under way. */
  write(row: string, value: string | null, run: Write['run'], carries = false, gone: string | null = null): void {
    if (this.#kept) this.#kept.push({ row, value, gone, carries, run });
    else run(null);
  }

  /** What the transaction that is under way has written there; undefined: it has not. */
  written(row: string): string | null | undefined {
    const last = this.#kept?.findLast((write) => write.row === row || write.gone === row);
    return last?.row === row ? last.value : last && null;
  }

  /** A whole table is read before a transaction has written anything: what is kept is not in it. */
  expectNone(): void {
    if (this.#kept && this.#kept.length > 0)
      throw new Error('assertion failed: a table is read before writes to it are done');
  }

  /** Runs `body`, then what it wrote, whole or not at all. Not nested. */
  transaction<T>(body: () => T, note?: Note): T {
    if (this.#kept) throw new Error('assertion failed: a transaction in a transaction');
    const kept: Write[] = [];
    this.#kept = kept;
    let result: T;
    try {
      result = body();
    } finally {
      this.#kept = null;
    }
    const text = note && kept.some(({ carries }) => carries) ? note(kept.length) : null;
    const runAll = () => {
      for (const { run } of kept) run(text);
    };
    if (kept.length > 1) this.#sql.transaction(runAll);
    else runAll();
    return result;
  }
}

/** A table whose writes are kept, and carry notes. */
export function keptMeta(
  table: Pick<MetaTable, 'get'>,
  set: (key: string, value: string, note: string | null) => void,
  writes: Writes,
): MetaTable {
  const rowOf = (key: string) => `meta ${key}`;
  return {
    get(key) {
      const written = writes.written(rowOf(key));
      return written === undefined ? table.get(key) : written;
    },
    set: (key, value) => writes.write(rowOf(key), value, (note) => set(key, value, note), true),
  };
}

/** A table whose writes are kept. */
export function keptTexts(table: TextTable, writes: Writes): TextTable {
  return {
    all() {
      writes.expectNone();
      return table.all();
    },
    put: (id, body) => writes.write('', body, () => table.put(id, body)),
    delete: (id) => writes.write('', null, () => table.delete(id)),
  };
}
