// `npm run crash -- [--nodes 6] [--kills 20] [--interval 60] [--jitter 30] [--seed N]`: SIGKILLs a local network and prints what survived.
// Exits with 1 on any loss.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Random } from '../sim/random.ts';
import { drawKills, measureCrashes } from './crash.ts';

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '6' },
    kills: { type: 'string', default: '20' },
    interval: { type: 'string', default: '60' },
    jitter: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 32)) },
  },
});
const random = new Random(Number(values.seed));
const folder = mkdtempSync(join(tmpdir(), 'pychain-crash-'));
const report = await measureCrashes({
  nodes: Number(values.nodes),
  kills: drawKills(Number(values.kills), () => random.next()),
  interval: Number(values.interval),
  jitter: Number(values.jitter),
  folder,
  progress: (line) => process.stderr.write(`${line}\n`),
});
rmSync(folder, { recursive: true });
process.stdout.write(`${JSON.stringify({ seed: Number(values.seed), ...report }, null, 2)}\n`);
process.exitCode = report.late + report.lost + report.guidChanges + report.guidTwice === 0 ? 0 : 1;
