// `npm run sybil -- [--honest 20] [--sybils 1000] [--pow-bits 10] [--guid-timeout 120]`: a crowd joins and vanishes. Prints what it cost whom,
// and exits with 1 where honest nodes noticed more than docs/security.md allows.
import { parseArgs } from 'node:util';
import { measureSybil } from './sybil.ts';

const { values } = parseArgs({
  options: {
    'honest': { type: 'string', default: '20' },
    'sybils': { type: 'string', default: '1000' },
    'pow-bits': { type: 'string', default: '10' },
    'guid-timeout': { type: 'string', default: '120' },
    'parallel': { type: 'string', default: '6' },
  },
});
const report = await measureSybil({
  honest: Number(values.honest),
  sybils: Number(values.sybils),
  powBits: Number(values['pow-bits']),
  guidTimeoutSeconds: Number(values['guid-timeout']),
  parallel: Number(values.parallel),
  broadcasts: 20,
  progress: (line) => process.stderr.write(`${line}\n`),
});
process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
const isSound = report.missing === 0 && report.deliveriesPerNode === 1 && report.waitPerRoundMs < 1_000;
process.exitCode = isSound && report.trouble.length === 0 ? 0 : 1;
