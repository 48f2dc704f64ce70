// What every store must do. Run against memory, node:sqlite and Durable Object SQLite.
import { describe, expect, it } from 'vitest';
import type { Allocation, BeaconStore, BootStore, NodeStore } from '../../src/protocol/store.ts';

/** Opens an empty store, hands it over, and ends it. */
export type WithStore<S> = (use: (store: S) => void) => Promise<void>;

/** Opens the same storage again, as after an eviction; null where storage ends with the object. */
export type Reopened<S> = ((first: (store: S) => void, then: (store: S) => void) => Promise<void>) | null;

const segment = (seq: number) => ({
  seq,
  expiresAt: 1_700_000_000_000 + seq,
  index: `i${seq}`,
  body: `b${seq}\n€`,
});

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

    it('nonces are rows of their own, with numbers far beyond 32 bits', () =>
      withStore(({ nonces, roster, repairs }) => {
        const id = Math.ceil(1_700_000_000_000 / 30_000) * 1_000 + 999;
        nonces.put(id, '3 first');
        nonces.put(id, '3 first\n3 second');
        nonces.put(id - 1, '4 first');
        expect([...nonces.all()]).toEqual([
          { id: id - 1, body: '4 first' },
          { id, body: '3 first\n3 second' },
        ]);
        expect([...roster.all(), ...repairs.all()]).toEqual([]);
        nonces.delete(id);
        expect([...nonces.all()].map((row) => row.id)).toEqual([id - 1]);
      }));

    it('segments: index without bodies in ascending order, bodies one by one, a number only once', () =>
      withStore(({ segments }) => {
        for (const seq of [1, 2, 11, 10]) segments.append(segment(seq));
        expect([...segments.index()].map(({ seq }) => seq)).toEqual([1, 2, 10, 11]);
        expect([...segments.index()][3]).toEqual({ seq: 11, expiresAt: 1_700_000_000_011, index: 'i11' });
        expect(segments.body(10)).toBe('b10\n€');
        expect(segments.body(3)).toBeNull();
        expect(() => segments.append(segment(10))).toThrow(/UNIQUE|exists/);
        segments.delete(10);
        expect(segments.body(10)).toBeNull();
      }));

    it('segments: a row takes the place of another, billed as one', () =>
      withStore(({ segments, rowsWritten }) => {
        for (const seq of [1, 2]) segments.append(segment(seq));
        const before = rowsWritten();
        segments.replace(1, segment(3));
        expect(rowsWritten() - before).toBe(1);
        expect([...segments.index()].map(({ seq }) => seq)).toEqual([2, 3]);
        expect([segments.body(1), segments.body(3)]).toEqual([null, 'b3\n€']);
        expect(() => segments.replace(1, segment(4))).toThrow(/does not exist/);
        expect(() => segments.replace(2, segment(3))).toThrow(/UNIQUE|exists/);
        expect([...segments.index()].map(({ seq }) => seq)).toEqual([2, 3]);
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
            store.nonces.put(1, 'during');
            store.segments.append({ seq: 1, expiresAt: 1, index: '', body: '' });
            store.timers.set({ kind: 'sync', at: 1, setAt: 1 });
            throw new Error('on purpose');
          });
        expect(fail).toThrow('on purpose');
        expect(store.meta.get('kept')).toBe('before');
        expect(store.meta.get('new')).toBeNull();
        expect([...store.roster.all()]).toEqual([{ id: 1, body: 'before' }]);
        expect([...store.nonces.all()]).toEqual([]);
        expect([...store.segments.index()]).toEqual([]);
        expect([...store.timers.all()]).toEqual([]);
        expect(store.transaction(() => store.meta.get('kept'))).toBe('before');
      }));

    it('a transaction reads what it has written', () =>
      withStore((store) => {
        const { meta, segments } = store;
        for (const seq of [1, 2]) segments.append(segment(seq));
        meta.set('other', 'before');
        store.transaction(() => {
          meta.set('a', 'first');
          meta.set('a', 'second');
          expect([meta.get('a'), meta.get('other'), meta.get('none')]).toEqual(['second', 'before', null]);
          segments.replace(1, segment(3));
          segments.append(segment(4));
          segments.delete(2);
          expect([1, 2, 3, 4].map((seq) => segments.body(seq))).toEqual([null, null, 'b3\n€', 'b4\n€']);
        });
        expect(meta.get('a')).toBe('second');
        expect([...segments.index()].map(({ seq }) => seq)).toEqual([3, 4]);
        expect([1, 2, 3, 4].map((seq) => segments.body(seq))).toEqual([null, null, 'b3\n€', 'b4\n€']);
      }));

    it.each<[string, (store: NodeStore) => void]>([
      ['alone', () => undefined],
      ['among others', ({ meta }) => meta.set('a', 'during')],
    ])('a transaction with a write that fails, %s, leaves nothing', (_, others) =>
      withStore((store) => {
        const { meta, segments, roster } = store;
        meta.set('a', 'before');
        segments.append(segment(1));
        const fail = (write: () => void) => () =>
          store.transaction(() => {
            others(store);
            write();
          });
        expect(fail(() => segments.append(segment(1)))).toThrow(/UNIQUE|exists/);
        expect(fail(() => segments.replace(7, segment(8)))).toThrow('does not exist');
        expect(meta.get('a')).toBe('before');
        expect([...segments.index()].map(({ seq }) => seq)).toEqual([1]);
        store.transaction(() => roster.put(1, 'after'));
        expect([...roster.all()]).toEqual([{ id: 1, body: 'after' }]);
      }),
    );

    it('a note goes along with segments, meta and the sync timer, without a row, and says how many the transaction writes', () =>
      withStore((store) => {
        const { meta, segments, timers, roster, nonces } = store;
        expect(store.notes()).toEqual([]);
        const noted: [string, (() => void)[]][] = [
          ['segment', [() => segments.append(segment(1))]],
          ['two rows', [() => segments.append(segment(2)), () => roster.put(1, 'x')]],
          ['replaced', [() => segments.replace(1, segment(3))]],
          ['timer', [() => timers.set({ kind: 'sync', at: 5, setAt: 1 })]],
          ['meta', [() => meta.set('a', '1')]],
          ['both', [() => segments.delete(3), () => meta.set('a', '2')]],
        ];
        for (const [what, writes] of noted) {
          const before = store.rowsWritten();
          const run = () => {
            for (const write of writes) write();
          };
          store.transaction(run, (rows) => `${what} ${rows}`);
          expect(store.rowsWritten() - before).toBe(writes.length);
          expect(store.notes()).toContain(`${what} ${writes.length}`);
        }
        const asked: number[] = [];
        const note = (rows: number) => `${asked.push(rows)}`;
        store.transaction(() => undefined, note);
        store.transaction(() => {
          roster.put(2, 'x');
          nonces.put(2, 'x');
          timers.set({ kind: 'repair', at: 5, setAt: 1 });
        }, note);
        expect(asked).toEqual([]);
        // Without a note the one before stays.
        meta.set('a', '3');
        store.transaction(() => meta.set('a', '4'));
        expect(store.notes()).toContain('both 2');
      }));

    it('no note of a transaction that throws, also in the note or in a write', () =>
      withStore((store) => {
        const { meta, segments } = store;
        segments.append(segment(1));
        const append = () => {
          meta.set('a', '1');
          segments.append(segment(1));
        };
        expect(() => store.transaction(append, () => 'bad write')).toThrow(/UNIQUE|exists/);
        const fail = () => {
          throw new Error('on purpose');
        };
        expect(() => store.transaction(() => meta.set('a', '1'), fail)).toThrow('on purpose');
        expect([store.notes(), meta.get('a')]).toEqual([[], null]);
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
          store.nonces.put(4, '3 used');
          store.transaction(
            () => store.segments.append({ seq: 3, expiresAt: 9, index: 'i', body: 'b' }),
            () => 'counted',
          );
        },
        (store) => {
          expect(store.meta.get('guid')).toBe('7');
          expect(store.notes()).toEqual(['counted']);
          expect([...store.nonces.all()]).toEqual([{ id: 4, body: '3 used' }]);
          expect([...store.segments.index()]).toEqual([{ seq: 3, expiresAt: 9, index: 'i' }]);
        },
      );
    });
  });
}

export function describeBeaconStore(name: string, withStore: WithStore<BeaconStore>): void {
  describe(`beacon store: ${name}`, () => {
    it('has three tables of texts, and a transaction that throws leaves nothing of itself', () =>
      withStore((store) => {
        const { state, blocks, hours } = store;
        for (const table of [state, blocks, hours]) for (const id of [2, 0, 30_000_000_000]) table.put(id, `${id}`);
        const rows = store.rowsWritten();
        blocks.put(2, 'two');
        blocks.delete(0);
        expect(store.rowsWritten() - rows).toBe(2);
        const fail = () =>
          store.transaction(() => {
            state.put(2, 'other');
            hours.delete(2);
            throw new Error('on purpose');
          });
        expect(fail).toThrow('on purpose');
        const all = [0, 2, 30_000_000_000].map((id) => ({ id, body: String(id) }));
        expect([[...state.all()], [...hours.all()]]).toEqual([all, all]);
        expect([...blocks.all()].map(({ body }) => body)).toEqual(['two', '30000000000']);
      }));
  });
}

const NOW = 1_700_000_000_000;
const HOUR = 3_600_000;

/** An allocation that lives until an hour from NOW, unless it says otherwise. */
function allocation(guid: number, changes: Partial<Allocation> = {}): Allocation {
  return {
    guid,
    publicKey: `key${guid}`,
    address: `https://n${guid}.example`,
    incarnation: 0,
    capabilities: ['deliveries', 'sync'],
    signature: `signature${guid}`,
    certificate: { issuedAt: NOW - HOUR, expiresAt: NOW + HOUR, signature: `certificate${guid}` },
    group: 'example',
    joinedAt: NOW - HOUR + guid,
    ...changes,
  };
}

const until = (expiresAt: number) => ({ issuedAt: NOW - HOUR, expiresAt, signature: 'short' });

export function describeBootStore(name: string, withStore: WithStore<BootStore>): void {
  const guids = (allocations: readonly Allocation[]) => allocations.map(({ guid }) => guid);

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
        expect(guids(store.page(1, 1, NOW))).toEqual([2]);
        expect(store.page(0, 10, NOW)).toEqual([1, 2, 3].map((guid) => allocation(guid)));
      }));

    it('an empty store has no pages, no joins and no groups', () =>
      withStore((store) => {
        expect(store.page(0, 10, NOW)).toEqual([]);
        expect(store.newest(10, NOW)).toEqual([]);
        expect(store.joinTimes(10)).toEqual([]);
        expect(store.groupSize('example', NOW)).toBe(0);
      }));

    it('tells of the living alone, by the moment; their GUIDs stay theirs', () =>
      withStore((store) => {
        store.insert(allocation(1, { certificate: until(NOW) }));
        store.insert(allocation(2, { certificate: until(NOW + 1) }));
        store.insert(allocation(3));
        store.insert(allocation(4, { certificate: until(0) }));
        expect(guids(store.page(0, 10, NOW))).toEqual([2, 3]);
        expect(guids(store.page(0, 10, NOW - 1))).toEqual([1, 2, 3]);
        expect(guids(store.page(0, 1, NOW))).toEqual([2]);
        expect(guids(store.page(2, 10, NOW))).toEqual([3]);
        expect(guids(store.page(3, 10, NOW))).toEqual([]);
        expect(guids(store.page(0, 10, NOW + HOUR))).toEqual([]);
        expect(store.maxGuid()).toBe(4);
        expect(store.byGuid(1)?.publicKey).toBe('key1');
        expect(store.byKey('key4')?.guid).toBe(4);
      }));

    it('lists and counts all, the dead too, in ascending order', () =>
      withStore((store) => {
        expect([store.all(0, 10), store.count()]).toEqual([[], 0]);
        for (const guid of [4, 1, 9]) store.insert(allocation(guid, guid === 1 ? {} : { certificate: until(0) }));
        expect(guids(store.all(0, 10))).toEqual([1, 4, 9]);
        expect(guids(store.all(1, 1))).toEqual([4]);
        expect(store.all(4, 10)).toEqual([allocation(9, { certificate: until(0) })]);
        expect(guids(store.all(9, 10))).toEqual([]);
        expect(store.count()).toBe(3);
      }));

    it('the newest come first, the living alone, so many', () =>
      withStore((store) => {
        for (const guid of [1, 2, 3, 4]) store.insert(allocation(guid));
        store.insert(allocation(5, { certificate: until(NOW) }));
        expect(guids(store.newest(2, NOW))).toEqual([4, 3]);
        expect(guids(store.newest(9, NOW))).toEqual([4, 3, 2, 1]);
        expect(guids(store.newest(1, NOW - 1))).toEqual([5]);
      }));

    it('a group is as large as its living members are many', () =>
      withStore((store) => {
        store.insert(allocation(1));
        store.insert(allocation(2, { group: 'other' }));
        store.insert(allocation(3));
        store.insert(allocation(4, { certificate: until(NOW) }));
        expect(store.groupSize('example', NOW)).toBe(2);
        expect(store.groupSize('example', NOW - 1)).toBe(3);
        expect(store.groupSize('other', NOW)).toBe(1);
        expect(store.groupSize('', NOW)).toBe(0);
        store.update(allocation(3, { group: 'other' }));
        expect([store.groupSize('example', NOW), store.groupSize('other', NOW)]).toEqual([1, 2]);
      }));

    it('knows when the last GUIDs were given, the dead ones too, latest first', () =>
      withStore((store) => {
        for (const guid of [1, 2, 3]) store.insert(allocation(guid, { joinedAt: NOW + guid, certificate: until(0) }));
        expect(store.joinTimes(2)).toEqual([NOW + 3, NOW + 2]);
        expect(store.joinTimes(9)).toEqual([NOW + 3, NOW + 2, NOW + 1]);
      }));

    it('never takes a GUID or a key twice', () =>
      withStore((store) => {
        store.insert(allocation(1));
        expect(() => store.insert({ ...allocation(1), publicKey: 'other' })).toThrow(/UNIQUE|allocated/);
        expect(() => store.insert({ ...allocation(2), publicKey: 'key1' })).toThrow(/UNIQUE|allocated/);
        expect(store.maxGuid()).toBe(1);
      }));

    it('updates all but GUID, key and the time of joining, and nobody else', () =>
      withStore((store) => {
        store.insert(allocation(1));
        store.insert(allocation(2));
        const changed = {
          address: 'https://new.example',
          incarnation: 7,
          capabilities: [],
          signature: 'new signature',
          certificate: { issuedAt: NOW, expiresAt: NOW + 2 * HOUR, signature: 'new certificate' },
          group: 'new',
        };
        store.update(allocation(1, { ...changed, publicKey: 'stolen', joinedAt: 5 }));
        expect(store.byGuid(1)).toEqual(allocation(1, changed));
        expect(store.byGuid(2)).toEqual(allocation(2));
        expect(store.byKey('stolen')).toBeNull();
        expect(store.byKey('key1')?.guid).toBe(1);
        // Who was never given a GUID gets none by it.
        store.update(allocation(9));
        expect(store.maxGuid()).toBe(2);
      }));

    it('rolls back what throws', () =>
      withStore((store) => {
        store.insert(allocation(1));
        const fail = () =>
          store.transaction(() => {
            store.insert(allocation(2));
            store.update(allocation(1, { address: 'https://new.example' }));
            store.meta.set('a', 'b');
            throw new Error('on purpose');
          });
        expect(fail).toThrow('on purpose');
        expect(store.maxGuid()).toBe(1);
        expect(store.byGuid(1)).toEqual(allocation(1));
        expect(store.groupSize('example', NOW)).toBe(1);
        expect(store.meta.get('a')).toBeNull();
      }));
  });
}
