import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DROPPED_MAX, MEMBERS_PAGE_MAX, ROSTER_MEMBERS_MAX, SYNC_INTERVALS_MAX } from '../../src/protocol/limits.ts';
import { readMember, writeMember } from '../../src/protocol/member.ts';
import { Departed } from '../../src/protocol/departed.ts';
import { isLive, Roster } from '../../src/protocol/roster.ts';
import type { NodeStore } from '../../src/protocol/store.ts';
import { candidates } from '../../src/protocol/whom.ts';
import { createMemoryNodeStore } from '../../src/store/memory-store.ts';
import { certificate, keyOf, member, outsider } from '../support/signed.ts';

const HOSTED = 'local:/n/';
const PROBATION = 60_000;
const TIMEOUT = 3_600_000;
const POLICY = { maxFailures: 3, probationMs: PROBATION, guidTimeoutMs: TIMEOUT, hostedPrefix: HOSTED };
const NOW = 1_700_000_000_000;

function roster(guids: readonly number[], store: NodeStore = createMemoryNodeStore()) {
  const made = new Roster(store.roster, POLICY, () => undefined);
  for (const guid of guids) made.learn(member(guid), NOW);
  made.flush();
  return made;
}

function guidsOf(peers: readonly { readonly guid: number }[]): number[] {
  return peers.map(({ guid }) => guid);
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
    expect(isLive('suspect')).toBe(true);
    expect(candidates(known, HOSTED)).toEqual([{ guid: 1, trusted: false, inside: true }]);
    known.failed(1, NOW + 10_000);
    expect(known.failed(1, NOW + 20_000)).toBe('ignored');
    expect(isLive('ignored')).toBe(false);
    expect(candidates(known, HOSTED)).toEqual([]);
    known.seen(1, NOW + 20_005);
    expect(known.get(1)).toMatchObject({ state: 'alive', failures: 0, lastSeen: NOW + 20_005 });
    expect(known.failed(99, NOW)).toBeNull();
  });

  it('takes what fails together for one failure', () => {
    const known = roster([1]);
    for (let call = 0; call < 50; call++) known.failed(1, NOW + call);
    expect(known.get(1)).toMatchObject({ state: 'suspect', failures: 1 });
  });

  it('ignores no peer any less because it failed again while this node itself was ill', () => {
    const known = roster([2]);
    for (const at of [0, 10_000, 20_000]) known.failed(2, NOW + at);
    expect(known.get(2)?.state).toBe('ignored');
    expect(known.failed(2, NOW + 30_000, 7)).toBe('ignored');
    expect(candidates(known, HOSTED)).toEqual([]);
  });

  it('writes no row for a sign of life alone', () => {
    const store = createMemoryNodeStore();
    const known = roster([1], store);
    const rows = store.rowsWritten();
    for (let second = 1; second < 100; second++) known.seen(1, NOW + second * 1_000);
    known.flush();
    expect(store.rowsWritten()).toBe(rows);
  });

  it('keeps peers of other deployments, and sends them nothing as long as they cannot take it', () => {
    const known = roster([1]);
    known.learn(outsider(2, { capabilities: ['sync'] }), NOW);
    expect(known.get(2)?.state).toBe('probation');
    expect(candidates(known, HOSTED).map(({ guid }) => guid)).toEqual([1]);
  });

  it('what two rosters tell each other makes them equal', () => {
    const guids = fc.uniqueArray(fc.integer({ min: 1, max: 200 }), { maxLength: 100 });
    fc.assert(
      fc.property(guids, guids, (left, right) => {
        const a = roster(left);
        const b = roster(right);
        for (const found of b.missingFrom(a.intervals(201), NOW).members) a.learn(found, NOW);
        for (const found of a.missingFrom(b.intervals(201), NOW).members) b.learn(found, NOW);
        const all = [...new Set([...left, ...right])].sort((x, y) => x - y);
        expect(a.sorted().map(({ guid }) => guid)).toEqual(all);
        expect(b.sorted().map(({ guid }) => guid)).toEqual(all);
      }),
    );
  });

  it('tells whom it knows, itself among them, in as few intervals as there can be', () => {
    const guids = fc.uniqueArray(fc.integer({ min: 1, max: 700 }), { maxLength: 300, size: 'max' });
    fc.assert(
      fc.property(guids, fc.integer({ min: 1, max: 701 }), (list, self) => {
        const expected: [number, number][] = [];
        for (const guid of [...new Set([...list, self])].sort((a, b) => a - b)) {
          const last = expected.at(-1);
          if (last?.[1] === guid - 1) last[1] = guid;
          else expected.push([guid, guid]);
        }
        expect(roster(list).intervals(self)).toEqual(expected.slice(0, SYNC_INTERVALS_MAX));
      }),
    );
  });

  it('bounds what it tells at once, and gets everything told in the end', () => {
    const full = roster(Array.from({ length: 1_000 }, (_, index) => index * 2 + 1));
    const empty = roster([]);
    for (let round = 0; round < 10; round++) {
      const have = empty.intervals(5_000);
      expect(have.length).toBeLessThanOrEqual(SYNC_INTERVALS_MAX);
      const { members, more } = full.missingFrom(have, NOW);
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

/** A roster that knows one peer outside, which has proved itself at these moments. */
function knowing(...proofs: readonly number[]) {
  const store = createMemoryNodeStore();
  const known = roster([], store);
  known.learn(outsider(2), NOW);
  for (const at of proofs) known.seen(2, at, true);
  return { known, store };
}

describe('a newcomer', () => {
  it('is in probation until it answers after its probation', () => {
    const { known } = knowing();
    expect(known.get(2)).toMatchObject({ state: 'probation', proved: false, since: NOW });
    known.seen(2, NOW + PROBATION - 1, true);
    expect(known.get(2)).toMatchObject({ state: 'probation', proved: true });
    // Time alone does not make it trusted.
    known.prune(NOW + 10 * PROBATION);
    expect(known.get(2)?.state).toBe('probation');
    known.seen(2, NOW + PROBATION);
    expect(known.get(2)?.state).toBe('alive');
  });

  it('that gave signs of life but never told who it is stays in probation, without credit', () => {
    const { known, store } = knowing();
    known.failed(2, NOW);
    known.seen(2, NOW + PROBATION);
    expect(known.get(2)).toMatchObject({ state: 'probation', proved: false, failures: 0, troubledSince: null });
    known.flush();
    expect(roster([], store).get(2)).toMatchObject({ state: 'probation', proved: false });
    expect(known.failed(2, NOW + PROBATION)).toBe('ignored');
    known.seen(2, NOW + PROBATION, true);
    expect(known.get(2)).toMatchObject({ state: 'alive', proved: true });
    // Once told it is known: any sign of life will do from then on.
    known.failed(2, NOW + 2 * PROBATION);
    known.seen(2, NOW + 2 * PROBATION);
    expect(known.get(2)?.state).toBe('alive');
  });

  it('of this deployment is trusted at once', () => {
    expect(roster([1]).get(1)).toMatchObject({ state: 'alive', proved: true });
  });

  it('that never proved to be there has no credit: it is ignored after one failure', () => {
    const { known } = knowing();
    expect(known.failed(2, NOW)).toBe('ignored');
    expect(known.ignoredIn({ from: 2, to: 1 })).toEqual([]);
  });

  it('that proved itself has as much credit as any, and is in probation again after a failure', () => {
    const { known } = knowing(NOW);
    expect(known.failed(2, NOW)).toBe('suspect');
    known.seen(2, NOW + 10_000);
    expect(known.get(2)).toMatchObject({ state: 'probation', failures: 0, troubledSince: null });
    for (let round = 0; round < 3; round++) known.failed(2, NOW + 20_000 + round * 10_000);
    expect(known.get(2)).toMatchObject({ state: 'ignored', troubledSince: NOW + 20_000 });
    expect(known.ignoredIn({ from: 2, to: 1 })).toEqual([2]);
    known.seen(2, NOW + PROBATION);
    expect(known.get(2)?.state).toBe('alive');
  });

  it('keeps what it proved over a restart', () => {
    const { known, store } = knowing(NOW, NOW + PROBATION);
    known.flush();
    expect(roster([], store).get(2)).toMatchObject({ state: 'alive', proved: true, since: NOW });
    const fresh = knowing();
    fresh.known.flush();
    fresh.known.seen(2, NOW, true);
    fresh.known.flush();
    expect(roster([], fresh.store).get(2)).toMatchObject({ state: 'probation', proved: true });
  });
});

describe('what is told of a peer', () => {
  it('never gives its GUID to another key', () => {
    const { known } = knowing(NOW, NOW + PROBATION);
    const other = { publicKey: keyOf(77), incarnation: 9, certificate: certificate({ issuedAt: NOW }) };
    expect(known.learn(outsider(2, other), NOW)).toBe('refused');
    expect(known.get(2)).toMatchObject({ publicKey: keyOf(2), incarnation: 0, state: 'alive' });
  });

  it('with a higher incarnation makes it prove itself anew where it says that it is', () => {
    const { known } = knowing(NOW, NOW + PROBATION);
    known.failed(2, NOW + PROBATION);
    const later = NOW + 2 * PROBATION;
    const moved = outsider(2, { incarnation: 1, address: 'https://moved.example.net' });
    expect(known.isNews(moved)).toBe(true);
    expect(known.learn(moved, later)).toBe('updated');
    expect(known.isNews(moved)).toBe(false);
    const anew = { address: moved.address, state: 'probation', proved: false, failures: 0, since: later };
    expect(known.get(2)).toMatchObject(anew);
    expect(known.get(2)?.troubledSince).toBeNull();
  });

  it('with a higher incarnation and an older certificate keeps the later one', () => {
    const known = roster([]);
    known.learn(outsider(2, { certificate: certificate({ issuedAt: 5_000 }) }), NOW);
    known.learn(outsider(2, { incarnation: 1, certificate: certificate({ issuedAt: 4_000 }) }), NOW);
    expect(known.get(2)).toMatchObject({ incarnation: 1, certificate: { issuedAt: 5_000 } });
    known.learn(outsider(2, { incarnation: 2, certificate: certificate({ issuedAt: 6_000 }) }), NOW);
    expect(known.get(2)).toMatchObject({ incarnation: 2, certificate: { issuedAt: 6_000 } });
  });

  it('with a later certificate renews it and changes nothing else', () => {
    const { known } = knowing(NOW, NOW + PROBATION);
    const before = known.get(2);
    const renewed = certificate({ issuedAt: 2_000 });
    expect(known.learn(outsider(2, { address: 'https://b.example.net', certificate: renewed }), NOW)).toBe('updated');
    expect(known.get(2)).toEqual({ ...before, certificate: renewed });
    expect(known.renew(2, certificate({ issuedAt: 2_000, expiresAt: 1 }))).toBe(false);
    expect(known.renew(2, certificate({ issuedAt: 1_999 }))).toBe(false);
    expect(known.renew(3, renewed)).toBe(false);
    expect(known.get(2)?.certificate).toEqual(renewed);
  });

  it('that it can do is what it says itself, written only where it changed', () => {
    const { known, store } = knowing();
    known.flush();
    const rows = store.rowsWritten();
    known.setCapabilities(2, outsider(2).capabilities);
    known.setCapabilities(99, []);
    known.flush();
    expect(store.rowsWritten()).toBe(rows);
    known.setCapabilities(2, ['sync']);
    known.flush();
    expect(roster([], store).get(2)?.capabilities).toEqual(['sync']);
  });

  it('goes to others only as long as it can be proved', () => {
    const known = roster([]);
    known.learn(outsider(1, { certificate: certificate({ expiresAt: NOW + 1_000 }) }), NOW);
    known.learn(outsider(2), NOW);
    known.learn(outsider(3), NOW);
    known.left(3, 0, NOW);
    const told = (now: number) => known.missingFrom([], now).members.map(({ guid }) => guid);
    expect(told(NOW + 999)).toEqual([1, 2]);
    expect(told(NOW + 1_000)).toEqual([2]);
  });

  it('is not taken in beyond the limit', () => {
    const known = roster([]);
    for (let guid = 1; guid <= ROSTER_MEMBERS_MAX; guid++) known.learn(member(guid), NOW);
    expect(known.learn(member(ROSTER_MEMBERS_MAX + 1), NOW)).toBe('full');
    expect(known.learn(member(1, { incarnation: 1 }), NOW)).toBe('updated');
    known.drop(2);
    expect(known.learn(member(ROSTER_MEMBERS_MAX + 1), NOW)).toBe('added');
  });
});

describe('who left', () => {
  it('is sent nothing, whatever it answers, and comes back with a higher incarnation', () => {
    const { known } = knowing(NOW, NOW + PROBATION);
    expect(known.left(2, 4, NOW)).toBe(true);
    expect(known.left(2, 4, NOW)).toBe(false);
    known.seen(2, NOW);
    expect(known.failed(2, NOW)).toBe('left');
    expect(known.learn(outsider(2, { incarnation: 4 }), NOW)).toBe('known');
    expect(known.learn(outsider(2, { certificate: certificate({ issuedAt: 2_000 }) }), NOW)).toBe('updated');
    expect(known.get(2)).toMatchObject({ state: 'left', failures: 0 });
    expect(candidates(known, HOSTED)).toEqual([]);
    expect(known.learn(outsider(2, { incarnation: 5 }), NOW)).toBe('updated');
    // What it proved at this address counts: one answer, and it is trusted again.
    expect(known.get(2)).toMatchObject({ state: 'probation', proved: true });
    known.seen(2, NOW + PROBATION);
    expect(known.get(2)?.state).toBe('alive');
  });

  it('and came back, and left again, before anything was heard of its return, stays gone', () => {
    const { known } = knowing(NOW, NOW + PROBATION);
    known.left(2, 4, NOW);
    expect(known.left(2, 5, NOW + 1)).toBe(false);
    expect(known.learn(outsider(2, { incarnation: 5 }), NOW)).not.toBe('updated');
    expect(known.get(2)).toMatchObject({ state: 'left', troubledSince: NOW + 1 });
    expect(known.learn(outsider(2, { incarnation: 6 }), NOW)).toBe('updated');
    expect(known.get(2)?.state).toBe('probation');
  });

  it('is not taken to leave by a word from before it came back', () => {
    const { known } = knowing(NOW, NOW + PROBATION);
    known.learn(outsider(2, { incarnation: 5 }), NOW);
    expect(known.left(2, 4, NOW)).toBe(false);
    expect(known.get(2)?.state).toBe('alive');
    expect(known.left(99, 0, NOW)).toBe(false);
  });
});

describe('who left before it was known', () => {
  it('is not taken in by a record from before, also after a restart, but is when it has come back', () => {
    const store = createMemoryNodeStore();
    const open = () => new Roster(store.roster, POLICY, () => undefined, undefined, new Departed(store.meta));
    expect(open().left(9, 4, NOW)).toBe(false);
    for (const known of [open(), open()]) {
      expect(known.isNews(outsider(9, { incarnation: 4 }))).toBe(false);
      expect(known.learn(outsider(9, { incarnation: 4 }), NOW)).toBe('refused');
    }
    expect(open().learn(outsider(9, { incarnation: 5 }), NOW)).toBe('added');
  });

  it('nor who left, was forgotten, and is told of by somebody who has not heard of it', () => {
    const store = createMemoryNodeStore();
    const open = () => new Roster(store.roster, POLICY, () => undefined, undefined, new Departed(store.meta));
    const known = open();
    known.learn(outsider(9), NOW);
    known.seen(9, NOW, true);
    known.left(9, 0, NOW);
    known.flush();
    known.prune(NOW + TIMEOUT);
    known.flush();
    expect(open().learn(outsider(9, { certificate: certificate({ issuedAt: 2_000 }) }), NOW)).toBe('refused');
  });

  it('is remembered up to a limit, in one row', () => {
    const store = createMemoryNodeStore();
    const departed = new Departed(store.meta);
    for (let guid = 1; guid <= 1_000; guid++) departed.note(guid, 0);
    expect([1, 744, 745, 1_000].map((guid) => new Departed(store.meta).has(guid, 0))).toEqual([
      false,
      false,
      true,
      true,
    ]);
    const rows = store.rowsWritten();
    departed.note(1_000, 0);
    expect(store.rowsWritten()).toBe(rows);
  });
});

describe('who refutes', () => {
  it('has no failures any more, and nothing to prove anew at the address that it proved', () => {
    const { known } = knowing(NOW, NOW + PROBATION);
    for (const at of [0, 10_000, 20_000]) known.failed(2, NOW + at);
    expect(known.get(2)).toMatchObject({ state: 'ignored', failures: 3 });
    known.learn(outsider(2, { incarnation: 1 }), NOW + PROBATION);
    expect(known.get(2)).toMatchObject({
      state: 'probation',
      failures: 0,
      troubledSince: null,
      proved: true,
      since: NOW,
    });
  });

  it('stays trusted where it was', () => {
    const { known } = knowing(NOW, NOW + PROBATION);
    known.learn(outsider(2, { incarnation: 1 }), NOW);
    expect(known.get(2)?.state).toBe('alive');
  });

  it('has everything to prove at another address', () => {
    const { known } = knowing(NOW, NOW + PROBATION);
    known.learn(outsider(2, { incarnation: 1, address: 'https://other.example.net' }), NOW + 5);
    expect(known.get(2)).toMatchObject({ state: 'probation', proved: false, since: NOW + 5 });
  });
});

describe('whom a node doubts', () => {
  it('are those in trouble or gone, the next in the ring first, and only later records are told of them', () => {
    const known = roster([1, 3, 7, 9]);
    known.failed(9, NOW);
    known.failed(3, NOW);
    known.left(1, 4, NOW);
    expect(known.doubted(5, 9)).toEqual([
      [3, 0],
      [1, 4],
      [9, 0],
    ]);
    expect(known.doubted(5, 1)).toEqual([[3, 0]]);
    const other = roster([3, 9]);
    other.learn(member(3, { incarnation: 2 }), NOW);
    other.left(9, 7, NOW);
    const later = other.laterThan(
      [
        [3, 1],
        [9, 0],
        [77, 0],
      ],
      NOW,
    );
    expect(later).toMatchObject([{ guid: 3, incarnation: 2 }]);
    expect(other.laterThan([[3, 2]], NOW)).toEqual([]);
    // What has run out proves nothing to whoever asks.
    expect(other.laterThan([[3, 1]], certificate().expiresAt)).toEqual([]);
  });
});

describe('who is dropped', () => {
  it('does not come back unchanged, but does with news', () => {
    for (const news of [{ incarnation: 1 }, { certificate: certificate({ issuedAt: 2_000 }) }]) {
      const { known } = knowing(NOW);
      known.drop(2);
      expect(known.get(2)).toBeNull();
      expect(known.isNews(outsider(2))).toBe(false);
      expect(known.learn(outsider(2), NOW)).toBe('refused');
      expect(known.isNews(outsider(2, news))).toBe(true);
      expect(known.learn(outsider(2, news), NOW)).toBe('added');
      expect(known.get(2)).toMatchObject({ state: 'probation', proved: false, since: NOW });
      // It is dropped no more: what was told of it before is only old.
      expect(known.learn(outsider(2), NOW)).toBe('known');
    }
  });

  it('leaves the stored block and the highest GUID', () => {
    const store = createMemoryNodeStore();
    const known = roster([1, 7, 500], store);
    known.drop(500);
    expect(known.maxGuid).toBe(7);
    known.drop(99);
    known.flush();
    const again = roster([], store);
    expect(again.sorted().map(({ guid }) => guid)).toEqual([1, 7]);
    expect([...store.roster.all()]).toHaveLength(1);
    for (const guid of [1, 7]) known.drop(guid);
    expect(known.maxGuid).toBe(0);
    known.flush();
    expect([...store.roster.all()]).toEqual([]);
  });

  it('starts with no failures when it is back', () => {
    const { known } = knowing(NOW);
    known.failed(2, NOW);
    known.drop(2);
    known.learn(outsider(2, { incarnation: 1 }), NOW);
    expect(known.failed(2, NOW + 1)).toBe('ignored');
  });

  it('is remembered up to a limit, the latest first', () => {
    const known = roster([]);
    for (let guid = 1; guid <= DROPPED_MAX + 1; guid++) {
      known.learn(outsider(guid), NOW);
      known.drop(guid);
    }
    expect(known.isNews(outsider(1))).toBe(true);
    expect(known.isNews(outsider(2))).toBe(false);
    expect(known.isNews(outsider(DROPPED_MAX + 1))).toBe(false);
    // Who comes back and is dropped again is remembered as the latest.
    known.learn(outsider(3, { incarnation: 1 }), NOW);
    known.drop(3);
    expect(known.isNews(outsider(2))).toBe(false);
    known.learn(outsider(DROPPED_MAX + 2), NOW);
    known.drop(DROPPED_MAX + 2);
    expect(known.isNews(outsider(2))).toBe(true);
    expect(known.isNews(outsider(3))).toBe(false);
  });
});

describe('who is gone', () => {
  it('and never proved to be there goes with its certificate, without a call', () => {
    const known = roster([]);
    const expiresAt = NOW + 5_000;
    for (const guid of [2, 3, 4]) known.learn(outsider(guid, { certificate: certificate({ expiresAt }) }), NOW);
    known.seen(3, NOW, true);
    known.left(4, 0, NOW);
    expect(guidsOf(known.prune(expiresAt - 1))).toEqual([]);
    expect(guidsOf(known.prune(expiresAt))).toEqual([2, 4]);
    // It proved to be there: that its certificate has run out is the boot node's trouble, or ours.
    expect(known.get(3)?.state).toBe('probation');
    expect(guidsOf(known.prune(NOW + 100 * TIMEOUT))).toEqual([]);
  });

  it('and was there goes after GUID_TIMEOUT in trouble', () => {
    const { known } = knowing(NOW, NOW + PROBATION);
    for (let round = 0; round < 3; round++) known.failed(2, NOW + round * 10_000);
    expect(known.get(2)).toMatchObject({ state: 'ignored', troubledSince: NOW });
    expect(guidsOf(known.prune(NOW + TIMEOUT - 1))).toEqual([]);
    expect(guidsOf(known.prune(NOW + TIMEOUT))).toEqual([2]);
    expect(known.learn(outsider(2), NOW)).toBe('refused');
  });

  it('is not who is only suspect, however long, nor who answered in between', () => {
    const { known } = knowing(NOW, NOW + PROBATION);
    known.failed(2, NOW);
    expect(guidsOf(known.prune(NOW + 10 * TIMEOUT))).toEqual([]);
    for (let round = 1; round < 3; round++) known.failed(2, NOW + round * 10_000);
    known.seen(2, NOW + 50_000);
    expect(guidsOf(known.prune(NOW + 10 * TIMEOUT))).toEqual([]);
  });

  it('and left goes after GUID_TIMEOUT too', () => {
    const { known } = knowing(NOW, NOW + PROBATION);
    known.left(2, 0, NOW);
    expect(guidsOf(known.prune(NOW + TIMEOUT - 1))).toEqual([]);
    expect(guidsOf(known.prune(NOW + TIMEOUT))).toEqual([2]);
  });
});

describe('a node of this deployment that lost its storage', () => {
  const reborn = (guid: number) => member(guid, { address: 'local:/n/1' });

  it('comes back with a new GUID, and its old one is gone for good', () => {
    const known = roster([1, 2]);
    expect(known.learn(reborn(3), NOW)).toBe('added');
    expect(known.sorted().map(({ guid }) => guid)).toEqual([2, 3]);
    expect(known.learn(reborn(1), NOW)).toBe('refused');
    expect(known.learn(reborn(3), NOW)).toBe('known');
  });

  it('is not taken for its old self where that is told of late', () => {
    const known = roster([]);
    known.learn(reborn(3), NOW);
    expect(known.learn(reborn(1), NOW)).toBe('refused');
    expect(known.size).toBe(1);
  });

  it('is known as itself after a restart', () => {
    const store = createMemoryNodeStore();
    const known = roster([1], store);
    known.learn(reborn(3), NOW);
    known.flush();
    const again = roster([], store);
    expect(again.learn(reborn(1), NOW)).toBe('refused');
    expect(again.learn(reborn(4), NOW)).toBe('added');
    expect(again.sorted().map(({ guid }) => guid)).toEqual([4]);
  });

  it('can be dropped and learnt anew', () => {
    const known = roster([3]);
    known.drop(3);
    expect(known.learn(member(2, { address: 'local:/n/3' }), NOW)).toBe('added');
  });

  it('is one thing, peers outside that share an address another: each may prove that it is there', () => {
    const known = roster([]);
    const address = 'https://same.example.net';
    known.learn(outsider(1, { address }), NOW);
    expect(known.learn(outsider(3, { address }), NOW)).toBe('added');
    expect(known.learn(outsider(2, { address }), NOW)).toBe('added');
    expect(known.size).toBe(3);
  });
});
