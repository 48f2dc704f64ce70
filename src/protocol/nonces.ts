// Nonces of signed requests, remembered until their requests have expired: what was heard once is not heard again, also not after
// an eviction. A request costs one row; a row holds up to so many nonces that expire in the same half minute.
import { NONCES_MAX } from './limits.ts';
import type { TextTable } from './store.ts';
import type { Guid, Millis } from './types.ts';

const BUCKET_MS = 30_000;

/** Nonces in one row: each rewrites the row, so it must not grow for ever. */
const ROW_NONCES_MAX = 256;

/** Rows of one bucket; number of a row = bucket * this + its place in the bucket. */
const BUCKET_ROWS_MAX = 1_000;

interface Bucket {
  readonly seen: Set<string>;
  readonly rows: string[][];
}

export class Nonces {
  readonly #table: TextTable;
  readonly #buckets = new Map<number, Bucket>();
  #count = 0;

  constructor(table: TextTable) {
    this.#table = table;
    for (const { id, body } of table.all()) this.#load(id, body.split('\n'));
  }

  get size(): number {
    return this.#count;
  }

  /**
   * Notes a nonce. `replayed` where the caller has used it before; `full` where there is no room, which passes. The caller has
   * checked that the request has not expired.
   */
  use(guid: Guid, nonce: string, expiresAt: Millis, now: Millis): 'fresh' | 'replayed' | 'full' {
    this.#forget(now);
    const number = Math.ceil(expiresAt / BUCKET_MS);
    const bucket = this.#bucket(number);
    const entry = `${guid} ${nonce}`;
    // A request has one `expires`, which its signature covers: its nonce can only be in this bucket.
    if (bucket.seen.has(entry)) return 'replayed';
    if (this.#count >= NONCES_MAX) return 'full';
    if ((bucket.rows.at(-1)?.length ?? ROW_NONCES_MAX) >= ROW_NONCES_MAX) bucket.rows.push([]);
    const row = bucket.rows.length - 1;
    bucket.rows[row]?.push(entry);
    bucket.seen.add(entry);
    this.#count++;
    this.#table.put(number * BUCKET_ROWS_MAX + row, (bucket.rows[row] ?? []).join('\n'));
    return 'fresh';
  }

  #forget(now: Millis): void {
    for (const [number, bucket] of this.#buckets) {
      if (number * BUCKET_MS > now) continue;
      this.#buckets.delete(number);
      this.#count -= bucket.seen.size;
      for (const row of bucket.rows.keys()) this.#table.delete(number * BUCKET_ROWS_MAX + row);
    }
  }

  #load(id: number, entries: string[]): void {
    const bucket = this.#bucket(Math.floor(id / BUCKET_ROWS_MAX));
    bucket.rows[id % BUCKET_ROWS_MAX] = entries;
    for (const entry of entries) bucket.seen.add(entry);
    this.#count += entries.length;
  }

  #bucket(number: number): Bucket {
    const known = this.#buckets.get(number);
    if (known) return known;
    const bucket = { seen: new Set<string>(), rows: [] };
    this.#buckets.set(number, bucket);
    return bucket;
  }
}
