// When `npm run page-speed` fails.
import { expect, it } from 'vitest';
import { summaryOfFrames } from '../../bench/page/speed.ts';

const framesWith = (late: number) => [...Array<number>(1_000 - late).fill(2), ...Array<number>(late).fill(40)];

it('a page whose frames are late more often than once in a hundred is too slow, also where 95 % of them are not', () => {
  expect(summaryOfFrames(framesWith(10))).toEqual({
    count: 1_000,
    median: 2,
    p95: 2,
    max: 40,
    late: 0.01,
    isKept: true,
  });
  expect(summaryOfFrames(framesWith(11))).toMatchObject({ p95: 2, late: 0.011, isKept: false });
  expect(summaryOfFrames([]).isKept).toBe(false);
});
