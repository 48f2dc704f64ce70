// The search for the highest rate, and what is said of many values; against networks that are made up.
import { describe, expect, it } from 'vitest';
import { TooLarge, type Contender } from '../../bench/speed/contender.ts';
import { findRate, highest, measureAlone, measureRate, type AtRate } from '../../bench/speed/measure.ts';
import { median, quantile, slope } from '../../bench/speed/stats.ts';

/** A network whose p95 goes over a second above so many messages in a run, or that loses or refuses some above it. */
function network(capacity: number, fails: 'slow' | 'lossy' | 'refusing'): Contender {
  let refused = 0;
  return {
    name: 'made up',
    nodes: 3,
    send: async (_node, _bytes, index) => {
      if (fails === 'refusing' && index >= capacity) throw new Error(`refused ${refused++}`);
      return { sentAt: 0, key: String(index) };
    },
    arrivals: async (sent) => {
      const isOver = sent.length > capacity;
      const ms = isOver && fails === 'slow' ? 1_500 : 20;
      return { times: sent.map(() => ms), missing: isOver && fails === 'lossy' ? 1 : 0, usage: null };
    },
    usage: () => null,
    stop: async () => undefined,
  };
}

/** Sending takes no time. */
const still = { now: () => 0, sleep: async () => undefined };

describe('messages one at a time', () => {
  it('are asked for together, at the end, where that costs the network something, and the times of the first ones do not count', async () => {
    const events: string[] = [];
    const asks = (name: string): Contender => ({
      ...network(100, 'slow'),
      name,
      send: async (_node, _bytes, index) => {
        events.push(`${name} sends`);
        return { sentAt: 0, key: String(index) };
      },
      arrivals: async (sent) => {
        events.push(`${name} is asked for ${sent.length}`);
        return { times: sent.map(({ key }) => Number(key)), missing: 0, usage: null };
      },
    });
    const settling = { ...asks('a'), settle: async () => void events.push('a settles') };
    const alone = await measureAlone([settling, asks('b')], 6, 100);
    const [each, other] = [
      ['a sends', 'a settles'],
      ['b sends', 'b is asked for 1'],
    ];
    const round = (count: number) => Array.from({ length: count }, () => [...each, ...other]).flat();
    expect(events).toEqual([...round(11), 'a is asked for 11']);
    expect(alone.get('a')).toMatchObject({ medianMs: 8, missing: 0 });
    expect(alone.get('b')).toMatchObject({ medianMs: 8, missing: 0 });
  });
});

describe('the highest rate', () => {
  it.each(['slow', 'lossy', 'refusing'] as const)(
    'is found to a quarter of the last step, of a %s network',
    async (fails) => {
      const told: AtRate[] = [];
      // In a hundredth of a second: 100 messages a second are one.
      const search = {
        first: 400,
        seconds: 0.01,
        bytes: 1,
        clock: still,
        tell: (tried: AtRate) => void told.push(tried),
      };
      const tried = await findRate(network(13, fails), search);
      expect(tried).toEqual(told);
      expect(tried.map(({ rate }) => rate)).toEqual([400, 800, 1_600, 1_200, 1_400]);
      expect(highest(tried)).toBe(1_200);
    },
  );

  it('is not one that the sender could not send at', async () => {
    let now = 0;
    const slow = { now: () => (now += 10), sleep: async () => undefined };
    const search = { first: 1_000, seconds: 0.01, bytes: 1, clock: slow, tell: () => undefined };
    // Looking at the clock takes 10 ms, so that it is 100 a second at most.
    expect(highest(await findRate(network(1_000, 'slow'), search))).toBeLessThanOrEqual(100);
  });

  it('is looked for below where the first does not hold, and no rate is tried a third time', async () => {
    const search = { first: 3_200, seconds: 0.01, bytes: 1, clock: still, tell: () => undefined };
    const tried = await findRate(network(9, 'slow'), search);
    expect(tried.map(({ rate }) => rate)).toEqual([3_200, 1_600, 800, 1_600, 1_200, 1_000]);
    expect(highest(tried)).toBe(800);
  });

  it('is that of a network that is warm, where it was cold at the first', async () => {
    const [cold, warm] = [network(3, 'slow'), network(13, 'slow')];
    let runs = 0;
    const starting = {
      ...warm,
      arrivals: (...asked: Parameters<Contender['arrivals']>) => (runs++ === 0 ? cold : warm).arrivals(...asked),
    };
    const search = { first: 400, seconds: 0.01, bytes: 1, clock: still, tell: () => undefined };
    const tried = await findRate(starting, search);
    expect(tried.map(({ rate, holds }) => [rate, holds])).toEqual([
      [400, false],
      [200, true],
      [400, true],
      [800, true],
      [1_600, false],
      [1_200, true],
      [1_400, false],
    ]);
    expect(highest(tried)).toBe(1_200);
  });

  it('is not one that was tried and did not hold, however low', async () => {
    const search = { first: 1, seconds: 4, bytes: 1, clock: still, tell: () => undefined };
    const tried = await findRate(network(6, 'slow'), search);
    expect([tried.map(({ rate }) => rate), highest(tried)]).toEqual([[1, 2, 1.5], 1.5]);
  });

  it('is none where no rate holds', async () => {
    const search = { first: 4, seconds: 0.01, bytes: 1, clock: still, tell: () => undefined };
    const tried = await findRate(network(0, 'slow'), search);
    expect([tried.map(({ rate }) => rate), highest(tried)]).toEqual([[4, 2, 1], 0]);
  });
});

describe('messages that are published together', () => {
  /** Time is what was slept. */
  const clock = () => {
    let now = 0;
    return { now: () => now, sleep: async (ms: number) => void (now += ms) };
  };
  const sentOf = (indexes: readonly number[]) => indexes.map((index) => ({ sentAt: 0, key: String(index) }));

  it('go with one request, the next ones from the next node, at the rate of single ones', async () => {
    const time = clock();
    const requests: [at: number, node: number, indexes: readonly number[]][] = [];
    const contender: Contender = {
      ...network(100, 'slow'),
      send: () => Promise.reject(new Error('nothing goes by itself')),
      sendTogether: async (node, _bytes, indexes) => {
        requests.push([time.now(), node, indexes]);
        return sentOf(indexes);
      },
    };
    const measured = await measureRate(contender, 10, { seconds: 2, bytes: 1, together: 5, clock: time });
    expect(requests).toEqual([
      [0, 1, [0, 1, 2, 3, 4]],
      [500, 2, [5, 6, 7, 8, 9]],
      [1_000, 3, [10, 11, 12, 13, 14]],
      [1_500, 1, [15, 16, 17, 18, 19]],
    ]);
    expect(measured).toMatchObject({ rate: 10, sent: 20, refused: 0, achieved: 10, holds: true });
  });

  it('are never fewer than was asked for', async () => {
    const sizes: number[] = [];
    const contender: Contender = {
      ...network(100, 'slow'),
      sendTogether: async (_node, _bytes, indexes) => {
        sizes.push(indexes.length);
        return sentOf(indexes);
      },
    };
    const search = { bytes: 1, together: 4, clock: clock() };
    expect(await measureRate(contender, 7, { ...search, seconds: 2 })).toMatchObject({ sent: 16, refused: 0 });
    expect(await measureRate(contender, 1, { ...search, seconds: 1 })).toMatchObject({ sent: 4, refused: 0 });
    expect(sizes).toEqual([4, 4, 4, 4, 4]);
  });

  it('are refused message by message in the count, though the request is one', async () => {
    const contender: Contender = {
      ...network(100, 'slow'),
      sendTogether: async (node, _bytes, indexes) => {
        if (node === 2) throw new Error('mempool full');
        return sentOf(indexes);
      },
    };
    const search = { seconds: 1, bytes: 1, together: 5, clock: clock() };
    expect(await measureRate(contender, 15, search)).toMatchObject({ sent: 10, refused: 5, holds: false });
  });

  it('are published one right after the other by a network that has no such request', async () => {
    const time = clock();
    const published: [at: number, node: number, index: number][] = [];
    const contender: Contender = {
      ...network(100, 'slow'),
      send: async (node, _bytes, index) => {
        published.push([time.now(), node, index]);
        if (index === 4) throw new Error('refused');
        return { sentAt: 0, key: String(index) };
      },
    };
    const measured = await measureRate(contender, 3, { seconds: 2, bytes: 1, together: 3, clock: time });
    const first = [0, 1, 2].map((index) => [0, 1, index]);
    expect(published).toEqual([...first, ...[3, 4, 5].map((index) => [1_000, 2, index])]);
    expect(measured).toMatchObject({ sent: 5, refused: 1, achieved: 3 });
  });

  it('by one are messages as ever', async () => {
    const contender: Contender = {
      ...network(100, 'slow'),
      sendTogether: () => Promise.reject(new Error('not for one')),
    };
    const measured = await measureRate(contender, 4, { seconds: 1, bytes: 1, together: 1, clock: clock() });
    expect(measured).toMatchObject({ sent: 4, refused: 0 });
  });

  it('are together at each rate that is tried', async () => {
    const sizes = new Set<number>();
    const contender: Contender = {
      ...network(60, 'slow'),
      sendTogether: async (_node, _bytes, indexes) => {
        sizes.add(indexes.length);
        return sentOf(indexes);
      },
    };
    const search = { first: 20, seconds: 1, bytes: 1, together: 10, clock: clock(), tell: () => undefined };
    const tried = await findRate(contender, search);
    expect([[...sizes], highest(tried)]).toEqual([[10], 60]);
  });
});

it('messages that go alone are counted by contender; one that is missing counts also where it was to warm up', async () => {
  const [one, other] = [network(9, 'slow'), { ...network(0, 'lossy'), name: 'another' }];
  expect(await measureAlone([one, other], 4, 1)).toEqual(
    new Map([
      ['made up', { medianMs: 20, p95Ms: 20, missing: 0 }],
      ['another', { medianMs: 20, p95Ms: 20, missing: 8 }],
    ]),
  );
});

it('a network that has no messages of a size is told apart from one that fails; the others are measured', async () => {
  const failing = (cause: Error): Contender => ({
    ...network(9, 'slow'),
    name: 'small',
    send: () => Promise.reject(cause),
  });
  const measured = await measureAlone([failing(new TooLarge('9 bytes at most')), network(9, 'slow')], 4, 10);
  expect([...measured]).toEqual([
    ['small', null],
    ['made up', { medianMs: 20, p95Ms: 20, missing: 0 }],
  ]);
  await expect(measureAlone([failing(new Error('503'))], 4, 10)).rejects.toThrow('503');
});

it('quantiles are values that were measured', () => {
  expect([median([3, 1, 2]), median([1, 2]), quantile([5, 1], 0.95), quantile([], 0.5)]).toEqual([2, 2, 5, NaN]);
});

it('the slope is that of the line through the points, or between them', () => {
  expect(
    slope([
      [1, 10],
      [2, 12],
      [3, 14],
    ]),
  ).toBeCloseTo(2);
  expect(
    slope([
      [0, 1],
      [1, -1],
      [2, 1],
      [3, -1],
    ]),
  ).toBeCloseTo(-0.4);
  expect([slope([[1, 1]]), slope([])]).toEqual([NaN, NaN]);
});
