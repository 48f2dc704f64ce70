// `npm run cold -- [--messages 10000] [--bytes 200]`: how much longer the first call takes to a node that is not in memory and has so many messages
// than a call to one that is. Two nodes; workerd is started again for each of five tries, and the boot node is asked first, so that only the node is cold.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bundleWorker, startLocalNetwork, type LocalNetwork } from '../src/cli/local-network.ts';
import { baseOf, broadcast, getJson, inParallel, startMeasured, TOKEN } from './network.ts';
import { median } from './speed/stats.ts';

const TRIES = 5;
const WARM_CALLS = 50;

const { values } = parseArgs({
  options: { messages: { type: 'string', default: '10000' }, bytes: { type: 'string', default: '200' } },
});

const VARS = { NETWORK_SYNC_INTERVAL: '3600', NETWORK_SYNC_JITTER: '0', MESSAGE_TTL: '3600', BEACON: 'off' };
const filling = 'x'.repeat(Number(values.bytes));
const storageDir = mkdtempSync(join(tmpdir(), 'pychain-cold-'));

/** Milliseconds until node 2 has taken, and answered, a message. */
async function timed(network: Pick<LocalNetwork, 'url'>): Promise<number> {
  const began = performance.now();
  await broadcast(network, 2, { filling });
  return performance.now() - began;
}

/** Nobody is asked anything. */
async function startAgain(): Promise<LocalNetwork & { readonly nodes: number }> {
  const vars = { ...VARS, ADMIN_TOKEN: TOKEN, LOG_LEVEL: 'ERROR' };
  const onLog = () => undefined;
  const options = { nodes: 2, host: '127.0.0.1', port, storageDir, vars, onLog, bundle: await bundleWorker() };
  return { ...(await startLocalNetwork(options)), nodes: 2 };
}

const network = await startMeasured(2, VARS, { storageDir });
const port = Number(new URL(network.url).port);
try {
  await inParallel(Array.from({ length: Number(values.messages) }), () => broadcast(network, 1, { filling }));
} finally {
  await network.dispose();
}
const [cold, warm]: [number[], number[]] = [[], []];
try {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const again = await startAgain();
    try {
      await getJson(`${again.url}/api/v1/status`);
      cold.push(await timed(again));
      for (let call = 0; call < WARM_CALLS; call++) warm.push(await timed(again));
      const { messages } = (await getJson(`${baseOf(again, 2)}/api/v1/status`)) as { messages: number };
      process.stdout.write(`${messages} messages: ${cold.at(-1)?.toFixed(1)} ms cold\n`);
    } finally {
      await again.dispose();
    }
  }
} finally {
  rmSync(storageDir, { recursive: true, force: true });
}
process.stdout.write(
  `cold ${median(cold).toFixed(1)} ms, warm ${median(warm).toFixed(1)} ms (medians): ${(median(cold) / median(warm)).toFixed(1)} times\n`,
);
