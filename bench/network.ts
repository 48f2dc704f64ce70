// A local network for measuring: the real Worker in workerd, and what is asked of it over HTTP.
import {
  bundleWorker,
  startLocalNetwork,
  type Handler,
  type LocalNetwork,
  type RuntimeLine,
} from '../src/cli/local-network.ts';
import { metricsOf } from '../src/cli/metrics-text.ts';
import { freePort } from '../src/cli/ports.ts';
import { isTrouble } from './trouble.ts';

export const TOKEN = 'token-of-a-local-measurement';

/** Time that a network may take for anything before the run fails, milliseconds. */
export const DEADLINE_MS = 120_000;
const POLL_MS = 10;

export interface Message {
  readonly id: string;
  readonly hops: number;
  /** Unix seconds. */
  readonly received_at: number;
  readonly data: Readonly<Record<string, unknown>>;
  readonly originator: { readonly guid: number };
}

/** A deployment that can be asked. */
export interface Hosted {
  readonly url: string;
  readonly nodes: number;
}

export interface Measured extends LocalNetwork, Hosted {
  /** Milliseconds from the start of workerd until everybody knows everybody. */
  readonly startMs: number;
  /** Lines that nothing should have written (`isTrouble`). */
  readonly trouble: readonly string[];
}

/** By entry point. */
const bundles = new Map<string | undefined, Promise<string>>();

export interface Changes {
  /** Where state is kept; null, unless given: nowhere. */
  readonly storageDir?: string | null;
  /** Any free one unless given. */
  readonly port?: number;
  /** Another Worker than that of wrangler.toml. */
  readonly entry?: string;
  /** What is bound as HANDLER. */
  readonly handler?: Handler;
  readonly inspectorPort?: number;
  readonly hasPage?: boolean;
  readonly staysAwake?: boolean;
}

/** Starts a network of `nodes` and waits until everybody knows everybody. */
export async function startMeasured(
  nodes: number,
  vars: Readonly<Record<string, string>>,
  { entry, port, storageDir = null, ...rest }: Changes = {},
): Promise<Measured> {
  const bundling = bundles.get(entry) ?? bundleWorker(undefined, entry);
  bundles.set(entry, bundling);
  const bundle = await bundling;
  const trouble: string[] = [];
  const onLog = ({ text }: RuntimeLine) => {
    if (isTrouble(text)) trouble.push(text);
  };
  const started = performance.now();
  const listenOn = port ?? (await freePort('127.0.0.1', 0));
  const options = { nodes, host: '127.0.0.1', port: listenOn, storageDir, onLog, bundle, ...rest };
  // Figures are those of delivery alone: the beacon has its own.
  const common = { LOG_LEVEL: 'ERROR', ADMIN_TOKEN: TOKEN, BEACON: 'off' };
  const network = await startLocalNetwork({ ...options, vars: { ...common, ...vars } });
  // Each of N hears of N others.
  const patience = DEADLINE_MS * Math.max(1, (nodes / 256) ** 2 / 4);
  const joined = async () => {
    await network.cron();
    return ((await getJson(`${network.url}/api/v1/status`)) as { max_guid: number }).max_guid >= nodes;
  };
  await eventually(`${nodes} nodes join`, joined, patience);
  const slots = Array.from({ length: nodes }, (_, index) => index + 1);
  const knowing = async () => {
    const known = await inParallel(slots, async (slot) => {
      const { guid, peers } = (await getJson(`${network.url}/n/${slot}/api/v1/status`)) as Status;
      return typeof guid === 'number' && peers.alive === nodes - 1;
    });
    return known.every(Boolean);
  };
  await eventually(`${nodes} nodes know each other`, knowing, patience);
  return { ...network, nodes, startMs: performance.now() - started, trouble };
}

interface Status {
  readonly guid?: number;
  readonly peers: { readonly alive: number };
}

/** Polls until `probe` gives something. */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | false>,
  withinMs: number = DEADLINE_MS,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const asked = Date.now();
    const found = await probe();
    if (found !== false) return found;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${withinMs / 1000} s`);
    // Who is asked needs time for what it is asked about.
    const pause = Math.max(POLL_MS, Date.now() - asked);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/** Runs `work` for all items (with their index), 32 at once, and gives the results in order. */
export async function inParallel<T, R>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const queue = items.entries();
  const worker = async () => {
    for (const [index, item] of queue) results[index] = await work(item, index);
  };
  await Promise.all(Array.from({ length: Math.min(32, items.length) }, worker));
  return results;
}

export async function getJson(url: string): Promise<unknown> {
  return await (await fetch(url)).json();
}

/** Base URL of a deployment's node. */
export function baseOf(network: Pick<Hosted, 'url'>, slot: number): string {
  return `${network.url}/n/${slot}`;
}

/** Base URLs of all nodes of a deployment. */
export function basesOf(network: Hosted): string[] {
  return Array.from({ length: network.nodes }, (_, index) => baseOf(network, index + 1));
}

/** Has a hosted node originate a message; gives its id. Waits and tries again where the node says that it's busy. */
export async function broadcast(
  network: Pick<Hosted, 'url'>,
  slot: number,
  data: object,
  ttlSeconds?: number,
): Promise<string> {
  return await broadcastAt(baseOf(network, slot), data, ttlSeconds);
}

/** The same of any node, by its base URL. */
export async function broadcastAt(base: string, data: object, ttlSeconds?: number): Promise<string> {
  for (;;) {
    const response = await fetch(`${base}/api/v1/messages`, {
      method: 'POST',
      headers: { 'authorization': `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify({ data, ttl: ttlSeconds }),
    });
    const body = (await response.json()) as { id?: string; detail?: string };
    if (response.status === 202 && body.id) return body.id;
    if (response.status !== 503) throw new Error(`POST messages answered ${response.status}: ${body.detail ?? ''}`);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}

/** All messages of a hosted node in the order in which it shows them, the boot node's announcements left out. */
export async function messagesOf(network: Pick<Hosted, 'url'>, slot: number): Promise<Message[]> {
  return await messagesAt(baseOf(network, slot));
}

/** The same of any node, by its base URL. */
export async function messagesAt(base: string): Promise<Message[]> {
  const all: Message[] = [];
  let cursor: string | null = null;
  do {
    const query: string = cursor === null ? '' : `&cursor=${cursor}`;
    const page = (await getJson(`${base}/api/v1/messages?limit=500${query}`)) as {
      messages: Message[];
      next: string | null;
    };
    all.push(...page.messages.filter((message) => message.originator.guid !== 0));
    cursor = page.next;
  } while (cursor !== null);
  return all;
}

/** Whether each node has had a sync round. */
export async function haveSynced(network: Hosted): Promise<boolean> {
  const rounds = await inParallel(basesOf(network), async (base) => {
    const { last_sync_at: at } = (await getJson(`${base}/api/v1/status`)) as { readonly last_sync_at: number | null };
    return at !== null;
  });
  return rounds.every(Boolean);
}

/** Sums over all nodes of a deployment of what `/metrics` says. */
export async function totals(network: Hosted): Promise<Map<string, number>> {
  return summed(await inParallel(basesOf(network), countersAt));
}

/** What a node's `/metrics` says. */
export async function countersAt(base: string): Promise<Map<string, number>> {
  return metricsOf(await (await fetch(`${base}/api/v1/metrics`)).text());
}

/** The sum of each. */
export function summed(all: readonly ReadonlyMap<string, number>[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const counters of all) for (const [name, value] of counters) sums.set(name, (sums.get(name) ?? 0) + value);
  return sums;
}
