// Coverage: does every message reach every node, how often and over how many hops? What it costs in rows, jobs and calls. The
// end-to-end tests run it small, `npm run coverage` at any size.
import {
  broadcast,
  eventually,
  inParallel,
  messagesOf,
  startMeasured,
  totals,
  type Measured,
  type Message,
} from './network.ts';

export interface CoverageOptions {
  readonly nodes: number;
  readonly fanout: number;
  /** One after the other, each from a random node. */
  readonly single: number;
  /** At the same instant, from as many nodes (each node again where there are fewer nodes). */
  readonly atOnce: number;
}

export interface Coverage {
  readonly nodes: number;
  readonly fanout: number;
  readonly messages: number;
  /** Messages missing anywhere: pairs of message and node. */
  readonly missing: number;
  /** Deliveries per node (the originator not counted) and message: 1 where each got each once. */
  readonly deliveriesPerNode: number;
  readonly hopsMax: number;
  /** ceil(log_fanout N) */
  readonly hopsBound: number;
  readonly startSeconds: number;
  /** Median time until a message that goes alone is at the last node, as HTTP polling sees it. */
  readonly aloneMs: number;
  readonly rowsPerDelivery: number;
  readonly jobsPerDelivery: number;
  readonly trouble: readonly string[];
}

/** Runs one network. `random` in [0, 1) chooses the originators. */
export async function measureCoverage(options: CoverageOptions, random: () => number): Promise<Coverage> {
  const { nodes, fanout, single, atOnce } = options;
  // No sync round within the run, whose rows would be counted as the messages'.
  const vars = { FANOUT: String(fanout), NETWORK_SYNC_INTERVAL: '3600', NETWORK_SYNC_JITTER: '0', MESSAGE_TTL: '3600' };
  const network = await startMeasured(nodes, vars);
  try {
    // The first sync rounds come within a second of the joins; their rows are not the messages' either.
    await eventually(
      'the first sync rounds',
      async () => ((await totals(network)).get('pychain_sync_rounds_total') ?? 0) >= nodes,
    );
    const before = await totals(network);
    // Announcements of the boot node, which came before.
    const arrived = before.get('pychain_deliveries_total{result="new"}') ?? 0;
    const ids: string[] = [];
    const times: number[] = [];
    for (let index = 0; index < single; index++) {
      const started = performance.now();
      const id = await broadcast(network, 1 + Math.floor(random() * nodes), { index });
      ids.push(id);
      await reachesAll(network, arrived + ids.length * (nodes - 1));
      times.push(performance.now() - started);
    }
    const slots = Array.from({ length: atOnce }, (_, index) => 1 + (index % nodes));
    ids.push(...(await Promise.all(slots.map((slot, index) => broadcast(network, slot, { atOnce: index })))));
    await reachesAll(network, arrived + ids.length * (nodes - 1));
    const after = await totals(network);
    return {
      nodes,
      fanout,
      ...(await judge(network, ids)),
      ...costs(before, after, ids.length * (nodes - 1)),
      hopsBound: hopsBound(nodes, fanout),
      startSeconds: network.startMs / 1000,
      aloneMs: median(times),
      trouble: network.trouble,
    };
  } finally {
    await network.dispose();
  }
}

/**
 * Waits until deliveries have come to as many as there must be. The counters are one small answer a node; the messages
 * themselves are looked at once, at the end.
 */
async function reachesAll(network: Measured, deliveries: number): Promise<void> {
  await eventually(`${deliveries} deliveries in ${network.nodes} nodes`, async () => {
    const arrived = (await totals(network)).get('pychain_deliveries_total{result="new"}') ?? 0;
    return arrived >= deliveries;
  });
}

async function judge(network: Measured, ids: readonly string[]) {
  const slots = Array.from({ length: network.nodes }, (_, index) => index + 1);
  const stored = await inParallel(slots, (slot) => messagesOf(network, slot));
  const missing = stored.reduce((sum, messages) => sum + lacking(messages, ids), 0);
  const hopsMax = stored.flat().reduce((most, message) => Math.max(most, message.hops), 0);
  return { messages: ids.length, missing, hopsMax };
}

function lacking(messages: readonly Message[], ids: readonly string[]): number {
  const there = new Set(messages.map(({ id }) => id));
  return ids.filter((id) => !there.has(id)).length;
}

function costs(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>, deliveries: number) {
  const grown = (name: string) => (after.get(name) ?? 0) - (before.get(name) ?? 0);
  return {
    deliveriesPerNode: grown('pychain_deliveries_total') / deliveries,
    rowsPerDelivery: grown('pychain_rows_written_total') / deliveries,
    jobsPerDelivery: grown('pychain_queue_jobs_total') / deliveries,
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

/** ceil(log_fanout nodes), safe against the logarithm's rounding. */
export function hopsBound(nodes: number, fanout: number): number {
  return Math.ceil(Math.log(nodes) / Math.log(fanout) - 1e-9);
}
