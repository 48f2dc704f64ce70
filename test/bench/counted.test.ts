// What the nodes' counters say of a measurement.
import { expect, test } from 'vitest';
import { growth } from '../../bench/speed/counted.ts';
import { metricsOf } from '../../src/cli/metrics-text.ts';

test('grows by what each node counted, also where it was evicted meanwhile and began anew', () => {
  const node = (rows: number, calls: number, waiting: number) =>
    metricsOf(`rows_total{kind="a"} ${rows}\ncalls_total ${calls}\nwaiting ${waiting}\n`);
  const before = [node(10, 5, 1), node(10, 5, 1), node(10, 0, 3)];
  // The first goes on; the second began anew, which its calls show; of the third a gauge fell, which it may.
  const after = [node(17, 6, 1), node(12, 2, 1), node(11, 0, 0)];
  expect(growth('rows_total', before, after)).toBe(7 + 12 + 1);
  expect(growth('calls_total', before, after)).toBe(1 + 2);
});
