// What every store must do. Run against memory, node:sqlite and Durable Object SQLite.
import { describe, expect, it } from 'vitest';
import type { Allocation, BootStore, NodeStore } from '../../src/protocol/store.ts';

/** Opens an empty store, hands it over, and ends it. */
export type WithStore<S> = (use: (store: S) => void) => Promise<void>;

/** Opens the same storage again, as after an eviction; null where storage ends with the object. */
export type Reopened<S> = ((first: (store: S) => void, then: (store: S) => void) => Promise<void>) | null;

export function describeNodeStore(name: string, withStore: WithStore<NodeStore>, reopened: Reopened<NodeStore>): void {
  describe(`node store: ${name}`, () => {
    it('meta: unset is null, the last value stays', () =>
      withStore(({ meta }) => {
        expect(meta.get('nothing')).toBeNull();
        meta.set('a', '1');
        meta.set('a', 'ü\u0000\n"2"');
        meta.set('', 'empty key');
        expect(meta.get('a')).toBe('ü\u0000\n"2"');
        expect(meta.get('')).toBe('empty key');
      }));

    it('text rows: put replaces, all() ascends by number, delete of nothing is fine', () =>
      withStore(({ roster, repairs }) => {
        roster.put(10, 'ten');
        roster.put(9, 'nine');
        roster.put(10, 'TEN');
        roster.delete(4);
        expect([...roster.all()]).toEqual([
          { id: 9, body: 'nine' },
          { id: 10, body: 'TEN' },
        ]);
        expect([...repairs.all()]).toEqual([]);
        roster.delete(9);
        expect([...roster.all()].map(({ id }) => id)).toEqual([10]);
      }));

    it('segments: index without bodies in ascending order, bodies one by one, a number only once', () =>
      withStore(({ segments }) => {
        const row = (seq: number) => ({
          seq,
          expiresAt: 1_700_000_000_000 + seq,
          index: `i${seq}`,
          body: `b${seq}\n€`,
        });
        for (const seq of [1, 2, 11, 10]) segments.append(row(seq));
        expect([...segments.index()].map(({ seq }) => seq)).toEqual([1, 2, 10, 11]);
        expect([...segments.index()][3]).toEqual({ seq: 11, expiresAt: 1_700_000_000_011, index: 'i11' });
        expect(segments.body(10)).toBe('b10\n€');
        expect(segments.body(3)).toBeNull();
        expect(() => segments.append(row(10))).toThrow(/UNIQUE|exists/);
        segments.delete(10);
        expect(segments.body(10)).toBeNull();
      }));

    it('segments: a row of a megabyte comes back whole', () =>
      withStore(({ segments }) => {
        const body = 'é'.repeat(500_000);
        segments.append({ seq: 1, expiresAt: 1, index: '[]', body });
        expect(segments.body(1) === body).toBe(true);
      }));

    it('timers: one of a kind', () =>
      withStore(({ timers }) => {
        timers.set({ kind: 'sync', at: 5, setAt: 1 });
        timers.set({ kind: 'join', at: 7, setAt: 2 });
        timers.set({ kind: 'sync', at: 9, setAt: 3 });
        timers.delete('join');
        timers.delete('outbox');
        expect([...timers.all()]).toEqual([{ kind: 'sync', at: 9, setAt: 3 }]);
      }));

    it('a transaction that throws leaves nothing of itself, and the next one works', () =>
      withStore((store) => {
        store.meta.set('kept', 'before');
        store.roster.put(1, 'before');
        const fail = () =>
          store.transaction(() => {
            store.meta.set('kept', 'during');
            store.meta.set('new', 'during');
            store.roster.delete(1);
            store.segments.append({ seq: 1, expiresAt: 1, index: '', body: '' });
            store.timers.set({ kind: 'sync', at: 1, setAt: 1 });
            throw new Error('on purpose');
          });
        expect(fail).toThrow('on purpose');
        expect(store.meta.get('kept')).toBe('before');
        expect(store.meta.get('new')).toBeNull();
        expect([...store.roster.all()]).toEqual([{ id: 1, body: 'before' }]);
        expect([...store.segments.index()]).toEqual([]);
        expect([...store.timers.all()]).toEqual([]);
        expect(store.transaction(() => store.meta.get('kept'))).toBe('before');
      }));

    it('counts the rows that it writes', () =>
      withStore((store) => {
        const before = store.rowsWritten();
        store.segments.append({ seq: 1, expiresAt: 1, index: '', body: '' });
        store.segments.delete(1);
        expect(store.rowsWritten() - before).toBe(2);
      }));

    if (reopened === null) return;
    it('is the same when it is opened again', async () => {
      await reopened(
        (store) => {
          store.meta.set('guid', '7');
          store.segments.append({ seq: 3, expiresAt: 9, index: 'i', body: 'b' });
        },
        (store) => {
          expect(store.meta.get('guid')).toBe('7');
          expect([...store.segments.index()]).toEqual([{ seq: 3, expiresAt: 9, index: 'i' }]);
        },
      );
    });
  });
}

export function describeBootStore(name: string, withStore: WithStore<BootStore>): void {
  const allocation = (guid: number): Allocation => ({
    guid,
    publicKey: `key${guid}`,
    address: `https://n${guid}.example`,
    incarnation: 0,
    joinedAt: 1_700_000_000_000,
  });

  describe(`boot store: ${name}`, () => {
    it('finds allocations by key and GUID, and the highest', () =>
      withStore((store) => {
        expect(store.maxGuid()).toBe(0);
        for (const guid of [1, 2, 3]) store.insert(allocation(guid));
        expect(store.maxGuid()).toBe(3);
        expect(store.byKey('key2')).toEqual(allocation(2));
        expect(store.byGuid(3)).toEqual(allocation(3));
        expect(store.byKey('other')).toBeNull();
        expect(store.byGuid(4)).toBeNull();
        expect(store.page(1, 1).map(({ guid }) => guid)).toEqual([2]);
        expect(store.page(0, 10).map(({ guid }) => guid)).toEqual([1, 2, 3]);
      }));

    it('never takes a GUID or a key twice', () =>
      withStore((store) => {
        store.insert(allocation(1));
        expect(() => store.insert({ ...allocation(1), publicKey: 'other' })).toThrow(/UNIQUE|allocated/);
        expect(() => store.insert({ ...allocation(2), publicKey: 'key1' })).toThrow(/UNIQUE|allocated/);
        expect(store.maxGuid()).toBe(1);
      }));

    it('changes an address, and rolls back what throws', () =>
      withStore((store) => {
        store.insert(allocation(1));
        store.setAddress(1, 'https://new.example', 1);
        expect(store.byGuid(1)).toEqual({ ...allocation(1), address: 'https://new.example', incarnation: 1 });
        const fail = () =>
          store.transaction(() => {
            store.insert(allocation(2));
            store.meta.set('a', 'b');
            throw new Error('on purpose');
          });
        expect(fail).toThrow('on purpose');
        expect(store.maxGuid()).toBe(1);
        expect(store.meta.get('a')).toBeNull();
      }));
  });
}
