// What `npm run coverage` prints.
import Table from 'cli-table3';
import type { Arrived, Coverage } from './coverage.ts';
import type { RestartReport } from './restart.ts';

/** A row a run, and where there are several kinds of nodes one a kind. */
export function renderCoverage(runs: readonly Coverage[]): string {
  const head = [
    'deployments',
    'at',
    'nodes',
    'fan-out',
    'messages',
    'missing',
    'deliveries/node',
    'hops',
    'bound',
    'start s',
    'alone ms',
    'rows/del.',
    'jobs/del.',
  ];
  const rows = runs.flatMap((run) => {
    const row = (name: string, at: Arrived) => [
      run.deployments,
      name,
      at.nodes,
      run.fanout,
      at.messages,
      at.missing,
      at.deliveriesPerNode.toFixed(3),
      at.hopsMax,
      run.hopsBound,
    ];
    const costs = [
      run.startSeconds.toFixed(1),
      run.aloneMs.toFixed(0),
      run.rowsPerDelivery.toFixed(3),
      run.jobsPerDelivery.toFixed(3),
    ];
    const kinds = run.kinds.length > 1 ? run.kinds.map((kind) => row(kind.kind, kind)) : [];
    return [...kinds, [...row('all', run), ...costs]];
  });
  return tableOf(head, rows);
}

/** A row a run. */
export function renderRestarts(runs: readonly RestartReport[]): string {
  const head = [
    'killed',
    'nodes',
    'fan-out',
    'accepted',
    'of these while down',
    'while starting',
    'refused',
    'missing at first',
    'missing',
    'intervals',
    'seconds',
    'deliveries/node',
    'GUIDs changed',
  ];
  const rows = runs.map((run) => [
    run.killed,
    run.nodes,
    run.fanout,
    run.accepted,
    run.acceptedWhileDown,
    run.acceptedWhileStarting,
    run.refused,
    run.missingAtFirst,
    run.missing,
    run.intervals.toFixed(2),
    run.seconds.toFixed(1),
    run.deliveriesPerNode.toFixed(3),
    run.guidChanges,
  ]);
  return tableOf(head, rows);
}

function tableOf(head: string[], rows: (string | number)[][]): string {
  const table = new Table({ head, style: { head: [], border: [] }, colAligns: head.map(() => 'right') });
  // Cells that a row has not are empty.
  for (const row of rows) table.push([...row, ...Array.from({ length: head.length - row.length }, () => '')]);
  return table.toString();
}
