// Nodes become unreachable right before a broadcast: how long does it take until all others have it, compared with what it took when all were
// well? One network after the other state, so that the ratio says more than the machine does.
import { setTimeout as sleep } from 'node:timers/promises';
import { startFaulty, type Fault, type FaultyNetwork } from './faults.ts';
import { broadcast, getJson, inParallel } from './network.ts';

export interface UnreachableOptions {
  readonly nodes: number;
  /** How many become unreachable. */
  readonly unreachable: number;
  readonly fanout: number;
  readonly maxFailures: number;
  readonly fault: Exclude<Fault, 'off'>;
  /** Messages in each state, sent one by one, all by the same node. */
  readonly messages: number;
}

/** Milliseconds from a broadcast until the last of the reachable nodes had stored it, by the nodes' clock. */
export interface Times {
  readonly median: number;
  readonly max: number;
}

export interface UnreachableReport extends UnreachableOptions {
  /** Nodes that became unreachable. */
  readonly drawn: readonly number[];
  readonly healthy: Times;
  /** The message right after the fault, and those that follow while the unreachable are found out. */
  readonly first: number;
  readonly failing: Times;
  /** After all who send to them have counted MAX_FAILURES, and leave them out. */
  readonly ignored: Times;
  readonly ignoredAfterSeconds: number;
  /** Times to all as ratios to the median of the healthy ones. */
  readonly ratios: { readonly first: number; readonly failing: Times; readonly ignored: Times };
}

/** How long anything may take before the run ends with an error. */
const PATIENCE_MS = 240_000;
/** Longer than it takes until a sender knows that a call has failed. */
const KNOWN_MS = { hang: 6_000, fail: 1_000 };
/** Pause between two looks at nodes: looking takes the processor that is measured. */
const POLL_MS = 50;

/** Runs one network through health, fault, and being used to it. `random` in [0, 1) draws who sends and who becomes unreachable. */
export async function measureUnreachable(
  options: UnreachableOptions,
  random: () => number,
): Promise<UnreachableReport> {
  const { nodes, unreachable, fault, messages } = options;
  const network = await startFaulty(nodes, {
    FANOUT: String(options.fanout),
    MAX_FAILURES: String(options.maxFailures),
    MESSAGE_TTL: '3600',
    LOG_LEVEL: 'CRITICAL',
    // No sync rounds: what arrives, arrives by failover.
    NETWORK_SYNC_INTERVAL: '3600',
  });
  try {
    const [sender = 1, ...others] = shuffled(nodes, random);
    const drawn = others.slice(0, unreachable);
    const reachable = [sender, ...others.slice(unreachable)];
    const send = () => sendOneByOne(network, sender, reachable, messages);
    // Objects and connections warm up.
    await send();
    const healthy = await send();
    const began = performance.now();
    for (const slot of drawn) await network.fault(slot, fault);
    const failing = await send();
    await untilIgnored(network, reachable, async () => {
      await sendOneByOne(network, sender, reachable, 1);
      await sleep(KNOWN_MS[fault]);
    });
    const ignoredAfterSeconds = (performance.now() - began) / 1_000;
    const times = { healthy: timesOf(healthy), failing: timesOf(failing), ignored: timesOf(await send()) };
    const first = failing[0] ?? NaN;
    const ratio = (ms: number) => ms / times.healthy.median;
    const ratios = (of: Times) => ({ median: ratio(of.median), max: ratio(of.max) });
    return {
      ...options,
      drawn,
      ...times,
      first,
      ignoredAfterSeconds,
      ratios: { first: ratio(first), failing: ratios(times.failing), ignored: ratios(times.ignored) },
    };
  } finally {
    await network.dispose();
  }
}

/** Sends messages, each when the one before is at all of `slots`, and gives how long each took, milliseconds. */
async function sendOneByOne(
  network: FaultyNetwork,
  sender: number,
  slots: readonly number[],
  messages: number,
): Promise<number[]> {
  const sent: number[] = [];
  for (let index = 0; index < messages; index++) {
    const id = await broadcast(network, sender, { index });
    const stored = await arrivals(network, slots, id);
    const last = Math.max(...stored.map((message) => message.received_at));
    sent.push((last - (stored[0]?.broadcast_timestamp ?? NaN)) * 1_000);
  }
  return sent;
}

/** Unix seconds. */
interface Stored {
  readonly broadcast_timestamp: number;
  readonly received_at: number;
}

/** Waits until a message is at all of `slots`, and gives it as they have it. */
async function arrivals(network: FaultyNetwork, slots: readonly number[], id: string): Promise<Stored[]> {
  const found = new Map<number, Stored>();
  await until(`message ${id} at ${slots.length} nodes`, async () => {
    const left = slots.filter((slot) => !found.has(slot));
    await inParallel(left, async (slot) => {
      const response = await fetch(`${network.url}/n/${slot}/api/v1/messages/${id}`);
      const body: unknown = await response.json();
      if (response.status === 200) found.set(slot, body as Stored);
      else if (response.status !== 404) throw new Error(`node ${slot} answered ${response.status}`);
    });
    return found.size === slots.length;
  });
  return [...found.values()];
}

/**
 * Sends a message now and then until one of them meets no failure any more. Who ignores a peer leaves its place in the ring to the member before
 * it, which has to find out for itself: so that takes several turns.
 */
async function untilIgnored(network: FaultyNetwork, reachable: readonly number[], send: () => Promise<void>) {
  const deadline = performance.now() + PATIENCE_MS;
  for (let before = NaN; ;) {
    const { suspect, ignored } = await inTrouble(network, reachable);
    if (suspect === 0 && ignored > 0 && ignored === before) return;
    if (performance.now() > deadline) throw new Error(`still failing after ${PATIENCE_MS / 1_000} s`);
    before = ignored;
    await send();
  }
}

/** How many peers are suspect and ignored, over all rosters. */
async function inTrouble(network: FaultyNetwork, reachable: readonly number[]) {
  const all = await inParallel(reachable, async (slot) => {
    const { peers } = (await getJson(`${network.url}/n/${slot}/api/v1/status`)) as { peers: Record<string, number> };
    return { suspect: peers['suspect'] ?? 0, ignored: peers['ignored'] ?? 0 };
  });
  const sum = (state: 'suspect' | 'ignored') => all.reduce((total, peers) => total + peers[state], 0);
  return { suspect: sum('suspect'), ignored: sum('ignored') };
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${PATIENCE_MS / 1_000} s`);
    await sleep(POLL_MS);
  }
}

function timesOf(sent: readonly number[]): Times {
  const sorted = sent.toSorted((a, b) => a - b);
  return { median: sorted[Math.floor(sorted.length / 2)] ?? NaN, max: sorted.at(-1) ?? NaN };
}

/** The slots 1 to `nodes` in an order that `random` draws. */
function shuffled(nodes: number, random: () => number): number[] {
  const slots = Array.from({ length: nodes }, (_, index) => index + 1);
  return slots
    .map((slot) => ({ slot, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ slot }) => slot);
}
