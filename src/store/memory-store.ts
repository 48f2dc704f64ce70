// Stores in memory, for the simulator and for tests: they behave as the SQL ones do, rollback included.
import type {
  Allocation,
  BeaconStore,
  BootStore,
  MetaTable,
  NodeStore,
  Note,
  SegmentRow,
  SegmentTable,
  TextTable,
  TimerTable,
} from '../protocol/store.ts';
import type { TimerKind, TimerRow } from '../protocol/store.ts';
import type { Guid, Millis } from '../protocol/types.ts';

/** Undoes what a transaction did when it throws. */
class Journal {
  rows = 0;
  /** By what carries them. */
  readonly #notes = new Map<string, string>();
  #carrying: string[] = [];
  #undo: (() => void)[] | null = null;

  record(undo: () => void): void {
    this.rows++;
    this.#undo?.push(undo);
  }

  notes(): string[] {
    return [...this.#notes.values()];
  }

  /** What is written now carries the transaction's note. */
  carry(row: string): void {
    if (this.#undo) this.#carrying.push(row);
  }

  /** It is there no more. */
  drop(row: string): void {
    const note = this.#notes.get(row);
    if (note === undefined) return;
    this.#undo?.push(() => this.#notes.set(row, note));
    this.#notes.delete(row);
  }

  run<T>(body: () => T, note?: Note): T {
    if (this.#undo) throw new Error('assertion failed: transactions are not nested');
    this.#undo = [];
    this.#carrying = [];
    const { rows } = this;
    try {
      const result = body();
      const text = note && this.#carrying.length > 0 ? note(this.rows - rows) : null;
      if (text !== null) for (const row of this.#carrying) this.#notes.set(row, text);
      return result;
    } catch (cause) {
      for (const undo of this.#undo.reverse()) undo();
      throw cause;
    } finally {
      this.#undo = null;
    }
  }
}

class Rows<K, V> {
  readonly map = new Map<K, V>();
  readonly #journal: Journal;

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  set(key: K, value: V): void {
    const before = this.map.get(key);
    this.#journal.record(before === undefined ? () => this.map.delete(key) : () => this.map.set(key, before));
    this.map.set(key, value);
  }

  delete(key: K): void {
    const before = this.map.get(key);
    if (before === undefined) return;
    this.#journal.record(() => this.map.set(key, before));
    this.map.delete(key);
  }

  /** A row under another key, counted as one. */
  replace(key: K, next: K, value: V): void {
    const before = this.map.get(key);
    if (before === undefined) throw new Error(`segment ${String(key)} does not exist`);
    if (this.map.has(next)) throw new Error(`segment ${String(next)} exists`);
    this.#journal.record(() => {
      this.map.delete(next);
      this.map.set(key, before);
    });
    this.map.delete(key);
    this.map.set(next, value);
  }

  ascending(order: (value: V) => number): V[] {
    return [...this.map.values()].sort((a, b) => order(a) - order(b));
  }
}

function metaTable(journal: Journal): MetaTable {
  const rows = new Rows<string, string>(journal);
  return {
    get: (key) => rows.map.get(key) ?? null,
    set(key, value) {
      journal.carry(`meta ${key}`);
      rows.set(key, value);
    },
  };
}

function textTable(journal: Journal): TextTable {
  const rows = new Rows<number, { id: number; body: string }>(journal);
  return {
    all: () => rows.ascending((row) => row.id),
    put: (id, body) => rows.set(id, { id, body }),
    delete: (id) => rows.delete(id),
  };
}

function segmentTable(journal: Journal): SegmentTable {
  const rows = new Rows<number, SegmentRow>(journal);
  // Only the note of the last one counts.
  let last = 0;
  const carry = (seq: number) => {
    last = Math.max(last, seq);
    if (seq === last) journal.carry('segment');
  };
  return {
    index: () => rows.ascending((row) => row.seq).map(({ seq, expiresAt, index }) => ({ seq, expiresAt, index })),
    body: (seq) => rows.map.get(seq)?.body ?? null,
    append(row) {
      if (rows.map.has(row.seq)) throw new Error(`segment ${row.seq} exists`);
      carry(row.seq);
      rows.set(row.seq, row);
    },
    replace(seq, row) {
      carry(row.seq);
      rows.replace(seq, row.seq, row);
    },
    delete(seq) {
      if (seq === last) journal.drop('segment');
      rows.delete(seq);
    },
  };
}

function timerTable(journal: Journal): TimerTable {
  const rows = new Rows<TimerKind, TimerRow>(journal);
  return {
    all: () => [...rows.map.values()],
    set(row) {
      if (row.kind === 'sync') journal.carry('sync');
      rows.set(row.kind, row);
    },
    delete(kind) {
      journal.drop(kind);
      rows.delete(kind);
    },
  };
}

/** A node's store that lives as long as the object. */
export function createMemoryNodeStore(): NodeStore {
  const journal = new Journal();
  return {
    meta: metaTable(journal),
    roster: textTable(journal),
    segments: segmentTable(journal),
    repairs: textTable(journal),
    nonces: textTable(journal),
    timers: timerTable(journal),
    transaction: (body, note) => journal.run(body, note),
    notes: () => journal.notes(),
    rowsWritten: () => journal.rows,
  };
}

/** A beacon's store that lives as long as the object. */
export function createMemoryBeaconStore(): BeaconStore {
  const journal = new Journal();
  return {
    state: textTable(journal),
    blocks: textTable(journal),
    hours: textTable(journal),
    transaction: (body) => journal.run(body),
    rowsWritten: () => journal.rows,
  };
}

/** A boot node's store that lives as long as the object. */
export function createMemoryBootStore(): BootStore {
  const journal = new Journal();
  const rows = new Rows<Guid, Allocation>(journal);
  const ascending = () => rows.ascending((row) => row.guid);
  const living = (now: Millis) => ascending().filter((row) => row.certificate.expiresAt > now);
  return {
    meta: metaTable(journal),
    byKey: (publicKey) => ascending().find((row) => row.publicKey === publicKey) ?? null,
    byGuid: (guid) => rows.map.get(guid) ?? null,
    byAddress: (address, now) => living(now).filter((row) => row.address === address),
    page: (after, limit, now) =>
      living(now)
        .filter((row) => row.guid > after)
        .slice(0, limit),
    all: (after, limit) =>
      ascending()
        .filter((row) => row.guid > after)
        .slice(0, limit),
    count: () => rows.map.size,
    newest: (limit, now) => living(now).toReversed().slice(0, limit),
    groupSize: (group, now) => living(now).filter((row) => row.group === group).length,
    countLiving: (now) => living(now).length,
    joinTimes: (limit) =>
      ascending()
        .toReversed()
        .slice(0, limit)
        .map((row) => row.joinedAt),
    maxGuid: () => ascending().at(-1)?.guid ?? 0,
    insert(allocation) {
      const taken = rows.map.has(allocation.guid) || ascending().some((row) => row.publicKey === allocation.publicKey);
      if (taken) throw new Error(`GUID ${allocation.guid} or its key is allocated`);
      rows.set(allocation.guid, allocation);
    },
    update(allocation) {
      const row = rows.map.get(allocation.guid);
      if (row) rows.set(allocation.guid, { ...allocation, publicKey: row.publicKey, joinedAt: row.joinedAt });
    },
    transaction: (body) => journal.run(body),
  };
}
