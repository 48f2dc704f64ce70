// `npm run coverage -- [--nodes 4,16,64,256] [--deployments 1] [--peers 0] [--fanout 64] [--messages 100] [--at-once 20] [--seed N] [--json]`:
// a table of how far and how often messages travel, among the nodes of one deployment or of several of so many nodes each, and of servers of
// their own. Exits with 1 where a message is missing, came twice, or made too many hops.
// With `--restart` (or `--restart-boot`: the one with the boot node) a deployment and a server are killed meanwhile and started again; exits with
// 1 where a message is missing then, it takes more than four sync intervals until all is everywhere, or a node has another GUID. [--interval 10]
// [--jitter 5] are for these runs (half a minute will do where intervals are short).
import { parseArgs } from 'node:util';
import { Random } from '../sim/random.ts';
import { measureCoverage, type Coverage } from './coverage.ts';
import { renderCoverage, renderRestarts } from './coverage-tables.ts';
import { measureRestart, type RestartReport } from './restart.ts';

/**
 * Until all is everywhere after a restart: about one interval on a machine that does nothing else, three were seen on a busy one (guess). Where
 * intervals are short, as long as messages take to be old enough to be compared, and a round.
 */
const RESTART_INTERVALS_MAX = 4;
const RESTART_SECONDS_MIN = 30;

const { values } = parseArgs({
  options: {
    'deployments': { type: 'string', default: '1' },
    'nodes': { type: 'string', default: '4,16,64,256' },
    'peers': { type: 'string', default: '0' },
    'fanout': { type: 'string', default: '64' },
    'messages': { type: 'string', default: '100' },
    'at-once': { type: 'string', default: '20' },
    'seed': { type: 'string', default: String(Math.floor(Math.random() * 2 ** 32)) },
    'restart': { type: 'boolean', default: false },
    'restart-boot': { type: 'boolean', default: false },
    'interval': { type: 'string', default: '10' },
    'jitter': { type: 'string', default: '5' },
    'json': { type: 'boolean', default: false },
  },
});

const random = new Random(Number(values.seed));
const restarts = values.restart || values['restart-boot'];
const progress = (line: string) => process.stderr.write(`${line}\n`);
const covered: Coverage[] = [];
const restarted: RestartReport[] = [];
progress(`seed ${values.seed}`);
for (const nodes of values.nodes.split(',').map(Number)) {
  for (const fanout of values.fanout.split(',').map(Number)) {
    const [deployments, peers, messages] = [Number(values.deployments), Number(values.peers), Number(values.messages)];
    const common = { deployments, nodes, peers, fanout };
    progress(`${deployments} x ${nodes} nodes and ${peers} on servers of their own, fan-out ${fanout} …`);
    if (restarts) {
      const [interval, jitter] = [Number(values.interval), Number(values.jitter)];
      const options = { ...common, messages, interval, jitter, isBootKilled: values['restart-boot'], progress };
      restarted.push(await measureRestart(options, () => random.next()));
    } else {
      const options = { ...common, single: messages, atOnce: Number(values['at-once']) };
      covered.push(await measureCoverage(options, () => random.next()));
    }
  }
}
const results = restarts ? restarted : covered;
const table = restarts ? renderRestarts(restarted) : renderCoverage(covered);
process.stdout.write(`${values.json ? JSON.stringify({ seed: Number(values.seed), results }, null, 2) : table}\n`);
for (const { trouble } of results) for (const line of trouble.slice(0, 5)) process.stderr.write(`${line}\n`);
const isSound = (run: Coverage) =>
  run.missing === 0 && run.deliveriesPerNode === 1 && run.hopsMax <= run.hopsBound && run.trouble.length === 0;
const isSoon = ({ intervals, seconds }: RestartReport) =>
  intervals <= RESTART_INTERVALS_MAX || seconds <= RESTART_SECONDS_MIN;
const isWhole = (run: RestartReport) =>
  run.missing === 0 && isSoon(run) && run.guidChanges === 0 && run.trouble.length === 0;
process.exitCode = covered.every(isSound) && restarted.every(isWhole) ? 0 : 1;
