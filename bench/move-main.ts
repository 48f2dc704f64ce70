// `npm run move -- [--nodes 8] [--peers 4] [--interval 60] [--jitter 30]`: a node on a server gets another address and port while the boot node
// is down; prints when all others know. Exits with 1 where that takes more than two sync intervals, or its GUID is another.
import { parseArgs } from 'node:util';
import { measureMove } from './move.ts';

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '8' },
    peers: { type: 'string', default: '4' },
    interval: { type: 'string', default: '60' },
    jitter: { type: 'string', default: '30' },
  },
});
const { nodes, peers, interval, jitter } = values;
const report = await measureMove({
  nodes: Number(nodes),
  peers: Number(peers),
  interval: Number(interval),
  jitter: Number(jitter),
});
process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
const [before, after] = report.guids;
process.exitCode = before === after && report.intervals <= 2 && report.duplicates === 0 ? 0 : 1;
