// `npm run unreachable -- [--nodes 64] [--unreachable 6] [--fanout 64,8] [--messages 10] [--seed N] [--json]`: a table of how long messages take
// to all reachable nodes. Ends with an error where one does not get there.
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { Random } from '../sim/random.ts';
import { measureUnreachable, type UnreachableReport } from './unreachable.ts';

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '64' },
    unreachable: { type: 'string', default: '6' },
    fanout: { type: 'string', default: '64,8' },
    messages: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 32)) },
    json: { type: 'boolean', default: false },
  },
});

const [nodes, unreachable, messages] = [Number(values.nodes), Number(values.unreachable), Number(values.messages)];
const seed = Number(values.seed);
const reports: UnreachableReport[] = [];
for (const fanout of values.fanout.split(',').map(Number)) {
  for (const fault of ['hang', 'fail'] as const) {
    process.stderr.write(`${nodes} nodes, fan-out ${fanout}, ${unreachable} ${fault} …\n`);
    const random = new Random(seed);
    const options = { nodes, unreachable, fanout, maxFailures: 3, fault, messages };
    reports.push(await measureUnreachable(options, () => random.next()));
  }
}
process.stdout.write(`${values.json ? JSON.stringify({ seed, reports }, null, 2) : `seed ${seed}\n${render()}`}\n`);

/** Times to all as ratios to the healthy median, but for that one. */
function render(): string {
  const head = ['fan-out', 'fault', 'healthy ms', 'first', 'median', 'max', 'ignored after s', 'then median', 'max'];
  const table = new Table({ head, style: { head: [], border: [] }, colAligns: head.map(() => 'right') });
  for (const { fanout, fault, healthy, ratios, ignoredAfterSeconds } of reports) {
    const { first, failing, ignored } = ratios;
    const before = [first, failing.median, failing.max].map((ratio) => ratio.toFixed(1));
    const after = [ignored.median, ignored.max].map((ratio) => ratio.toFixed(1));
    table.push([fanout, fault, healthy.median.toFixed(0), ...before, ignoredAfterSeconds.toFixed(0), ...after]);
  }
  return table.toString();
}
