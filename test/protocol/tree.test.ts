import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GUID_MAX } from '../../src/protocol/limits.ts';
import { covers, cutRange, inRange, onlyMe, wholeRing } from '../../src/protocol/tree.ts';
import type { Range } from '../../src/protocol/types.ts';

const guids = fc.uniqueArray(fc.oneof(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: GUID_MAX })), {
  minLength: 1,
  maxLength: 200,
});

/** Everybody who gets a message when all have the same roster, with the hops it took. */
function spread(members: readonly number[], originator: number, fanout: number, trusted: (guid: number) => boolean) {
  const candidates = members.map((guid) => ({ guid, trusted: trusted(guid) }));
  const received = new Map<number, number[]>();
  const work: [number, Range, number][] = [[originator, wholeRing(originator), 0]];
  for (let item = work.pop(); item; item = work.pop()) {
    const [guid, range, hops] = item;
    for (const leg of cutRange(range, guid, candidates, fanout)) {
      // A range that holds its sender would come back for ever.
      if (inRange(leg.range, guid)) throw new Error(`${guid} would be sent its own message`);
      received.set(leg.to, [...(received.get(leg.to) ?? []), hops + 1]);
      work.push([leg.to, leg.range, hops + 1]);
    }
  }
  return received;
}

describe('broadcast tree', () => {
  it('reaches everybody exactly once, in at most ceil(log_fanout N) hops', () => {
    fc.assert(
      fc.property(guids, fc.integer({ min: 2, max: 40 }), fc.nat(), (members, fanout, pick) => {
        const originator = members[pick % members.length] ?? 1;
        const received = spread(members, originator, fanout, () => true);
        expect([...received.keys()].sort()).toEqual(members.filter((guid) => guid !== originator).sort());
        const hops = [...received.values()].map((copies) => {
          expect(copies).toHaveLength(1);
          return copies[0] ?? 0;
        });
        // The small number keeps rounding of the logarithm from asking for a hop less than it means.
        const bound = Math.ceil(Math.log(members.length) / Math.log(fanout) - 1e-9);
        expect(Math.max(0, ...hops)).toBeLessThanOrEqual(bound);
      }),
    );
  });

  it('hangs nobody on a member that is not trusted, and still reaches all once', () => {
    fc.assert(
      fc.property(guids, fc.integer({ min: 2, max: 10 }), fc.nat(), (members, fanout, salt) => {
        const trust = (guid: number) => Math.imul(guid ^ salt, 0x9e3779b1) % 3 !== 0;
        const originator = members[0] ?? 1;
        const received = spread(members, originator, fanout, trust);
        expect([...received.values()].every((copies) => copies.length === 1)).toBe(true);
        expect(received.size).toBe(members.length - 1);
        const candidates = members.slice(1).map((guid) => ({ guid, trusted: trust(guid) }));
        for (const leg of cutRange(wholeRing(originator), originator, candidates, fanout)) {
          const hanging = members.filter((guid) => guid !== leg.to && guid !== originator && inRange(leg.range, guid));
          if (!trust(leg.to)) expect(hanging).toEqual([]);
        }
      }),
    );
  });

  it('reaches all where failovers made several responsible for the same, and each trusts others than the other does', () => {
    const failovers = fc.array(fc.tuple(fc.nat(), fc.nat(), fc.nat()), { maxLength: 6 });
    const few = fc.uniqueArray(fc.integer({ min: 1, max: 40 }), { minLength: 2, maxLength: 20 });
    fc.assert(
      fc.property(few, fc.integer({ min: 2, max: 4 }), fc.nat(), failovers, (members, fanout, salt, draws) => {
        const trusts = (self: number, guid: number) =>
          (Math.imul((self * 131 + guid) ^ salt, 0x9e3779b1) >>> 29) % 2 !== 0;
        const pick = (draw: number) => members[draw % members.length] ?? 1;
        const originator = pick(0);
        const taken = new Map<number, Range[]>([[originator, [wholeRing(originator)]]]);
        const work: [number, Range][] = [[originator, wholeRing(originator)]];
        // The first to take a range on may be any in it: those who were to have it may have seemed to be gone.
        for (const [to, from, until] of draws) {
          const range = { from: pick(from), to: pick(until) };
          if (range.from === range.to || !inRange(range, pick(to)) || inRange(range, originator)) continue;
          work.unshift([pick(to), range]);
          taken.set(pick(to), [...(taken.get(pick(to)) ?? []), range]);
        }
        for (let item = work.pop(); item; item = work.pop()) {
          const [guid, range] = item;
          const candidates = members.map((member) => ({ guid: member, trusted: trusts(guid, member) }));
          for (const leg of cutRange(range, guid, candidates, fanout)) {
            const before = taken.get(leg.to) ?? [];
            if (before.some((outer) => covers(outer, leg.range))) continue;
            taken.set(leg.to, [...before, leg.range]);
            work.push([leg.to, leg.range]);
          }
        }
        expect([...taken.keys()].sort()).toEqual(members.toSorted());
      }),
      { numRuns: 3_000 },
    );
  });

  it('leaves no position of the range to nobody, so that a member unknown to the sender falls to a delegate', () => {
    fc.assert(
      fc.property(
        guids,
        fc.integer({ min: 2, max: 10 }),
        fc.integer({ min: 1, max: GUID_MAX }),
        (members, fanout, stranger) => {
          fc.pre(members.length > 1 && !members.includes(stranger));
          const originator = members[0] ?? 1;
          const candidates = members.slice(1).map((guid) => ({ guid, trusted: true }));
          const legs = cutRange(wholeRing(originator), originator, candidates, fanout);
          expect(legs.filter((leg) => inRange(leg.range, stranger))).toHaveLength(1);
          for (const leg of legs) expect(covers(wholeRing(originator), leg.range)).toBe(true);
        },
      ),
    );
  });

  it('has group sizes that differ by one at most', () => {
    const members = Array.from({ length: 11 }, (_, index) => ({ guid: index + 1, trusted: true }));
    const sizes = cutRange(wholeRing(12), 12, members, 4).map(
      (leg) => members.filter(({ guid }) => inRange(leg.range, guid)).length,
    );
    expect(sizes.sort()).toEqual([2, 3, 3, 3]);
  });

  it('the whole ring is all but oneself; the boot node, which is not in the ring, has all', () => {
    expect(inRange(wholeRing(5), 5)).toBe(false);
    expect(inRange(wholeRing(5), 4)).toBe(true);
    expect(inRange(wholeRing(5), GUID_MAX)).toBe(true);
    expect(inRange(wholeRing(0), GUID_MAX)).toBe(true);
    expect(inRange(wholeRing(0), 1)).toBe(true);
  });

  it('covers is containment of arcs, also across the end of the ring', () => {
    expect(covers({ from: 9, to: 4 }, { from: 7, to: 4 })).toBe(true);
    expect(covers({ from: 9, to: 4 }, { from: 7, to: 3 })).toBe(false);
    expect(covers({ from: 2, to: GUID_MAX - 3 }, onlyMe(GUID_MAX))).toBe(true);
    expect(covers(onlyMe(7), onlyMe(7))).toBe(true);
    expect(covers(onlyMe(7), onlyMe(6))).toBe(false);
    expect(covers(onlyMe(7), wholeRing(7))).toBe(false);
  });

  it('nobody in the range gives no legs', () => {
    expect(cutRange(onlyMe(3), 3, [{ guid: 4, trusted: true }], 4)).toEqual([]);
    expect(cutRange(wholeRing(3), 3, [], 4)).toEqual([]);
  });
});
