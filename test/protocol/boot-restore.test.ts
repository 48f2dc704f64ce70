import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BackupHead } from '../../src/protocol/backup-file.ts';
import { admit, draftJoin, type BootContext } from '../../src/protocol/boot.ts';
import { beginSurvey, notePinned, phaseOf, setSurvey } from '../../src/protocol/boot-phase.ts';
import { checkHead, mergeAllocation, takeBatch, takeFloor, takeHead } from '../../src/protocol/boot-restore.ts';
import { highWater, raiseFloor } from '../../src/protocol/guid-floor.ts';
import { FLOOR_RISE_MAX } from '../../src/protocol/limits.ts';
import type { Allocation, BootStore } from '../../src/protocol/store.ts';
import type { SelfRecord } from '../../src/protocol/types.ts';
import { createMemoryBootStore } from '../../src/store/memory-store.ts';
import { TEST_CONFIG } from '../support/network.ts';
import { certificate, keyOf, member, selfRecord } from '../support/signed.ts';

const OWN = keyOf(100);
const OTHER = keyOf(200);
const SECRET = `${'s'.repeat(42)}A`;
const NETWORK = TEST_CONFIG.network;

const allocation = (guid: number, changes: Partial<Allocation> = {}): Allocation => ({
  ...member(guid),
  group: 'local:',
  joinedAt: guid,
  ...changes,
});

function context(store: BootStore = createMemoryBootStore(), config: Partial<BootContext['config']> = {}): BootContext {
  const fixed = { now: 1_000, rng: () => 0, address: 'local:', secret: '00'.repeat(32), recentJoins: 0 };
  return { ...fixed, networkKey: OWN, config: { ...TEST_CONFIG, ...config }, store };
}

function holding(...allocations: readonly Allocation[]): BootStore {
  const store = createMemoryBootStore();
  for (const each of allocations) store.insert(each);
  return store;
}

const all = (store: BootStore) => store.all(0, 1_000);
const head = (changes: Partial<BackupHead> = {}): BackupHead => ({
  network: NETWORK,
  networkKey: OWN,
  privateKey: null,
  maxGuid: 9,
  ...changes,
});

describe('the head of a restore', () => {
  const verdict = (on: BootContext, told: BackupHead) => {
    const checked = checkHead(on, told);
    return checked.ok ? checked.value : checked.error.field;
  };
  const foreign = head({ networkKey: OTHER, privateKey: SECRET });

  /** An object that lost its storage, and has heard from its nodes. */
  function lost(): BootContext {
    const made = context();
    beginSurvey(made.store);
    notePinned(made, OTHER);
    setSurvey(made.store, { next: 5, missed: [], isDone: true });
    made.store.insert(allocation(1));
    return made;
  }

  it('of this network and key is taken, with or without the secret half', () => {
    expect(verdict(context(holding(allocation(1))), head())).toEqual({ changesKey: false });
    expect(verdict(context(holding(allocation(1))), head({ privateKey: SECRET }))).toEqual({ changesKey: false });
  });

  it('of another network is not', () => {
    expect(verdict(context(), head({ network: 'other' }))).toBe('network');
  });

  it('of another key is taken by an object that has given nothing, for the secret half', () => {
    expect(verdict(context(), foreign)).toEqual({ changesKey: true });
    expect(verdict(context(), { ...foreign, privateKey: null })).toBe('private_key');
    const begun = context();
    beginSurvey(begun.store);
    expect(verdict(begun, foreign)).toEqual({ changesKey: true });
  });

  it('of another key is not where members have this one', () => {
    expect(verdict(context(holding(allocation(1))), foreign)).toBe('network_key');
  });

  it('of the key that the nodes have pinned is, and of no third one', () => {
    expect(phaseOf(lost())).toBe('lost');
    expect(verdict(lost(), foreign)).toEqual({ changesKey: true });
    expect(verdict(lost(), { ...foreign, networkKey: keyOf(300) })).toBe('network_key');
    expect(verdict(lost(), { ...foreign, privateKey: null })).toBe('private_key');
  });

  it('is held to the key that the operator has named', () => {
    const named = (networkKey: string) => ({ ...lost(), config: { ...TEST_CONFIG, networkKey } });
    expect(verdict(named(OTHER), foreign)).toEqual({ changesKey: true });
    // The loss was accepted: members have the new key by now.
    expect(verdict(named(OWN), foreign)).toBe('network_key');
  });

  it('raises the floor and never lowers it', () => {
    const on = context(holding(allocation(4)));
    takeHead(on, head({ maxGuid: 9 }));
    expect(highWater(on.store)).toBe(9);
    takeHead(on, head({ maxGuid: 2 }));
    expect(highWater(on.store)).toBe(9);
    raiseFloor(on.store, 11);
    takeHead(on, head({ maxGuid: 9 }));
    expect(highWater(on.store)).toBe(11);
  });

  it('does not end the GUIDs of a network with one number', () => {
    const on = context(holding(allocation(4)));
    expect(verdict(on, head({ maxGuid: 4 + FLOOR_RISE_MAX }))).toEqual({ changesKey: false });
    expect(verdict(on, head({ maxGuid: 5 + FLOOR_RISE_MAX }))).toBe('max_guid');
    expect(takeFloor(on, 5 + FLOOR_RISE_MAX)).toMatchObject({ ok: false, error: { field: 'max_guid' } });
    expect(highWater(on.store)).toBe(4);
  });
});

describe('an allocation of a backup', () => {
  const there = holding(allocation(1, { incarnation: 3, certificate: certificate({ issuedAt: 5_000 }) }));
  const merge = (told: Allocation) => mergeAllocation(there, told);
  const kept = { ok: true, value: { type: 'kept' } };

  it('that is not there is new', () => {
    expect(merge(allocation(2))).toEqual({ ok: true, value: { type: 'new', allocation: allocation(2) } });
  });

  it('of a GUID that has another key, or of a key that has another GUID, contradicts', () => {
    expect(merge(allocation(1, { publicKey: keyOf(7) }))).toMatchObject({ ok: false, error: { field: 'public_key' } });
    expect(merge(allocation(2, { publicKey: keyOf(1) }))).toMatchObject({ ok: false, error: { field: 'guid' } });
  });

  it('that is older, or says the same, changes nothing', () => {
    const same = allocation(1, { incarnation: 3, certificate: certificate({ issuedAt: 5_000 }) });
    expect(merge(same)).toEqual(kept);
    expect(merge({ ...same, incarnation: 2, address: 'local:/n/9' })).toEqual(kept);
    expect(merge({ ...same, certificate: certificate({ issuedAt: 4_000 }) })).toEqual(kept);
    expect(merge({ ...same, address: 'local:/n/9' })).toEqual(kept);
  });

  it('gives its later record, and its later certificate, each by itself', () => {
    const old = certificate({ issuedAt: 4_000 });
    const moved = allocation(1, { incarnation: 4, address: 'local:/n/9', certificate: old });
    expect(merge(moved)).toMatchObject({
      value: { type: 'newer', allocation: { address: 'local:/n/9', certificate: { issuedAt: 5_000 } } },
    });
    const renewed = allocation(1, {
      incarnation: 2,
      address: 'local:/n/9',
      certificate: certificate({ issuedAt: 6_000 }),
    });
    expect(merge(renewed)).toMatchObject({
      value: { type: 'newer', allocation: { address: 'local:/n/1', incarnation: 3, certificate: { issuedAt: 6_000 } } },
    });
  });
});

describe('a batch', () => {
  it('is taken whole, and again changes nothing', () => {
    const store = holding(allocation(2));
    raiseFloor(store, 9);
    const batch = [allocation(1), allocation(2, { incarnation: 1, address: 'local:/n/8' }), allocation(9)];
    expect(takeBatch(store, batch, false)).toEqual({ ok: true, value: { new: 2, newer: 1, kept: 0 } });
    const after = all(store);
    expect(after.map(({ guid, address }) => [guid, address])).toEqual([
      [1, 'local:/n/1'],
      [2, 'local:/n/8'],
      [9, 'local:/n/9'],
    ]);
    expect(takeBatch(store, batch, false)).toEqual({ ok: true, value: { new: 0, newer: 0, kept: 3 } });
    expect(all(store)).toEqual(after);
  });

  it.each<[string, number, string, Allocation[]]>([
    ['another key for a GUID', 1, 'public_key', [allocation(1), allocation(2, { publicKey: keyOf(7) })]],
    ['another GUID for a key', 1, 'guid', [allocation(1), allocation(3, { publicKey: keyOf(2) })]],
    ['a GUID twice', 2, 'guid', [allocation(1), allocation(3), allocation(3, { publicKey: keyOf(7) })]],
    ['a key twice', 1, 'public_key', [allocation(1), allocation(3, { publicKey: keyOf(1) })]],
    ['a GUID above the floor', 1, 'guid', [allocation(1), allocation(10)]],
  ])('with %s is refused whole', (_name, index, field, batch) => {
    const store = holding(allocation(2));
    raiseFloor(store, 9);
    expect(takeBatch(store, batch, false)).toMatchObject({ ok: false, error: { index, field } });
    expect(all(store)).toEqual([allocation(2)]);
  });
});

describe('while a restore is under way', () => {
  it('nobody gets a GUID: who comes may be in the part that is still to come', () => {
    const on = context(holding(allocation(1)));
    const reason = (record: SelfRecord) => {
      const draft = draftJoin(on, record);
      return draft.ok ? null : draft.error.reason;
    };
    const stranger = selfRecord(7, { address: 'https://n7.example.net' });
    takeHead(on, head());
    expect([phaseOf(on), reason(selfRecord(2)), reason(stranger)]).toEqual(['restoring', 'restoring', 'restoring']);
    expect(admit(on, { record: stranger, work: null })).toEqual({ ok: false, error: { reason: 'restoring' } });
    // Members renew, and those that have come back do.
    expect(reason(selfRecord(1))).toBeNull();
    takeBatch(on.store, [allocation(2)], false);
    expect([reason(selfRecord(2)), reason(selfRecord(3))]).toEqual([null, 'restoring']);
    takeBatch(on.store, [], true);
    expect([phaseOf(on), reason(selfRecord(3)), reason(stranger)]).toEqual(['open', null, null]);
  });

  it('a batch that is refused does not end it; its operator can', () => {
    const on = context(holding(allocation(1)));
    takeHead(on, head());
    expect(takeBatch(on.store, [allocation(1, { publicKey: keyOf(7) })], true).ok).toBe(false);
    expect(phaseOf(on)).toBe('restoring');
    expect(takeFloor(on, 1).ok).toBe(true);
    expect([phaseOf(on), highWater(on.store)]).toEqual(['open', 9]);
  });
});

describe('a restore, whatever was there before', () => {
  const entry = fc.record({ guid: fc.integer({ min: 1, max: 12 }), incarnation: fc.nat(3), issued: fc.nat(3) });
  // Key k has GUID k everywhere: histories that contradict each other are refused above.
  const history = fc
    .uniqueArray(entry, { selector: ({ guid }) => guid })
    .map((entries) =>
      entries
        .toSorted((a, b) => a.guid - b.guid)
        .map(({ guid, incarnation, issued }) =>
          allocation(guid, { incarnation, certificate: certificate({ issuedAt: 1_000 * (issued + 1) }) }),
        ),
    );

  it('never goes back, keeps the later of each, and may be cut off and done again', () => {
    fc.assert(
      fc.property(history, history, fc.nat(12), fc.nat(12), (present, backup, maxGuid, cut) => {
        const store = holding(...present);
        const on = context(store);
        const before = highWater(store);
        const told = head({ maxGuid: Math.max(maxGuid, ...backup.map(({ guid }) => guid)) });
        takeHead(on, told);
        takeBatch(store, backup.slice(0, cut), false);
        const restore = () => {
          takeHead(on, told);
          return takeBatch(store, backup, true);
        };
        expect(restore().ok).toBe(true);
        const once = all(store);
        expect(restore()).toEqual({ ok: true, value: { new: 0, newer: 0, kept: backup.length } });
        expect(all(store)).toEqual(once);
        expect(highWater(store)).toBe(Math.max(before, told.maxGuid));
        for (const each of [...present, ...backup]) {
          const now = store.byGuid(each.guid);
          expect(now?.publicKey).toBe(each.publicKey);
          expect(now?.incarnation).toBeGreaterThanOrEqual(each.incarnation);
          expect(now?.certificate.issuedAt).toBeGreaterThanOrEqual(each.certificate.issuedAt);
        }
        expect(new Set(once.map(({ guid }) => guid))).toEqual(new Set([...present, ...backup].map(({ guid }) => guid)));
      }),
    );
  });
});
