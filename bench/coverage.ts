// Coverage: does every message reach every node, how often and over how many hops? What it costs in rows, jobs and calls. The
// end-to-end tests run it small, `npm run coverage` at any size.
import { startDeployments, type Deployment } from './deployments.ts';
import {
  broadcastAt,
  countersAt,
  eventually,
  haveSynced,
  inParallel,
  messagesAt,
  startMeasured,
  summed,
  type Measured,
} from './network.ts';
import { Peers } from './peers.ts';
import { announcedAt, atRest, placesOf, type Kind, type Place } from './places.ts';

export interface CoverageOptions {
  /** Deployments of one network, which speak to each other over HTTP. */
  readonly deployments: number;
  /** Of each deployment. */
  readonly nodes: number;
  /** Nodes on servers of their own, which join the network of the first deployment. */
  readonly peers: number;
  readonly fanout: number;
  /** One after the other, each from a random node: of each kind in turn. */
  readonly single: number;
  /** At the same instant, from as many nodes (each node again where there are fewer nodes). */
  readonly atOnce: number;
}

/** What came to the nodes of one kind, or to all. */
export interface Arrived {
  readonly nodes: number;
  /** Messages that they originated. */
  readonly messages: number;
  /** Messages missing at them: pairs of message and node. */
  readonly missing: number;
  /** Deliveries per node (the originator not counted) and message: 1 where each got each once. */
  readonly deliveriesPerNode: number;
  readonly hopsMax: number;
}

export interface Coverage extends Arrived {
  readonly deployments: number;
  readonly fanout: number;
  /** ceil(log_fanout N) */
  readonly hopsBound: number;
  readonly startSeconds: number;
  /** Median time until a message that goes alone is at the last node, as HTTP polling sees it. */
  readonly aloneMs: number;
  readonly rowsPerDelivery: number;
  readonly jobsPerDelivery: number;
  /** By kind of node. */
  readonly kinds: readonly (Arrived & { readonly kind: Kind })[];
  readonly trouble: readonly string[];
}

/** Runs one network. `random` in [0, 1) chooses the originators. */
export async function measureCoverage(options: CoverageOptions, random: () => number): Promise<Coverage> {
  const { deployments, nodes, peers, fanout } = options;
  const started = performance.now();
  const network = deployments === 1 && peers === 0 ? await startAlone(nodes, fanout) : await startSeveral(options);
  try {
    const startSeconds = (performance.now() - started) / 1000;
    const measured = await sendAndCount(network.places, options, random);
    const trouble = network.trouble();
    return { deployments, fanout, ...measured, hopsBound: hopsBound(measured.nodes, fanout), startSeconds, trouble };
  } finally {
    await network.stop();
  }
}

interface Network {
  readonly places: readonly Place[];
  trouble(): readonly string[];
  stop(): Promise<void>;
}

/** No sync round within the run, whose rows would be counted as the messages'. */
async function startAlone(nodes: number, fanout: number): Promise<Network> {
  const vars = { FANOUT: String(fanout), NETWORK_SYNC_INTERVAL: '3600', NETWORK_SYNC_JITTER: '0', MESSAGE_TTL: '3600' };
  const network: Measured = await startMeasured(nodes, vars);
  // The first sync rounds come within a second of the joins; their rows are not the messages' either.
  await eventually('the first sync rounds', () => haveSynced(network));
  return { places: placesOf([network]), trouble: () => network.trouble, stop: () => network.dispose() };
}

/** Here sync goes on, since peers of other deployments must prove themselves: rows are those of sync, too. */
async function startSeveral({ deployments, nodes, peers, fanout }: CoverageOptions): Promise<Network> {
  const vars = { FANOUT: String(fanout), MESSAGE_TTL: '3600' };
  let hosted: Deployment[] = [];
  let servers: Peers | null = null;
  const stop = async () => {
    await Promise.all([...hosted.map((deployment) => deployment.dispose()), servers?.stop()]);
  };
  try {
    hosted = await startDeployments(deployments, nodes, vars);
    servers = await Peers.start(peers, hosted[0]?.url ?? '', vars);
    const places = placesOf(hosted, servers.urls);
    await atRest(places);
    const trouble = () => [...hosted.flatMap((deployment) => deployment.trouble), ...(servers?.trouble ?? [])];
    return { places, trouble, stop };
  } catch (cause) {
    await stop();
    throw cause;
  }
}

/** Sends, waits until all have all, and counts: of a network at rest. */
export async function sendAndCount(
  places: readonly Place[],
  { single, atOnce }: Pick<CoverageOptions, 'single' | 'atOnce'>,
  random: () => number,
) {
  const others = places.length - 1;
  const before = await countersOf(places);
  // Of a network that is alone: announcements of the boot node, which came before.
  const arrived = sumOf(before, NEW);
  const sent: Sent[] = [];
  const times: number[] = [];
  const send = async (place: Place, data: object) => {
    sent.push({ id: await broadcastAt(place.base, data), kind: place.kind });
  };
  const kinds = [...new Set(places.map(({ kind }) => kind))];
  for (let index = 0; index < single; index++) {
    const kind = kinds[index % kinds.length];
    const started = performance.now();
    await send(chosen(ofKind(places, kind), random()), { index });
    await reachesAll(places, arrived + sent.length * others);
    times.push(performance.now() - started);
  }
  await Promise.all(
    Array.from({ length: atOnce }, (_, index) =>
      send(chosen(places, (index % places.length) / places.length), { atOnce: index }),
    ),
  );
  await reachesAll(places, arrived + sent.length * others);
  const after = await countersOf(places);
  const had = await inParallel(places, async ({ kind, base }, index): Promise<Seen> => {
    const messages = await messagesAt(base);
    const there = new Set(messages.map(({ id }) => id));
    return {
      kind,
      missing: sent.filter(({ id }) => !there.has(id)).length,
      hopsMax: Math.max(0, ...messages.map(({ hops }) => hops)),
      deliveries: (after[index]?.get(ALL) ?? 0) - (before[index]?.get(ALL) ?? 0),
    };
  });
  return {
    ...arrivedAt(had, sent),
    kinds: kinds.map((kind) => ({ kind, ...arrivedAt(ofKind(had, kind), sent, kind) })),
    ...costs(before, after, sent.length * others),
    aloneMs: median(times),
  };
}

interface Sent {
  readonly id: string;
  readonly kind: Kind;
}

/** What one node has of what was sent, and how often it was given something. */
interface Seen {
  readonly kind: Kind;
  readonly missing: number;
  readonly hopsMax: number;
  readonly deliveries: number;
}

/** Of these nodes; `kind`: which they are, if not all. */
function arrivedAt(seen: readonly Seen[], sent: readonly Sent[], kind?: Kind): Arrived {
  const sum = (of: (node: Seen) => number) => seen.reduce((total, node) => total + of(node), 0);
  const own = kind === undefined ? sent.length : ofKind(sent, kind).length;
  return {
    nodes: seen.length,
    messages: own,
    missing: sum(({ missing }) => missing),
    deliveriesPerNode: sum(({ deliveries }) => deliveries) / (sent.length * seen.length - own),
    hopsMax: Math.max(0, ...seen.map(({ hopsMax }) => hopsMax)),
  };
}

const ALL = 'pychain_deliveries_total';
const NEW = `${ALL}{result="new"}`;

function ofKind<T extends { readonly kind: Kind }>(all: readonly T[], kind: Kind | undefined): T[] {
  return all.filter((one) => one.kind === kind);
}

/** Of the list, at this share of its length. */
export function chosen(places: readonly Place[], share: number): Place {
  const place = places[Math.floor(share * places.length)];
  if (!place) throw new Error(`${share} of ${places.length} places`);
  return place;
}

type Counters = ReadonlyMap<string, number>;

/**
 * What each node counts, without what the boot node announced: that comes to joiners late, by reconciliation, too. Of a network
 * of one deployment at rest nothing of that comes any more.
 */
export async function countersOf(places: readonly Place[]): Promise<Counters[]> {
  const counters = await inParallel(places, ({ base }) => countersAt(base));
  if (new Set(places.map(({ base }) => new URL(base).origin)).size === 1) return counters;
  // After the counters: what comes between makes them too small, never too large, and they are read again.
  const announced = await inParallel(places, async ({ base }) => (await announcedAt(base)).length);
  for (const [index, count] of announced.entries()) {
    for (const name of [NEW, ALL]) counters[index]?.set(name, (counters[index].get(name) ?? 0) - count);
  }
  return counters;
}

function sumOf(all: readonly Counters[], name: string): number {
  return summed(all).get(name) ?? 0;
}

/**
 * Waits until deliveries have come to as many as there must be. The counters are one small answer a node; the messages
 * themselves are looked at once, at the end.
 */
async function reachesAll(places: readonly Place[], deliveries: number): Promise<void> {
  await eventually(`${deliveries} deliveries`, async () => sumOf(await countersOf(places), NEW) >= deliveries);
}

function costs(before: readonly Counters[], after: readonly Counters[], deliveries: number) {
  const grown = (name: string) => sumOf(after, name) - sumOf(before, name);
  return {
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
