import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isBefore, sortItems, type Bound, type Item, type SortedItems } from '../../src/protocol/fingerprint.ts';
import {
  FRAME_BYTES_MIN,
  FRAME_IDS_MAX,
  FRAME_RANGES_MAX,
  readFrame,
  reconcile,
  startReconciliation,
  type Frame,
  type FrameRange,
} from '../../src/protocol/reconcile.ts';
import type { JsonValue } from '../../src/protocol/types.ts';

/** What rides in one queue message or RPC comfortably; what negentropy was measured with. */
const FRAME_BYTES = 60_000;

const hex = (text: string) => createHash('sha256').update(text).digest('hex');

/** Items of one day, as an originator's clock and SHA-256 would have it. */
function makeItems(count: number): Item[] {
  return Array.from({ length: count }, (_, n) => ({
    at: 1_764_000_000_000 + (Number.parseInt(hex(`at ${n}`).slice(0, 8), 16) % 86_400_000),
    id: hex(`id ${n}`),
  }));
}

/** Through JSON and the check, as the other side gets it. */
function carry(frame: Frame): { read: Frame; bytes: number } {
  const text = JSON.stringify(frame);
  const read = readFrame(JSON.parse(text) as JsonValue);
  if (!read) throw new Error(`not readable: ${text.slice(0, 500)}`);
  if (JSON.stringify(read) !== text) throw new Error(`read as something else: ${text.slice(0, 500)}`);
  return { read, bytes: text.length };
}

/** Runs steps until the initiator has nothing more to ask. */
function run(ours: readonly Item[], theirs: readonly Item[], frameBytesMax: number, roundsMax: number) {
  const initiator = sortItems(ours);
  const responder = sortItems(theirs);
  const have: string[] = [];
  const need: string[] = [];
  const frames: number[] = [];
  let frame: Frame | null = startReconciliation(initiator);
  let rounds = 0;
  for (; frame; rounds++) {
    if (rounds === roundsMax) throw new Error(`more than ${roundsMax} rounds`);
    const asked = carry(frame);
    const answer = reconcile(responder, asked.read, frameBytesMax, 'responder');
    expect([answer.have, answer.need]).toEqual([[], []]);
    if (!answer.reply) throw new Error('the responder always answers');
    const answered = carry(answer.reply);
    const step = reconcile(initiator, answered.read, frameBytesMax, 'initiator');
    have.push(...step.have);
    need.push(...step.need);
    frames.push(asked.bytes, answered.bytes);
    frame = step.reply;
  }
  expect(Math.max(...frames)).toBeLessThanOrEqual(frameBytesMax);
  return { have, need, rounds, frames, bytes: frames.reduce((sum, bytes) => sum + bytes, 0) };
}

/** The same, and holds what was found to the true differences. Only where a frame was full is anything found twice. */
function check(ours: readonly Item[], theirs: readonly Item[], frameBytesMax: number, roundsMax: number) {
  const result = run(ours, theirs, frameBytesMax, roundsMax);
  const without = (all: readonly Item[], others: readonly Item[]) => {
    const known = new Set(others.map(({ id }) => id));
    return all.flatMap(({ id }) => (known.has(id) ? [] : id)).sort();
  };
  const found = [new Set(result.have), new Set(result.need)].map((set) => [...set].sort());
  expect(found).toEqual([without(ours, theirs), without(theirs, ours)]);
  const twice = result.have.length + result.need.length - found.flat().length;
  // At the longest bounds, what is kept free and what did not fit are less than 700 bytes.
  if (Math.max(...result.frames) < frameBytesMax - 700) expect(twice).toBe(0);
  return { ...result, twice };
}

/** Holds a frame to what it says of the set it is about. */
function expectTrue(frame: Frame | null, set: SortedItems): void {
  let from = 0;
  for (const [upper, payload] of frame?.ranges ?? []) {
    const to = set.indexOf(upper, from);
    if (typeof payload === 'string') expect(payload).toBe(set.fingerprint(from, to));
    else if (payload && payload.length > 0) expect(payload).toEqual(set.ids(from, to));
    from = to;
  }
}

const times = fc.oneof(
  fc.constant(7),
  fc.nat({ max: 20 }),
  fc.constantFrom(0, Number.MAX_SAFE_INTEGER - 1, Number.MAX_SAFE_INTEGER),
  fc.maxSafeNat(),
);

/** Ids that differ from the first digit, or far behind; with much less than 64 bits that differ, sums could be equal by chance. */
const ids = fc
  .tuple(fc.constantFrom(0, 0, 30, 48), fc.constantFrom('0', 'a', 'f'), fc.nat())
  .map(([common, digit, n]) => digit.repeat(common) + hex(String(n)).slice(common));

const items = fc.uniqueArray(fc.record({ at: times, id: ids }), {
  selector: ({ id }) => id,
  maxLength: 400,
  size: 'max',
});

const pairs = fc
  .tuple(items, fc.infiniteStream(fc.nat({ max: 99 })), fc.constantFrom(2, 10, 50, 100))
  .map(([all, dice, rate]) => {
    // Some differ in a few, some in all.
    const ours: Item[] = [];
    const theirs: Item[] = [];
    for (const item of all) {
      const die = dice.next().value;
      if (die >= rate || die % 2 === 0) ours.push(item);
      if (die >= rate || die % 2 === 1) theirs.push(item);
    }
    return { ours, theirs, differences: 2 * all.length - ours.length - theirs.length };
  });

const limits = fc.oneof(
  fc.constant(FRAME_BYTES_MIN),
  fc.integer({ min: FRAME_BYTES_MIN, max: 8_000 }),
  fc.constant(FRAME_BYTES),
);

describe('reconcile', () => {
  it('finds exactly the differences, in bounded rounds and frames', () => {
    fc.assert(
      fc.property(pairs, limits, ({ ours, theirs, differences }, limit) => {
        const { rounds } = check(ours, theirs, limit, 5 + differences);
        // Cut into 8 by both sides in turn, 400 items take 3 rounds where everything fits.
        if (limit === FRAME_BYTES) expect(rounds).toBeLessThanOrEqual(4);
      }),
      { numRuns: 150 },
    );
  });

  it('costs one small frame and one smaller where nothing differs', () => {
    for (const count of [0, 1, 5, 9, 10_000]) {
      const all = makeItems(count);
      const { rounds, bytes } = check(all, all, FRAME_BYTES, 1);
      expect(rounds).toBe(1);
      expect(bytes).toBeLessThan(80);
    }
  });

  it('tells an empty node everything, in frames of the size that is allowed', () => {
    const all = makeItems(3_000);
    const { rounds, bytes } = check([], all, FRAME_BYTES, 10);
    expect(rounds).toBe(4);
    // 67 bytes an id and next to nothing besides.
    expect(bytes).toBeLessThan(3_000 * 67 + 2_000);
    expect(check(all, [], FRAME_BYTES, 1).bytes).toBeLessThan(100);
    expect(check([], all.slice(0, 100), FRAME_BYTES_MIN, 20).rounds).toBeGreaterThan(5);
  });

  it('takes what is disjoint', () => {
    const all = makeItems(2_000);
    check(all.slice(0, 1_000), all.slice(1_000), FRAME_BYTES, 8);
    const sorted = all.toSorted((a, b) => a.at - b.at);
    const halves = check(sorted.slice(0, 1_000), sorted.slice(1_000), FRAME_BYTES, 8);
    expect(halves.bytes).toBeLessThan(1_000 * 67 + 10_000);
  });

  it('takes items of one instant, and ids that differ in the last digits only', () => {
    const ofAnInstant = makeItems(3_000).map(({ id }) => ({ at: 5, id }));
    check(ofAnInstant.slice(0, 2_990), ofAnInstant.slice(20), FRAME_BYTES, 5);
    const alike = Array.from({ length: 3_000 }, (_, n) => ({ at: 5, id: n.toString(16).padStart(64, 'e') }));
    check(alike.slice(0, 2_990), alike.slice(20), FRAME_BYTES, 5);
    check(alike.slice(0, 300), alike.slice(200, 500), FRAME_BYTES_MIN, 200);
  });

  it('is cheap: 10,000 items with 111 differences', () => {
    const all = makeItems(10_000);
    const { rounds, bytes } = check(all.slice(0, 9_945), [...all.slice(0, 9_889), ...all.slice(9_945)], FRAME_BYTES, 5);
    // Measured: 3 rounds, 97,000 bytes (negentropy, binary, with 16 parts: 2 rounds, 44 KB; all ids as JSON: 670 KB).
    expect(rounds).toBeLessThanOrEqual(3);
    expect(bytes).toBeLessThan(110_000);
  });

  it('is cheap where the differences are new', () => {
    const sorted = makeItems(10_000).toSorted((a, b) => a.at - b.at);
    const { rounds, bytes } = check(sorted.slice(0, 9_900), sorted, FRAME_BYTES, 5);
    expect(rounds).toBeLessThanOrEqual(4);
    expect(bytes).toBeLessThan(100 * 67 + 6_000);
  });

  it('stays readable where the frame could be larger than a frame may be', () => {
    const all = makeItems(10_000);
    expect(check([], all, 10_000_000, 5).rounds).toBe(3);
    const set = sortItems(all);
    const ranges: FrameRange[] = [];
    for (let n = 10; n < 10_000; n += 10) ranges.push([set.boundBefore(n), 'f'.repeat(32)]);
    const { reply } = reconcile(set, { ranges: [...ranges, [null, 'f'.repeat(32)]] }, 10_000_000, 'initiator');
    expect(reply?.ranges.length).toBeGreaterThan(FRAME_RANGES_MAX - 4);
    if (reply) carry(reply);
  });

  it('says of ranges that are not mentioned, or skipped, nothing', () => {
    const set = sortItems(makeItems(100));
    const quiet: Frame = { ranges: [[set.boundBefore(50), null]] };
    expect(reconcile(set, quiet, FRAME_BYTES, 'initiator')).toEqual({ reply: null, have: [], need: [] });
    expect(reconcile(set, quiet, FRAME_BYTES, 'responder').reply).toEqual({ ranges: [] });
    expect(reconcile(set, { ranges: [] }, FRAME_BYTES, 'initiator').reply).toBeNull();
  });

  it('closes a full frame with the fingerprint of what is left, no further than was asked', () => {
    const set = sortItems(makeItems(1_000));
    const end = set.boundBefore(600);
    const ranges: FrameRange[] = [[set.boundBefore(300), null]];
    // Every other range differs.
    for (let n = 310; n < 600; n += 20) {
      ranges.push([set.boundBefore(n), 'f'.repeat(32)], [set.boundBefore(n + 10), set.fingerprint(n, n + 10)]);
    }
    const frame: Frame = { ranges: [...ranges.slice(0, -1), [end, 'f'.repeat(32)], [null, null]] };
    for (let limit = FRAME_BYTES_MIN; limit < FRAME_BYTES_MIN + 700; limit++) {
      const { reply } = reconcile(set, frame, limit, 'responder');
      expect(reply?.ranges[0]).toEqual([set.boundBefore(300), null]);
      expect(reply?.ranges.at(-1)?.[0]).toEqual(end);
      expectTrue(reply, set);
    }
  });

  it('asks for lists without listing', () => {
    const all = makeItems(8);
    const frame: Frame = { ranges: [[null, 'f'.repeat(32)]] };
    expect(reconcile(sortItems(all), frame, FRAME_BYTES, 'initiator').reply).toEqual({ ranges: [[null, []]] });
    expect(reconcile(sortItems(all), frame, FRAME_BYTES, 'responder').reply?.ranges[0]?.[1]).toHaveLength(8);
  });

  it('refuses limits that no frame fits', () => {
    expect(() => reconcile(sortItems([]), { ranges: [] }, FRAME_BYTES_MIN - 1, 'responder')).toThrow('frameBytesMax');
  });
});

describe('sortItems', () => {
  const naive = (slice: readonly string[]) => {
    const sum = slice.reduce((total, id) => (total + BigInt(`0x${id}`)) % 2n ** 256n, 0n);
    const bytes = sum.toString(16).padStart(64, '0') + slice.length.toString(16).padStart(8, '0');
    return createHash('sha256').update(Buffer.from(bytes, 'hex')).digest('hex').slice(0, 32);
  };

  it('orders by time, then id, and keeps one of each', () => {
    const [a, b, c] = [
      { at: 1, id: hex('b') },
      { at: 2, id: `0${'1'.repeat(63)}` },
      { at: 2, id: `f${'1'.repeat(63)}` },
    ];
    const set = sortItems([c, a, b, c, { ...a }]);
    expect(set.ids(0, set.size)).toEqual([a.id, b.id, c.id]);
  });

  it('fingerprints slices by the sum of their ids and their number', () => {
    fc.assert(
      fc.property(items, fc.nat(), fc.nat(), (all, x, y) => {
        const set = sortItems(all);
        const [from = 0, to = 0] = [x % (set.size + 1), y % (set.size + 1)].sort((a, b) => a - b);
        expect(set.fingerprint(from, to)).toBe(naive(set.ids(from, to)));
      }),
    );
    const carries = sortItems([1, 2, 3].map((at) => ({ at, id: 'f'.repeat(64) })));
    expect(carries.fingerprint(0, 3)).toBe(naive(carries.ids(0, 3)));
    expect(carries.fingerprint(1, 3)).toBe(naive(carries.ids(1, 3)));
  });

  it('separates neighbours by the shortest bound', () => {
    fc.assert(
      fc.property(items, (all) => {
        const sorted = all.toSorted((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1));
        const set = sortItems(all);
        for (const [i, item] of sorted.entries()) {
          const before = sorted[i - 1];
          if (!before) continue;
          const bound = set.boundBefore(i);
          expect([isBefore(before.at, before.id, bound), isBefore(item.at, item.id, bound)]).toEqual([true, false]);
          expect([set.indexOf(bound, 0), set.indexOf(bound, i)]).toEqual([i, i]);
          const shorter: Bound = [bound[0], bound[1].slice(0, -1)];
          if (bound[1] !== '') expect(isBefore(before.at, before.id, shorter)).toBe(false);
        }
        expect(set.indexOf(null, 0)).toBe(set.size);
      }),
    );
  });
});

describe('readFrame', () => {
  const id = hex('an id');
  const print = id.slice(0, 32);

  it('is total', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        for (const tried of [value, { ranges: value }, { ranges: [value] }, { ranges: [[value, value]] }]) {
          const frame = readFrame(tried as JsonValue);
          if (frame) carry(frame);
        }
      }),
    );
  });

  it.each<[string, JsonValue]>([
    ['no ranges', { ranges: [] }],
    ['more than it knows', { ranges: [[null, null]], version: 2 }],
    [
      'each kind',
      {
        ranges: [
          [[1, ''], null],
          [[1, 'a'], print],
          [[1, 'ab'], [id]],
          [[2, id], []],
          [null, print],
        ],
      },
    ],
    [
      'as many ids as may be',
      {
        ranges: [
          [[1, ''], Array(FRAME_IDS_MAX - 1).fill(id)],
          [null, [id]],
        ],
      },
    ],
    ['as many ranges as may be', { ranges: Array.from({ length: FRAME_RANGES_MAX }, (_, n) => [[n, ''], null]) }],
  ])('takes %s', (_name, value) => {
    expect(readFrame(value)?.ranges).toEqual((value as Frame).ranges);
  });

  it.each<[string, JsonValue]>([
    ['what is no object', [[null, null]]],
    ['no list', { ranges: { length: 0 } }],
    ['a million ranges', { ranges: Array(1_000_000).fill(null) }],
    ['a range too many', { ranges: Array.from({ length: FRAME_RANGES_MAX + 1 }, (_, n) => [[n, ''], null]) }],
    ['a million ids', { ranges: [[null, Array(1_000_000).fill(id)]] }],
    [
      'an id too many',
      {
        ranges: [
          [[1, ''], Array(FRAME_IDS_MAX).fill(id)],
          [null, [id]],
        ],
      },
    ],
    [
      'a range after the end',
      {
        ranges: [
          [null, null],
          [[1, ''], null],
        ],
      },
    ],
    [
      'two ends',
      {
        ranges: [
          [null, null],
          [null, null],
        ],
      },
    ],
    [
      'descending times',
      {
        ranges: [
          [[2, ''], null],
          [[1, 'f'], null],
        ],
      },
    ],
    [
      'descending prefixes',
      {
        ranges: [
          [[2, 'b'], null],
          [[2, 'ab'], null],
        ],
      },
    ],
    [
      'a bound twice',
      {
        ranges: [
          [[2, 'b'], null],
          [[2, 'b'], null],
        ],
      },
    ],
    ['a negative time', { ranges: [[[-1, ''], null]] }],
    ['half a millisecond', { ranges: [[[0.5, ''], null]] }],
    ['a time that is too large', { ranges: [[[2 ** 53, ''], null]] }],
    ['a time as text', { ranges: [[['1', ''], null]] }],
    ['a bound of three', { ranges: [[[1, '', ''], null]] }],
    ['a prefix in capitals', { ranges: [[[1, 'A'], null]] }],
    ['a prefix that is too long', { ranges: [[[1, `${id}0`], null]] }],
    ['a prefix that is none', { ranges: [[[1, null], null]] }],
    ['a line break', { ranges: [[[1, 'a\n'], null]] }],
    ['a short fingerprint', { ranges: [[null, print.slice(1)]] }],
    ['a fingerprint in capitals', { ranges: [[null, 'A'.repeat(32)]] }],
    ['a short id', { ranges: [[null, [id.slice(1)]]] }],
    ['an id in capitals', { ranges: [[null, ['A'.repeat(64)]]] }],
    ['an id that is none', { ranges: [[null, [1]]] }],
    ['a payload that is none', { ranges: [[null, 1]] }],
    ['a range of one', { ranges: [[null]] }],
    ['a range of three', { ranges: [[null, null, null]] }],
  ])('refuses %s', (_name, value) => {
    expect(readFrame(value)).toBeNull();
  });
});

describe('a hostile peer', () => {
  const all = makeItems(500);
  const set = sortItems(all);
  const ours = new Set(all.map(({ id }) => id));

  const bounds = fc.oneof(
    fc.tuple(fc.constantFrom(...all.map(({ at }) => at)), fc.constantFrom('', '0', '8', 'ff')),
    fc.tuple(times, ids),
  );
  const payloads = fc.oneof(
    fc.constant(null),
    fc.constant('f'.repeat(32)),
    fc.array(fc.oneof(fc.constantFrom(...ours), ids), { maxLength: 5 }),
  );
  const frames = fc.array(fc.tuple(bounds, payloads), { maxLength: 40 }).map((list): Frame => {
    const sorted = list.toSorted(([a], [b]) => (isBefore(a[0], a[1], b) ? -1 : 1));
    const ranges = sorted.filter(([a], i) => i === 0 || isBefore(...(sorted[i - 1]?.[0] ?? a), a));
    return { ranges };
  });

  it.each(['initiator', 'responder'] as const)('makes the %s neither throw nor send what may not be sent', (role) => {
    fc.assert(
      fc.property(frames, limits, (frame, limit) => {
        const { reply, have, need } = reconcile(set, carry(frame).read, limit, role);
        expect(have.every((id) => ours.has(id))).toBe(true);
        expect([new Set(have).size, new Set(need).size]).toEqual([have.length, need.length]);
        if (role === 'responder') expect([reply === null, have.length, need.length]).toEqual([false, 0, 0]);
        if (reply) expect(carry(reply).bytes).toBeLessThanOrEqual(limit);
        expectTrue(reply, set);
      }),
    );
  });

  it('can always answer that something differs, but no frame grows: the caller limits rounds', () => {
    const lie = (frame: Frame): Frame => {
      const { reply } = reconcile(set, frame, FRAME_BYTES, 'responder');
      const end: FrameRange = [null, 'f'.repeat(32)];
      return { ranges: reply?.ranges.length ? [...reply.ranges.slice(0, 3).filter(([upper]) => upper), end] : [end] };
    };
    let frame: Frame | null = startReconciliation(set);
    for (let round = 0; round < 200; round++) {
      if (!frame) throw new Error('a lie that ends the talk');
      const step = reconcile(set, carry(lie(frame)).read, FRAME_BYTES, 'initiator');
      expect([step.have, step.need]).toEqual([[], []]);
      if (step.reply) expect(carry(step.reply).bytes).toBeLessThan(2_000);
      frame = step.reply;
    }
  });
});
