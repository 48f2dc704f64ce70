import { describe, expect, it } from 'vitest';
import { MEMPOOL_BYTES_MAX, MEMPOOL_MESSAGES_MAX, SEGMENT_BYTES_MAX } from '../../src/protocol/limits.ts';
import { Mempool, type Arrival } from '../../src/protocol/mempool.ts';
import { readPage } from '../../src/protocol/reading.ts';
import type { NodeStore } from '../../src/protocol/store.ts';
import { createMemoryNodeStore } from '../../src/store/memory-store.ts';
import { sealed } from '../support/signed.ts';

const NOW = 1_700_000_000_000;

function arrival(index: number, ttlMs = 600_000, text = ''): Arrival {
  const message = sealed(
    {
      network: 'test',
      data: { index, text },
      originator: { guid: 1, address: 'local:/n/1' },
      broadcastAt: NOW,
      expiresAt: NOW + ttlMs,
    },
    index,
  );
  return { message, range: { from: 1, to: 0 }, hops: 1, idempotencyKey: null, from: null };
}

const open = (store: NodeStore) => new Mempool(store.segments, store.meta, () => undefined);

/** Pages through everything, as a reader does. */
function readAll(mempool: Mempool, limit: number, now = NOW): number[] {
  const found: number[] = [];
  let cursor: string | null = null;
  for (;;) {
    const page = readPage(mempool, cursor, limit, now);
    if (!page) throw new Error('bad cursor');
    expect(page.messages.length).toBeLessThanOrEqual(limit);
    found.push(...page.messages.map(({ data }) => Number(data['index'])));
    if (page.next === null) return found;
    cursor = page.next;
  }
}

describe('mempool', () => {
  it('stores a batch as one row', () => {
    const store = createMemoryNodeStore();
    open(store).append(
      Array.from({ length: 500 }, (_, index) => arrival(index)),
      NOW,
    );
    expect(store.rowsWritten()).toBe(1);
  });

  it('splits a batch that is larger than a row', () => {
    const store = createMemoryNodeStore();
    const mempool = open(store);
    const seqs = mempool.append(
      Array.from({ length: 40 }, (_, index) => arrival(index, 600_000, 'x'.repeat(60_000))),
      NOW,
    );
    expect(seqs.length).toBeGreaterThan(1);
    for (const seq of seqs) expect((store.segments.body(seq) ?? '').length).toBeLessThanOrEqual(SEGMENT_BYTES_MAX);
    expect(readAll(open(store), 7)).toEqual([...Array(40).keys()]);
  });

  it.each([1, 3, 10, 500])(
    'gives all messages in the order of their arrival, %i a page, before and after a restart',
    (limit) => {
      const store = createMemoryNodeStore();
      const mempool = open(store);
      for (let batch = 0; batch < 7; batch++) {
        mempool.append(
          Array.from({ length: batch }, (_, index) => arrival(batch * 10 + index)),
          NOW,
        );
      }
      const all = [10, 20, 21, 30, 31, 32, 40, 41, 42, 43, 50, 51, 52, 53, 54, 60, 61, 62, 63, 64, 65];
      expect(readAll(mempool, limit)).toEqual(all);
      expect(readAll(open(store), limit)).toEqual(all);
    },
  );

  it('a reader that comes back with its cursor gets what is new', () => {
    const mempool = open(createMemoryNodeStore());
    mempool.append([arrival(1), arrival(2)], NOW);
    const page = readPage(mempool, null, 1, NOW);
    mempool.append([arrival(3)], NOW);
    expect(readPage(mempool, page?.next ?? '', 10, NOW)?.messages.map(({ data }) => data['index'])).toEqual([2, 3]);
  });

  it.each(['', 'x', '1.', '1.2.3', '-1.0', '1.x', '9'.repeat(30)])('the cursor %j is none', (cursor) => {
    expect(readPage(open(createMemoryNodeStore()), cursor, 10, NOW)).toBeNull();
  });

  it('shows no expired message, and drops a segment when its last message has expired', () => {
    const store = createMemoryNodeStore();
    const mempool = open(store);
    mempool.append([arrival(1, 1_000), arrival(2, 5_000)], NOW);
    expect(readAll(mempool, 10, NOW + 1_000)).toEqual([2]);
    expect(mempool.expire(NOW + 4_999)).toBe(0);
    expect(mempool.expire(NOW + 5_000)).toBe(2);
    expect([...store.segments.index()]).toEqual([]);
    expect(mempool.size).toBe(0);
    expect(mempool.bytes).toBe(0);
  });

  it('writes a new segment over the oldest whose messages have all expired: one row instead of two', () => {
    const store = createMemoryNodeStore();
    const mempool = open(store);
    mempool.append([arrival(1, 1_000), arrival(2, 5_000)], NOW);
    mempool.append([arrival(3)], NOW);
    const before = store.rowsWritten();
    const dropped: string[] = [];
    mempool.append([arrival(4)], NOW + 4_999, ({ id }) => dropped.push(id));
    expect([dropped, [...store.segments.index()].map(({ seq }) => seq)]).toEqual([[], [1, 2, 3]]);
    mempool.append([arrival(5)], NOW + 5_000, ({ id }) => dropped.push(id));
    expect([...store.segments.index()].map(({ seq }) => seq)).toEqual([2, 3, 4]);
    expect(store.rowsWritten() - before).toBe(2);
    expect(dropped).toEqual([arrival(1, 1_000), arrival(2, 5_000)].map(({ message }) => message.id));
    expect(dropped.map((id) => mempool.get(id))).toEqual([null, null]);
    for (const pool of [mempool, open(store)]) {
      expect(readAll(pool, 10, NOW + 5_000)).toEqual([3, 4, 5]);
      expect([pool.size, pool.firstSeq, pool.lastSeq]).toEqual([3, 2, 4]);
    }
    expect(mempool.bytes).toBe(open(store).bytes);
  });

  it('writes over what has expired also where older messages live on, one segment a time', () => {
    const store = createMemoryNodeStore();
    const mempool = open(store);
    for (const [index, ttl] of [600_000, 9_000, 5_000, 7_000].entries()) mempool.append([arrival(index, ttl)], NOW);
    for (const [index, seqs] of [
      [1, 2, 4, 5],
      [1, 2, 5, 6],
      [1, 5, 6, 7],
      [1, 5, 6, 7, 8],
    ].entries()) {
      mempool.append([arrival(10 + index)], NOW + 9_000);
      expect([...store.segments.index()].map(({ seq }) => seq)).toEqual(seqs);
      expect(readAll(open(store), 10, NOW + 9_000)).toEqual(readAll(mempool, 10, NOW + 9_000));
    }
    expect(mempool.expire(NOW + 9_000)).toBe(0);
  });

  it('gives no number twice, also where the only segment is written over', () => {
    const store = createMemoryNodeStore();
    open(store).append([arrival(1, 1_000)], NOW);
    expect(open(store).append([arrival(2)], NOW + 1_000)).toEqual([2]);
    expect(readAll(open(store), 10, NOW + 1_000)).toEqual([2]);
  });

  it('is full at its limits of messages and bytes', () => {
    const mempool = open(createMemoryNodeStore());
    expect(mempool.hasRoom(MEMPOOL_MESSAGES_MAX, MEMPOOL_BYTES_MAX)).toBe(true);
    expect(mempool.hasRoom(MEMPOOL_MESSAGES_MAX + 1, 0)).toBe(false);
    mempool.append([arrival(1)], NOW);
    expect(mempool.hasRoom(MEMPOOL_MESSAGES_MAX, 0)).toBe(false);
    expect(mempool.hasRoom(1, MEMPOOL_BYTES_MAX)).toBe(false);
  });

  it('a body that is damaged on disk is left out, the others stay', () => {
    const store = createMemoryNodeStore();
    open(store).append([arrival(1), arrival(2)], NOW);
    open(store).append([arrival(3)], NOW);
    const [row] = [...store.segments.index()];
    if (!row) throw new Error('not stored');
    store.segments.delete(row.seq);
    store.segments.append({ ...row, body: 'broken' });
    expect(readAll(open(store), 10)).toEqual([3]);
  });
});
