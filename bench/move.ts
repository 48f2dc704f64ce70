// A node on a server of its own gets another address and port, with the boot node down: do all others find it again, and how soon?
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../src/cli/ports.ts';
import { Arrivals } from './arrivals.ts';
import { NEIGHBOURLY, startDeployments, type Deployment } from './deployments.ts';
import { broadcastAt, countersAt, eventually, getJson, inParallel } from './network.ts';
import { startBoot, type NodeProcess } from './node-process.ts';
import { Peers } from './peers.ts';
import { allTrust, placesOf, statusAt, type Place } from './places.ts';

export interface MoveOptions {
  /** Nodes of a deployment that joined the network of a boot node on a server. */
  readonly nodes: number;
  /** Nodes on servers of their own; the last moves. */
  readonly peers: number;
  /** NETWORK_SYNC_INTERVAL and NETWORK_SYNC_JITTER, seconds. A sync interval is both together: the longest pause between two rounds. */
  readonly interval: number;
  readonly jitter: number;
}

export interface MoveReport {
  /** Of the node that moves: before, and after. */
  readonly guids: readonly [number, number];
  readonly addresses: readonly [string, string];
  /** From when it was asked to start at its new place until all others knew it there; an interval is both times together. */
  readonly seconds: number;
  readonly intervals: number;
  readonly others: number;
  /** Of one message of each of the others, after that: deliveries to it that were not new. */
  readonly duplicates: number;
}

/** Another address of the same machine. */
const NEW_HOST = '127.0.0.2';

/** Messages that the others send while it is away: as many as make them take it for dead (MAX_FAILURES). */
const MEANWHILE = 3;

/** Beyond two sync intervals, milliseconds: for the start of its process (half a second, several on a busy machine) and for our asking. */
const MARGIN_MS = 15_000;

/** Runs one network. Rejects where not all others find the node within two sync intervals and a margin, or it gets nothing from them then. */
export async function measureMove(options: MoveOptions): Promise<MoveReport> {
  const { nodes, peers, interval, jitter } = options;
  const vars = { NETWORK_SYNC_INTERVAL: String(interval), NETWORK_SYNC_JITTER: String(jitter), MESSAGE_TTL: '3600' };
  const folder = mkdtempSync(join(tmpdir(), 'pychain-move-'));
  let boot: NodeProcess | null = null;
  let hosted: Deployment[] = [];
  let servers: Peers | null = null;
  try {
    const port = await freePort('127.0.0.1', 0);
    boot = await startBoot({ port, folder, vars: { ...NEIGHBOURLY, ...vars } });
    hosted = await startDeployments(1, nodes, vars, boot.url);
    servers = await Peers.start(peers, boot.url, vars);
    const places = placesOf(hosted, servers.urls);
    // Probation is an interval, and it is over at a round.
    await allTrust(places, 2 * (interval + jitter) * 1_000);
    await boot.end('SIGKILL');
    boot = null;
    return await moveLast(servers, places, options);
  } finally {
    const ends = [boot?.end('SIGKILL'), servers?.stop(), ...hosted.map((deployment) => deployment.dispose())];
    await Promise.all(ends);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function moveLast(servers: Peers, places: readonly Place[], options: MoveOptions): Promise<MoveReport> {
  const intervalMs = (options.interval + options.jitter) * 1_000;
  const last = places.length - 1;
  const others = places.slice(0, last).map(({ base }) => base);
  const before = places[last]?.base ?? '';
  const guid = (await statusAt(before)).guid ?? 0;
  const missed: string[] = [];
  let started = 0;
  const again = await servers.move(options.peers - 1, NEW_HOST, async () => {
    for (let count = 0; count < MEANWHILE; count++) missed.push(await broadcastAt(others[0] ?? '', { count }));
    started = performance.now();
  });
  const after = servers.urls.at(-1) ?? '';
  const isKnown = async (base: string) => {
    const { address } = (await getJson(`${base}/api/v1/members/${guid}`)) as { address?: string };
    return address === after;
  };
  const areAll = async () => (await inParallel(others, isKnown)).every(Boolean);
  await eventually(`all find ${after}`, areAll, 2 * intervalMs + MARGIN_MS);
  const seconds = (performance.now() - started) / 1_000;
  const got = new Arrivals([after]);
  const arrive = async (ids: readonly string[]) => {
    await got.read();
    return got.missing(ids) === 0;
  };
  // First, since it is brought what it missed by sync meanwhile.
  await eventually('what it missed', () => arrive(missed));
  const duplicates = async () => (await countersAt(after)).get('pychain_deliveries_total{result="duplicate"}') ?? 0;
  const soFar = await duplicates();
  const ids = await inParallel(others, (base) => broadcastAt(base, { to: after }));
  await eventually('messages to its new address', () => arrive(ids));
  return {
    guids: [guid, again],
    addresses: [before, after],
    seconds,
    intervals: (seconds * 1_000) / intervalMs,
    others: others.length,
    duplicates: (await duplicates()) - soFar,
  };
}
