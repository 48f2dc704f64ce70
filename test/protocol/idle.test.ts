import { describe, expect, it } from 'vitest';
import { idlePause } from '../../src/protocol/idle.ts';
import { IDLE_SYNC_MS_MAX, RECONCILE_AFTER_MS, RECONCILE_STEP_MS } from '../../src/protocol/limits.ts';
import { writeMember } from '../../src/protocol/member.ts';
import type { Payload } from '../../src/protocol/reconcile.ts';
import type { Member } from '../../src/protocol/types.ts';
import { TEST_CONFIG, TestNetwork } from '../support/network.ts';
import { member, outsider } from '../support/signed.ts';
import { asked, Machine, SELF } from './machine.ts';

const { syncIntervalMs, syncJitterMs } = TEST_CONFIG;
const USUAL_MAX = syncIntervalMs + syncJitterMs;
/** The longest pause has its jitter as well. */
const IDLE_MAX = IDLE_SYNC_MS_MAX * 1.5;

function pauseOf(machine: Machine): number {
  const timer = machine.state.timers.get('sync');
  return (timer?.at ?? 0) - (timer?.setAt ?? 0);
}

function idle(machine: Machine): Machine {
  for (let round = 0; round < 12; round++) for (const guid of asked(machine.round())) machine.answerSync(guid);
  return machine;
}

describe('a node where nothing happens', () => {
  it('waits ever longer, up to a limit, and asks one peer then', () => {
    const machine = new Machine([1, 2, 3, 4, 6, 7].map((guid) => member(guid)));
    const pauses: number[] = [];
    const all = new Set<number>();
    for (let round = 0; round < 20; round++) {
      machine.now = machine.state.timers.get('sync')?.at ?? machine.now;
      const peers = asked(machine.effectsOf({ type: 'alarm' }));
      for (const guid of peers) machine.answerSync(guid);
      pauses.push(pauseOf(machine));
      if (round > 2) {
        expect(peers).toHaveLength(1);
        for (const guid of peers) all.add(guid);
      }
    }
    // Another one each time, or what the others have would never be found.
    expect(all.size).toBe(3);
    expect(pauses[0]).toBeLessThanOrEqual(USUAL_MAX);
    expect(pauses[4] ?? 0).toBeGreaterThan(2 * USUAL_MAX);
    for (const pause of pauses.slice(8)) {
      expect(pause).toBeGreaterThanOrEqual(IDLE_SYNC_MS_MAX);
      expect(pause).toBeLessThanOrEqual(IDLE_MAX);
    }
    // Nodes are not in step.
    expect(new Set(pauses.slice(8)).size).toBeGreaterThan(6);
  });

  it('waits no longer than half as long again where the jitter is longer than the interval', () => {
    const machine = idle(new Machine([member(3)], { syncJitterMs: 2 * syncIntervalMs }));
    for (let round = 0; round < 20; round++) {
      for (const guid of asked(machine.round())) machine.answerSync(guid);
      expect(pauseOf(machine)).toBeLessThanOrEqual(IDLE_MAX);
    }
  });

  it('remembers it over an eviction', () => {
    const machine = idle(new Machine([member(3)]));
    machine.reload();
    for (const guid of asked(machine.round())) machine.answerSync(guid);
    expect(pauseOf(machine)).toBeGreaterThanOrEqual(IDLE_SYNC_MS_MAX);
  });

  it('waits no longer than what runs out allows, and never less than its interval', () => {
    expect(idlePause({ ...TEST_CONFIG, guidTimeoutMs: 1_200_000 })).toBe(300_000);
    expect(idlePause({ ...TEST_CONFIG, newcomerCertificateMs: 400_000 })).toBe(100_000);
    expect(idlePause({ ...TEST_CONFIG, guidTimeoutMs: 60_000 })).toBe(syncIntervalMs);
    expect(idlePause({ ...TEST_CONFIG, syncIntervalMs: 86_400_000 })).toBe(86_400_000);
  });
});

it('a message that was too young to be compared in one round has all primary peers asked in the next', () => {
  const machine = idle(new Machine([1, 2, 3, 4, 6, 7].map((guid) => member(guid))));
  // Something that happened brings the usual pace back; the message comes right before that round.
  machine.submit({ type: 'deliver', deliveries: [machine.delivery()], newest: null, bringer: null });
  machine.now = (machine.state.timers.get('sync')?.at ?? 0) - RECONCILE_AFTER_MS;
  machine.submit({ type: 'deliver', deliveries: [machine.delivery()], newest: null, bringer: null });
  const rounds = [1, 2].map(() => {
    const peers = asked(machine.round());
    for (const guid of peers) machine.answerSync(guid);
    return peers.length;
  });
  expect(rounds).toEqual([3, 3]);
});

/** Peer 3 asks at network sync, with this of its mempool: a fingerprint, or the wish to be told all by one that has nothing. */
function isAskedBy3(machine: Machine, payload: Payload): void {
  const at = Math.floor(machine.now / RECONCILE_STEP_MS) * RECONCILE_STEP_MS;
  const digest = { at, frame: { ranges: [[null, payload] as const] } };
  const maxGuidNode = { guid: 3, address: 'x' };
  const request = { guid: 3, maxGuidNode, have: [[1, 9] as const], members: [], digest, wanted: [], doubted: [] };
  machine.submit({ type: 'sync-asked', request, caller: 3 });
}

describe('comes back at once', () => {
  const tellOf = (machine: Machine, told: Member) => {
    const maxGuidNode = { guid: 3, address: 'x' };
    const known = { guid: 3, maxGuidNode, have: [[1, 9] as const], digest: null, wanted: [], doubted: [] };
    machine.submit({ type: 'sync-asked', request: { ...known, members: [told] }, caller: 3 });
  };
  const cases: [string, (machine: Machine) => unknown][] = [
    [
      'a message',
      (machine) => machine.submit({ type: 'deliver', deliveries: [machine.delivery()], newest: null, bringer: null }),
    ],
    [
      'a message of its own',
      (machine) => {
        const message = machine.message({ originator: { guid: SELF, address: 'x' } });
        const origination = { data: {}, ttlSeconds: null, idempotencyKey: null, message };
        machine.submit({ type: 'originate', originations: [origination] });
      },
    ],
    ['a new member', (machine) => machine.hearEvent(0, 'PEER_JOINED', { members: [writeMember(outsider(7))] })],
    ['a new member at sync', (machine) => tellOf(machine, outsider(7))],
    ['a member that came back', (machine) => tellOf(machine, member(4, { incarnation: machine.now }))],
    [
      'a peer that has what it lacks',
      (machine) => {
        const exchange = { pushed: false, isTrusted: true, comparedAt: machine.now, rounds: 1, wanted: [] };
        machine.state.syncing.set(3, { ...exchange, repeats: 0, known: 3 });
        machine.answerSync(3, { frame: { ranges: [[null, ['ab'.repeat(32)]]] } });
      },
    ],
    ['a peer that does not answer', (machine) => machine.submit({ type: 'sync-failed', guid: 3, reason: 'gone' })],
    [
      'a delivery that failed',
      (machine) =>
        machine.submit({
          type: 'undeliverable',
          reason: '',
          legs: [{ to: 3, range: { from: 3, to: 2 }, attempt: 0, without: [], answered: false, ids: [] }],
        }),
    ],
    ['a peer whose mempool differs', (machine) => isAskedBy3(machine, '0'.repeat(32))],
  ];

  it.each(cases)('with %s', (_name, happens) => {
    const machine = idle(new Machine([member(3), member(4)]));
    machine.now += 1_000;
    const before = machine.state.timers.get('sync')?.at ?? 0;
    expect(before - machine.now).toBeGreaterThan(USUAL_MAX);
    happens(machine);
    const { at = 0, setAt = 0 } = machine.state.timers.get('sync') ?? {};
    expect(at - machine.now).toBeLessThanOrEqual(USUAL_MAX);
    expect(setAt).toBe(machine.now);
    // And it does not put off what is near.
    happens(machine);
    expect(machine.state.timers.get('sync')?.at).toBe(at);
    machine.now += 20_000;
    happens(machine);
    expect(machine.state.timers.get('sync')?.at).toBe(at);
  });

  it('and not with a peer that has the same', () => {
    const machine = idle(new Machine([member(3), member(4)]));
    const before = machine.state.timers.get('sync')?.at;
    isAskedBy3(machine, []);
    expect(machine.state.timers.get('sync')?.at).toBe(before);
  });

  it.each([
    ['in probation', (machine: Machine) => machine.know(outsider(7))],
    ['in trouble', (machine: Machine) => machine.submit({ type: 'sync-failed', guid: 3, reason: 'gone' })],
    [
      'ignored',
      (machine: Machine) => {
        for (let failure = 0; failure < 3; failure++) {
          machine.now += 10_000;
          machine.submit({ type: 'sync-failed', guid: 3, reason: 'gone' });
          machine.answerSync(4);
        }
        expect(machine.stateOf(3)).toBe('ignored');
      },
    ],
    [
      'owed something',
      (machine: Machine) => {
        const never = machine.now + 1e9;
        const range = { from: 3, to: 2 };
        machine.state.repairs.add({ dueAt: never, attempt: 1, range, without: [], ids: ['00'] });
      },
    ],
  ])('and stays so while a peer is %s', (_name, happens) => {
    const machine = idle(new Machine([member(3), member(4)]));
    happens(machine);
    for (let round = 0; round < 5; round++) {
      machine.round();
      expect(pauseOf(machine)).toBeLessThanOrEqual(USUAL_MAX);
    }
  });
});

describe('an idle network', () => {
  it('that loses a delivery without a word has the message everywhere two intervals later', () => {
    const network = new TestNetwork(16);
    network.start();
    network.advance(4 * 3_600_000);
    network.losesDeliveriesTo.add(7);
    network.originate(1, { lost: true });
    network.settle();
    network.losesDeliveriesTo.clear();
    expect(network.messagesAt(7)).toEqual([]);
    network.advance(RECONCILE_AFTER_MS + 5_000 + 2 * USUAL_MAX);
    expect(network.messagesAt(7)).toHaveLength(1);
  });

  it('costs a few rounds an hour', () => {
    const network = new TestNetwork(16);
    network.start();
    network.advance(4 * 3_600_000);
    const rounds = () => network.nodes.reduce((sum, { driver }) => sum + driver.state.counters.get('sync_rounds'), 0);
    const before = rounds();
    network.advance(10 * 3_600_000);
    expect((rounds() - before) / 16 / 10).toBeLessThanOrEqual(4);
  });
});
