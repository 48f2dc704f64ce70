// What a node tells the beacon, and when: each receipt until the beacon has it, with nothing kept for it but a cursor.
import { describe, expect, it } from 'vitest';
import { Beacon } from '../../src/protocol/beacon.ts';
import { Reporting, reportWindow, type Report } from '../../src/protocol/beacon-report.ts';
import { BEACON_BACKOFF_MS_MAX, REPORT_DUPLICATES_MAX, REPORT_RECEIPTS_MAX } from '../../src/protocol/limits.ts';
import { createMemoryBeaconStore } from '../../src/store/memory-store.ts';
import { member } from '../support/signed.ts';
import { Machine, NOW, SELF } from './machine.ts';

const rng = () => 0.5;

/** A node and its reports, as its shell has them. */
class Reporter {
  readonly machine: Machine;
  reporting: Reporting;
  #lives = 1;

  constructor(machine = new Machine([member(1), member(2)])) {
    this.machine = machine;
    this.reporting = this.#live();
  }

  #live(): Reporting {
    return new Reporting(`life ${this.#lives++}`, this.machine.state.mempool);
  }

  /** Eviction. */
  wake(): void {
    this.machine.reload();
    this.reporting = this.#live();
  }

  receive(count: number, changes: { hops?: number; from?: number } = {}): void {
    const originator = { guid: 1, address: 'x' };
    const deliveries = Array.from({ length: count }, () => this.machine.delivery({ originator }, changes));
    this.machine.submit({ type: 'deliver', deliveries, newest: null, bringer: null });
  }

  get dueAt(): number | null {
    return this.reporting.dueAt(this.machine.state, this.machine.now, rng);
  }

  next(): Report {
    return this.reporting.next(this.machine.state, this.machine.now);
  }

  /** Tells a beacon all that there is to tell; gives how many reports it took. */
  tell(beacon: Beacon): number {
    for (let reports = 0; ; reports++) {
      const at = this.dueAt;
      if (at === null) return reports;
      if (reports > 100) throw new Error('no end');
      this.machine.now = Math.max(this.machine.now, at);
      this.reporting.answered(beacon.hear(this.next(), true, this.machine.now), this.machine.now, rng);
    }
  }
}

const open = (store = createMemoryBeaconStore()) => new Beacon(store, () => undefined);

describe('a report', () => {
  it('tells of what came since the last one, of who brought it, and of whom the node takes for live', () => {
    const reporter = new Reporter();
    expect(reporter.dueAt).toBeNull();
    reporter.receive(1, { hops: 2, from: 2 });
    reporter.machine.now += 20;
    const told = reporter.next();
    expect(told).toMatchObject({ guid: SELF, after: '0', through: '1', live: [[1, 2], [5, 5]], duplicates: [] }); // prettier-ignore
    expect(told.receipts).toMatchObject([{ originator: 1, receivedAt: NOW, broadcastAt: NOW, hops: 2, from: 2 }]);
    reporter.reporting.answered({ heard: '1', kept: '0' }, NOW, rng);
    expect(reporter.dueAt).toBeNull();
  });

  it('has the same in it after a wake: a row knows who brought it', () => {
    const reporter = new Reporter();
    reporter.receive(1, { from: 2 });
    const before = reporter.next();
    reporter.wake();
    reporter.reporting.look(reporter.machine.state);
    reporter.next();
    reporter.reporting.answered({ heard: '0', kept: '0' }, NOW, rng);
    expect(reporter.next().receipts).toEqual(before.receipts);
  });

  it('leaves out the dead, and those who left', () => {
    const reporter = new Reporter(new Machine([1, 2, 3, 4, 6, 7].map((guid) => member(guid))));
    reporter.machine.hearEvent(6, 'PEER_LEAVING', { guid: 6, incarnation: 0 });
    expect(reporter.next().live).toEqual([[1, 5], [7, 7]]); // prettier-ignore
  });

  it('has a bounded size; what does not fit is in the next', () => {
    const reporter = new Reporter();
    const beacon = open();
    reporter.receive(REPORT_RECEIPTS_MAX + 10);
    expect(reporter.next().receipts).toHaveLength(REPORT_RECEIPTS_MAX);
    reporter.reporting.failed(NOW, rng);
    expect(reporter.tell(beacon)).toBe(2);
    expect(beacon.size).toBe(REPORT_RECEIPTS_MAX + 10);
  });

  it('counts duplicates until the beacon has heard them, under one number', () => {
    const reporter = new Reporter();
    reporter.reporting.repeated(['a', 'b', 'a']);
    const first = reporter.next();
    expect(first.duplicates).toEqual([['a', 2], ['b', 1]]); // prettier-ignore
    reporter.reporting.repeated(['a']);
    reporter.reporting.failed(NOW, rng);
    expect(reporter.next()).toMatchObject({ number: first.number, duplicates: first.duplicates });
    reporter.reporting.answered({ heard: '0', kept: '0' }, NOW, rng);
    expect(reporter.next()).toMatchObject({ number: first.number + 1, duplicates: [['a', 1]] });
    reporter.reporting.answered({ heard: '0', kept: '0' }, NOW, rng);
    reporter.reporting.repeated(Array.from({ length: 2 * REPORT_DUPLICATES_MAX }, (_, index) => `id${index}`));
    expect(reporter.next().duplicates).toHaveLength(REPORT_DUPLICATES_MAX);
  });
});

describe('whatever is lost', () => {
  it('a beacon that had not stored it is told again, at the next round', () => {
    const reporter = new Reporter();
    const store = createMemoryBeaconStore();
    reporter.receive(3);
    reporter.tell(open(store));
    // It crashed before it stored anything.
    const beacon = open(store);
    reporter.reporting.look(reporter.machine.state);
    reporter.tell(beacon);
    expect(beacon.size).toBe(3);
    beacon.flush(reporter.machine.now);
    reporter.reporting.look(reporter.machine.state);
    expect(reporter.tell(beacon)).toBe(1);
    // Now it is known to be stored: nobody asks again.
    reporter.reporting.look(reporter.machine.state);
    expect(reporter.dueAt).toBeNull();
  });

  it('a node that was evicted before it told goes on where the beacon is, once it has something to tell', () => {
    const reporter = new Reporter();
    const beacon = open();
    reporter.receive(2);
    reporter.tell(beacon);
    reporter.receive(4);
    reporter.wake();
    expect(reporter.dueAt).toBeNull();
    reporter.receive(1);
    reporter.tell(beacon);
    expect(beacon.size).toBe(7);
  });

  it('a node that slept with an empty mempool asks nothing', () => {
    const reporter = new Reporter();
    reporter.reporting.look(reporter.machine.state);
    expect(reporter.dueAt).toBeNull();
  });

  it('what has expired since is no hole', () => {
    const reporter = new Reporter();
    const beacon = open();
    reporter.receive(2);
    reporter.machine.now += 700_000;
    reporter.machine.round();
    reporter.wake();
    reporter.receive(2);
    reporter.tell(beacon);
    expect(beacon.size).toBe(2);
    expect(beacon.hear(reporter.next(), true, reporter.machine.now).heard).toBe('2');
  });
});

describe('the pace', () => {
  it('grows with the network, so that the beacon gets some 200 calls a second from all', () => {
    expect([1, 50, 100, 1_000, 10_000].map(reportWindow)).toEqual([250, 250, 500, 5_000, 50_000]);
  });

  it('is one report a window, the first within it', () => {
    const reporter = new Reporter();
    reporter.receive(1);
    expect(reporter.dueAt).toBe(NOW + 125);
    reporter.machine.now += 125;
    reporter.next();
    reporter.receive(1);
    expect(reporter.dueAt).toBeNull();
    reporter.reporting.answered({ heard: '1', kept: '0' }, NOW + 130, rng);
    expect(reporter.dueAt).toBe(NOW + 375);
  });

  it('slows down where the beacon does not answer, or answers what makes no sense, and is as before when it does', () => {
    const reporter = new Reporter();
    reporter.receive(1);
    const pauses: number[] = [];
    for (let failure = 0; failure < 20; failure++) {
      reporter.machine.now = reporter.dueAt ?? NaN;
      const { after } = reporter.next();
      if (failure % 2 === 0) reporter.reporting.failed(reporter.machine.now, rng);
      else
        reporter.reporting.answered({ heard: after, kept: failure % 4 === 1 ? '0' : 'x' }, reporter.machine.now, rng);
      pauses.push((reporter.dueAt ?? NaN) - reporter.machine.now);
    }
    expect(pauses.every((pause, index) => pause >= (pauses[index - 1] ?? 0))).toBe(true);
    expect(pauses[0]).toBeLessThan(1_500);
    expect(pauses.at(-1)).toBeGreaterThan(BEACON_BACKOFF_MS_MAX / 2);
    expect(pauses.at(-1)).toBeLessThanOrEqual(BEACON_BACKOFF_MS_MAX);
    const beacon = open();
    reporter.tell(beacon);
    expect([beacon.size, reporter.reporting.failures]).toEqual([1, 0]);
  });
});
