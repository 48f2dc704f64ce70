// What the machines need of storage: synchronous ports. Durable Object SQLite, node:sqlite and memory implement them;
// test/store/contract.ts holds them all to the same behaviour. What the tables mean is told in docs/storage.md.
import type { Certificate, Guid, Millis } from './types.ts';

/** Small strings by name. */
export interface MetaTable {
  get(key: string): string | null;
  set(key: string, value: string): void;
}

/** A numbered row with a text body; `all()` is in ascending order of id. */
export interface TextRow {
  readonly id: number;
  readonly body: string;
}

/** Text rows by number: roster blocks, repairs and nonces. */
export interface TextTable {
  all(): Iterable<TextRow>;
  put(id: number, body: string): void;
  delete(id: number): void;
}

/** One stored batch of messages. `index` describes the messages so that a waking node need not read `body`. */
export interface SegmentRow {
  readonly seq: number;
  /** When the last of its messages expires. */
  readonly expiresAt: Millis;
  readonly index: string;
  readonly body: string;
}

/** Segments by ascending `seq`, which the caller chooses. */
export interface SegmentTable {
  /** All rows in ascending order of `seq`, without bodies. */
  index(): Iterable<Omit<SegmentRow, 'body'>>;
  body(seq: number): string | null;
  append(row: SegmentRow): void;
  /** Puts a row into the place of another: billed as one row, where a deletion and an insertion are two. */
  replace(seq: number, row: SegmentRow): void;
  delete(seq: number): void;
}

/** Kinds of timers; one of each at most. */
export const TIMER_KINDS = ['join', 'sync', 'outbox', 'repair', 'handler', 'aside'] as const;
export type TimerKind = (typeof TIMER_KINDS)[number];

/** A timer: when it is due, and when it was set. */
export interface TimerRow {
  readonly kind: TimerKind;
  readonly at: Millis;
  readonly setAt: Millis;
}

export interface TimerTable {
  all(): Iterable<TimerRow>;
  set(row: TimerRow): void;
  delete(kind: TimerKind): void;
}

/** Storage of one node. */
export interface NodeStore {
  readonly meta: MetaTable;
  readonly roster: TextTable;
  readonly segments: SegmentTable;
  readonly repairs: TextTable;
  readonly nonces: TextTable;
  readonly timers: TimerTable;
  /**
   * Runs `body` whole or not at all; a throw in it, or in its writes at the end, leaves nothing of it. Not nested. What it has written it can
   * read (`get`, `body`), but no whole table after it has written.
   */
  transaction<T>(body: () => T, note?: Note): T;
  /** The notes that are still there: of `meta`, of the sync timer, and of the last segment. In any order. */
  notes(): readonly string[];
  /** Rows written since this store was opened, as the platform bills them (memory: one a call). */
  rowsWritten(): number;
}

/**
 * A text that goes along with what a transaction writes anyway, without a row of its own: with segments, `meta` and the sync timer. Called at
 * the end, once, with the rows that the transaction writes; not where it writes none of these.
 */
export type Note = (rows: number) => string;

/** Storage of the beacon: texts by number, see docs/storage.md. */
export interface BeaconStore {
  readonly state: TextTable;
  readonly blocks: TextTable;
  readonly hours: TextTable;
  transaction<T>(body: () => T): T;
  /** As of a NodeStore. */
  rowsWritten(): number;
}

/** One allocated GUID. */
export interface Allocation {
  readonly guid: Guid;
  /** Ed25519 public key of the joiner, base64url; unique. */
  readonly publicKey: string;
  readonly address: string;
  /** Raised by the member when its address or what it can do changes. */
  readonly incarnation: number;
  readonly capabilities: readonly string[];
  /** The member's signature of its own record. */
  readonly signature: string;
  readonly certificate: Certificate;
  /** Whom quotas count it with, see address.ts. */
  readonly group: string;
  readonly joinedAt: Millis;
}

/** Storage of the boot node. */
export interface BootStore {
  readonly meta: MetaTable;
  /** The allocation of a key, or null. */
  byKey(publicKey: string): Allocation | null;
  byGuid(guid: Guid): Allocation | null;
  /** Living allocations at an address. Looks at every row. */
  byAddress(address: string, now: Millis): readonly Allocation[];
  /** Living allocations (their certificates run out after `now`) with a GUID above `after`, ascending, at most `limit`. */
  page(after: Guid, limit: number, now: Millis): readonly Allocation[];
  /** Allocations with a GUID above `after`, those of the dead too, ascending, at most `limit`. */
  all(after: Guid, limit: number): readonly Allocation[];
  /** How many allocations there are, those of the dead too. */
  count(): number;
  /** Living allocations with the highest GUIDs, descending, at most `limit`. */
  newest(limit: number, now: Millis): readonly Allocation[];
  /** Living allocations of an address group. */
  groupSize(group: string, now: Millis): number;
  /** All living allocations. */
  countLiving(now: Millis): number;
  /** When the last `limit` GUIDs were given, latest first. */
  joinTimes(limit: number): readonly Millis[];
  /** Highest allocated GUID, 0 before the first. */
  maxGuid(): Guid;
  insert(allocation: Allocation): void;
  /** Replaces all but GUID and key. */
  update(allocation: Allocation): void;
  transaction<T>(body: () => T): T;
}
