// The tables of npm run bench.
import { expect, it } from 'vitest';
import type { Cost } from '../../bench/speed/counted.ts';
import type { Measured } from '../../bench/speed/run.ts';
import { render } from '../../bench/speed/tables.ts';

const cost: Cost = {
  deliveriesPerNode: 1,
  rows: 1,
  queueOperations: 0,
  requests: 1,
  dollarsPerMillion: 1,
  cpuSecondsPerMillion: null,
};

const measured: Measured = {
  nodes: 16,
  startSeconds: 1,
  rssMBPerNode: null,
  hopsMax: 1,
  alone: [
    {
      bytes: 16_384,
      by: {
        'bare fan-out': { medianMs: 8, p95Ms: 22, missing: 0 },
        'lossy': { medianMs: 16, p95Ms: 30, missing: 2 },
        'small only': null,
      },
    },
  ],
  besidePeers: [],
  together: 1,
  rates: {},
  costAlone: cost,
  costAtRate: null,
  trouble: [],
};

/** The cells of the row that has this name in it. */
function rowOf(text: string, name: string): string[] | undefined {
  const line = text.split('\n').find((one) => one.includes(name));
  return line
    ?.split('│')
    .map((cell) => cell.trim())
    .slice(1, -1);
}

it('show a dash, not a zero, for a network that has no messages of a size', () => {
  const text = render([measured]);
  expect(rowOf(text, 'small only')).toEqual(['16', '16384', 'small only', '–', '–', '–', '–']);
  expect(rowOf(text, 'lossy')).toEqual(['16', '16384', 'lossy', '16', '30', '2', '2.00']);
});

it('show what was measured beside the peers by itself, where there were any', () => {
  const by = {
    'bare fan-out': { medianMs: 16, p95Ms: 30, missing: 0 },
    'peer': { medianMs: 64, p95Ms: 99, missing: 0 },
  };
  const text = render([measured, { ...measured, besidePeers: [{ bytes: 100, by }] }]);
  const [quiet, beside] = text.split('beside the peers');
  expect(rowOf(quiet ?? '', 'peer')).toBeUndefined();
  expect(rowOf(beside ?? '', 'peer')).toEqual(['16', '100', 'peer', '64', '99', '0', '4.00']);
  expect(render([measured])).not.toContain('beside the peers');
});

it('say of a rate, and of what it costs, how many messages went together', () => {
  const rates = {
    'pychain-edge': { highest: 400, tried: [] },
    'bare fan-out': { highest: 800, tried: [] },
  };
  const text = render([{ ...measured, together: 20, rates, costAtRate: cost }]);
  const [, atRates] = text.split('Highest rate');
  expect(rowOf(atRates ?? '', 'pychain-edge')).toEqual(['16', 'pychain-edge', '20', '400', '6000', '0.50']);
  expect(rowOf(text, '400 messages/s')?.slice(0, 2)).toEqual(['16', '400 messages/s, 20 together']);
});
