import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MEMBERS_PAGE_MAX, SYNC_INTERVALS_MAX } from '../../src/protocol/limits.ts';
import { readMember, Roster, writeMember } from '../../src/protocol/roster.ts';
import type { NodeStore } from '../../src/protocol/store.ts';
import type { Member } from '../../src/protocol/types.ts';
import { createMemoryNodeStore } from '../../src/store/memory-store.ts';

const POLICY = { maxFailures: 3, probationMs: 60_000, hostedPrefix: 'local:/n/' };
const NOW = 1_700_000_000_000;

const member = (guid: number, change: Partial<Member> = {}): Member => ({
  guid,
  address: `local:/n/${guid}`,
  publicKey: 'k'.repeat(43),
  incarnation: 0,
  capabilities: ['sync'],
  ...change,
});

function roster(guids: readonly number[], store: NodeStore = createMemoryNodeStore()) {
  const made = new Roster(store.roster, POLICY, () => undefined);
  for (const guid of guids) made.learn(member(guid), NOW);
  made.flush();
  return made;
}

describe('roster', () => {
  it('is the same after a restart', () => {
    const store = createMemoryNodeStore();
    const guids = [1, 2, 63, 64, 65, 127, 128, 9_999];
    roster(guids, store);
    const again = roster([], store);
    expect(again.sorted().map(({ guid }) => guid)).toEqual(guids);
    expect(again.maxGuid).toBe(9_999);
  });

  it('stores a thousand new members in sixteen rows', () => {
    const store = createMemoryNodeStore();
    roster(
      Array.from({ length: 1_000 }, (_, index) => index + 1),
      store,
    );
    expect(store.rowsWritten()).toBe(16);
  });

  it('takes a higher incarnation, and neither an old nor an equal one', () => {
    const known = roster([1]);
    known.learn(member(1, { incarnation: 2, address: 'local:/n/77' }), NOW);
    expect(known.get(1)?.address).toBe('local:/n/77');
    expect(known.learn(member(1, { incarnation: 2, address: 'local:/n/5' }), NOW)).toBe('known');
    expect(known.learn(member(1, { incarnation: 1, address: 'local:/n/5' }), NOW)).toBe('known');
    expect(known.get(1)?.address).toBe('local:/n/77');
  });

  it('counts failures, ignores after MAX_FAILURES, forgives at a sign of life', () => {
    const known = roster([1]);
    expect(known.failed(1, NOW)).toBe('suspect');
    expect(known.isReachable(1)).toBe(true);
    expect(known.candidates(NOW)).toEqual([{ guid: 1, trusted: false }]);
    known.failed(1, NOW + 10_000);
    expect(known.failed(1, NOW + 20_000)).toBe('ignored');
    expect(known.isReachable(1)).toBe(false);
    expect(known.candidates(NOW)).toEqual([]);
    known.seen(1, NOW + 20_005);
    expect(known.get(1)).toMatchObject({ state: 'alive', failures: 0, lastSeen: NOW + 20_005 });
    expect(known.failed(99, NOW)).toBeNull();
  });

  it('takes what fails together for one failure', () => {
    const known = roster([1]);
    for (let call = 0; call < 50; call++) known.failed(1, NOW + call);
    expect(known.get(1)).toMatchObject({ state: 'suspect', failures: 1 });
  });

  it('writes no row for a sign of life alone', () => {
    const store = createMemoryNodeStore();
    const known = roster([1], store);
    const rows = store.rowsWritten();
    for (let second = 1; second < 100; second++) known.seen(1, NOW + second * 1_000);
    known.flush();
    expect(store.rowsWritten()).toBe(rows);
  });

  it('keeps peers of other deployments, and sends them nothing as long as it cannot', () => {
    const known = roster([1]);
    known.learn(member(2, { address: 'https://elsewhere.example' }), NOW);
    expect(known.get(2)?.state).toBe('probation');
    expect(known.candidates(NOW + 1e9).map(({ guid }) => guid)).toEqual([1]);
  });

  it('what two rosters tell each other makes them equal', () => {
    const guids = fc.uniqueArray(fc.integer({ min: 1, max: 200 }), { maxLength: 100 });
    fc.assert(
      fc.property(guids, guids, (left, right) => {
        const a = roster(left);
        const b = roster(right);
        for (const found of b.missingFrom(a.intervals(201)).members) a.learn(found, NOW);
        for (const found of a.missingFrom(b.intervals(201)).members) b.learn(found, NOW);
        const all = [...new Set([...left, ...right])].sort((x, y) => x - y);
        expect(a.sorted().map(({ guid }) => guid)).toEqual(all);
        expect(b.sorted().map(({ guid }) => guid)).toEqual(all);
      }),
    );
  });

  it('bounds what it tells at once, and gets everything told in the end', () => {
    const full = roster(Array.from({ length: 1_000 }, (_, index) => index * 2 + 1));
    const empty = roster([]);
    for (let round = 0; round < 10; round++) {
      const have = empty.intervals(5_000);
      expect(have.length).toBeLessThanOrEqual(SYNC_INTERVALS_MAX);
      const { members, more } = full.missingFrom(have);
      expect(members.length).toBeLessThanOrEqual(MEMBERS_PAGE_MAX);
      expect(more).toBe(members.length === MEMBERS_PAGE_MAX);
      for (const found of members) empty.learn(found, NOW);
    }
    expect(empty.size).toBeGreaterThan(SYNC_INTERVALS_MAX);
  });

  it('a member goes to JSON and back; what is none is refused', () => {
    expect(readMember(writeMember(member(7)))).toEqual(member(7));
    const sound = writeMember(member(7));
    const bad = [
      null,
      [],
      {},
      7,
      { ...sound, guid: 0 },
      { ...sound, guid: 1.5 },
      { ...sound, address: 'a b' },
      { ...sound, public_key: 'x' },
    ];
    const worse = [
      { ...sound, incarnation: -1 },
      { ...sound, incarnation: 1e300 },
      { ...sound, capabilities: Array.from({ length: 17 }, () => 'x') },
    ];
    for (const value of [...bad, ...worse]) expect(readMember(value as never)).toBeNull();
  });
});
