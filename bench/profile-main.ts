// `npm run profile -- [--nodes 64] [--rate 100] [--seconds 5] [--bytes 1024] [--fanout N] [--top 40] [--out FILE]`: where workerd spends its
// time under load, by V8's sampling profiler over workerd's inspector. Prints the functions with the most time of their own; the file opens in
// Chrome's and VS Code's profile viewers.
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { bundleWorker } from '../src/cli/local-network.ts';
import { freePort } from '../src/cli/ports.ts';
import { measureRate } from './speed/measure.ts';
import { Ours } from './speed/ours.ts';
import { hottest, Inspector } from './speed/profile.ts';

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '64' },
    rate: { type: 'string', default: '100' },
    seconds: { type: 'string', default: '5' },
    bytes: { type: 'string', default: '1024' },
    fanout: { type: 'string', default: '' },
    top: { type: 'string', default: '40' },
    out: { type: 'string' },
  },
});

await bundleWorker();
const inspectorPort = await freePort('127.0.0.1', 0);
const ours = await Ours.start(Number(values.nodes), { FANOUT: values.fanout }, { inspectorPort });
try {
  const search = { seconds: Number(values.seconds), bytes: Number(values.bytes) };
  // Compiled and optimised before it is looked at.
  await measureRate(ours, Number(values.rate) / 2, search);
  const inspector = await Inspector.open(inspectorPort);
  await inspector.start();
  // Over before the nodes are asked what came when, which would be most of it.
  const profiled = sleep(search.seconds * 1000).then(() => inspector.stop());
  const result = await measureRate(ours, Number(values.rate), search);
  const profile = await profiled;
  process.stdout.write(`${JSON.stringify(result)}\n`);
  for (const { share, ms, name } of hottest(profile, Number(values.top))) {
    process.stdout.write(`${(share * 100).toFixed(1).padStart(5)} %  ${ms.toFixed(0).padStart(7)} ms  ${name}\n`);
  }
  if (values.out) writeFileSync(values.out, JSON.stringify(profile));
} finally {
  await ours.stop();
}
