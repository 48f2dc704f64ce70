import { describe, expect, it } from 'vitest';
import {
  CERTIFICATE_MS_MAX,
  CLOCK_SKEW_MS_MAX,
  DOUBTED_MAX,
  IMPATIENT_MS,
  MEMBERS_PAGE_MAX,
  PATIENT_MS,
} from '../../src/protocol/limits.ts';
import type { Interval } from '../../src/protocol/sync.ts';
import { certificate, keyOf, member, NO_SIGNATURE, outsider, selfRecord } from '../support/signed.ts';
import { asked, lines, Machine, only, probed, SELF } from './machine.ts';

const CONFLICT_PAUSE_MS = 3_600_000;

const joined = (machine: Machine, changes: object = {}) =>
  machine.effectsOf({
    type: 'join-accepted',
    joined: {
      guid: SELF,
      address: selfRecord(SELF).address,
      incarnation: 0,
      certificate: certificate({ issuedAt: machine.now, expiresAt: machine.now + 3_600_000 }),
      networkKey: keyOf(0),
      maxGuid: SELF,
      members: [],
      ...changes,
    },
  });

describe('membership', () => {
  it('is kept: what the boot node gave is there after a restart', () => {
    const machine = new Machine(null);
    expect(machine.state.membership).toBeNull();
    joined(machine);
    const { membership } = machine.state;
    expect(membership).toMatchObject({ guid: SELF, networkKey: keyOf(0), certificate: { issuedAt: machine.now } });
    machine.reload();
    expect(machine.state.membership).toEqual(membership);
  });

  it('of an earlier version, without a certificate, is joined for again', () => {
    const machine = new Machine(null);
    const stored = { guid: SELF, address: selfRecord(SELF).address, incarnation: 0 };
    machine.store.meta.set('membership', JSON.stringify(stored));
    machine.reload();
    expect(machine.state.membership).toEqual({ ...stored, certificate: null, networkKey: null });
    expect(only(machine.effectsOf({ type: 'wake' }), 'join')).toHaveLength(1);
    joined(machine);
    expect(machine.state.membership).toMatchObject({ guid: SELF, networkKey: keyOf(0) });
    expect(only(machine.effectsOf({ type: 'wake' }), 'join')).toEqual([]);
  });

  it('is renewed when half of the certificate has passed', () => {
    const machine = new Machine(null);
    joined(machine);
    machine.now += 1_800_000 - 1;
    expect(only(machine.effectsOf({ type: 'wake' }), 'join')).toEqual([]);
    machine.now += 1;
    expect(only(machine.effectsOf({ type: 'wake' }), 'join')).toHaveLength(1);
    joined(machine);
    expect(only(machine.effectsOf({ type: 'wake' }), 'join')).toEqual([]);
  });

  it.each([
    ['another GUID', { guid: 9 }],
    ['another network key', { networkKey: keyOf(1) }],
  ])('is not given up for %s', (_, changes) => {
    const machine = new Machine();
    const before = machine.state.membership;
    const members = [outsider(7)];
    expect(lines(joined(machine, { ...changes, members }), 'membership_conflict')).toMatchObject([
      { level: 'CRITICAL' },
    ]);
    expect(machine.state.membership).toEqual(before);
    expect(machine.state.roster.size).toBe(0);
    // A person has to look at it first.
    expect(machine.state.timers.get('join')?.at).toBe(machine.now + CONFLICT_PAUSE_MS);
  });

  it('that was not to be had is asked for again when its time has come, once, whoever asks meanwhile', () => {
    const machine = new Machine([member(3)]);
    machine.rename(selfRecord(SELF, { incarnation: 1 }));
    expect(only(machine.effectsOf({ type: 'wake' }), 'join')).toHaveLength(1);
    machine.submit({ type: 'join-failed', reason: 'away' });
    expect(only(machine.effectsOf({ type: 'wake' }), 'join')).toEqual([]);
    machine.now = machine.state.timers.get('join')?.at ?? 0;
    expect(only(machine.effectsOf({ type: 'alarm' }), 'join')).toHaveLength(1);
  });

  it('that the boot node gave to an earlier record is told of the last one at once: somebody believes this node dead', () => {
    const machine = new Machine([member(3)]);
    machine.rename(selfRecord(SELF, { incarnation: 1 }));
    expect(only(machine.effectsOf({ type: 'wake' }), 'join')).toHaveLength(1);
    machine.rename(selfRecord(SELF, { incarnation: 2 }));
    expect(only(machine.effectsOf({ type: 'wake' }), 'join')).toEqual([]);
    expect(only(joined(machine, { incarnation: 1 }), 'join')).toHaveLength(1);
    expect(only(joined(machine, { incarnation: 2 }), 'join')).toEqual([]);
  });

  it('is of no other network than the one whose key the operator gave', () => {
    const machine = new Machine(null, { networkKey: keyOf(1) });
    expect(lines(joined(machine), 'membership_conflict')).toHaveLength(1);
    expect(machine.state.guid).toBeNull();
    machine.now += CONFLICT_PAUSE_MS;
    joined(machine, { networkKey: keyOf(1) });
    expect(machine.state.guid).toBe(SELF);
  });

  it('is not begun with itself as a peer', () => {
    const machine = new Machine(null);
    joined(machine, { members: [member(SELF), outsider(88, { publicKey: keyOf(SELF) }), outsider(7)] });
    expect(machine.state.roster.sorted().map(({ guid }) => guid)).toEqual([7]);
  });
});

describe('a round of network sync', () => {
  it('gives a peer the time that it has earned, and tells it its own record with each request', () => {
    // One in probation: with nobody to look after, rounds would soon ask one peer alone.
    const machine = new Machine([outsider(4), member(3), outsider(9)]);
    machine.answerProbe(4);
    const outsideOf = (guid: number) => only(machine.round(), 'sync').find(({ to }) => to.guid === guid)?.to.outside;
    expect(outsideOf(4)).toEqual({ publicKey: keyOf(4), timeoutMs: IMPATIENT_MS });
    machine.answerSync(4);
    machine.trust(4);
    const syncs = only(machine.round(), 'sync');
    expect(syncs.find(({ to }) => to.guid === 4)?.to.outside).toEqual({ publicKey: keyOf(4), timeoutMs: PATIENT_MS });
    for (const { request } of syncs) expect(request.members.map(({ guid }) => guid)).toEqual([SELF]);
  });

  it('calls a node of this deployment as it is called here', () => {
    const machine = new Machine([member(4)]);
    expect(only(machine.round(), 'sync').map(({ to }) => to)).toEqual([
      { guid: 4, address: 'local:/n/4', outside: null },
    ]);
  });

  it('asks nobody who cannot', () => {
    const machine = new Machine([outsider(4, { capabilities: ['deliveries'] })]);
    machine.trust(4);
    expect(asked(machine.round())).toEqual([]);
  });

  it('does not ask again who has not answered yet', () => {
    const machine = new Machine([outsider(4)]);
    machine.trust(4);
    expect(asked(machine.round())).toEqual([4]);
    expect(asked(machine.round())).toEqual([]);
    machine.submit({ type: 'sync-failed', guid: 4, reason: 'timeout' });
    expect(asked(machine.round())).toEqual([4]);
  });

  it('deletes who is gone, and tells whom', () => {
    const expiresAt = new Machine().now + 100_000;
    const machine = new Machine([outsider(7, { certificate: certificate({ expiresAt }) }), outsider(8)]);
    expect(lines(machine.round(), 'peers_deleted')).toEqual([]);
    machine.now = expiresAt;
    expect(lines(machine.round(), 'peers_deleted')).toMatchObject([{ fields: { guids: [7], count: 1 } }]);
    machine.reload();
    expect(machine.state.roster.sorted().map(({ guid }) => guid)).toEqual([8]);
  });
});

describe('an answer', () => {
  it('with members is learnt, and makes who answered alive', () => {
    const machine = new Machine([outsider(4)]);
    machine.trust(4);
    machine.submit({ type: 'probe-failed', guid: 4, reason: 'timeout' });
    machine.round();
    machine.answerSync(4, { members: [outsider(7)] });
    expect([machine.stateOf(4), machine.stateOf(7)]).toEqual(['alive', 'probation']);
  });

  it('that claims a GUID of a thousand million and shows nobody changes nothing', () => {
    const machine = new Machine([outsider(4)]);
    machine.trust(4);
    machine.round();
    const before = machine.roster();
    const have: Interval[] = [[1, 1_000_000_000]];
    machine.answerSync(4, {
      maxGuidNode: { guid: 1_000_000_000, address: 'https://evil.example.net' },
      have,
      more: true,
    });
    expect(machine.state.maxGuid).toBe(SELF);
    expect(JSON.parse(machine.roster())).toMatchObject([{ guid: 4, state: 'alive' }]);
    expect(JSON.parse(before)).toHaveLength(1);
    // And it is not asked for more for ever.
    expect(asked(machine.answerSync(4, { have, more: true }))).toEqual([]);
  });

  it('is given what it lacks, once, and only what can be proved', () => {
    const old = certificate({ expiresAt: new Machine().now });
    const machine = new Machine([outsider(4), outsider(7), outsider(8, { certificate: old })]);
    machine.trust(4);
    machine.round();
    const [push] = only(machine.answerSync(4, { have: [[1, 5]] }), 'sync');
    expect(push?.request.members.map(({ guid }) => guid)).toEqual([7, SELF]);
    expect(only(machine.answerSync(4, { have: [[1, 5]] }), 'sync')).toEqual([]);
  });

  it('with more to come is asked on as long as it has news', () => {
    const machine = new Machine([outsider(4)]);
    machine.trust(4);
    machine.round();
    expect(asked(machine.answerSync(4, { members: [outsider(7)], more: true }))).toEqual([4]);
    expect(asked(machine.answerSync(4, { members: [outsider(7)], more: true }))).toEqual([]);
  });

  describe('whose members another answer had brought', () => {
    /** Three are asked at once; all tell of the same member, the last two too late. */
    const overtaken = () => {
      const machine = new Machine([member(1), member(3), member(4)]);
      expect(asked(machine.round()).sort()).toEqual([1, 3, 4]);
      const members = [outsider(8)];
      expect(asked(machine.answerSync(4, { members, more: true }))).toEqual([4]);
      expect(asked(machine.answerSync(1, { members, more: true, have: [[1, 900]] }))).toEqual([]);
      expect(asked(machine.answerSync(3, { members, more: true, have: [[1, 20]] }))).toEqual([]);
      return machine;
    };

    it('is gone on with after those that are under way: who answered first may know less', () => {
      const machine = overtaken();
      expect(asked(machine.answerSync(4, { members: [outsider(9)] }))).toEqual([1]);
      // Nothing new came meanwhile: it has what this node does not want.
      expect(asked(machine.answerSync(1, { more: true }))).toEqual([]);
    });

    it('is gone on with where those fail', () => {
      const machine = overtaken();
      const failed = machine.effectsOf({ type: 'sync-failed', guid: 4, reason: 'timeout' });
      expect(asked(failed)).toEqual([1]);
    });

    it('is gone on with at once where nobody else is asked', () => {
      const machine = new Machine([outsider(4)]);
      machine.trust(4);
      machine.round();
      machine.submit({ type: 'sync-asked', request: requestOf(4, { members: [outsider(7)] }), caller: 4 });
      // Whom a delivery waits for is not caught up with yet.
      machine.state.catchingUp = { guid: 4, claim: 9 };
      expect(asked(machine.answerSync(4, { members: [outsider(7)], more: true }))).toEqual([4]);
      expect(machine.state.catchingUp).not.toBeNull();
    });

    it('is forgotten where it is gone, so that another one is gone on with', () => {
      const machine = new Machine([member(1), member(3), member(4)]);
      machine.state.hasMore = { guid: 99, known: 5_000 };
      machine.round();
      for (const guid of [1, 3, 4]) expect(asked(machine.answerSync(guid))).toEqual([]);
      expect(machine.state.hasMore).toBeNull();
    });
  });
});

/** A sync request. */
function requestOf(guid: number, changes: object = {}) {
  const fixed = { guid, maxGuidNode: { guid: 1_000_000_000, address: 'x' }, have: [[guid, guid]] as const };
  return { ...fixed, members: [], digest: null, wanted: [], doubted: [], ...changes };
}

describe('who asks', () => {
  it('and proves who it is tells of members; anybody else is believed nothing', () => {
    const machine = new Machine([outsider(4)]);
    const told = { members: [outsider(7), outsider(4, { incarnation: 1 })] };
    const before = machine.roster();
    machine.submit({ type: 'sync-asked', request: requestOf(4, told), caller: null });
    expect(machine.roster()).toBe(before);
    machine.submit({ type: 'sync-asked', request: requestOf(4, told), caller: 4 });
    expect(machine.state.roster.sorted()).toMatchObject([{ guid: 4, incarnation: 1 }, { guid: 7 }]);
    expect(machine.state.maxGuid).toBe(7);
  });

  it('is told who is missing, this node included, and the highest of all', () => {
    const machine = new Machine([outsider(4), outsider(7)]);
    const reply = machine.submit({ type: 'sync-asked', request: requestOf(9), caller: null });
    if (reply.type !== 'sync') throw new Error('no answer');
    expect(reply.answer?.members.map(({ guid }) => guid)).toEqual([4, 7, SELF]);
    expect(reply.answer?.maxGuidNode).toEqual({ guid: 7, address: 'https://n7.example.net' });
    const own = reply.answer?.members.at(-1);
    expect(own).toMatchObject({ ...selfRecord(SELF), signature: NO_SIGNATURE });
  });

  it('is told of later records of those whom it doubts, who are as few as they may be, and of no more than a page', () => {
    const doubted = Array.from({ length: DOUBTED_MAX + 1 }, (_, index) => index + 10);
    const others = Array.from({ length: MEMBERS_PAGE_MAX }, (_, index) => index + 100);
    const machine = new Machine([
      ...doubted.map((guid) => outsider(guid, { incarnation: 1 })),
      ...others.map((guid) => outsider(guid)),
    ]);
    const doubts = doubted.map((guid) => [guid, guid % 2] as const);
    const asking = { have: [[1, 99]] as const, doubted: doubts };
    const reply = machine.submit({ type: 'sync-asked', request: requestOf(9, asking), caller: 9 });
    if (reply.type !== 'sync') throw new Error('no answer');
    const told = reply.answer?.members.map(({ guid }) => guid) ?? [];
    const later = doubted.slice(0, DOUBTED_MAX).filter((guid) => guid % 2 === 0);
    expect(told).toEqual([...later, ...others.slice(0, MEMBERS_PAGE_MAX - later.length)]);
    expect(reply.answer?.more).toBe(true);
  });

  it('and has not the same messages is asked in its turn, if it is trusted, and not again before both could get them', () => {
    const machine = new Machine([member(3), outsider(7)]);
    machine.answerProbe(7);
    const differing = (caller: number) => {
      const at = Math.floor(machine.now / 5_000) * 5_000;
      const digest = { at, frame: { ranges: [[null, '0'.repeat(32)] as const] } };
      const found = asked(machine.effectsOf({ type: 'sync-asked', request: requestOf(caller, { digest }), caller }));
      for (const guid of found) machine.answerSync(guid);
      return found;
    };
    expect(differing(7)).toEqual([]);
    expect(differing(3)).toEqual([3]);
    machine.now += 29_999;
    expect(differing(3)).toEqual([]);
    machine.now += 1;
    expect(differing(3)).toEqual([3]);
    machine.trust(7);
    expect(differing(7)).toEqual([7]);
    expect([...machine.state.askedBackAt.keys()]).toEqual([7]);
  });

  it('about a moment that no clock of this network can show is not compared with', () => {
    const machine = new Machine([member(3)]);
    const comparedAt = (at: number) => {
      const digest = { at, frame: { ranges: [[null, '0'.repeat(32)] as const] } };
      const reply = machine.submit({ type: 'sync-asked', request: requestOf(3, { digest }), caller: 3 });
      return reply.type === 'sync' && reply.answer?.frame !== null;
    };
    const skew = 2 * CLOCK_SKEW_MS_MAX;
    const moments = [-skew - 1, -skew, skew, skew + 1].map((by) => comparedAt(machine.now + by));
    expect(moments).toEqual([false, true, true, false]);
  });

  it('is told nothing by a node that has not joined', () => {
    const reply = new Machine(null).submit({ type: 'sync-asked', request: requestOf(9), caller: 9 });
    expect(reply).toEqual({ type: 'sync', answer: null });
  });
});

describe('a sender that knows more', () => {
  const claim = (machine: Machine, guid: number, maxGuid: number, address = `https://n${guid}.example.net`) => {
    const newest = { guid, address, maxGuid };
    const deliveries = [machine.delivery({}, { range: { from: SELF, to: SELF + 1 } })];
    return machine.effectsOf({ type: 'deliver', deliveries, newest, bringer: { guid, checks: ['sound'] } });
  };
  const forwarded = (effects: readonly Parameters<typeof lines>[0][number][]) => only(effects, 'hand-over').length > 0;

  /** Peers 3 and 4 outside, both trusted. */
  const trusting = () => {
    const machine = new Machine([outsider(3), outsider(4)]);
    machine.trust(3, 4);
    return machine;
  };

  it('is asked before anything is forwarded', () => {
    const machine = trusting();
    const effects = claim(machine, 4, 7);
    expect(asked(effects)).toEqual([4]);
    expect(forwarded(effects)).toBe(false);
    const after = machine.answerSync(4, { members: [outsider(7)] });
    const legs = only(after, 'hand-over').flatMap(({ outbound }) =>
      outbound.flatMap(({ bundles }) => bundles.flatMap((bundle) => bundle.legs)),
    );
    expect(legs.map(({ to }) => to).sort()).toEqual([3, 4, 7]);
  });

  it('but has nothing to show holds nothing up again for a minute, and is not blamed: who it means may have been dropped here', () => {
    const machine = trusting();
    expect(forwarded(claim(machine, 4, 1_000_000_000))).toBe(false);
    const first = machine.answerSync(4);
    expect(forwarded(first)).toBe(true);
    const [handover] = only(first, 'hand-over');
    machine.submit({ type: 'handed-over', id: handover?.id ?? 0 });
    machine.now += 59_000;
    const second = claim(machine, 4, 1_000_000_000);
    expect(asked(second)).toEqual([]);
    expect(forwarded(second)).toBe(true);
    const [again] = only(second, 'hand-over');
    machine.submit({ type: 'handed-over', id: again?.id ?? 0 });
    machine.now += 1_000;
    expect(forwarded(claim(machine, 4, 1_000_000_000))).toBe(false);
    expect(machine.state.standings.shutOut(machine.now)).toBe(0);
  });

  it('of this deployment is asked once for what this node has dropped', () => {
    const machine = new Machine([member(4), outsider(3)]);
    machine.trust(3);
    expect(forwarded(claim(machine, 4, 900, 'local:/n/4'))).toBe(false);
    const [handover] = only(machine.answerSync(4), 'hand-over');
    machine.submit({ type: 'handed-over', id: handover?.id ?? 0 });
    const second = claim(machine, 4, 900, 'local:/n/4');
    expect(asked(second)).toEqual([]);
    expect(forwarded(second)).toBe(true);
    expect(asked(claim(machine, 4, 901, 'local:/n/4'))).toEqual([4]);
  });

  it('and does not answer holds nothing up any longer', () => {
    const machine = trusting();
    claim(machine, 4, 1_000_000_000);
    const effects = machine.effectsOf({ type: 'sync-failed', guid: 4, reason: 'timeout' });
    expect(forwarded(effects)).toBe(true);
    expect(machine.state.standings.shutOut(machine.now)).toBe(0);
  });

  const fail = (machine: Machine) => machine.submit({ type: 'probe-failed', guid: 4, reason: 'timeout' });
  it.each<[string, string, (machine: Machine) => void]>([
    ['that was only told of', 'probation', () => undefined],
    ['that could not be reached', 'ignored', fail],
    ['in probation', 'probation', (machine) => machine.answerProbe(4)],
    ['in trouble', 'suspect', (machine) => [machine.answerProbe(4), fail(machine)]],
  ])('%s holds nothing up', (_, state, live) => {
    const machine = new Machine([outsider(3)]);
    machine.trust(3);
    machine.know(outsider(4));
    live(machine);
    expect(machine.stateOf(4)).toBe(state);
    expect(forwarded(claim(machine, 4, 1_000_000_000))).toBe(true);
    machine.answerSync(4);
    expect(machine.state.standings.shutOut(machine.now)).toBe(0);
  });

  it('is nobody whom this node does not know', () => {
    const machine = trusting();
    const effects = claim(machine, 99, 1_000_000_000);
    expect(asked(effects)).toEqual([]);
    expect(probed(effects)).toEqual([]);
    expect(forwarded(effects)).toBe(true);
  });

  it('and claims no more than is known is not asked', () => {
    const machine = trusting();
    expect(asked(claim(machine, 4, SELF))).toEqual([]);
    expect(asked(claim(machine, 0, 1_000))).toEqual([]);
  });
});

describe('certificates of peers', () => {
  it('that live at their longest do not keep a vanished newcomer for ever', () => {
    const machine = new Machine();
    const expiresAt = machine.now + CERTIFICATE_MS_MAX;
    machine.know(outsider(7, { certificate: certificate({ issuedAt: machine.now, expiresAt }) }));
    machine.submit({ type: 'probe-failed', guid: 7, reason: 'timeout' });
    machine.now = expiresAt;
    machine.round();
    expect(machine.stateOf(7)).toBeNull();
  });
});
