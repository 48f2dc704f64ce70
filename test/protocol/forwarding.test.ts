import { describe, expect, it } from 'vitest';
import type { DeliveryCheck, Effect, Outcome } from '../../src/protocol/effects.ts';
import {
  ALONE_PER_SECOND,
  ALONE_REMEMBERED_MAX,
  BUSY_MESSAGES,
  BUSY_MS,
  CLOCK_SKEW_MS_MAX,
  EXTRA_RANGES_MAX,
  HANDOVER_BYTES_MAX,
  HOPS_MAX,
  LINGER_MS,
  MESSAGES_BURST,
  ORIGINATOR_BURST,
  SETTLE_MS,
  WANTED_BYTES_MAX,
} from '../../src/protocol/limits.ts';
import { NodeState } from '../../src/protocol/node-state.ts';
import type { Delivery, Member, Range } from '../../src/protocol/types.ts';
import { TEST_CONFIG } from '../support/network.ts';
import { keyOf, member, outsider } from '../support/signed.ts';
import { lines, Machine, MINE, only, probed, SELF } from './machine.ts';

/** Demerits at which a caller is shut out, in invalid deliveries. */
const INVALID_MAX = 10;

const shutOut = (machine: Machine) => machine.state.standings.shutOut(machine.now);

describe('what a peer outside brings', () => {
  it('is taken where it is sound', () => {
    const machine = new Machine([outsider(7)]);
    const delivery = machine.delivery();
    expect(machine.bring(7, [delivery, delivery])).toEqual(['new', 'duplicate']);
    expect(machine.bring(7, [delivery])).toEqual(['duplicate']);
    expect(machine.state.mempool.size).toBe(1);
    expect(shutOut(machine)).toBe(0);
  });

  const spoilt: [string, (machine: Machine) => Delivery, DeliveryCheck][] = [
    ['forged', (machine) => machine.delivery(), 'forged'],
    ['too-many-hops', (machine) => machine.delivery({}, { hops: HOPS_MAX + 1 }), 'sound'],
    ['bad-range', (machine) => machine.delivery({}, { range: { from: SELF, to: SELF } }), 'sound'],
    ['other-network', (machine) => machine.delivery({ network: 'other' }), 'sound'],
    ['not-canonical', (machine) => ({ ...machine.delivery(), body: '{"a": 1}' as Delivery['body'] }), 'sound'],
    ['bad-signature', (machine) => ({ ...machine.delivery(), body: 'x{}' as Delivery['body'] }), 'sound'],
    [
      'from-the-future',
      (machine) => machine.delivery({ broadcastAt: machine.now + 2 * CLOCK_SKEW_MS_MAX + 1_000 }),
      'sound',
    ],
  ];

  it.each(spoilt)('is refused and held against it where it is %s', (reason, make, check) => {
    const machine = new Machine([outsider(7)]);
    machine.take();
    const deliveries = Array.from({ length: INVALID_MAX }, () => make(machine));
    const checks = deliveries.map(() => check);
    expect(machine.bring(7, deliveries.slice(1), checks)).toEqual(deliveries.slice(1).map(() => 'rejected'));
    const effects = machine.take();
    // A line a reason, not one a message.
    expect(lines(effects, 'deliveries_rejected')).toMatchObject([
      { level: 'WARNING', fields: { reason, count: INVALID_MAX - 1, guid: 7 } },
    ]);
    expect(lines(effects, 'caller_shut_out')).toEqual([]);
    expect(shutOut(machine)).toBe(0);
    machine.bring(7, deliveries.slice(0, 1), checks);
    expect(lines(machine.take(), 'caller_shut_out')).toMatchObject([{ fields: { guid: 7 } }]);
    expect(shutOut(machine)).toBe(1);
    expect(machine.state.mempool.size).toBe(0);
  });

  it('is to be sent again where it is ahead of our clock, but not of every clock that is tolerated', () => {
    const machine = new Machine([outsider(7)]);
    const ahead = machine.delivery({ broadcastAt: machine.now + CLOCK_SKEW_MS_MAX + 1_000 });
    expect(
      machine.bring(
        7,
        Array.from({ length: 2 * INVALID_MAX }, () => ahead),
      ),
    ).toEqual(Array.from({ length: 2 * INVALID_MAX }, () => 'busy'));
    expect(shutOut(machine)).toBe(0);
    machine.now += 1_000;
    expect(machine.bring(7, [ahead])).toEqual(['new']);
  });

  it('is passed on with no more hops than are allowed: nobody is blamed for those before', () => {
    const machine = new Machine([outsider(7), outsider(4), outsider(3)]);
    machine.trust(3, 4, 7);
    expect(machine.bring(7, [machine.delivery({}, { hops: HOPS_MAX, range: { from: 4, to: 2 } })])).toEqual(['new']);
    const handovers = machine.take().flatMap((effect) => (effect.type === 'hand-over' ? effect.outbound : []));
    expect(handovers.flatMap(({ bundles }) => bundles.map(({ hops }) => hops))).toEqual([HOPS_MAX]);
  });

  it('is not held against it where it is only late', () => {
    const machine = new Machine([outsider(7)]);
    const late = { broadcastAt: machine.now - 60_000, expiresAt: machine.now };
    const deliveries = Array.from({ length: 5 * INVALID_MAX }, () => machine.delivery(late));
    expect(new Set(machine.bring(7, deliveries))).toEqual(new Set(['rejected']));
    expect(shutOut(machine)).toBe(0);
  });

  it('is held against nobody where the own queue brings it', () => {
    const machine = new Machine([outsider(7)]);
    const deliveries = Array.from({ length: 50 }, () => machine.delivery({}, { hops: HOPS_MAX + 1 }));
    const reply = machine.submit({ type: 'deliver', deliveries, newest: null, bringer: null });
    expect(reply).toMatchObject({ type: 'delivered', outcomes: deliveries.map(() => 'rejected') });
    expect(shutOut(machine)).toBe(0);
  });

  it('with as many hops as allowed is taken', () => {
    const machine = new Machine([outsider(7)]);
    expect(machine.bring(7, [machine.delivery({}, { hops: HOPS_MAX })])).toEqual(['new']);
  });

  it('of an originator that is not known yet is wanted later, and not held against it', () => {
    const machine = new Machine([outsider(7)]);
    const deliveries = Array.from({ length: 2 * INVALID_MAX }, () =>
      machine.delivery({ originator: { guid: 99, address: 'x' } }),
    );
    const checks = deliveries.map(() => 'unknown-originator' as const);
    expect(new Set(machine.bring(7, deliveries, checks))).toEqual(new Set(['busy']));
    expect(machine.state.mempool.size).toBe(0);
    expect(shutOut(machine)).toBe(0);
    expect(new Set(machine.bring(7, deliveries))).toEqual(new Set(['new']));
  });

  it('that nobody checked counts as forged', () => {
    const machine = new Machine([outsider(7)]);
    expect(machine.bring(7, [machine.delivery(), machine.delivery()], ['sound'])).toEqual(['new', 'rejected']);
  });

  it('mixed is answered one by one, in its order', () => {
    const machine = new Machine([outsider(7)]);
    const [fresh, forged, unknown] = [machine.delivery(), machine.delivery(), machine.delivery()];
    const checks: DeliveryCheck[] = ['sound', 'forged', 'unknown-originator', 'sound'];
    expect(machine.bring(7, [fresh, forged, unknown, fresh], checks)).toEqual(['new', 'rejected', 'busy', 'duplicate']);
  });
});

describe('rates', () => {
  const count = (outcomes: readonly Outcome[], outcome: Outcome) =>
    outcomes.filter((found) => found === outcome).length;
  /** Of as many originators as it takes not to reach the limit of one. */
  const many = (machine: Machine, size: number) =>
    Array.from({ length: size }, (_, index) =>
      machine.delivery({ originator: { guid: 100 + (index % 10), address: 'x' } }),
    );

  it('bound what one peer brings; another still brings its own', () => {
    const machine = new Machine([outsider(7), outsider(8)]);
    const outcomes = machine.bring(7, many(machine, MESSAGES_BURST + 100));
    expect([count(outcomes, 'new'), count(outcomes, 'busy')]).toEqual([MESSAGES_BURST, 100]);
    expect(machine.bring(8, [machine.delivery()])).toEqual(['new']);
    expect(shutOut(machine)).toBe(0);
    machine.now += 10_000;
    expect(count(machine.bring(7, many(machine, 100)), 'new')).toBe(100);
  });

  it('bound what one originator has brought, by whomever; others still get through', () => {
    const machine = new Machine([outsider(7), outsider(8)]);
    const flood = (size: number) =>
      Array.from({ length: size }, () => machine.delivery({ originator: { guid: 50, address: 'x' } }));
    const first = machine.bring(7, flood(ORIGINATOR_BURST / 2));
    const second = machine.bring(8, flood(ORIGINATOR_BURST / 2 + 100));
    expect(count([...first, ...second], 'new')).toBe(ORIGINATOR_BURST);
    expect(count(second, 'busy')).toBe(100);
    expect(machine.bring(8, [machine.delivery({ originator: { guid: 51, address: 'x' } })])).toEqual(['new']);
    expect(shutOut(machine)).toBe(0);
  });

  it('are not used up by copies of what is known already', () => {
    const machine = new Machine([outsider(7)]);
    const known = machine.delivery({ originator: { guid: 50, address: 'x' } });
    machine.bring(7, [known]);
    machine.bring(
      7,
      Array.from({ length: ORIGINATOR_BURST }, () => known),
    );
    const rest = Array.from({ length: 900 }, () => machine.delivery({ originator: { guid: 50, address: 'x' } }));
    expect(count(machine.bring(7, rest), 'new')).toBe(900);
  });

  it('do not bound the own queue', () => {
    const machine = new Machine();
    const deliveries = Array.from({ length: MESSAGES_BURST + 500 }, () => machine.delivery());
    const reply = machine.submit({ type: 'deliver', deliveries, newest: null, bringer: null });
    expect(reply.type === 'delivered' && count(reply.outcomes, 'new')).toBe(MESSAGES_BURST + 500);
  });
});

describe('ranges', () => {
  it('that duplicates bring are taken on up to a limit', () => {
    const machine = new Machine([outsider(7)]);
    const delivery = machine.delivery();
    machine.bring(7, [delivery]);
    const taken: number[] = [];
    let rows = 0;
    for (let index = 1; index <= EXTRA_RANGES_MAX + 20; index++) {
      // Each is wider than the one before.
      const range = { from: SELF, to: 1_000_000 - index };
      if (index === EXTRA_RANGES_MAX + 1) rows = machine.store.rowsWritten();
      expect(machine.bring(7, [{ ...delivery, range }])).toEqual(['duplicate']);
      const entry = machine.state.mempool.get(machine.state.mempool.entriesOf(1)[0]?.id ?? '');
      if (entry && machine.state.mempool.isCovered(entry, range)) taken.push(index);
    }
    // What is beyond is not owed to anybody, so nothing is stored for it.
    expect(machine.store.rowsWritten()).toBe(rows);
    expect(taken).toEqual(Array.from({ length: EXTRA_RANGES_MAX }, (_, index) => index + 1));
  });

  it('that are covered already cost nothing', () => {
    const machine = new Machine([outsider(7)]);
    const delivery = machine.delivery({}, { range: { from: SELF, to: 0 } });
    machine.bring(7, [delivery]);
    const inner = { ...delivery, range: { from: SELF - 1, to: 1 } };
    const rows = machine.store.rowsWritten();
    for (let count = 0; count < 50; count++) machine.bring(7, [inner]);
    expect(machine.store.rowsWritten()).toBe(rows);
    const wider = { ...delivery, range: { from: SELF + 1, to: 0 } };
    machine.bring(7, [wider]);
    const [entry] = machine.state.mempool.entriesOf(1);
    expect(entry && machine.state.mempool.isCovered(entry, wider.range)).toBe(true);
  });
});

describe('what is handed over', () => {
  const spread = (machine: Machine) => machine.delivery({}, { range: { from: SELF - 1, to: SELF } });

  const targets = (machine: Machine) => {
    machine.take();
    machine.submit({ type: 'deliver', deliveries: [spread(machine)], newest: null, bringer: null });
    const [handover] = only(machine.take(), 'hand-over');
    return [...(handover?.jobs ?? []), ...(handover?.outbound ?? [])].flatMap(({ bundles }) =>
      bundles.flatMap(({ legs }) => legs),
    ).length;
  };

  it.each([
    ['in one hop among nodes of one deployment', null, 0, 100],
    ['by 64 delegates where any member is elsewhere', null, 1, 64],
    ['by as many as the operator says', 5, 0, 5],
  ])('goes on %s', (_what, fanout, elsewhere, legs) => {
    const others = Array.from({ length: 100 - elsewhere }, (_unused, index) => member(index + 20));
    const peers = Array.from({ length: elsewhere }, (_unused, index) => outsider(index + 200));
    expect(targets(new Machine([...others, ...peers], { fanout }))).toBe(legs);
  });

  /** A message comes that is passed on, and the queue takes it; gives what that wrote besides the message. */
  function passOn(machine: Machine): { rows: number; later: number } {
    machine.take();
    machine.submit({ type: 'deliver', deliveries: [spread(machine)], newest: null, bringer: null });
    const [handover] = only(machine.take(), 'hand-over');
    const before = machine.store.rowsWritten();
    const effects = machine.effectsOf({ type: 'handed-over', id: handover?.id ?? 0 });
    return { rows: machine.store.rowsWritten() - before, later: only(effects, 'settle-later').length };
  }

  it('is noted at once where that is seldom', () => {
    const machine = new Machine([member(1), member(2)]);
    for (let count = 0; count < 3; count++) {
      expect(passOn(machine)).toEqual({ rows: 1, later: 0 });
      machine.now += SETTLE_MS;
    }
  });

  it('is noted along with the rows of messages under load; a crash before the next has the last handed over again', () => {
    const machine = new Machine([member(1), member(2)]);
    expect(passOn(machine)).toEqual({ rows: 1, later: 0 });
    for (const later of [1, 0, 0]) {
      machine.now += SETTLE_MS / 4;
      expect(passOn(machine)).toEqual({ rows: 0, later });
    }
    const loaded = () => new NodeState(machine.store, TEST_CONFIG, machine.state.counters);
    expect([machine.state.settled, loaded().settled]).toEqual([4, 3]);
    const settle = () => {
      const before = machine.store.rowsWritten();
      const again = only(machine.effectsOf({ type: 'settle', isLast: false }), 'settle-later').length;
      return { rows: machine.store.rowsWritten() - before, again };
    };
    // Rows told of it since the last time, and may go on to.
    expect(settle()).toEqual({ rows: 0, again: 1 });
    // None did: it is quiet.
    expect(settle()).toEqual({ rows: 1, again: 0 });
    expect(settle()).toEqual({ rows: 0, again: 0 });
    expect(loaded().settled).toBe(4);
    machine.now += SETTLE_MS;
    expect(passOn(machine)).toEqual({ rows: 1, later: 0 });
  });

  it('is noted at the end of a node, also where rows told of what went before', () => {
    const machine = new Machine([member(1), member(2)]);
    for (let count = 0; count < 3; count++) passOn(machine);
    machine.submit({ type: 'settle', isLast: true });
    machine.reload();
    expect(machine.state.settled).toBe(3);
  });

  it('goes by who is there now: the ways of the message before are taken only where no peer has changed', () => {
    const machine = new Machine([1, 2, 3].map((guid) => member(guid)));
    const ways = () => {
      const deliveries = [spread(machine)];
      const [handover] = only(
        machine.effectsOf({ type: 'deliver', deliveries, newest: null, bringer: null }),
        'hand-over',
      );
      machine.submit({ type: 'handed-over', id: handover?.id ?? 0 });
      return handover?.jobs.flatMap(({ bundles }) => bundles.flatMap(({ legs }) => legs.map(({ to }) => to)));
    };
    expect([ways(), ways()]).toEqual([
      [3, 2, 1],
      [3, 2, 1],
    ]);
    const legs = [{ to: 2, range: { from: 2, to: 1 }, attempt: 0, without: [], answered: false, ids: [] }];
    for (let failure = 0; machine.stateOf(2) !== 'ignored' && failure < 10; failure++) {
      machine.submit({ type: 'undeliverable', legs, reason: 'no answer' });
      machine.now += 60_000;
    }
    expect([machine.stateOf(2), ways()]).toEqual(['ignored', [3, 1]]);
  });

  describe('of a busy node', () => {
    const busy = () => {
      const machine = new Machine([member(1), member(2)]);
      machine.submit({ type: 'deliver', deliveries: many(machine, BUSY_MESSAGES), newest: null, bringer: null });
      return machine;
    };
    const many = (machine: Machine, count: number) => Array.from({ length: count }, () => machine.delivery());
    const originate = (machine: Machine) => {
      const message = machine.message({ originator: { guid: SELF, address: 'x' } });
      const origination = { data: message.content.data, ttlSeconds: null, idempotencyKey: null, message };
      return machine.effectsOf({ type: 'originate', originations: [origination] });
    };
    const handOver = (machine: Machine, effects: readonly Effect[]) => {
      const [handover] = only(effects, 'hand-over');
      if (handover) machine.submit({ type: 'handed-over', id: handover.id });
      return handover?.jobs.flatMap(({ bundles }) => bundles.flatMap(({ bodies }) => bodies)).length ?? 0;
    };

    it('waits for more, and goes in one job', () => {
      const machine = busy();
      expect(handOver(machine, originate(machine))).toBe(1);
      machine.now += 1;
      const second = originate(machine);
      expect([handOver(machine, second), only(second, 'linger').length]).toEqual([0, 1]);
      const third = originate(machine);
      expect([handOver(machine, third), only(third, 'linger').length]).toEqual([0, 0]);
      machine.now += LINGER_MS;
      const jobs = machine.state.counters.get('jobs');
      expect(handOver(machine, machine.effectsOf({ type: 'lingered' }))).toBe(2);
      expect(machine.state.counters.get('jobs') - jobs).toBe(1);
      const next = originate(machine);
      expect([handOver(machine, next), only(next, 'linger').length]).toEqual([0, 1]);
    });

    it('is handed over by the next life where this one ends meanwhile', () => {
      const machine = busy();
      handOver(machine, originate(machine));
      handOver(machine, originate(machine));
      machine.reload();
      expect(handOver(machine, machine.effectsOf({ type: 'wake' }))).toBeGreaterThan(0);
      expect(machine.state.settled).toBe(machine.state.mempool.lastSeq);
    });

    it.each([
      ['after a pause', (machine: Machine) => void (machine.now += LINGER_MS)],
      [
        'when messages come one by one again',
        (machine: Machine) => {
          machine.submit({ type: 'deliver', deliveries: many(machine, 1), newest: null, bringer: null });
        },
      ],
      [
        'when nobody has brought anything for long',
        (machine: Machine) => {
          machine.now += BUSY_MS;
          handOver(machine, originate(machine));
        },
      ],
    ])('does not wait %s', (_when, change) => {
      const machine = busy();
      handOver(machine, originate(machine));
      change(machine);
      expect(handOver(machine, originate(machine))).toBe(1);
    });

    it('does not wait where it leaves: it may end any moment', () => {
      const machine = busy();
      handOver(machine, originate(machine));
      const message = machine.message({ originator: { guid: SELF, address: 'x' } });
      const farewell = { data: message.content.data, ttlSeconds: null, idempotencyKey: null, message };
      expect(handOver(machine, machine.effectsOf({ type: 'leave', farewell }))).toBeGreaterThan(0);
    });

    it('does not wait where a failure is to be made good: it goes along', () => {
      const machine = busy();
      handOver(machine, originate(machine));
      const { id } = machine.state.mempool.entriesOf(machine.state.mempool.lastSeq)[0] ?? { id: '' };
      originate(machine);
      const leg = { to: 2, range: { from: 2, to: 0 }, attempt: 0, without: [], answered: false, ids: [id] };
      expect(handOver(machine, machine.effectsOf({ type: 'undeliverable', legs: [leg], reason: 'no answer' }))).toBe(2);
    });

    it('takes nothing else along with it: what is passed on goes at once', () => {
      const machine = busy();
      handOver(machine, originate(machine));
      const deliveries = [...many(machine, BUSY_MESSAGES), spread(machine)];
      expect(handOver(machine, machine.effectsOf({ type: 'deliver', deliveries, newest: null, bringer: null }))).toBe(
        1,
      );
    });
  });

  it('goes to peers outside in jobs of their own', () => {
    const machine = new Machine([member(1), member(2), outsider(7), outsider(8)], { fanout: 8 });
    machine.trust(7);
    machine.take();
    machine.bring(7, [spread(machine)]);
    const [handover] = only(machine.take(), 'hand-over');
    const legs = (jobs = handover?.jobs ?? []) =>
      jobs.flatMap(({ bundles }) => bundles.flatMap((bundle) => bundle.legs));
    expect(legs().map(({ to, outside }) => [to, outside])).toEqual([
      [2, null],
      [1, null],
    ]);
    expect(legs(handover?.outbound).map(({ to, outside }) => [to, outside])).toEqual([
      [8, { publicKey: keyOf(8), isTrusted: false }],
      [7, { publicKey: keyOf(7), isTrusted: true }],
    ]);
    expect(machine.state.counters.get('jobs')).toBe(2);
    machine.submit({ type: 'handed-over', id: handover?.id ?? 0 });
    expect(machine.state.counters.get('legs_handed_over')).toBe(4);
  });

  it('is no more at once than fits memory, repairs too: the others follow when these are through', () => {
    const callers = [1, 2, 3, 4, 6, 7, 8, 9];
    const machine = new Machine(callers.map((guid) => member(guid)));
    const text = 'x'.repeat(60_000);
    const messages = Array.from({ length: 16 }, () => machine.message({ data: { text } }));
    const deliveries = messages.map(({ sealed }) => ({ body: sealed, range: MINE, hops: 1 }));
    machine.submit({ type: 'deliver', deliveries, newest: null, bringer: null });
    const wanted = messages.map(({ id }) => id);
    const pending = callers.flatMap((guid) => {
      const request = { guid, maxGuidNode: { guid, address: 'x' }, have: [[1, 9] as const], members: [] };
      const asking = { ...request, digest: null, wanted, doubted: [] };
      return only(machine.effectsOf({ type: 'sync-asked', request: asking, caller: guid }), 'hand-over');
    });
    const served = new Set<number>();
    for (let next = pending.pop(); next;) {
      const bundles = next.jobs.flatMap((job) => job.bundles);
      const bytes = bundles.flatMap(({ bodies }) => bodies).reduce((sum, body) => sum + body.length, 0);
      expect(bytes).toBeLessThanOrEqual(HANDOVER_BYTES_MAX + WANTED_BYTES_MAX);
      for (const { legs } of bundles) for (const { to } of legs) served.add(to);
      next = only(machine.effectsOf({ type: 'handed-over', id: next.id }), 'hand-over')[0];
    }
    expect([...served].sort()).toEqual(callers);
    expect(machine.state.repairs.size).toBe(0);
  });

  it('has no empty jobs where all are of one kind', () => {
    const own = new Machine([member(1)]);
    own.bring(7, [spread(own)]);
    expect(only(own.take(), 'hand-over')).toMatchObject([{ jobs: [{}], outbound: [] }]);
    const elsewhere = new Machine([outsider(7)]);
    elsewhere.bring(7, [spread(elsewhere)]);
    expect(only(elsewhere.take(), 'hand-over')).toMatchObject([{ jobs: [], outbound: [{}] }]);
  });

  it('holds the very bytes that came', () => {
    const machine = new Machine([member(1), outsider(7)]);
    const delivery = spread(machine);
    machine.bring(7, [delivery]);
    const [handover] = only(machine.take(), 'hand-over');
    const bodies = [...(handover?.jobs ?? []), ...(handover?.outbound ?? [])].flatMap(({ bundles }) =>
      bundles.flatMap((bundle) => bundle.bodies),
    );
    expect(bodies).toEqual([delivery.body, delivery.body]);
  });

  it('hangs no subtree on a newcomer', () => {
    const machine = new Machine([outsider(1), outsider(2), outsider(3), outsider(4)], { fanout: 2 });
    machine.bring(7, [spread(machine)]);
    const [handover] = only(machine.take(), 'hand-over');
    const legs = (handover?.outbound ?? []).flatMap(({ bundles }) => bundles.flatMap((bundle) => bundle.legs));
    expect(legs.map(({ to }) => to).sort()).toEqual([1, 2, 3, 4]);
  });
});

describe('a message that is alone', () => {
  const originate = (machine: Machine, count = 1) => {
    const originations = Array.from({ length: count }, () => {
      const message = machine.message({ originator: { guid: SELF, address: 'x' } });
      return { data: message.content.data, ttlSeconds: null, idempotencyKey: null, message };
    });
    return only(machine.effectsOf({ type: 'originate', originations }), 'hand-over');
  };
  const through = (machine: Machine, id = 0) => only(machine.effectsOf({ type: 'handed-over', id }), 'hand-over');
  /** As long as any load is remembered. */
  const QUIET_MS = (ALONE_REMEMBERED_MAX / ALONE_PER_SECOND) * 1_000;
  const hear = (machine: Machine, count: number) => {
    const deliveries = Array.from({ length: count }, () => machine.delivery());
    machine.submit({ type: 'deliver', deliveries, newest: null, bringer: null });
    return deliveries;
  };
  /** A node that has taken a message, all quiet since. */
  const quiet = (...members: readonly Member[]) => {
    const machine = new Machine(members);
    const [first] = originate(machine);
    through(machine, first?.id);
    machine.now += QUIET_MS;
    return machine;
  };

  it('is brought by its originator itself: there is nothing in the queue to pay for', () => {
    const machine = quiet(member(1), member(2));
    const before = machine.state.counters.get('jobs');
    expect(originate(machine)).toMatchObject([{ isAlone: true, jobs: [{}], outbound: [] }]);
    expect(machine.state.counters.get('jobs')).toBe(before);
  });

  it('is so too where it is the first since the node woke', () => {
    expect(originate(new Machine([member(1)]))).toMatchObject([{ isAlone: true }]);
  });

  it('goes to peers outside by their queue', () => {
    const machine = quiet(member(1), outsider(7));
    const before = machine.state.counters.get('jobs');
    expect(originate(machine)).toMatchObject([{ isAlone: true, jobs: [{}], outbound: [{}] }]);
    expect(machine.state.counters.get('jobs')).toBe(before + 1);
    expect(originate(quiet(outsider(7)))).toMatchObject([{ isAlone: false, jobs: [], outbound: [{}] }]);
  });

  it('is not alone where others came just before, from here or from elsewhere', () => {
    const machine = quiet(member(1));
    const alone = Array.from({ length: 4 }, () => {
      const [handover] = originate(machine);
      through(machine, handover?.id);
      machine.now += 100;
      return handover?.isAlone;
    });
    expect(alone).toEqual([true, true, false, false]);

    const heard = quiet(member(1));
    hear(heard, 2);
    expect(originate(heard)).toMatchObject([{ isAlone: false }]);

    const told = quiet(member(1));
    const deliveries = hear(told, 1);
    // What came before is not load.
    for (let times = 0; times < 3; times++) {
      told.submit({ type: 'deliver', deliveries, newest: null, bringer: null });
    }
    told.now += 100;
    expect(originate(told)).toMatchObject([{ isAlone: true }]);
  });

  it('is not alone between the batches of a load, however far apart they come, before it is quiet for long', () => {
    const machine = quiet(member(1));
    for (let batch = 0; batch < 5; batch++) {
      hear(machine, 100);
      machine.now += 3_000;
      const [handover] = originate(machine);
      expect(handover).toMatchObject({ isAlone: false });
      through(machine, handover?.id);
    }
    machine.now += QUIET_MS;
    expect(originate(machine)).toMatchObject([{ isAlone: true }]);
  });

  it('is not alone where several come at once, or wait together', () => {
    expect(originate(quiet(member(1)), 2)).toMatchObject([{ isAlone: false }]);
    const machine = quiet(member(1));
    const [first] = originate(machine);
    originate(machine);
    machine.now += QUIET_MS;
    originate(machine);
    expect(through(machine, first?.id)).toMatchObject([{ isAlone: false }]);
  });

  it('is the queue’s where it is passed on, so that no chain of calls grows', () => {
    const machine = new Machine([member(1)]);
    const deliveries = [machine.delivery({}, { range: { from: SELF - 1, to: SELF } })];
    const [handover] = only(
      machine.effectsOf({ type: 'deliver', deliveries, newest: null, bringer: null }),
      'hand-over',
    );
    expect(handover).toMatchObject({ isAlone: false, jobs: [{}] });
  });

  it('is the queue’s where an attempt failed, where the node woke meanwhile, and where a target has failed', () => {
    const machine = quiet(member(1), member(2));
    const [first] = originate(machine);
    machine.submit({ type: 'handover-failed', id: first?.id ?? 0, reason: 'queue' });
    machine.now += 60_000;
    const [second] = only(machine.effectsOf({ type: 'alarm' }), 'hand-over');
    expect(second).toMatchObject({ isAlone: false, jobs: [{}] });

    const woken = quiet(member(1));
    originate(woken);
    woken.reload();
    expect(only(woken.effectsOf({ type: 'wake' }), 'hand-over')).toMatchObject([{ isAlone: false, jobs: [{}] }]);

    const failing = new Machine([member(1), member(2), member(3), member(4)], { fanout: 2 });
    failing.trust(1, 2, 3, 4);
    const [attempt] = originate(failing);
    const ids = failing.state.mempool.entriesOf(1).map(({ id }) => id);
    const failed = attempt?.jobs.flatMap(({ bundles }) => bundles.flatMap((bundle) => bundle.legs)) ?? [];
    const legs = failed
      .slice(0, 1)
      .map(({ to, range }) => ({ to, range, attempt: 0, without: [], answered: false, ids }));
    failing.submit({ type: 'undeliverable', legs, reason: 'no answer' });
    expect(through(failing, attempt?.id)).toMatchObject([{ isAlone: false, jobs: [{}] }]);
  });
});

describe('a range that could not be delivered', () => {
  const owed = (machine: Machine, to: number, range: Range) => {
    machine.bring(8, [machine.delivery()]);
    const ids = machine.state.mempool.entriesOf(1).map(({ id }) => id);
    machine.submit({
      type: 'undeliverable',
      legs: [{ to, range, attempt: 0, without: [], answered: false, ids }],
      reason: 'timeout',
    });
    return machine.state.repairs.size;
  };

  it('is owed where someone is, now or later', () => {
    const proved = new Machine([outsider(7)]);
    proved.answerProbe(7);
    expect(owed(proved, 7, { from: 7, to: 6 })).toBe(1);
    const ignored = new Machine([outsider(7)], { maxFailures: 1 });
    ignored.answerProbe(7);
    expect(owed(ignored, 7, { from: 7, to: 6 })).toBe(1);
    expect(ignored.stateOf(7)).toBe('ignored');
    const around = new Machine([outsider(6), outsider(7)]);
    expect(owed(around, 7, { from: 7, to: 5 })).toBe(1);
  });

  it('is not owed to one who has left', () => {
    const machine = new Machine([member(3)]);
    machine.bring(3, [machine.delivery()]);
    const ids = machine.state.mempool.entriesOf(1).map(({ id }) => id);
    expect(ids).toHaveLength(1);
    machine.hearEvent(3, 'PEER_LEAVING', { guid: 3, incarnation: 0 });
    const leg = { to: 3, range: { from: 3, to: 2 }, attempt: 0, without: [], answered: false, ids };
    machine.submit({ type: 'undeliverable', legs: [leg], reason: 'left' });
    expect(machine.state.repairs.size).toBe(0);
  });

  it('is owed to no stranger who was never there', () => {
    expect(owed(new Machine([outsider(7)]), 7, { from: 7, to: 6 })).toBe(0);
    // Whoever else there is has its own.
    expect(owed(new Machine([outsider(6), outsider(7)]), 7, { from: 7, to: 6 })).toBe(0);
  });
});

it('a message whose originator stays unknown is refused in the end, and held against nobody', () => {
  const machine = new Machine([outsider(7)]);
  machine.trust(7);
  const delivery = machine.delivery();
  const bring = () => machine.bring(7, [delivery], ['unknown-originator'])[0];
  for (let count = 0; count < 8; count++) expect(bring()).toBe('busy');
  for (let count = 0; count < 100; count++) {
    expect(bring()).toBe('rejected');
    machine.now += 1_000;
  }
  expect(shutOut(machine)).toBe(0);
  // Where its originator comes to be known it is taken all the same.
  expect(machine.bring(7, [delivery])).toEqual(['new']);
});

describe('a target that is there, and busy', () => {
  const busy = (machine: Machine, attempt: number) => {
    const id = machine.state.mempool.entriesOf(1)[0]?.id ?? '';
    const legs = [{ to: 7, range: { from: 7, to: 6 }, attempt, without: [], answered: true, ids: [id] }];
    machine.submit({ type: 'undeliverable', legs, reason: 'busy' });
  };
  const withMessage = () => {
    const machine = new Machine([outsider(7), outsider(8)]);
    machine.trust(7, 8);
    machine.bring(8, [machine.delivery()]);
    return machine;
  };

  it('has not failed', () => {
    const machine = withMessage();
    for (let count = 0; count < 10; count++) {
      busy(machine, 0);
      machine.now += 10_000;
    }
    expect(machine.state.roster.get(7)).toMatchObject({ state: 'alive', failures: 0 });
  });

  it('is brought the same some times more, then asks for it itself', () => {
    const machine = withMessage();
    for (const attempt of [0, 1, 2]) {
      busy(machine, attempt);
      expect(machine.state.repairs.size).toBe(1);
      for (let id = 0; id < 10; id++) machine.state.repairs.remove(id);
    }
    busy(machine, 3);
    expect(machine.state.repairs.size).toBe(0);
    expect(lines(machine.take(), 'left_to_sync')).toMatchObject([{ fields: { to: 7, messages: 1 } }]);
  });

  it('is owed it too where that is heard before the handover is through', () => {
    const machine = withMessage();
    const id = machine.state.mempool.entriesOf(1)[0]?.id ?? '';
    const [first] = only(machine.take(), 'hand-over');
    machine.submit({ type: 'handed-over', id: first?.id ?? 0 });
    const legs = [{ to: 7, range: { from: 7, to: 6 }, attempt: 0, without: [], answered: false, ids: [id] }];
    machine.submit({ type: 'undeliverable', legs, reason: 'timeout' });
    machine.now += 60_000;
    const [second] = only(machine.effectsOf({ type: 'alarm' }), 'hand-over');
    expect(second).toBeDefined();
    // The consumer was faster than the queue's own word.
    machine.submit({ type: 'undeliverable', legs, reason: 'timeout' });
    machine.submit({ type: 'handed-over', id: second?.id ?? 0 });
    expect(machine.state.repairs.size).toBe(1);
  });

  it('is owed a message once, however many legs brought it', () => {
    const machine = withMessage();
    for (let count = 0; count < 20; count++) busy(machine, 0);
    expect(machine.state.repairs.size).toBe(1);
  });
});

it('an originator that is not known is asked for at who brought its message, once a minute', () => {
  const machine = new Machine([outsider(7)]);
  machine.trust(7);
  const bring = () => {
    machine.bring(7, [machine.delivery()], ['unknown-originator']);
    return machine.take().filter(({ type }) => type === 'sync').length;
  };
  expect(bring()).toBe(1);
  machine.answerSync(7);
  expect(bring()).toBe(0);
  machine.now += 60_000;
  expect(bring()).toBe(1);
});

describe('a peer outside that took a delivery', () => {
  it('is asked who it is before it is trusted, once in a while', () => {
    const machine = new Machine([outsider(7)]);
    machine.now += machine.config.probationMs;
    expect(probed(machine.effectsOf({ type: 'reached', guid: 7 }))).toEqual([7]);
    expect(machine.state.roster.get(7)).toMatchObject({ state: 'probation', proved: false });
    for (let count = 0; count < 100; count++) {
      expect(probed(machine.effectsOf({ type: 'reached', guid: 7 }))).toEqual([]);
    }
    machine.answerProbe(7);
    expect(machine.stateOf(7)).toBe('alive');
  });

  it('and has told who it is, is there: it is trusted after its probation', () => {
    const machine = new Machine([outsider(7)]);
    machine.answerProbe(7);
    machine.submit({ type: 'probe-failed', guid: 7, reason: 'timeout' });
    expect(machine.stateOf(7)).toBe('suspect');
    expect(probed(machine.effectsOf({ type: 'reached', guid: 7 }))).toEqual([]);
    expect(machine.stateOf(7)).toBe('probation');
    machine.now += machine.config.probationMs;
    machine.submit({ type: 'reached', guid: 7 });
    expect(machine.stateOf(7)).toBe('alive');
  });

  it('and is not known is nobody', () => {
    const machine = new Machine();
    expect(probed(machine.effectsOf({ type: 'reached', guid: 99 }))).toEqual([]);
    expect(machine.stateOf(99)).toBeNull();
  });

  it('did not is in trouble; a newcomer is ignored', () => {
    const machine = new Machine([outsider(7), outsider(8)]);
    machine.trust(8);
    machine.bring(8, [machine.delivery()]);
    const id = machine.state.mempool.entriesOf(1)[0]?.id ?? '';
    const legs = [7, 8].map((to) => ({ to, range: MINE, attempt: 0, without: [], answered: false, ids: [id] }));
    machine.submit({ type: 'undeliverable', legs, reason: 'timeout' });
    expect([machine.stateOf(7), machine.stateOf(8)]).toEqual(['ignored', 'suspect']);
  });
});
