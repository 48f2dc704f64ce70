import { expect, test } from 'vitest';
import { curveLines, durationText, messageLines, summaryLines } from '../../src/cli/beacon.ts';

const facts = {
  id: 'ab'.repeat(32),
  originator: 1,
  broadcast_timestamp: 1_700_000_000,
  members: 4,
  received: 3,
  missing: 1,
  t50: 0.012,
  t95: null,
  t100: null,
  hops_max: 2,
  hops_mean: 1.5,
  duplicates: 7,
};

test('the table of messages tells what is missing, and times in what suits them', () => {
  const lines = messageLines([facts], 1_700_000_060);
  expect(lines[1]?.split(/\s{2,}/)).toEqual(['abababababab', '1', '60 s ago', '3/4', '12 ms', '–', '–', '2', '7']);
});

test('aggregates never round coverage up to all', () => {
  const aggregate = {
    messages: 2,
    deliveries: 5,
    duplicates: 0,
    complete: 1,
    coverage: 0.9999,
    t50: 0.2,
    t95: 1.5,
    t100: 240,
    t95_p95: null,
    hops_max: 2,
    deliveries_per_member: 1,
  };
  const nothing = { ...aggregate, messages: 0, coverage: null, deliveries_per_member: null };
  const lines = summaryLines({ time: 0, network: 'net', members: 1, hour: nothing, day: aggregate });
  expect(lines[1]?.split(/\s{2,}/).slice(0, 4)).toEqual(['hour', '0', '1', '–']);
  expect(lines[2]?.split(/\s{2,}/)).toEqual(
    ['day', '2', '1', '99.9 %', '200 ms', '1.50 s', '4.0 min', '–', '2', '1.000'], // prettier-ignore
  );
  expect(lines[3]).toBe('net has 1 live member');
});

test('the curve rises to the share that have it', () => {
  const receipts = [0, 0.5, 1].map((after, index) => ({ guid: index + 1, after, hops: 1, from: null }));
  const lines = curveLines({ ...facts, receipts, missing_guids: [4] });
  expect(lines).toHaveLength(12);
  // A quarter from the first moment on, a half from the middle on, three quarters at the end.
  const heights = [0, 29, 30, 59].map(
    (column) => lines.slice(0, 10).filter((line) => (line[column + 7] ?? ' ') !== ' ').length,
  );
  expect(heights).toEqual([3, 5, 5, 8]);
  expect(lines.at(-1)).toMatch(/^ {7}0 +1\.00 s$/);
  expect(curveLines({ ...facts, received: 0, receipts: [], missing_guids: [] })).toHaveLength(12);
});

test.each([
  [null, '–'],
  [0, '0 ms'],
  [0.9994, '999 ms'],
  [1, '1.00 s'],
  [119.99, '119.99 s'],
  [600, '10.0 min'],
])('%s s is %s', (seconds, text) => {
  expect(durationText(seconds)).toBe(text);
});
