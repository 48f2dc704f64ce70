// What a node has counted, across its sleep.
import { describe, expect, it } from 'vitest';
import { Counters, type CounterName } from '../../src/protocol/counters.ts';
import { SETTLE_MS } from '../../src/protocol/limits.ts';
import { seededRandom } from '../support/network.ts';
import { member } from '../support/signed.ts';
import { Machine, only, SELF } from './machine.ts';

const LASTING: readonly CounterName[] = [
  'deliveries_new',
  'deliver_calls',
  'originated',
  'legs_handed_over',
  'jobs',
  'messages_expired',
  'sync_rounds',
  'rows_noted',
];

const told = ({ state }: Machine) => LASTING.map((name) => state.counters.told(name));

const deliver = (machine: Machine, deliveries = [machine.delivery()]) =>
  machine.submit({ type: 'deliver', deliveries, newest: null, bringer: null });

function originate(machine: Machine): void {
  const message = machine.message({ originator: { guid: SELF, address: 'x' } });
  const origination = { data: message.content.data, ttlSeconds: null, idempotencyKey: null, message };
  machine.submit({ type: 'originate', originations: [origination] });
}

/** The queue takes what is to be handed over. */
function handOver(machine: Machine): void {
  for (const { id } of only(machine.take(), 'hand-over')) machine.submit({ type: 'handed-over', id });
}

describe('counters', () => {
  it('of a message are there after sleep, its row among them', () => {
    const machine = new Machine();
    const rows = machine.state.counters.told('rows_noted');
    deliver(machine, [machine.delivery(), machine.delivery()]);
    for (const reload of [false, true]) {
      if (reload) machine.reload();
      const { counters } = machine.state;
      expect([counters.told('deliveries_new'), counters.told('deliver_calls')]).toEqual([2, 1]);
      expect(counters.told('rows_noted') - rows).toBe(1);
      expect(counters.rowsNoted).toBe(reload ? 0 : counters.told('rows_noted'));
    }
  });

  it('of an originator: its message, what was handed over, and the jobs', () => {
    const machine = new Machine([1, 2].map((guid) => member(guid)));
    const counts = () =>
      (['originated', 'legs_handed_over', 'jobs'] as const).map((name) => machine.state.counters.told(name));
    originate(machine);
    handOver(machine);
    // The first was alone, and is not brought by the queue. What the second wrote of its handover waits a second.
    originate(machine);
    handOver(machine);
    expect(counts()).toEqual([2, 2, 1]);
    machine.submit({ type: 'settle', isLast: false });
    machine.reload();
    expect(counts()).toEqual([2, 4, 1]);
  });

  it('are there when all messages have expired, the last of them too', () => {
    const machine = new Machine();
    deliver(machine);
    deliver(machine);
    machine.now += 600_001;
    machine.round();
    expect(machine.state.mempool.size).toBe(0);
    machine.reload();
    const { counters } = machine.state;
    expect([counters.told('deliveries_new'), counters.told('messages_expired')]).toEqual([2, 2]);
  });

  it('are carried on where the last message expires in an input that writes nothing else', () => {
    const machine = new Machine();
    deliver(machine);
    const { store, now } = machine;
    const [first] = store.notes().slice(-1);
    machine.state.mempool.expire(now);
    expect(store.notes()).toContain(first);
    store.transaction(
      () => machine.state.mempool.expire(now + 600_001),
      (rows) => `two rows: ${rows}`,
    );
    expect([...store.segments.index()]).toEqual([]);
    expect(store.notes()).toContain('two rows: 2');
  });

  it('tell of what was counted without a row only with the next one; what is not of messages begins anew', () => {
    const machine = new Machine();
    const delivery = machine.delivery();
    deliver(machine, [delivery]);
    deliver(machine, [delivery]);
    const calls = () => machine.state.counters.told('deliver_calls');
    expect([calls(), machine.state.counters.told('deliveries_duplicate')]).toEqual([1, 1]);
    deliver(machine);
    expect(calls()).toBe(3);
    deliver(machine, [delivery]);
    machine.reload();
    expect([calls(), machine.state.counters.told('deliveries_duplicate')]).toEqual([3, 0]);
  });

  it('tell nothing of an input that could not be stored', () => {
    const machine = new Machine();
    deliver(machine);
    const before = told(machine);
    const { transaction } = machine.store;
    const broken: typeof transaction = (body, note) =>
      transaction(() => {
        body();
        note?.(1);
        throw new Error('disk full');
      });
    Object.assign(machine.store, { transaction: broken });
    expect(() => deliver(machine)).toThrow('disk full');
    Object.assign(machine.store, { transaction });
    expect(told(machine)).toEqual(before);
    machine.reload();
    expect(told(machine)).toEqual(before);
  });

  it.each([1, 2, 3, 4])('never fall, whatever comes and whenever it sleeps (seed %i)', (seed) => {
    const random = seededRandom(seed);
    const machine = new Machine([1, 2, 3, 4].map((guid) => member(guid)));
    let known = machine.delivery();
    const inputs: (() => unknown)[] = [
      () => deliver(machine, [(known = machine.delivery())]),
      () => deliver(machine, [known]),
      () => deliver(machine, [machine.delivery({}, { range: { from: SELF, to: SELF - 1 } })]),
      () => deliver(machine, [machine.delivery({ expiresAt: machine.now + 2_000 }), machine.delivery()]),
      () => originate(machine),
      () => machine.round(),
      () => handOver(machine),
      () => machine.submit({ type: 'settle', isLast: false }),
      () => machine.submit({ type: 'reached', guid: 1 }),
      () => (machine.now += SETTLE_MS),
      () => (machine.now += 600_000),
    ];
    let last = told(machine);
    for (let step = 0; step < 300; step++) {
      inputs[Math.floor(random() * inputs.length)]?.();
      const now = told(machine);
      expect(now.filter((value, index) => value < (last[index] ?? 0))).toEqual([]);
      last = now;
      if (random() < 0.3) machine.reload();
      expect(told(machine)).toEqual(last);
    }
    expect(Math.min(...last)).toBeGreaterThan(1);
  });

  it('go on from the highest of several notes, and from 0 where one is damaged', () => {
    const notes = ['{"jobs":3,"originated":2}', 'not json', 'null', '{"jobs":5}', '{"jobs":"many"}'];
    const counters = new Counters(notes);
    expect([counters.told('jobs'), counters.told('originated'), counters.told('deliver_calls')]).toEqual([5, 2, 0]);
    counters.add('jobs', 2);
    expect(counters.draftNote(1)).toEqual({ jobs: 7, originated: 2, rows_noted: 1 });
  });
});
