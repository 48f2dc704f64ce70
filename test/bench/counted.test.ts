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

test('takes what survives a sleep for what it is, part by part', () => {
  const node = (lasting: number, awake: number, calls: number) =>
    metricsOf(
      `pychain_rows_written_total{count="lasting"} ${lasting}\npychain_rows_written_total{count="awake"} ${awake}\n` +
        `pychain_deliver_calls_total ${calls}\n`,
    );
  const before = [node(100, 10, 50), node(100, 10, 50)];
  // The second was evicted: only what it had counted awake has begun anew.
  const after = [node(103, 12, 51), node(104, 3, 52)];
  expect(growth('pychain_rows_written_total', before, after)).toBe(5 + 7);
  expect(growth('pychain_rows_written_total{count="lasting"}', before, after)).toBe(3 + 4);
  expect(growth('pychain_deliver_calls_total', before, after)).toBe(1 + 2);
});
