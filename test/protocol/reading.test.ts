import { describe, expect, it } from 'vitest';
import { MESSAGES_SCANNED_MAX } from '../../src/protocol/limits.ts';
import { Mempool, type Arrival } from '../../src/protocol/mempool.ts';
import { endOf, formatCursor, parseCursor, readOn, startOf, type Portion } from '../../src/protocol/reading.ts';
import type { NodeStore } from '../../src/protocol/store.ts';
import type { StoredMessage } from '../../src/protocol/types.ts';
import { createMemoryNodeStore } from '../../src/store/memory-store.ts';
import { sealed } from '../support/signed.ts';

const NOW = 1_700_000_000_000;
const BOUNDS = { messages: 100, chars: 100_000 };

function arrival(index: number, ttlMs = 600_000): Arrival {
  const originator = { guid: 1, address: 'local:/n/1' };
  const message = sealed(
    { network: 'test', data: { index }, originator, broadcastAt: NOW, expiresAt: NOW + ttlMs },
    index,
  );
  return { message, range: { from: 1, to: 0 }, hops: 1, idempotencyKey: null, from: null };
}

const open = (store: NodeStore) => new Mempool(store.segments, store.meta, () => undefined);
const read = (mempool: Mempool, cursor: string, now = NOW, bounds = BOUNDS) => {
  const from = parseCursor(cursor);
  if (!from) throw new Error(`${cursor} is no cursor`);
  return readOn(mempool, from, bounds, now, null);
};
const indexes = ({ messages }: Portion) => messages.map(({ data }) => data['index']);
const isOdd = ({ data }: StoredMessage) => Number(data['index']) % 2 === 1;

describe('reading on', () => {
  it('from any cursor gives what follows it, in order, and each once', () => {
    const mempool = open(createMemoryNodeStore());
    mempool.append([arrival(1), arrival(2), arrival(3)], NOW);
    mempool.append([arrival(4)], NOW);
    const first = read(mempool, '0', NOW, { messages: 2, chars: 100_000 });
    expect([indexes(first), formatCursor(first.cursor), first.more]).toEqual([[1, 2], '1.1', true]);
    const second = read(mempool, '1.1', NOW, { messages: 1, chars: 100_000 });
    // The end of a segment is told as such: it means the same when the segment is gone.
    expect([indexes(second), formatCursor(second.cursor), second.more]).toEqual([[3], '1', true]);
    const third = read(mempool, '1');
    expect([indexes(third), formatCursor(third.cursor), third.more, third.missed]).toEqual([[4], '2', false, 0]);
    mempool.append([arrival(5)], NOW);
    expect(indexes(read(mempool, '2'))).toEqual([5]);
  });

  it('goes at least one message on, whatever its size', () => {
    const mempool = open(createMemoryNodeStore());
    mempool.append([arrival(1), arrival(2)], NOW);
    const portion = read(mempool, '0', NOW, { messages: 9, chars: 1 });
    expect([indexes(portion), portion.more]).toEqual([[1], true]);
  });

  it('gives what a reader wants, and moves past the rest', () => {
    const mempool = open(createMemoryNodeStore());
    mempool.append([arrival(1), arrival(2), arrival(3), arrival(4)], NOW);
    const portion = readOn(mempool, startOf(mempool), BOUNDS, NOW, isOdd);
    expect([indexes(portion), portion.cursor]).toEqual([[1, 3], endOf(mempool)]);
  });

  it('looks at no more than its limit in one go, and goes on from there', () => {
    const mempool = open(createMemoryNodeStore());
    const all = Array.from({ length: MESSAGES_SCANNED_MAX + 10 }, (_, index) => arrival(index));
    mempool.append(all, NOW);
    const wants = ({ data }: StoredMessage) => data['index'] === all.length - 1;
    let portion = readOn(mempool, startOf(mempool), BOUNDS, NOW, wants);
    expect([indexes(portion), portion.more]).toEqual([[], true]);
    for (let turn = 0; portion.more && turn < 100; turn++)
      portion = readOn(mempool, portion.cursor, BOUNDS, NOW, wants);
    expect(indexes(portion)).toEqual([all.length - 1]);
  });
});

describe('what a reader comes too late for', () => {
  it('is passed by in bounded steps too', () => {
    const mempool = open(createMemoryNodeStore());
    mempool.append(
      Array.from({ length: MESSAGES_SCANNED_MAX + 10 }, (_, index) => arrival(index, 1_000)),
      NOW,
    );
    mempool.append([arrival(-1)], NOW);
    const first = readOn(mempool, startOf(mempool), BOUNDS, NOW + 1_000, null);
    expect([first.messages, first.more, first.missed]).toEqual([[], true, MESSAGES_SCANNED_MAX]);
    const second = readOn(mempool, first.cursor, BOUNDS, NOW + 1_000, null);
    expect([indexes(second), second.missed]).toEqual([[-1], 10]);
  });

  it('is counted where it is known, and only what the reader wants', () => {
    const mempool = open(createMemoryNodeStore());
    mempool.append([arrival(1, 1_000), arrival(2, 1_000), arrival(3)], NOW);
    const portion = read(mempool, '0', NOW + 1_000);
    expect([indexes(portion), portion.missed]).toEqual([[3], 2]);
    expect(readOn(mempool, startOf(mempool), BOUNDS, NOW + 1_000, isOdd).missed).toBe(1);
  });

  it.each([
    ['before its cursor', '2', 0],
    ['at its cursor', '1', null],
    ['in the middle of its segment', '1.0', null],
  ])('is told where segments are gone: %s', (_where, cursor, missed) => {
    const store = createMemoryNodeStore();
    const mempool = open(store);
    mempool.append([arrival(1, 1_000), arrival(2, 1_000)], NOW);
    mempool.append([arrival(3, 1_000)], NOW);
    mempool.append([arrival(4)], NOW);
    mempool.expire(NOW + 1_000);
    for (const each of [mempool, open(store)]) {
      const portion = read(each, cursor, NOW + 1_000);
      expect([indexes(portion), portion.missed]).toEqual([[4], missed]);
    }
  });

  it('is told where a segment went before earlier ones', () => {
    const mempool = open(createMemoryNodeStore());
    mempool.append([arrival(1)], NOW);
    mempool.append([arrival(2, 1_000)], NOW);
    mempool.append([arrival(3)], NOW);
    mempool.expire(NOW + 1_000);
    const portion = read(mempool, '1', NOW + 1_000);
    expect([indexes(portion), portion.missed]).toEqual([[3], null]);
    expect(read(mempool, '2', NOW + 1_000).missed).toBe(0);
  });

  it('is told where nothing is left at all, once', () => {
    const store = createMemoryNodeStore();
    open(store).append([arrival(1, 1_000)], NOW);
    open(store).expire(NOW + 1_000);
    const portion = read(open(store), '0', NOW + 1_000);
    expect([indexes(portion), portion.missed, formatCursor(portion.cursor)]).toEqual([[], null, '1']);
    expect(read(open(store), '1', NOW + 1_000).missed).toBe(0);
  });

  it('is told where the node lost its storage: its numbers begin again', () => {
    const mempool = open(createMemoryNodeStore());
    mempool.append([arrival(1)], NOW);
    const portion = read(mempool, '17.3');
    expect([indexes(portion), portion.missed, formatCursor(portion.cursor)]).toEqual([[1], null, '1']);
  });

  it('is nothing for who begins at the start', () => {
    const mempool = open(createMemoryNodeStore());
    mempool.append([arrival(1, 1_000)], NOW);
    mempool.append([arrival(2)], NOW);
    mempool.expire(NOW + 1_000);
    expect(readOn(mempool, startOf(mempool), BOUNDS, NOW + 1_000, null).missed).toBe(0);
  });

  it('counts what is damaged', () => {
    const store = createMemoryNodeStore();
    open(store).append([arrival(1), arrival(2)], NOW);
    const [row] = [...store.segments.index()];
    if (!row) throw new Error('not stored');
    store.segments.delete(row.seq);
    store.segments.append({ ...row, body: 'broken' });
    expect(read(open(store), '0')).toMatchObject({ messages: [], missed: 2 });
  });
});
