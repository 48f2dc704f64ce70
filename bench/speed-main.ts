// `npm run bench -- [--nodes 4,16,64,256,1000] [--bytes 100,1024,16384] [--messages 40] [--seconds 5] [--first 25] [--together 1] [--peers] [--fanout N] [--out FILE]`:
// time to all of messages that go alone, and the highest rate that is kept up with, beside a bare fan-out of calls in the same workerd and, with
// --peers, js-libp2p GossipSub and Serf (where it is installed), message by message in turn. Prints tables; the results go to bench/results/ with machine and commit.
// With --together K (1 to 100) the rates are those of K messages that a node publishes at once: one request, where the network has such a request.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { ORIGINATIONS_MAX } from '../src/protocol/limits.ts';
import { measureNetwork, type Measured } from './speed/run.ts';
import { render } from './speed/tables.ts';

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '4,16,64,256,1000' },
    bytes: { type: 'string', default: '100,1024,16384' },
    messages: { type: 'string', default: '40' },
    seconds: { type: 'string', default: '5' },
    first: { type: 'string', default: '25' },
    together: { type: 'string', default: '1' },
    fanout: { type: 'string', default: '' },
    peers: { type: 'boolean', default: false },
    out: { type: 'string' },
  },
});

const ROOT = join(import.meta.dirname, '..');
const together = /^\d{1,3}$/.test(values.together) ? Number(values.together) : NaN;
if (!(together >= 1 && together <= ORIGINATIONS_MAX)) {
  const given = JSON.stringify(values.together);
  process.stderr.write(`--together must be a whole number from 1 to ${ORIGINATIONS_MAX}, not ${given}\n`);
  process.exit(2);
}
const list = (text: string) => text.split(',').map(Number);
const progress = (line: string) => void process.stderr.write(`${line}\n`);

const results: Measured[] = [];
for (const nodes of list(values.nodes)) {
  results.push(
    await measureNetwork({
      nodes,
      sizes: list(values.bytes),
      messages: Number(values.messages),
      seconds: Number(values.seconds),
      first: Number(values.first),
      together,
      fanout: values.fanout,
      withPeers: values.peers,
      progress,
    }),
  );
}
process.stdout.write(`${render(results)}\n`);

const commit = execFileSync('git', ['-C', ROOT, 'describe', '--always', '--dirty'], { encoding: 'utf8' }).trim();
const machine = {
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
};
const at = new Date().toISOString();
const out = values.out ?? join(ROOT, 'bench/results', `${at.slice(0, 10)}-${commit}.json`);
mkdirSync(dirname(out), { recursive: true });
writeFileSync(
  out,
  `${JSON.stringify({ at, commit, machine, options: { ...values, out: undefined }, results }, null, 2)}\n`,
);
progress(`written to ${out}`);
