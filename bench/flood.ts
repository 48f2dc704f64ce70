// One certified member sends as fast as it can, valid and invalid: what may it do, and what do others notice? An end-to-end test runs it,
// `npm run flood` prints it.
import { OutsideHost, type OutsidePeer } from './outside-peer.ts';
import { broadcast, eventually, messagesOf, startMeasured, totals, type Measured } from './network.ts';

export interface FloodOptions {
  readonly nodes: number;
  /** Requests of each kind that the member tries. */
  readonly requests: number;
  readonly parallel: number;
  /** Waits until the member is heard again, about a minute. */
  readonly waitForReturn: boolean;
}

export interface FloodReport {
  readonly seconds: number;
  /** Answers by HTTP status to what is valid, and to what is not. */
  readonly valid: Readonly<Record<string, number>>;
  readonly invalid: Readonly<Record<string, number>>;
  /** Messages of the flooder that the network took. */
  readonly taken: number;
  readonly honestMessages: number;
  readonly honestMissing: number;
  readonly duplicates: number;
  /** Whether it was shut out for the invalid part. */
  readonly isShutOut: boolean;
  /** Seconds of silence until it was heard again; null where nobody waited. */
  readonly heardAgainAfterSeconds: number | null;
  readonly trouble: readonly string[];
}

const MESSAGES_A_REQUEST = 20;

/** Runs the flood against node 1, while node 2 to the last send honest messages. */
export async function measureFlood(options: FloodOptions): Promise<FloodReport> {
  const network = await startMeasured(options.nodes, {
    LOCAL_PEERS: 'on',
    POW_BITS: '4',
    NETWORK_SYNC_INTERVAL: '5',
    MESSAGE_TTL: '3600',
  });
  const host = await OutsideHost.open();
  try {
    const flooder = await host.peer('pychain');
    const { status } = await flooder.join(network.url);
    if (status !== 200) throw new Error(`the flooder cannot join: ${status}`);
    const ids: string[] = [];
    const began = performance.now();
    const valid = await flood(network, flooder, options, false, ids);
    const invalid = await flood(network, flooder, options, true, ids);
    const seconds = (performance.now() - began) / 1000;
    await eventually('honest messages everywhere', async () => (await missing(network, ids)) === 0, 60_000);
    const isShutOut = (await metric(network, 'pychain_callers_shut_out')) === 1;
    const heardAgainAfterSeconds = options.waitForReturn ? await untilHeard(network, flooder) : null;
    const stored = await messagesOf(network, 1);
    const sums = await totals(network);
    return {
      seconds,
      valid,
      invalid,
      taken: stored.filter(({ originator }) => originator.guid === flooder.guid).length,
      honestMessages: ids.length,
      honestMissing: await missing(network, ids),
      duplicates: sums.get('pychain_deliveries_total{result="duplicate"}') ?? 0,
      isShutOut,
      heardAgainAfterSeconds,
      trouble: network.trouble,
    };
  } finally {
    await network.dispose();
    await host.close();
  }
}

async function flood(
  network: Measured,
  flooder: OutsidePeer,
  { requests, parallel }: FloodOptions,
  forged: boolean,
  ids: string[],
): Promise<Record<string, number>> {
  const answers: Record<string, number> = {};
  let left = requests;
  const worker = async () => {
    while (left-- > 0) {
      const originator = forged ? { originator: 1 } : {};
      const messages = await Promise.all(
        Array.from({ length: MESSAGES_A_REQUEST }, () => flooder.message({ flood: true }, originator)),
      );
      const { status } = await flooder.deliver(`${network.url}/n/1`, messages);
      answers[status] = (answers[status] ?? 0) + 1;
    }
  };
  const over = new AbortController();
  const honest = async () => {
    for (let index = 0; !over.signal.aborted; index++) {
      ids.push(await broadcast(network, 1 + (index % network.nodes), { honest: index, forged }));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const honestRun = honest();
  await Promise.all(Array.from({ length: parallel }, worker));
  over.abort();
  await honestRun;
  return answers;
}

/** Silence, then a call: seconds until it is answered. */
async function untilHeard(network: Measured, flooder: OutsidePeer): Promise<number> {
  const began = performance.now();
  const isForgiven = async () => (await metric(network, 'pychain_callers_shut_out')) === 0;
  await eventually('the flooder is forgiven', isForgiven, 300_000);
  const { status } = await flooder.deliver(`${network.url}/n/1`, [await flooder.message({ flood: 'over' })]);
  if (status !== 200) throw new Error(`the flooder is not heard again: ${status}`);
  return (performance.now() - began) / 1000;
}

async function missing(network: Measured, ids: readonly string[]): Promise<number> {
  let sum = 0;
  for (let slot = 1; slot <= network.nodes; slot++) {
    const there = new Set((await messagesOf(network, slot)).map(({ id }) => id));
    sum += ids.filter((id) => !there.has(id)).length;
  }
  return sum;
}

async function metric(network: Measured, name: string): Promise<number> {
  const text = await (await fetch(`${network.url}/n/1/api/v1/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? NaN);
}
