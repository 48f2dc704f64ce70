// Kills a whole local network with SIGKILL, again and again, while it starts, while it catches up and while messages spread, and looks at
// what came back: the same GUIDs, none twice, and every message that was answered with 202, at every node within two sync intervals.
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../src/cli/ports.ts';
import { Arrivals } from './arrivals.ts';
import { Clients } from './clients.ts';
import { startKillable, type Killable } from './killable.ts';
import { baseOf, getJson, inParallel } from './network.ts';

export interface CrashOptions {
  readonly nodes: number;
  readonly kills: readonly Kill[];
  /** NETWORK_SYNC_INTERVAL and NETWORK_SYNC_JITTER, seconds. A sync interval is both together: the longest pause between two rounds. */
  readonly interval: number;
  readonly jitter: number;
  /** Empty folder for the network's state and logs. */
  readonly folder: string;
  /** Told after each kill. */
  readonly progress?: (line: string) => void;
}

export interface CrashReport {
  readonly kills: number;
  /** Kills before every node had joined, and before it was looked whether everything accepted is everywhere. */
  readonly whileStarting: number;
  readonly whileCatchingUp: number;
  /** Messages that a node answered with 202, over all runs. */
  readonly accepted: number;
  /** Restarts after which all that was accepted before was looked for at every node. */
  readonly checks: number;
  /** Pairs of message and node that were missing when all nodes had joined again, and how many checks found any. */
  readonly missingAtFirst: number;
  readonly checksWithMissing: number;
  /** Pairs of message and node that were missing after two sync intervals. */
  readonly late: number;
  /** Pairs that were missing even after more than that. */
  readonly lost: number;
  /** Sync intervals from the restart until all was everywhere. */
  readonly intervalsMedian: number;
  readonly intervalsMax: number;
  /** Nodes that came back with another GUID, and GUIDs seen at two nodes. */
  readonly guidChanges: number;
  readonly guidTwice: number;
  readonly seconds: number;
}

/** How many times the time allowed is waited, to tell what is late from what is lost. */
const PATIENCE_FACTOR = 3;
const POLL_MS = 100;
/** Latest kill while the network starts, and while it may be catching up, milliseconds. */
const STARTING_MS = 1_800;
const CATCHING_UP_MS = 15_000;
/** Longer than any run. */
const TTL_SECONDS = 86_400;

interface Memory {
  readonly guids: Map<number, string>;
  readonly accepted: Set<string>;
  /** Sync intervals that a check took. */
  readonly intervals: number[];
  readonly counts: {
    whileStarting: number;
    whileCatchingUp: number;
    missingAtFirst: number;
    checksWithMissing: number;
    late: number;
    lost: number;
    guidChanges: number;
  };
}

/** When a life of the network ends: some moment after its start, after all have joined again, or after all was looked for. */
export interface Kill {
  readonly after: 'start' | 'ready' | 'check';
  readonly ms: number;
}

/** Draws the kills of a run: half come after a check, a quarter each earlier. `random` in [0, 1). */
export function drawKills(kills: number, random: () => number): Kill[] {
  return Array.from({ length: kills }, () => {
    const [kind, moment] = [random(), random()];
    if (kind < 0.25) return { after: 'start', ms: moment * STARTING_MS };
    if (kind < 0.5) return { after: 'ready', ms: moment * CATCHING_UP_MS };
    return { after: 'check', ms: 200 + moment * 600 };
  });
}

/** Runs the network into each of the kills, and once more to look at what is there. */
export async function measureCrashes(options: CrashOptions): Promise<CrashReport> {
  const began = performance.now();
  const counts = { missingAtFirst: 0, checksWithMissing: 0, late: 0, lost: 0, guidChanges: 0 };
  const memory: Memory = {
    guids: new Map(),
    accepted: new Set(),
    intervals: [],
    counts: { ...counts, whileStarting: 0, whileCatchingUp: 0 },
  };
  const port = await freePort('127.0.0.1', 0);
  const vars = {
    NETWORK_SYNC_INTERVAL: String(options.interval),
    NETWORK_SYNC_JITTER: String(options.jitter),
    MESSAGE_TTL: String(TTL_SECONDS),
  };
  const ends: Kill[] = [...options.kills, { after: 'check', ms: 0 }];
  for (const [index, kill] of ends.entries()) {
    const network = startKillable(options.nodes, options.folder, port, vars);
    const clients = new Clients(options, network.url, memory.accepted);
    await live(options, network, clients, memory, kill);
    clients.stop();
    if (!network.isReady()) memory.counts.whileStarting++;
    await network.kill();
    await clients.ended();
    const { accepted, counts: so } = memory;
    options.progress?.(`${index + 1} of ${ends.length}: ${accepted.size} accepted, ${so.late} late, ${so.lost} lost`);
  }
  const sorted = memory.intervals.toSorted((a, b) => a - b);
  return {
    kills: options.kills.length,
    ...memory.counts,
    accepted: memory.accepted.size,
    checks: sorted.length,
    intervalsMedian: sorted[Math.floor(sorted.length / 2)] ?? NaN,
    intervalsMax: sorted.at(-1) ?? NaN,
    guidTwice: memory.guids.size - new Set(memory.guids.values()).size,
    seconds: (performance.now() - began) / 1_000,
  };
}

/** One life of the network, until the moment of its kill. */
async function live(
  options: CrashOptions,
  network: Killable,
  clients: Clients,
  memory: Memory,
  kill: Kill,
): Promise<void> {
  if (kill.after === 'start') return await sleep(kill.ms);
  await network.ready;
  const restarted = performance.now();
  const before = [...memory.accepted];
  clients.start();
  if (kill.after === 'ready') memory.counts.whileCatchingUp++;
  else {
    await lookForAll(options, network, memory, before, restarted);
    await lookAtGuids(options, network, memory);
    clients.hurry();
  }
  await sleep(kill.ms);
}

/** Looks at every node for what was accepted before this life, until it is there or has had more than enough time. */
async function lookForAll(
  options: CrashOptions,
  network: Killable,
  memory: Memory,
  before: readonly string[],
  restarted: number,
): Promise<void> {
  const { counts } = memory;
  const allowed = 2 * intervalMs(options);
  const arrivals = new Arrivals(slotsOf(options).map((slot) => baseOf(network, slot)));
  let late: number | null = null;
  for (let first = true; ; first = false) {
    await arrivals.read();
    const missing = arrivals.missing(before);
    const passed = performance.now() - restarted;
    if (first && missing > 0) {
      counts.missingAtFirst += missing;
      counts.checksWithMissing++;
    }
    if (passed > allowed) late ??= missing;
    if (missing === 0 || passed > allowed * PATIENCE_FACTOR) {
      memory.intervals.push(passed / intervalMs(options));
      counts.late += late ?? 0;
      counts.lost += missing;
      return;
    }
    await sleep(POLL_MS);
  }
}

async function lookAtGuids(options: CrashOptions, network: Killable, memory: Memory): Promise<void> {
  await inParallel(slotsOf(options), async (slot) => {
    const status = (await getJson(`${network.url}/n/${slot}/api/v1/status`)) as { guid: number; public_key: string };
    const identity = `${status.guid} ${status.public_key}`;
    const before = memory.guids.get(slot);
    if (before !== undefined && before !== identity) memory.counts.guidChanges++;
    memory.guids.set(slot, identity);
  });
}

function intervalMs({ interval, jitter }: CrashOptions): number {
  return (interval + jitter) * 1_000;
}

function slotsOf({ nodes }: CrashOptions): number[] {
  return Array.from({ length: nodes }, (_, index) => index + 1);
}
