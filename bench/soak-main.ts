// `npm run soak -- [--nodes 64] [--rate 50] [--minutes 10] [--bytes 1024] [--ttl 60]`: a steady rate for long. Prints, each half minute, the time to
// all, what is missing, and the memory of workerd; at the end the slope of the memory, and what a delivery costs, once messages expire. Exits with 1
// where a message is missing.
import { parseArgs } from 'node:util';
import { Counted } from './speed/counted.ts';
import { measureRate } from './speed/measure.ts';
import { Ours } from './speed/ours.ts';
import { slope } from './speed/stats.ts';

/** Seconds of one row. */
const WINDOW_SECONDS = 30;

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '64' },
    rate: { type: 'string', default: '50' },
    minutes: { type: 'string', default: '10' },
    bytes: { type: 'string', default: '1024' },
    ttl: { type: 'string', default: '60' },
  },
});

const [nodes, rate, bytes, ttl] = [values.nodes, values.rate, values.bytes, values.ttl].map(Number) as [
  number,
  number,
  number,
  number,
];
const say = (line: string) => void process.stdout.write(`${line}\n`);

const ours = await Ours.start(nodes, {}, { ttl });
let missing = 0;
const memory: [minutes: number, megabytes: number][] = [];
let steady: Counted | null = null;
try {
  const began = performance.now();
  for (let window = 0; window * WINDOW_SECONDS < Number(values.minutes) * 60; window++) {
    const result = await measureRate(ours, rate, { seconds: WINDOW_SECONDS, bytes });
    const minutes = (performance.now() - began) / 60_000;
    const megabytes = (ours.usage()?.rssBytes ?? NaN) / 1e6;
    missing += result.missing + result.refused;
    if (minutes * 60 > 2 * ttl) {
      memory.push([minutes, megabytes]);
      steady ??= await Counted.read(ours);
    }
    say(
      `${minutes.toFixed(1)} min: ${result.achieved.toFixed(0)} messages/s, p95 ${result.p95Ms.toFixed(0)} ms, ${result.missing} missing, ${result.refused} refused, ${megabytes.toFixed(0)} MB`,
    );
  }
  const steadyFrom = `from twice the life of a message on (${2 * ttl} s)`;
  if (memory.length < 2) say(`too short to tell what is steady ${steadyFrom}`);
  else say(`memory, ${steadyFrom}: ${slope(memory).toFixed(1)} MB a minute, over ${memory.length} rows`);
  if (steady && memory.length > 1) {
    const cost = (await Counted.read(ours)).since(steady);
    say(
      `a delivery, expiry included: ${cost.deliveriesPerNode.toFixed(3)} a node, ${cost.rows.toFixed(4)} rows, ${cost.queueOperations.toFixed(4)} queue operations, ${cost.requests.toFixed(4)} requests, $${cost.dollarsPerMillion.toFixed(3)} a million`,
    );
  }
} finally {
  await ours.stop();
}
process.exitCode = missing > 0 ? 1 : 0;
