import { describe, expect, it } from 'vitest';
import { writeMember } from '../../src/protocol/member.ts';
import { DEAD_PEER, PEER_JOINED, PEER_LEAVING } from '../../src/protocol/message.ts';
import { member, outsider, selfRecord } from '../support/signed.ts';
import { Machine, NOW, only, SELF } from './machine.ts';

const MINUTE = 60_000;
const legTo = (to: number) => ({
  to,
  range: { from: to, to: to - 1 },
  attempt: 0,
  without: [],
  answered: false,
  ids: [],
});
const renewals = (effects: Parameters<typeof only>[0]) => only(effects, 'renew-self').map(({ above }) => above);

describe('a node that is called dead', () => {
  it('raises its incarnation, at most once a minute, and ever more seldom while it is said again', () => {
    const machine = new Machine([member(3)]);
    const accuse = () => renewals(machine.hearEvent(9, DEAD_PEER, { guid: SELF }));
    expect(accuse()).toEqual([0]);
    machine.now += MINUTE - 1;
    expect(accuse()).toEqual([]);
    machine.now += 1;
    expect(accuse()).toEqual([0]);
    machine.now += MINUTE;
    expect(accuse()).toEqual([]);
    machine.now += MINUTE;
    expect(accuse()).toEqual([0]);
    // An hour apart at most; who was left in peace for so long is as quick as at first.
    machine.now += 10 * 60 * MINUTE;
    expect(accuse()).toEqual([0]);
    machine.now += MINUTE;
    expect(accuse()).toEqual([0]);
  });

  it('raises it above the one that it has, and takes it for a sign that it is not well itself', () => {
    const machine = new Machine([member(3)]);
    machine.rename(selfRecord(SELF, { incarnation: 4 }));
    expect(renewals(machine.hearEvent(9, DEAD_PEER, { guid: SELF }))).toEqual([4]);
    expect(machine.state.health.score).toBe(1);
  });

  it('keeps to these pauses over an eviction: idle nodes are evicted, and each refutation wakes all', () => {
    const machine = new Machine([member(3)]);
    const accuse = () => renewals(machine.hearEvent(9, DEAD_PEER, { guid: SELF }));
    expect(accuse()).toEqual([0]);
    machine.reload();
    expect(accuse()).toEqual([]);
    machine.now += MINUTE;
    machine.reload();
    expect(accuse()).toEqual([0]);
    machine.now += MINUTE;
    machine.reload();
    expect(accuse()).toEqual([]);
  });

  it('does so as well where a peer that it asks thinks so', () => {
    for (const opinion of ['left', 'unknown'] as const) {
      const machine = new Machine([member(3)]);
      expect(renewals(machine.answerSync(3, { callerState: opinion }))).toEqual([0]);
    }
    // Who ignores it has heard it now.
    for (const opinion of ['alive', 'probation', 'suspect', 'ignored', null] as const) {
      const machine = new Machine([member(3)]);
      expect(renewals(machine.answerSync(3, { callerState: opinion }))).toEqual([]);
    }
  });

  it('does not care for what peers say that it does not trust', () => {
    const machine = new Machine([outsider(7)]);
    machine.answerProbe(7);
    expect(machine.stateOf(7)).toBe('probation');
    expect(renewals(machine.answerSync(7, { callerState: 'left' }))).toEqual([]);
    expect(renewals(machine.answerSync(99, { callerState: 'left' }))).toEqual([]);
    machine.trust(7);
    expect(renewals(machine.answerSync(7, { callerState: 'left' }))).toEqual([0]);
  });

  it('is told so by whom it asks, also where its record is refused', () => {
    const machine = new Machine([member(3), member(4)]);
    const request = {
      guid: 3,
      maxGuidNode: { guid: 4, address: 'x' },
      have: [],
      digest: null,
      wanted: [],
      doubted: [],
    };
    const opinionOf = (caller: number, members = [member(caller)]) => {
      const reply = machine.submit({ type: 'sync-asked', request: { ...request, guid: caller, members }, caller });
      return reply.type === 'sync' ? reply.answer?.callerState : undefined;
    };
    expect(opinionOf(3)).toBe('alive');
    for (let failure = 0; failure < 3; failure++) {
      machine.now += 10_000;
      machine.submit({
        type: 'undeliverable',
        legs: [{ to: 3, range: { from: 3, to: 2 }, attempt: 0, without: [], answered: false, ids: [] }],
        reason: '',
      });
    }
    // As it was before it called: its call is a sign of life.
    expect(opinionOf(3)).toBe('ignored');
    expect(opinionOf(3)).toBe('alive');
    // A newcomer whose record comes along has nothing to refute; one that was dropped, and says the same again, has.
    expect(opinionOf(8)).toBe('alive');
    machine.submit({ type: 'probe-refused', guid: 4, fault: 'key-unproven' });
    expect(opinionOf(4)).toBe('unknown');
    const anybody = machine.submit({ type: 'sync-asked', request: { ...request, members: [] }, caller: null });
    expect(anybody).toMatchObject({ answer: { callerState: null } });
  });
});

describe('a node whose later record the boot node does not take', () => {
  it('tells all itself, once a record', () => {
    const machine = new Machine([member(3)]);
    const failed = () => only(machine.effectsOf({ type: 'join-failed', reason: 'away' }), 'say');
    expect(failed()).toEqual([]);
    machine.rename(selfRecord(SELF, { incarnation: 1 }));
    expect(failed()).toMatchObject([
      { data: { event: { name: PEER_JOINED, args: { members: [{ guid: SELF, incarnation: 1 }] } } } },
    ]);
    expect(failed()).toEqual([]);
    machine.rename(selfRecord(SELF, { incarnation: 2 }));
    expect(failed()).toHaveLength(1);
  });

  it('is silent where its certificate has run out: it could prove nothing', () => {
    const machine = new Machine([member(3)]);
    machine.rename(selfRecord(SELF, { incarnation: 1 }));
    machine.now = 9_000_000_000_000;
    expect(only(machine.effectsOf({ type: 'join-failed', reason: 'away' }), 'say')).toEqual([]);
  });
});

describe('a member that announces itself', () => {
  const told = (...guids: number[]) => ({
    members: guids.map((guid) => writeMember(outsider(guid, { incarnation: 1 }))),
  });

  it('is believed of itself alone', () => {
    const machine = new Machine([outsider(7), outsider(8)]);
    machine.trust(7, 8);
    for (const [from, args] of [
      [7, told(8)],
      [7, told(7, 8)],
      [7, told()],
    ] as const) {
      machine.hearEvent(from, PEER_JOINED, args);
      expect(machine.state.roster.get(8)?.incarnation).toBe(0);
      expect(machine.state.roster.get(7)?.incarnation).toBe(0);
    }
    machine.hearEvent(7, PEER_JOINED, told(7));
    expect(machine.state.roster.get(7)?.incarnation).toBe(1);
  });
});

describe('a peer that dies', () => {
  it('is told of by the member that stands next to it in the ring, and by nobody else', () => {
    const saidWith = (next: number) => {
      const machine = new Machine([member(3), member(next)], { guidTimeoutMs: 600_000 });
      for (let failure = 0; failure < 3; failure++) {
        machine.now += 10_000;
        machine.submit({ type: 'sync-failed', guid: 3, reason: 'gone' });
      }
      expect(machine.stateOf(3)).toBe('ignored');
      machine.now += 600_000;
      return only(machine.round(), 'say');
    };
    // SELF is 5: from there the ring goes 4 3, from 7 it goes 6 5 4 3, from 4 it goes 3.
    expect(saidWith(7)).toEqual([{ type: 'say', data: { event: { name: DEAD_PEER, args: { guid: 3 } } } }]);
    expect(saidWith(4)).toEqual([]);
  });

  it('is not told of where it never proved to be there, or had left, and of eight at once at most', () => {
    const gone = Array.from({ length: 20 }, (_, index) => member(index + 10));
    const brief = outsider(4, { certificate: { ...outsider(4).certificate, expiresAt: NOW + 600_000 } });
    const machine = new Machine([member(3), brief, ...gone], { guidTimeoutMs: 600_000 });
    machine.hearEvent(3, PEER_LEAVING, { guid: 3, incarnation: 0 });
    machine.submit({ type: 'probe-failed', guid: 4, reason: 'gone' });
    for (let failure = 0; failure < 3; failure++) {
      machine.now += 10_000;
      for (const { guid } of gone) machine.submit({ type: 'undeliverable', legs: [legTo(guid)], reason: 'gone' });
    }
    machine.now += 600_000;
    const dead = only(machine.round(), 'say').map(
      ({ data }) => (data['event'] as { args: { guid: number } }).args.guid,
    );
    expect(dead).toEqual([10, 11, 12, 13, 14, 15, 16, 17]);
  });
});
