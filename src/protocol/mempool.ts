// The mempool: unexpired messages. A received batch is stored as one row (a segment); ids are kept in memory and rebuilt
// from the segments' indexes on wake; a segment is dropped whole when its last message has expired.
import { ExpiryQueue } from './expiry-queue.ts';
import { sortItems, type SortedItems } from './fingerprint.ts';
import {
  EXTRA_RANGES_MAX,
  MEMPOOL_BYTES_MAX,
  MEMPOOL_MESSAGES_MAX,
  RECONCILE_AFTER_MS,
  RECONCILE_BEFORE_END_MS,
  SEGMENT_BYTES_MAX,
} from './limits.ts';
import { decodeStored, type Message } from './message.ts';
import type { Sealed } from './seal.ts';
import type { MetaTable, SegmentTable } from './store.ts';
import { covers } from './tree.ts';
import type { Guid, MessageId, Millis, Range, StoredMessage } from './types.ts';

/** A message to store, and what came with it. */
export interface Arrival {
  readonly message: Message;
  readonly range: Range;
  readonly hops: number;
  readonly idempotencyKey: string | null;
  /** Who delivered it; null: nobody did, or it is not known. */
  readonly from: Guid | null;
}

/** What is kept in memory of a stored message. */
export interface Entry {
  readonly id: MessageId;
  readonly seq: number;
  /** Place in its segment. */
  readonly position: number;
  readonly broadcastAt: Millis;
  readonly expiresAt: Millis;
  readonly receivedAt: Millis;
  readonly hops: number;
  /** What this node took on with it. */
  readonly range: Range;
  readonly idempotencyKey: string | null;
  /** Null in rows of older versions. */
  readonly originator: Guid | null;
  /** Who delivered it; null: nobody did, or it is not known. */
  readonly from: Guid | null;
}

interface Segment {
  readonly seq: number;
  readonly expiresAt: Millis;
  readonly bytes: number;
  readonly entries: readonly Entry[];
}

/** [id, expiresAt, hops, range.from, range.to, idempotency key or null, broadcastAt, originator, who delivered it]; rows of older versions lack the last ones. */
type IndexItem = readonly [MessageId, Millis, number, number, number, string | null, Millis?, Guid?, (Guid | null)?];

interface SegmentIndex {
  readonly at: Millis;
  readonly bytes: number;
  readonly items: readonly IndexItem[];
}

/** Meta key: the number of the last segment when the mempool last ran empty. Numbers are never given twice: they are cursors. */
const SEQ_FLOOR = 'seq_floor';

/**
 * Characters of bodies that stay in memory: those just received are about to be forwarded and read. Objects of one class may
 * share an isolate of 128 MB, so it's little.
 */
const RECENT_CHARS_MAX = 1_000_000;

export class Mempool {
  readonly #table: SegmentTable;
  readonly #meta: MetaTable;
  readonly #damaged: (seq: number) => void;
  readonly #segments = new Map<number, Segment>();
  readonly #entries = new Map<MessageId, Entry>();
  readonly #byKey = new Map<string, Entry>();
  readonly #extraRanges = new Map<MessageId, Range[]>();
  readonly #recent = new Map<number, readonly Sealed[]>();
  #bytes = 0;
  readonly #byExpiry = new ExpiryQueue<Segment>();
  #recentChars = 0;
  /** The last set that was compared, as long as nothing changes. */
  #compared: { readonly at: Millis; readonly items: SortedItems } | null = null;
  #nextSeq: number;

  /** Rebuilds the index. A damaged row is handed to `damaged` and left alone; it goes when it expires. */
  constructor(table: SegmentTable, meta: MetaTable, damaged: (seq: number) => void) {
    this.#table = table;
    this.#meta = meta;
    this.#damaged = damaged;
    this.#nextSeq = Number(meta.get(SEQ_FLOOR) ?? 0) + 1;
    for (const row of table.index()) {
      this.#nextSeq = Math.max(this.#nextSeq, row.seq + 1);
      const index = decodeIndex(row.index);
      if (!index) damaged(row.seq);
      const { bytes, entries } = index ? readIndex(row.seq, index) : { bytes: 0, entries: [] };
      this.#keep({ seq: row.seq, expiresAt: row.expiresAt, bytes, entries });
    }
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** When the last message came that is still here; 0 without one. */
  get newestAt(): Millis {
    let newest = 0;
    for (const { entries } of this.#segments.values()) newest = Math.max(newest, entries[0]?.receivedAt ?? 0);
    return newest;
  }

  /** Messages that this node originated and that have not expired. */
  originated(now: Millis): MessageId[] {
    return [...this.#entries.values()].filter((entry) => entry.hops === 0 && entry.expiresAt > now).map(({ id }) => id);
  }

  /** Sequence number of the last stored segment, 0 before the first. */
  get lastSeq(): number {
    return this.#nextSeq - 1;
  }

  /** Sequence number of the first segment that is stored, one above the last where there is none. */
  get firstSeq(): number {
    return this.#segments.keys().next().value ?? this.#nextSeq;
  }

  get(id: MessageId): Entry | null {
    return this.#entries.get(id) ?? null;
  }

  /** The message that was originated under an idempotency key. */
  byKey(key: string): Entry | null {
    return this.#byKey.get(key) ?? null;
  }

  /** Whether this node already took on all of `range` for a message. */
  isCovered(entry: Entry, range: Range): boolean {
    if (covers(entry.range, range)) return true;
    return (this.#extraRanges.get(entry.id) ?? []).some((extra) => covers(extra, range));
  }

  /**
   * Notes that a further range of a known message was taken on; the repair that does it is stored by the caller. False where the
   * message has brought as many as it may: somebody plays with ranges.
   */
  takeOn(entry: Entry, range: Range): boolean {
    const ranges = this.#extraRanges.get(entry.id) ?? [];
    if (ranges.length >= EXTRA_RANGES_MAX) return false;
    this.#extraRanges.set(entry.id, [...ranges, range]);
    return true;
  }

  /** Whether `count` more messages of `bytes` in all fit. */
  hasRoom(count: number, bytes: number): boolean {
    return this.#entries.size + count <= MEMPOOL_MESSAGES_MAX && this.#bytes + bytes <= MEMPOOL_BYTES_MAX;
  }

  /**
   * Stores a batch: one row, more only where it is over the size of a row. The row of a segment whose messages have all expired
   * is written over: `dropping` hears of each. Returns the segments' numbers.
   */
  append(arrivals: readonly Arrival[], now: Millis, dropping?: (entry: Entry) => void): number[] {
    const seqs: number[] = [];
    let batch: Arrival[] = [];
    let bytes = 0;
    const flush = () => {
      if (batch.length > 0) seqs.push(this.#store(batch, bytes, now, dropping));
      batch = [];
      bytes = 0;
    };
    for (const arrival of arrivals) {
      // The index row is part of the row: about 200 bytes an entry.
      const size = arrival.message.bytes + 256;
      if (bytes + size > SEGMENT_BYTES_MAX) flush();
      batch.push(arrival);
      bytes += size;
    }
    flush();
    return seqs;
  }

  /**
   * The messages that are compared with another mempool as of a moment: old enough not to be under way any more, and not about to
   * expire. The same at every node that has the same messages.
   */
  comparedAt(at: Millis): SortedItems {
    if (this.#compared?.at === at) return this.#compared.items;
    const chosen = [...this.#entries.values()].filter(
      ({ broadcastAt, expiresAt }) =>
        broadcastAt <= at - RECONCILE_AFTER_MS && expiresAt > at + RECONCILE_BEFORE_END_MS,
    );
    const items = sortItems(chosen.map(({ broadcastAt, id }) => ({ at: broadcastAt, id })));
    this.#compared = { at, items };
    return items;
  }

  /** Entries of a segment in order, [] where it is gone or damaged. */
  entriesOf(seq: number): readonly Entry[] {
    return this.#segments.get(seq)?.entries ?? [];
  }

  /** Numbers of the segments after `seq`, ascending. */
  seqsAfter(seq: number): number[] {
    if (seq >= this.lastSeq) return [];
    return [...this.#segments.keys()].filter((candidate) => candidate > seq);
  }

  /** Sealed messages of a segment in the order of its entries; [] where the row is gone or damaged. */
  bodiesOf(seq: number): readonly Sealed[] {
    const recent = this.#recent.get(seq);
    if (recent) return recent;
    const lines = (this.#table.body(seq) ?? '').split('\n') as Sealed[];
    const sound = lines.length === this.entriesOf(seq).length;
    // Remembered also where it is damaged, so that it is told once and not read again for each of its messages.
    if (!sound) this.#damaged(seq);
    this.#remember(seq, sound ? lines : []);
    return sound ? lines : [];
  }

  /** One message as it is sent, null where its row is gone or damaged. */
  bodyOf(entry: Entry): Sealed | null {
    return this.bodiesOf(entry.seq)[entry.position] ?? null;
  }

  /** The message as it is shown; null where its row is damaged. */
  read(entry: Entry): StoredMessage | null {
    const body = this.bodyOf(entry);
    const content = body === null ? null : decodeStored(body);
    return content && { ...content, id: entry.id, receivedAt: entry.receivedAt, hops: entry.hops };
  }

  /** Drops the segments whose last message has expired, and names each message. Returns how many went. */
  expire(now: Millis, dropping?: (entry: Entry) => void): number {
    let dropped = 0;
    const last = this.lastSeq;
    const hadLast = this.#segments.has(last);
    for (let segment = this.#byExpiry.popExpired(now); segment; segment = this.#byExpiry.popExpired(now)) {
      this.#table.delete(segment.seq);
      this.#forget(segment, dropping);
      dropped += segment.entries.length;
    }
    // Also where the last one was damaged and held nothing: its number has been given.
    if (hadLast && !this.#segments.has(last)) this.#meta.set(SEQ_FLOOR, String(last));
    return dropped;
  }

  /** A segment that is not in the table any more, or about to be written over. */
  #forget(segment: Segment, dropping?: (entry: Entry) => void): void {
    this.#compared = null;
    this.#segments.delete(segment.seq);
    this.#recentChars -= charsOf(this.#recent.get(segment.seq) ?? []);
    this.#recent.delete(segment.seq);
    this.#bytes -= segment.bytes;
    for (const entry of segment.entries) {
      dropping?.(entry);
      this.#entries.delete(entry.id);
      this.#extraRanges.delete(entry.id);
      if (entry.idempotencyKey !== null) this.#byKey.delete(entry.idempotencyKey);
    }
  }

  #store(batch: readonly Arrival[], bytes: number, now: Millis, dropping?: (entry: Entry) => void): number {
    const seq = this.#nextSeq;
    const items = batch.map(({ message: { id, content }, range, hops, idempotencyKey, from }): IndexItem => [
      id,
      content.expiresAt,
      hops,
      range.from,
      range.to,
      idempotencyKey,
      content.broadcastAt,
      content.originator.guid,
      from,
    ]);
    let expiresAt = 0;
    for (const { message } of batch) expiresAt = Math.max(expiresAt, message.content.expiresAt);
    const bodies = batch.map(({ message }) => message.sealed);
    const index: SegmentIndex = { at: now, bytes, items };
    const row = { seq, expiresAt, index: JSON.stringify(index), body: bodies.join('\n') };
    const expired = this.#byExpiry.popExpired(now);
    if (expired) {
      this.#table.replace(expired.seq, row);
      this.#forget(expired, dropping);
    } else this.#table.append(row);
    this.#nextSeq = seq + 1;
    this.#keep({ seq, expiresAt, ...readIndex(seq, index) });
    this.#remember(seq, bodies);
    return seq;
  }

  #keep(segment: Segment): void {
    this.#segments.set(segment.seq, segment);
    this.#byExpiry.push(segment);
    this.#compared = null;
    this.#bytes += segment.bytes;
    for (const entry of segment.entries) {
      this.#entries.set(entry.id, entry);
      if (entry.idempotencyKey !== null) this.#byKey.set(entry.idempotencyKey, entry);
    }
  }

  #remember(seq: number, bodies: readonly Sealed[]): void {
    this.#recent.set(seq, bodies);
    this.#recentChars += charsOf(bodies);
    for (const [oldest, held] of this.#recent) {
      if (this.#recentChars <= RECENT_CHARS_MAX || oldest === seq) return;
      this.#recent.delete(oldest);
      this.#recentChars -= charsOf(held);
    }
  }
}

function readIndex(seq: number, { at, bytes, items }: SegmentIndex): Pick<Segment, 'bytes' | 'entries'> {
  const entries = items.map(
    ([id, expiresAt, hops, from, to, idempotencyKey, broadcastAt, originator, sender], position): Entry => ({
      id,
      seq,
      position,
      broadcastAt: broadcastAt ?? at,
      expiresAt,
      receivedAt: at,
      hops,
      range: { from, to },
      idempotencyKey,
      originator: originator ?? null,
      from: sender ?? null,
    }),
  );
  return { bytes, entries };
}

function decodeIndex(text: string): SegmentIndex | null {
  try {
    const index = JSON.parse(text) as SegmentIndex;
    const sound =
      Number.isFinite(index.at) &&
      Number.isFinite(index.bytes) &&
      index.items.every(
        ([id, expiresAt, hops, from, to]) =>
          typeof id === 'string' && [expiresAt, hops, from, to].every(Number.isFinite),
      );
    return sound ? index : null;
  } catch {
    return null;
  }
}

function charsOf(bodies: readonly Sealed[]): number {
  return bodies.reduce((sum, body) => sum + body.length, 0);
}
