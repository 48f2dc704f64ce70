// The beacon's rules: what it makes of reports, whatever their order, and what it keeps.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Beacon } from '../../src/protocol/beacon.ts';
import type { Receipt, Report } from '../../src/protocol/beacon-report.ts';
import {
  BEACON_BLOCK_MESSAGES_MAX,
  BEACON_FLUSH_MS,
  BEACON_FLUSH_MS_MIN,
  BEACON_MESSAGES_MAX,
  BEACON_SETTLE_MS,
} from '../../src/protocol/limits.ts';
import type { BeaconStore } from '../../src/protocol/store.ts';
import { createMemoryBeaconStore } from '../../src/store/memory-store.ts';

const NOW = 1_700_000_000_000;
const ALL = [[1, 20]] as const;
const MINUTE = 60_000;

const idOf = (number: number) => number.toString(16).padStart(64, '0');

/** Message `number`, originated by 1 at NOW, as a node has it. */
function receipt(number: number, after: number, changes: Partial<Receipt> = {}): Receipt {
  const times = { broadcastAt: NOW, expiresAt: NOW + 600_000, receivedAt: NOW + after };
  return {
    id: idOf(number),
    originator: 1,
    ...times,
    hops: after === 0 ? 0 : 1,
    from: after === 0 ? null : 1,
    ...changes,
  };
}

/** A report of a node that has told everything before. */
function report(guid: number, receipts: readonly Receipt[], changes: Partial<Report> = {}): Report {
  const cursors = { after: '0', through: String(receipts.length) };
  return { guid, instance: `life of ${guid}`, number: 1, ...cursors, live: ALL, receipts, duplicates: [], ...changes };
}

const open = (store: BeaconStore = createMemoryBeaconStore()) =>
  new Beacon(store, (table, row) => {
    throw new Error(`${table} ${row} is damaged`);
  });

const coverageOf = (beacon: Beacon, number: number) => beacon.message(idOf(number))?.coverage;

/** A network of 20 in which guid g has the message after 10 g ms. */
const everybody = () => Array.from({ length: 20 }, (_, index) => report(index + 1, [receipt(1, index * 10)]));

describe('a message', () => {
  it('has figures of those who were live: who has it, when 50, 95 and 100 % had it, who has not', () => {
    const beacon = open();
    for (const told of everybody().slice(0, 19)) beacon.hear(told, true, NOW + 300);
    expect(coverageOf(beacon, 1)).toMatchObject({ members: 20, received: 19, t50: 90, t95: 180, t100: null });
    expect(beacon.message(idOf(1))?.missing(10)).toEqual([20]);
    beacon.hear(report(20, [receipt(1, 400, { hops: 3 })]), true, NOW + 500);
    expect(coverageOf(beacon, 1)).toMatchObject({
      members: 20,
      received: 20,
      t100: 400,
      hopsMax: 3,
      hopsMean: 21 / 19,
    });
    expect(beacon.message(idOf(1))?.missing(10)).toEqual([]);
  });

  it('is the same whatever the order of reports, and however often each comes', () => {
    const expected = open();
    for (const told of everybody()) expected.hear(told, true, NOW + 300);
    const orders = fc.shuffledSubarray([...everybody(), ...everybody()], { minLength: 40 });
    fc.assert(
      fc.property(orders, (order) => {
        const beacon = open();
        for (const told of order) beacon.hear(told, true, NOW + 300);
        expect({ ...coverageOf(beacon, 1), n: 1 }).toEqual(coverageOf(expected, 1));
        expect(beacon.summary(NOW + MINUTE)).toEqual(expected.summary(NOW + MINUTE));
      }),
      { numRuns: 30 },
    );
  });

  it('counts duplicates once, also where their report comes twice, and again in another life of the reporter', () => {
    const beacon = open();
    beacon.hear(report(1, [receipt(1, 0)]), true, NOW);
    const again = report(2, [receipt(1, 10)], { duplicates: [[idOf(1), 3]] });
    for (let times = 0; times < 3; times++) beacon.hear(again, true, NOW);
    expect(coverageOf(beacon, 1)?.duplicates).toBe(3);
    beacon.hear({ ...again, number: 2 }, true, NOW);
    beacon.hear({ ...again, instance: 'another life' }, true, NOW);
    expect(coverageOf(beacon, 1)?.duplicates).toBe(9);
  });

  it('goes by the roster of its originator, and counts nobody who joined later or was dead', () => {
    const beacon = open();
    beacon.hear(report(2, [receipt(1, 10)], { live: [[1, 30]] }), true, NOW);
    expect(coverageOf(beacon, 1)).toMatchObject({ members: 30, received: 2 });
    // 3 is dead to the originator, and 21 to 30 are not there yet.
    beacon.hear(report(1, [receipt(1, 0)], { live: [[1, 2], [4, 20]] }), true, NOW); // prettier-ignore
    expect(coverageOf(beacon, 1)).toMatchObject({ members: 19, received: 2 });
    beacon.hear(report(25, [receipt(1, 5_000)], { live: [[1, 30]] }), true, NOW);
    expect(coverageOf(beacon, 1)).toMatchObject({ members: 19, received: 2 });
    expect(
      beacon
        .message(idOf(1))
        ?.sorted()
        .map(({ guid }) => guid),
    ).toEqual([1, 2, 25]);
    expect(beacon.message(idOf(1))?.missing(2)).toEqual([4, 5]);
  });

  it('of the boot node has no receipt of the boot node, and is delivered to all', () => {
    const beacon = open();
    const announced = { originator: 0, hops: 1, from: 0 };
    for (const guid of [1, 2]) beacon.hear(report(guid, [receipt(1, 10, announced)], { live: [[1, 2]] }), true, NOW);
    expect(coverageOf(beacon, 1)).toMatchObject({ members: 2, received: 2, t100: 10 });
  });

  it('is no other than one that there can be: not from the future, and what was forgotten does not come back', () => {
    const beacon = open();
    beacon.hear(report(1, [receipt(1, 0, { broadcastAt: NOW + 3_600_000 })]), true, NOW);
    beacon.hear(report(1, [receipt(2, 0, { expiresAt: NOW + 90_000_000 })]), true, NOW);
    expect(beacon.size).toBe(0);
  });
});

describe('aggregates', () => {
  it('are of the last hour and day, and follow what is heard later', () => {
    const beacon = open();
    for (const told of everybody().slice(0, 10)) beacon.hear(told, true, NOW);
    const later = beacon.summary(NOW + BEACON_SETTLE_MS).hour;
    expect(later).toMatchObject({ messages: 1, complete: 0, coverage: 0.5, t95: null });
    for (const told of everybody()) beacon.hear(told, true, NOW);
    const { hour, day } = beacon.summary(NOW);
    expect(hour).toEqual(day);
    expect(hour).toMatchObject({
      messages: 1,
      deliveries: 19,
      complete: 1,
      coverage: 1,
      hopsMax: 1,
      deliveriesPerMember: 1,
    });
    // To 2.2 %.
    expect(Math.abs((hour.t95 ?? 0) / 180 - 1)).toBeLessThan(0.023);
    expect(beacon.summary(NOW + 61 * MINUTE).hour.messages).toBe(0);
    expect(beacon.summary(NOW + 61 * MINUTE).day.messages).toBe(1);
    expect(beacon.summary(NOW + 25 * 60 * MINUTE).day.messages).toBe(0);
  });

  it('leave out what is still under way: a network that is busy is not one that loses messages', () => {
    const beacon = open();
    for (const told of everybody()) beacon.hear(told, true, NOW);
    const { hour } = beacon.summary(NOW);
    // Heard of when the first was settled, however long ago it was broadcast.
    const now = NOW + BEACON_SETTLE_MS;
    const second = { after: '1', through: '2', number: 2 };
    for (let guid = 1; guid <= 7; guid++) beacon.hear(report(guid, [receipt(2, guid)], second), true, now);
    expect(beacon.summary(now + BEACON_SETTLE_MS - 1)).toMatchObject({ hour, day: hour, messages: 2 });
    // What is stored meanwhile is none the less whole, and is told of as lost once it had its time.
    beacon.flush(now);
    expect(beacon.summary(now + 1).hour).toEqual(hour);
    const lost = beacon.summary(now + BEACON_SETTLE_MS).hour;
    expect(lost).toMatchObject({ messages: 2, deliveries: 19 + 6, complete: 1, coverage: (1 + 7 / 20) / 2 });
    expect(lost.deliveriesPerMember).toBeCloseTo((1 + 6 / 19) / 2, 6);
    for (let guid = 8; guid <= 20; guid++) beacon.hear(report(guid, [receipt(2, guid)], second), true, now);
    expect(beacon.summary(now).hour).toMatchObject({ messages: 2, complete: 2, coverage: 1, deliveriesPerMember: 1 });
  });

  it('are of what members broadcast: announcements of the boot node are none of it', () => {
    const store = createMemoryBeaconStore();
    const beacon = open(store);
    const announced = receipt(1, 10, { originator: 0, from: 0, hops: 1 });
    for (let guid = 1; guid <= 20; guid++) beacon.hear(report(guid, [announced]), true, NOW);
    beacon.flush(NOW);
    for (const one of [beacon, open(store)]) {
      expect(one.summary(NOW)).toMatchObject({ messages: 1, hour: { messages: 0, coverage: null, deliveries: 0 } });
    }
  });

  it('have medians over messages, and a ratio that duplicates raise', () => {
    const beacon = open();
    for (let number = 1; number <= 3; number++) {
      const one = { live: [[1, 2]] as const, after: String(number - 1), through: String(number), number };
      beacon.hear(report(1, [receipt(number, 0)], one), true, NOW);
      const duplicates = [[idOf(number), number === 3 ? 3 : 0]] as const;
      beacon.hear(report(2, [receipt(number, 10 ** number)], { ...one, duplicates }), true, NOW);
    }
    const { hour } = beacon.summary(NOW);
    expect(Math.abs((hour.t100 ?? 0) / 100 - 1)).toBeLessThan(0.023);
    expect(Math.abs((hour.t95P95 ?? 0) / 1_000 - 1)).toBeLessThan(0.023);
    expect(hour).toMatchObject({ messages: 3, deliveries: 3, duplicates: 3, deliveriesPerMember: 2 });
  });
});

describe('how far it has heard', () => {
  it('is told with each answer, and no further than nothing is left out', () => {
    const beacon = open();
    const at = (after: string, through: string) => beacon.hear(report(2, [], { after, through }), true, NOW).heard;
    expect([at('7', '9'), at('0', '3.4'), at('3.2', '5'), at('1', '2'), at('6', '8'), at('5', '8')]).toEqual(
      '0 3.4 5 5 5 8'.split(' '),
    );
  });

  it('is stored together with what was heard: after a crash it is told what is missing', () => {
    const store = createMemoryBeaconStore();
    const before = open(store);
    before.hear(report(1, [receipt(1, 0)]), true, NOW);
    before.flush(NOW);
    expect(before.hear(report(1, [receipt(2, 0)], { after: '1', through: '2' }), true, NOW)).toEqual({
      heard: '2',
      kept: '1',
    });
    const after = open(store);
    expect(after.size).toBe(1);
    expect(after.hear(report(1, [], { after: '2', through: '2' }), true, NOW)).toEqual({ heard: '1', kept: '1' });
  });
});

describe('storing', () => {
  it('waits for the rest of a message, not for ever, and not where all have it', () => {
    const beacon = open();
    const all = everybody();
    expect(beacon.flushAt).toBeNull();
    for (const told of all.slice(0, 19)) beacon.hear(told, true, NOW);
    expect(beacon.flushAt).toBe(NOW + BEACON_FLUSH_MS);
    beacon.hear(all[19] as Report, true, NOW + 100);
    expect(beacon.flushAt).toBe(NOW);
    beacon.flush(NOW + 100);
    expect(beacon.flushAt).toBeNull();
    beacon.hear(report(1, [receipt(2, 0)], { live: [[1, 1]], after: '1', through: '2', number: 2 }), true, NOW + 200);
    expect(beacon.flushAt).toBe(NOW + 100 + BEACON_FLUSH_MS_MIN);
  });

  it('takes two rows for what was heard meanwhile, and gives all of it back', () => {
    const store = createMemoryBeaconStore();
    const beacon = open(store);
    for (const told of everybody()) {
      const receipts = [...told.receipts, ...[2, 3, 4].map((number) => receipt(number, told.guid === 1 ? 0 : 40))];
      beacon.hear({ ...told, receipts, duplicates: [[idOf(2), 1]] }, true, NOW);
    }
    const rows = store.rowsWritten();
    beacon.flush(NOW);
    expect(store.rowsWritten() - rows).toBe(2);
    const again = open(store);
    expect(again.summary(NOW)).toEqual(beacon.summary(NOW));
    expect(again.page(null, 10, null)?.messages.map(({ coverage }) => coverage)).toEqual(
      beacon.page(null, 10, null)?.messages.map(({ coverage }) => coverage),
    );
    const holders = (of: Beacon) =>
      of
        .message(idOf(1))
        ?.sorted()
        .map(({ stamp: _stamp, ...rest }) => rest);
    expect(holders(again)).toEqual(holders(beacon));
    // Reading takes no memory.
    expect(again.message(idOf(1))?.isUnpacked).toBe(false);
    // What comes then changes nothing that was counted.
    again.hear(everybody()[3] as Report, true, NOW);
    expect(again.message(idOf(1))?.isUnpacked).toBe(false);
    expect(again.summary(NOW)).toEqual(beacon.summary(NOW));
    again.hear(report(3, [], { number: 2, duplicates: [[idOf(1), 2]] }), true, NOW);
    expect(again.summary(NOW).hour.duplicates).toBe(beacon.summary(NOW).hour.duplicates + 2);
  });

  it('keeps the aggregates of hours that are over, and forgets those of days', () => {
    const store = createMemoryBeaconStore();
    const beacon = open(store);
    const HOUR = 60 * MINUTE;
    for (let hour = 0; hour < 50; hour++) {
      const at = NOW + hour * HOUR;
      const times = { broadcastAt: at, receivedAt: at, expiresAt: at + 1 };
      beacon.hear(report(1, [receipt(hour, 0, times)], { number: hour + 1 }), true, at);
      beacon.flush(at);
    }
    const now = NOW + 49 * HOUR + BEACON_SETTLE_MS;
    expect(beacon.summary(now).day.messages).toBe(24);
    expect(open(store).summary(now)).toEqual(beacon.summary(now));
    expect([...store.hours.all()].length).toBeLessThan(26);
  });

  it('keeps a bounded number of messages, the newest, and what was forgotten stays so', () => {
    const store = createMemoryBeaconStore();
    const beacon = open(store);
    const count = BEACON_MESSAGES_MAX + 3 * BEACON_BLOCK_MESSAGES_MAX;
    for (let number = 0; number < count; number += 500) {
      const numbers = Array.from({ length: 500 }, (_, index) => number + index).filter((one) => one < count);
      const receipts = numbers.map((one) => receipt(one, 0, { broadcastAt: NOW + one, receivedAt: NOW + one }));
      beacon.hear(report(1, receipts), true, NOW + number);
    }
    beacon.flush(NOW);
    expect(beacon.size).toBeGreaterThan(BEACON_MESSAGES_MAX - BEACON_BLOCK_MESSAGES_MAX);
    expect(beacon.size).toBeLessThanOrEqual(BEACON_MESSAGES_MAX);
    expect(beacon.page(null, 1, null)?.messages[0]?.facts.id).toBe(idOf(count - 1));
    expect(beacon.message(idOf(0))).toBeNull();
    // It still counts.
    const now = NOW + count + BEACON_SETTLE_MS;
    expect(beacon.summary(now).hour.messages).toBe(count);
    const again = open(store);
    expect(again.size).toBe(beacon.size);
    again.hear(report(2, [receipt(0, 10)]), true, NOW);
    expect(again.message(idOf(0))).toBeNull();
  });

  it('goes on without a row that is damaged', () => {
    const store = createMemoryBeaconStore();
    const beacon = open(store);
    for (const told of everybody()) beacon.hear(told, true, NOW);
    beacon.flush(NOW);
    for (const table of [store.blocks, store.state, store.hours]) {
      for (const { id } of table.all()) table.put(id, '{');
    }
    const damaged: string[] = [];
    const again = new Beacon(store, (table) => damaged.push(table));
    expect(damaged).toEqual(['blocks', 'state']);
    for (const told of everybody()) again.hear(told, true, NOW);
    expect(coverageOf(again, 1)).toMatchObject({ received: 20 });
  });
});

describe('reading', () => {
  it('turns pages from the newest on, also of one originator', () => {
    const beacon = open();
    for (let number = 1; number <= 7; number++) {
      const originator = (number % 2) + 1;
      beacon.hear(report(originator, [receipt(number, 0, { originator })]), true, NOW);
    }
    const read = (originator: number | null) => {
      const pages: string[][] = [];
      let cursor: string | null = null;
      do {
        const page = beacon.page(cursor, 2, originator);
        if (!page) throw new Error('not a cursor');
        pages.push(page.messages.map(({ facts }) => facts.id));
        cursor = page.next;
      } while (cursor !== null);
      return pages;
    };
    expect(read(null)).toEqual([[7, 6], [5, 4], [3, 2], [1]].map((page) => page.map(idOf)));
    expect(read(1)).toEqual([[6, 4], [2]].map((page) => page.map(idOf)));
    expect(beacon.page('x', 2, null)).toBeNull();
  });

  it('gives what is new since a stamp, each receipt once, in as many portions as it takes', () => {
    const beacon = open();
    for (const told of everybody().slice(0, 8)) beacon.hear(told, true, NOW);
    const seen: number[] = [];
    let stamp = 0;
    for (let guid = 9; stamp < beacon.lastStamp; guid++) {
      const { news, stamp: next } = beacon.since(stamp, 3);
      const guids = news.flatMap(({ holders }) => holders.map((holder) => holder.guid));
      expect(guids.length).toBeLessThanOrEqual(3);
      seen.push(...guids);
      stamp = next;
      if (guid <= 20) beacon.hear(everybody()[guid - 1] as Report, true, NOW);
    }
    expect(seen).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    beacon.hear(report(1, [], { number: 9, duplicates: [[idOf(1), 2]] }), true, NOW);
    expect(beacon.since(stamp, 3).news).toMatchObject([{ message: { duplicates: 2 }, holders: [] }]);
  });
});
