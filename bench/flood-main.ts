// `npm run flood -- [--nodes 8] [--requests 1000]`: one member floods a node, validly and not, and strangers flood the boot node. Prints what they could
// do; exits with 1 where honest messages were lost, the flooder was not shut out and heard again, or strangers got a GUID.
import { parseArgs } from 'node:util';
import { measureBootFlood } from './boot-flood.ts';
import { measureFlood } from './flood.ts';

const { values } = parseArgs({
  options: { nodes: { type: 'string', default: '8' }, requests: { type: 'string', default: '1000' } },
});
const report = await measureFlood({
  nodes: Number(values.nodes),
  requests: Number(values.requests),
  parallel: 32,
  waitForReturn: true,
});
const boot = await measureBootFlood(Number(values.requests), 32);
process.stdout.write(`${JSON.stringify({ member: report, boot }, null, 2)}\n`);
const isSound = report.honestMissing === 0 && report.isShutOut && report.heardAgainAfterSeconds !== null;
const isQuiet = report.trouble.length === 0 && boot.trouble.length === 0;
process.exitCode = isSound && isQuiet && boot.guidsLost === 0 ? 0 : 1;
