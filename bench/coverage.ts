// Coverage: does every message reach every node, how often and over how many hops? What it costs in rows, jobs and calls. The
// end-to-end tests run it small, `npm run coverage` at any size.
import { announcedAt, atRest, placesOf, startDeployments, type Deployment, type Place } from './deployments.ts';
import {
  broadcast,
  eventually,
  inParallel,
  messagesOf,
  startMeasured,
  totals,
  type Hosted,
  type Message,
} from './network.ts';

export interface CoverageOptions {
  /** Deployments of one network, which speak to each other over HTTP. */
  readonly deployments: number;
  /** Of each deployment. */
  readonly nodes: number;
  readonly fanout: number;
  /** One after the other, each from a random node. */
  readonly single: number;
  /** At the same instant, from as many nodes (each node again where there are fewer nodes). */
  readonly atOnce: number;
}

export interface Coverage {
  readonly deployments: number;
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
  const { deployments, nodes, fanout } = options;
  const started = performance.now();
  const networks =
    deployments === 1 ? [await startAlone(nodes, fanout)] : await startSeveral(deployments, nodes, fanout);
  try {
    const startSeconds = (performance.now() - started) / 1000;
    const measured = await sendAndCount(networks, options, random);
    return {
      deployments,
      nodes,
      fanout,
      ...measured,
      hopsBound: hopsBound(deployments * nodes, fanout),
      startSeconds,
      trouble: networks.flatMap(({ trouble }) => trouble),
    };
  } finally {
    await Promise.all(networks.map((network) => network.dispose()));
  }
}

/** No sync round within the run, whose rows would be counted as the messages'. */
async function startAlone(nodes: number, fanout: number): Promise<Deployment> {
  const vars = { FANOUT: String(fanout), NETWORK_SYNC_INTERVAL: '3600', NETWORK_SYNC_JITTER: '0', MESSAGE_TTL: '3600' };
  const network = await startMeasured(nodes, vars);
  // The first sync rounds come within a second of the joins; their rows are not the messages' either.
  await eventually(
    'the first sync rounds',
    async () => ((await totals(network)).get('pychain_sync_rounds_total') ?? 0) >= nodes,
  );
  return network;
}

/** Here sync goes on, since peers of other deployments must prove themselves: rows are those of sync, too. */
async function startSeveral(deployments: number, nodes: number, fanout: number): Promise<Deployment[]> {
  const networks = await startDeployments(deployments, nodes, { FANOUT: String(fanout), MESSAGE_TTL: '3600' });
  await atRest(networks);
  return networks;
}

/** Sends, waits until all have all, and counts: of a network at rest. */
export async function sendAndCount(
  networks: readonly Hosted[],
  { single, atOnce }: Pick<CoverageOptions, 'single' | 'atOnce'>,
  random: () => number,
) {
  const places = placesOf(networks);
  const others = places.length - 1;
  const before = await sumOf(networks);
  // Of a network that is alone: announcements of the boot node, which came before.
  const arrived = before.get(NEW) ?? 0;
  const ids: string[] = [];
  const times: number[] = [];
  const send = async ({ deployment, slot }: Place, data: object) => ids.push(await broadcast(deployment, slot, data));
  for (let index = 0; index < single; index++) {
    const started = performance.now();
    await send(chosen(places, random()), { index });
    await reachesAll(networks, arrived + ids.length * others);
    times.push(performance.now() - started);
  }
  await Promise.all(
    Array.from({ length: atOnce }, (_, index) =>
      send(chosen(places, (index % places.length) / places.length), { atOnce: index }),
    ),
  );
  await reachesAll(networks, arrived + ids.length * others);
  const after = await sumOf(networks);
  return { ...(await judge(places, ids)), ...costs(before, after, ids.length * others), aloneMs: median(times) };
}

const ALL = 'pychain_deliveries_total';
const NEW = `${ALL}{result="new"}`;

/** Of the list, at this share of its length. */
function chosen(places: readonly Place[], share: number): Place {
  const place = places[Math.floor(share * places.length)];
  if (!place) throw new Error(`${share} of ${places.length} places`);
  return place;
}

/**
 * What all nodes of all deployments count, without what the boot node announced: that comes to joiners late, by reconciliation, too. Of a network
 * of one deployment at rest nothing of that comes any more.
 */
async function sumOf(networks: readonly Hosted[]): Promise<Map<string, number>> {
  const sums = new Map<string, number>();
  for (const network of networks) {
    for (const [name, value] of await totals(network)) sums.set(name, (sums.get(name) ?? 0) + value);
  }
  if (networks.length === 1) return sums;
  // After the counters: what comes between makes them too small, never too large, and they are read again.
  const announced = (await inParallel(placesOf(networks), announcedAt)).flat().length;
  for (const name of [NEW, ALL]) sums.set(name, (sums.get(name) ?? 0) - announced);
  return sums;
}

/**
 * Waits until deliveries have come to as many as there must be. The counters are one small answer a node; the messages
 * themselves are looked at once, at the end.
 */
async function reachesAll(networks: readonly Hosted[], deliveries: number): Promise<void> {
  await eventually(`${deliveries} deliveries`, async () => ((await sumOf(networks)).get(NEW) ?? 0) >= deliveries);
}

async function judge(places: readonly Place[], ids: readonly string[]) {
  const stored = await inParallel(places, ({ deployment, slot }) => messagesOf(deployment, slot));
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
    deliveriesPerNode: grown(ALL) / deliveries,
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
