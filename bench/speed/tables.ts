// The results as tables for a terminal.
import Table from 'cli-table3';
import type { Cost } from './counted.ts';
import type { AloneOfSize, Measured } from './run.ts';

const OURS = 'pychain-edge';
const BARE = 'bare fan-out';

const PLAIN = { style: { head: [], border: [] } };

const digits = (value: number | null | undefined, count: number) =>
  value === null || value === undefined || Number.isNaN(value) ? '' : value.toFixed(count);

/** Tables: time to all, the same beside the peers where there were any, rates, costs. */
export function render(results: readonly Measured[]): string {
  const times = timesOf('Time to all, one message at a time', results, ({ alone }) => alone);
  const beside = results.filter(({ besidePeers }) => besidePeers.length > 0);
  const title = 'The same beside the peers, whose idle nodes take a part of the processor';
  const others = beside.length > 0 ? [timesOf(title, beside, ({ besidePeers }) => besidePeers)] : [];
  return [times, ...others, ratesOf(results), costsOf(results)].join('\n');
}

function timesOf(
  title: string,
  results: readonly Measured[],
  sizesOf: (measured: Measured) => readonly AloneOfSize[],
): string {
  const table = new Table({
    ...PLAIN,
    head: ['nodes', 'bytes', 'network', 'median ms', 'p95 ms', 'missing', 'times the bare'],
  });
  for (const measured of results) {
    const { nodes } = measured;
    for (const { bytes, by } of sizesOf(measured)) {
      for (const [name, alone] of Object.entries(by)) {
        if (!alone) {
          table.push([nodes, bytes, name, '–', '–', '–', '–']);
          continue;
        }
        const { medianMs, p95Ms, missing } = alone;
        const ratio = medianMs / (by[BARE]?.medianMs ?? NaN);
        table.push([nodes, bytes, name, digits(medianMs, 0), digits(p95Ms, 0), missing, digits(ratio, 2)]);
      }
    }
  }
  return `${title}\n${table.toString()}`;
}

function ratesOf(results: readonly Measured[]): string {
  const table = new Table({
    ...PLAIN,
    head: ['nodes', 'network', 'together', 'messages/s', 'deliveries/s', 'times the bare'],
  });
  for (const { nodes, together, rates } of results) {
    for (const [name, { highest }] of Object.entries(rates)) {
      const ratio = highest / (rates[BARE]?.highest ?? NaN);
      table.push([nodes, name, together, highest, highest * (nodes - 1), digits(ratio, 2)]);
    }
  }
  return `Highest rate with nothing missing and p95 under a second, 1 KiB, all nodes publishing\n${table.toString()}`;
}

function costsOf(results: readonly Measured[]): string {
  const table = new Table({
    ...PLAIN,
    head: [
      'nodes',
      'load',
      'deliveries/node',
      'hops',
      'rows',
      'queue op.',
      'requests',
      '$/million',
      'CPU s/million',
      'MB/node',
      'start s',
    ],
  });
  for (const { nodes, costAlone, costAtRate, hopsMax, rssMBPerNode, startSeconds, together, rates } of results) {
    const row = (load: string, cost: Cost) =>
      table.push([
        nodes,
        load,
        digits(cost.deliveriesPerNode, 3),
        hopsMax,
        digits(cost.rows, 3),
        digits(cost.queueOperations, 3),
        digits(cost.requests, 3),
        digits(cost.dollarsPerMillion, 3),
        digits(cost.cpuSecondsPerMillion, 0),
        digits(rssMBPerNode, 1),
        digits(startSeconds, 1),
      ]);
    row('alone', costAlone);
    if (costAtRate) row(`${rates[OURS]?.highest ?? 0} messages/s, ${together} together`, costAtRate);
  }
  return `A delivery of ${OURS}, expiry not included\n${table.toString()}`;
}
