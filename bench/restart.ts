// A deployment and a server of the same network are killed while all broadcast, and started again: does everything that was accepted
// arrive everywhere, and how soon?
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../src/cli/ports.ts';
import { Arrivals } from './arrivals.ts';
import { chosen, countersOf } from './coverage.ts';
import { NEIGHBOURLY, startDeployments, type Deployment } from './deployments.ts';
import { startKillable, type Killable } from './killable.ts';
import { broadcastAt, inParallel, summed } from './network.ts';
import { Peers } from './peers.ts';
import { atRest, placesOf, statusAt, type Kind, type Place } from './places.ts';

export interface RestartOptions {
  readonly deployments: number;
  /** Of each deployment. */
  readonly nodes: number;
  /** Nodes on servers of their own; the last is killed. */
  readonly peers: number;
  readonly fanout: number;
  readonly messages: number;
  /** NETWORK_SYNC_INTERVAL and NETWORK_SYNC_JITTER, seconds. A sync interval is both together: the longest pause between two rounds. */
  readonly interval: number;
  readonly jitter: number;
  /** The deployment that is killed hosts the boot node; else it is the last. */
  readonly isBootKilled: boolean;
  /** Told what happens. */
  readonly progress?: (line: string) => void;
}

export interface RestartReport {
  readonly killed: string;
  readonly nodes: number;
  readonly fanout: number;
  /** Messages answered with 202: all, those while the killed were down, and until they were back. */
  readonly accepted: number;
  readonly acceptedWhileDown: number;
  readonly acceptedWhileStarting: number;
  /** Broadcasts that were not answered so, since their node was down: another node was given them. */
  readonly refused: number;
  /** Pairs of message and node missing when all was sent and the killed were back, and in the end. */
  readonly missingAtFirst: number;
  readonly missing: number;
  /** From when the killed were back and all was sent until all was everywhere. */
  readonly seconds: number;
  readonly intervals: number;
  /** Of nodes that were not killed, whose counters go on: repairs and what they asked for included. */
  readonly deliveriesPerNode: number;
  readonly guidChanges: number;
  readonly trouble: readonly string[];
}

/** Sync intervals, and more milliseconds where they are short (messages are compared when they are 15 to 20 s old), after which a message is lost. */
const PATIENCE = 10;
const PATIENCE_MS = 30_000;
const POLL_MS = 100;
/** Broadcasts at once, and the pause of each after one, milliseconds: so that some are under way at the kill, and the rest takes a while. */
const CLIENTS = 4;
const PACE_MS = 100;

/** Runs one network. `random` in [0, 1) chooses the originators, of each kind in turn. */
export async function measureRestart(options: RestartOptions, random: () => number): Promise<RestartReport> {
  const network = await start(options);
  try {
    const { places, victims } = network;
    await atRest(places);
    const survivors = places.filter((place) => !victims.includes(place));
    const guids = await inParallel(places, async ({ base }) => (await statusAt(base)).guid);
    const before = deliveriesOf(await countersOf(survivors));
    const sent = await sendThrough(network, options, random);
    const { accepted } = sent;
    const intervalMs = (options.interval + options.jitter) * 1_000;
    const arrived = await waitForAll(
      places,
      accepted.map(({ id }) => id),
      intervalMs,
    );
    const after = deliveriesOf(await countersOf(survivors));
    const own = accepted.filter(({ base }) => survivors.some((place) => place.base === base)).length;
    const now = await inParallel(places, async ({ base }) => (await statusAt(base)).guid);
    const during = (phase: Phase) => accepted.filter((one) => one.phase === phase).length;
    return {
      killed: options.isBootKilled ? 'boot deployment, Node.js' : 'deployment, Node.js',
      nodes: places.length,
      fanout: options.fanout,
      accepted: accepted.length,
      acceptedWhileDown: during('down'),
      acceptedWhileStarting: during('starting'),
      refused: sent.refused,
      ...arrived,
      deliveriesPerNode: (after - before) / (accepted.length * survivors.length - own),
      guidChanges: guids.filter((guid, index) => guid !== now[index]).length,
      trouble: network.trouble(),
    };
  } finally {
    await network.stop();
  }
}

interface Network {
  readonly places: readonly Place[];
  /** Those of the places that are killed. */
  readonly victims: readonly Place[];
  kill(): Promise<void>;
  /** Resolves when they have joined again. */
  restart(): Promise<void>;
  trouble(): readonly string[];
  stop(): Promise<void>;
}

async function start(options: RestartOptions): Promise<Network> {
  const { deployments, nodes, peers, fanout, interval, jitter, isBootKilled } = options;
  const vars = {
    FANOUT: String(fanout),
    MESSAGE_TTL: '3600',
    NETWORK_SYNC_INTERVAL: String(interval),
    NETWORK_SYNC_JITTER: String(jitter),
  };
  const folder = mkdtempSync(join(tmpdir(), 'pychain-restart-'));
  const port = await freePort('127.0.0.1', 0);
  const launch = (boot: string | null) =>
    startKillable(nodes, folder, port, {
      ...NEIGHBOURLY,
      LOG_LEVEL: 'ERROR',
      ...vars,
      ...(boot !== null && { BOOT_NODE: boot }),
    });
  let killable: Killable | null = null;
  let others: Deployment[] = [];
  let servers: Peers | null = null;
  const stop = async () => {
    const kill = killable?.kill().catch(() => undefined);
    await Promise.all([kill, servers?.stop(), ...others.map((deployment) => deployment.dispose())]);
    rmSync(folder, { recursive: true, maxRetries: 10, retryDelay: 100 });
  };
  try {
    if (isBootKilled) {
      killable = launch(null);
      await killable.ready;
    }
    others = await startDeployments(deployments - 1, nodes, vars, killable?.url ?? null);
    const boot = killable?.url ?? others[0]?.url ?? '';
    const relaunch = () => launch(isBootKilled ? null : boot);
    killable ??= relaunch();
    await killable.ready;
    const peering = await Peers.start(peers, boot, vars);
    servers = peering;
    const killed = { url: killable.url, nodes };
    const places = placesOf(isBootKilled ? [killed, ...others] : [...others, killed], servers.urls);
    const down = new Set([killed.url, peering.urls.at(-1)]);
    return {
      places,
      victims: places.filter(({ base }) => down.has(new URL(base).origin)),
      kill: async () => {
        await Promise.all([killable?.kill(), peering.kill(peers - 1)]);
      },
      restart: async () => {
        killable = relaunch();
        await Promise.all([killable.ready, peering.restart(peers - 1)]);
      },
      trouble: () => others.flatMap(({ trouble }) => trouble),
      stop,
    };
  } catch (cause) {
    await stop();
    throw cause;
  }
}

type Phase = 'before' | 'down' | 'starting' | 'after';

interface Accepted {
  readonly id: string;
  readonly base: string;
  readonly phase: Phase;
}

/** A quarter is sent before the kill, one while they are down, one while they start, and one when they are back. */
async function sendThrough(network: Network, { messages, progress }: RestartOptions, random: () => number) {
  const accepted: Accepted[] = [];
  let refused = 0;
  let phase: Phase = 'before';
  let back: Promise<void> = Promise.resolve();
  const steps = new Map<number, () => Promise<void>>([
    [Math.floor(messages / 4), kill],
    [Math.floor(messages / 2), startAgain],
  ]);
  async function kill(): Promise<void> {
    phase = 'down';
    progress?.('killed');
    await network.kill();
  }
  async function comeBack(): Promise<void> {
    await network.restart();
    phase = 'after';
    progress?.('back');
  }
  async function startAgain(): Promise<void> {
    phase = 'starting';
    progress?.('started again');
    back = comeBack();
    // Who waits for it is told.
    back.catch(() => undefined);
  }
  const kinds = [...new Set(network.places.map(({ kind }) => kind))];
  const survivors = network.places.filter((place) => !network.victims.includes(place));
  const queue = Array.from({ length: messages }, (_, index) => index).values();
  const client = async () => {
    for (const index of queue) {
      await steps.get(index)?.();
      // All clients, not the one alone whose turn it is.
      if (index >= Math.floor((3 * messages) / 4)) await back;
      const of = placesOfKind(network.places, kinds[index % kinds.length]);
      const first = chosen(of, random());
      const second = chosen(survivors, random());
      const during = phase;
      for (const { base } of [first, second]) {
        const id = await broadcastAt(base, { index }).catch(() => null);
        if (id === null) refused++;
        else accepted.push({ id, base, phase: during });
        if (id !== null) break;
      }
      await sleep(PACE_MS);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  await back;
  return { accepted, refused };
}

function placesOfKind(places: readonly Place[], kind: Kind | undefined): Place[] {
  return places.filter((place) => place.kind === kind);
}

async function waitForAll(places: readonly Place[], ids: readonly string[], intervalMs: number) {
  const began = performance.now();
  const arrivals = new Arrivals(places.map(({ base }) => base));
  let missingAtFirst: number | null = null;
  for (;;) {
    await arrivals.read();
    const missing = arrivals.missing(ids);
    missingAtFirst ??= missing;
    const passed = performance.now() - began;
    if (missing === 0 || passed > PATIENCE * intervalMs + PATIENCE_MS) {
      return { missingAtFirst, missing, seconds: passed / 1_000, intervals: passed / intervalMs };
    }
    await sleep(POLL_MS);
  }
}

function deliveriesOf(counters: readonly ReadonlyMap<string, number>[]): number {
  return summed(counters).get('pychain_deliveries_total') ?? 0;
}
