// `npm run crash -- [--nodes 6] [--kills 20]`: SIGKILLs a local network and prints what survived. Exits with 1 on any loss.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { measureCrashes } from './crash.ts';

const { values } = parseArgs({
  options: { nodes: { type: 'string', default: '6' }, kills: { type: 'string', default: '20' } },
});
const folder = mkdtempSync(join(tmpdir(), 'pychain-crash-'));
const report = await measureCrashes({ nodes: Number(values.nodes), kills: Number(values.kills), folder }, Math.random);
rmSync(folder, { recursive: true });
process.stdout.write(`${JSON.stringify(report)}\n`);
process.exitCode = report.lost + report.guidChanges + report.guidTwice === 0 && report.worksOn ? 0 : 1;
