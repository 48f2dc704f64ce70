// `npm run sim:idle -- --nodes 1,100,10000`: what idle nodes cost a month. Prints a table, as docs/cost.md has it.
import { parseArgs } from 'node:util';
import { ROSTER_MEMBERS_MAX } from '../src/protocol/limits.ts';
import { runIdle } from './idle.ts';

const { values } = parseArgs({
  options: { nodes: { type: 'string', default: '1,100,10000' }, hours: { type: 'string', default: '24' } },
});
const hours = Number(values.hours);
const sizes = values.nodes.split(',').map(Number);
if (!(hours > 0) || !sizes.every((size) => Number.isInteger(size) && size >= 1 && size <= ROSTER_MEMBERS_MAX)) {
  process.stderr.write(`--nodes takes whole numbers from 1 to ${ROSTER_MEMBERS_MAX}, --hours a number above 0\n`);
  process.exit(2);
}
process.stdout.write(
  '| nodes | rounds an hour | rows a month | requests a month | a node, $ a month | all of them, $ a month |\n',
);
process.stdout.write('|---|---|---|---|---|---|\n');
const group = new Intl.NumberFormat('en', { maximumFractionDigits: 0 }).format;
for (const nodes of sizes) {
  const { rounds, rows, requests, dollars } = runIdle(nodes, hours, 1);
  const cells = [
    group(nodes),
    rounds.toFixed(1),
    group(rows),
    group(requests),
    dollars.toFixed(4),
    (dollars * nodes).toFixed(2),
  ];
  process.stdout.write(`| ${cells.join(' | ')} |\n`);
}
