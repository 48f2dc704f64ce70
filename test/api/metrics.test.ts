import { expect, test } from 'vitest';
import { metricsText } from '../../src/api/metrics.ts';
import { metricFaults } from '../support/metric-rules.ts';
import type { Sample } from '../../src/api/ports.ts';

const sample = (name: string, value: number, labels: Sample['labels'] = {}, help = 'Help'): Sample => ({
  name,
  help,
  type: name.endsWith('_total') ? 'counter' : 'gauge',
  labels,
  value,
});

test('a metric stands together under one HELP and TYPE', () => {
  const text = metricsText([
    sample('a_total', 1, { result: 'new' }),
    sample('b', 2),
    sample('a_total', 3, { result: 'duplicate', x: 'y' }, 'Other help'),
  ]);
  expect(text.split('\n')).toEqual([
    '# HELP a_total Help',
    '# TYPE a_total counter',
    'a_total{result="new"} 1',
    'a_total{result="duplicate",x="y"} 3',
    '# HELP b Help',
    '# TYPE b gauge',
    'b 2',
    '',
  ]);
});

test('labels and help are escaped', () => {
  expect(metricsText([sample('a', 1, { l: '"\\\n"' }, 'one\\\ntwo "quoted"')])).toBe(
    '# HELP a one\\\\\\ntwo "quoted"\n# TYPE a gauge\na{l="\\"\\\\\\n\\""} 1\n',
  );
});

test('numbers', () => {
  const values = [0, -1.5, 1e21, NaN, Infinity, -Infinity];
  const lines = metricsText(values.map((value) => sample('a', value)))
    .split('\n')
    .slice(2, -1);
  expect(lines).toEqual(['a 0', 'a -1.5', 'a 1e+21', 'a NaN', 'a +Inf', 'a -Inf']);
});

test('none', () => {
  expect(metricsText([])).toBe('');
});

test.each([
  ['pychain_waits_milliseconds_total', 'counter', 'not in a base unit'],
  ['pychain_waits', 'counter', 'a counter ends in _total'],
  ['pychain_waits_total', 'gauge', 'only a counter ends in _total'],
  ['pychain_wait_count', 'gauge', 'only a histogram or a summary ends so'],
  ['pychain_wait_gauge', 'gauge', 'its type is in its name'],
  ['pychain_Waits', 'gauge', 'not in snake_case'],
  ['waits', 'gauge', 'not of ours'],
] as const)('%s as a %s is a fault', (name, type, fault) => {
  expect(metricFaults(metricsText([{ name, help: 'Waits', type, labels: {}, value: 1 }]))).toEqual([
    `${name}: ${fault}`,
  ]);
});
