// `npm run coverage -- [--nodes 4,16,64,256] [--deployments 1] [--fanout 64] [--single 100] [--at-once 20] [--json]`:
// a table of how far and how often messages travel, among the nodes of one deployment or of several of so many nodes each. Exits with 1 where a message is missing, came twice, or made too many hops.
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { measureCoverage, type Coverage } from './coverage.ts';

const { values } = parseArgs({
  options: {
    'deployments': { type: 'string', default: '1' },
    'nodes': { type: 'string', default: '4,16,64,256' },
    'fanout': { type: 'string', default: '64' },
    'single': { type: 'string', default: '100' },
    'at-once': { type: 'string', default: '20' },
    'json': { type: 'boolean', default: false },
  },
});

const results: Coverage[] = [];
for (const nodes of values.nodes.split(',').map(Number)) {
  for (const fanout of values.fanout.split(',').map(Number)) {
    const deployments = Number(values.deployments);
    process.stderr.write(`${deployments} x ${nodes} nodes, fan-out ${fanout} …\n`);
    const options = { deployments, nodes, fanout, single: Number(values.single), atOnce: Number(values['at-once']) };
    results.push(await measureCoverage(options, Math.random));
  }
}
process.stdout.write(`${values.json ? JSON.stringify(results, null, 2) : render(results)}\n`);
const sound = (run: Coverage) =>
  run.missing === 0 && run.deliveriesPerNode === 1 && run.hopsMax <= run.hopsBound && run.trouble.length === 0;
for (const { nodes, trouble } of results)
  for (const line of trouble.slice(0, 5)) process.stderr.write(`${nodes} nodes: ${line}\n`);
process.exitCode = results.every(sound) ? 0 : 1;

function render(runs: readonly Coverage[]): string {
  const head = [
    'deployments',
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
  const table = new Table({ head, style: { head: [], border: [] }, colAligns: head.map(() => 'right') });
  for (const run of runs) {
    table.push([
      run.deployments,
      run.nodes,
      run.fanout,
      run.messages,
      run.missing,
      run.deliveriesPerNode.toFixed(3),
      run.hopsMax,
      run.hopsBound,
      run.startSeconds.toFixed(1),
      run.aloneMs.toFixed(0),
      run.rowsPerDelivery.toFixed(3),
      run.jobsPerDelivery.toFixed(3),
    ]);
  }
  return table.toString();
}
