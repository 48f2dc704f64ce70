// A crowd of identities joins as fast as it can and vanishes: what do honest nodes notice, and what did it cost whom? The end-to-end tests
// run it small, `npm run sybil` at any size.
import { readFileSync } from 'node:fs';
import { CHALLENGE_MS } from '../src/protocol/limits.ts';
import { OutsideHost, type OutsidePeer } from './outside-peer.ts';
import {
  broadcast,
  eventually,
  getJson,
  inParallel,
  messagesOf,
  startMeasured,
  totals,
  type Measured,
} from './network.ts';

export interface SybilOptions {
  readonly honest: number;
  readonly sybils: number;
  readonly powBits: number;
  readonly guidTimeoutSeconds: number;
  /** How many join at the same time. */
  readonly parallel: number;
  /** Broadcasts of honest nodes while the crowd joins, and again when it has vanished. */
  readonly broadcasts: number;
  readonly progress?: (line: string) => void;
}

export interface SybilReport {
  readonly honest: number;
  readonly joined: number;
  readonly joinSeconds: number;
  /** Bits of the last challenge. */
  readonly bitsAtTheEnd: number;
  /** Processor seconds of the process that attacks, all that it does. */
  readonly attackerCpuSeconds: number;
  /** Of the whole deployment, boot object, nodes and announcements together. */
  readonly deploymentCpuSeconds: number;
  readonly messages: number;
  /** Pairs of message and honest node. */
  readonly missing: number;
  readonly duplicates: number;
  readonly deliveriesPerNode: number;
  /** The longest that peers that are not trusted kept an honest node waiting, on the average of its sync rounds, milliseconds. */
  readonly waitPerRoundMs: number;
  /** From the last join until no honest node had a record of any of them. */
  readonly goneAfterSeconds: number;
  readonly trouble: readonly string[];
}

const SYNC_SECONDS = 2;

/** Runs the attack. Vanished ones take every call and never answer, which costs more than a closed port. */
export async function measureSybil(options: SybilOptions): Promise<SybilReport> {
  const { honest, sybils, progress = () => undefined } = options;
  const network = await startMeasured(honest, {
    LOCAL_PEERS: 'on',
    POW_BITS: String(options.powBits),
    GROUP_MEMBERS: '100000',
    GUID_TIMEOUT: String(options.guidTimeoutSeconds),
    NETWORK_SYNC_INTERVAL: String(SYNC_SECONDS),
    NETWORK_SYNC_JITTER: '1',
    PROBATION: '5',
    MESSAGE_TTL: '3600',
  });
  const host = await OutsideHost.open();
  try {
    const attackerBefore = cpuSeconds();
    const deploymentBefore = childCpuSeconds();
    const began = performance.now();
    const ids: string[] = [];
    const peers = Array.from({ length: sybils }, (_, index) => index);
    let joined = 0;
    const honestRun = sendHonest(network, options.broadcasts, ids);
    await inTurns(peers, options.parallel, async () => {
      const peer = await host.peer('pychain');
      // Joined is vanished: from then on it takes calls and never answers.
      peer.bend = (path, answer) => (path === '/api/v1/network/challenge' && !peer.credential ? answer : 'hang');
      await joinStubbornly(peer, network.url);
      joined++;
      if (joined % 100 === 0) progress(`${joined} of ${sybils} have joined`);
    });
    const joinSeconds = (performance.now() - began) / 1000;
    const attackerCpuSeconds = cpuSeconds() - attackerBefore;
    const deploymentCpuSeconds = childCpuSeconds() - deploymentBefore;
    const { bits } = (await getJson(`${network.url}/api/v1/network/challenge`)) as { bits: number };
    await honestRun;
    await network.cron();
    progress('all have joined and vanished; honest nodes go on');
    await sendHonest(network, options.broadcasts, ids);
    await reachesHonest(network, ids);
    const goneAfterSeconds = await untilGone(network, options.guidTimeoutSeconds);
    await sendHonest(network, 3, ids);
    await reachesHonest(network, ids);
    const sums = await totals(network);
    const count = (name: string) => sums.get(name) ?? 0;
    return {
      honest,
      joined,
      joinSeconds,
      bitsAtTheEnd: bits,
      attackerCpuSeconds,
      deploymentCpuSeconds,
      messages: ids.length,
      missing: await missing(network, ids),
      duplicates: count('pychain_deliveries_total{result="duplicate"}'),
      deliveriesPerNode: count('pychain_deliveries_total') / count('pychain_deliveries_total{result="new"}'),
      waitPerRoundMs: await longestWait(network),
      goneAfterSeconds,
      trouble: network.trouble.filter((line) => !line.includes('peer_refused')),
    };
  } finally {
    await network.dispose();
    await host.close();
  }
}

/** Joins, trying again where the boot node has its hands full or the price has risen meanwhile. */
async function joinStubbornly(peer: OutsidePeer, boot: string): Promise<void> {
  const deadline = Date.now() + CHALLENGE_MS;
  let work = await peer.work(boot);
  for (;;) {
    const { status } = await peer.join(boot, {}, work);
    if (status === 200) return;
    // The price has risen meanwhile. Otherwise the boot node has its hands full, and the work is still good.
    if (status === 403) work = await peer.work(boot);
    if (Date.now() > deadline) throw new Error(`a sybil cannot join: ${status}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function inTurns<T>(items: readonly T[], parallel: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const worker = async () => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: parallel }, worker));
}

async function sendHonest(network: Measured, count: number, ids: string[]): Promise<void> {
  for (let index = 0; index < count; index++) {
    const slot = 1 + (index % network.nodes);
    ids.push(await broadcast(network, slot, { honest: index }));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function reachesHonest(network: Measured, ids: readonly string[]): Promise<void> {
  await eventually('honest broadcasts at every honest node', async () => (await missing(network, ids)) === 0, 60_000);
}

async function missing(network: Measured, ids: readonly string[]): Promise<number> {
  const slots = Array.from({ length: network.nodes }, (_, index) => index + 1);
  const stored = await inParallel(slots, (slot) => messagesOf(network, slot));
  return stored.reduce((sum, messages) => {
    const there = new Set(messages.map(({ id }) => id));
    return sum + ids.filter((id) => !there.has(id)).length;
  }, 0);
}

/** Seconds until no honest node has a record of anybody but the honest ones. */
async function untilGone(network: Measured, guidTimeoutSeconds: number): Promise<number> {
  const began = performance.now();
  await eventually(
    'records of the vanished are gone',
    async () => {
      const slots = Array.from({ length: network.nodes }, (_, index) => index + 1);
      const statuses = await inParallel(slots, (slot) => getJson(`${network.url}/n/${slot}/api/v1/status`));
      return statuses.every((status) => {
        const { peers } = status as { peers: Readonly<Record<string, number>> };
        return Object.values(peers).reduce((sum, value) => sum + value, 0) === network.nodes - 1;
      });
    },
    (guidTimeoutSeconds + 60) * 1000,
  );
  return (performance.now() - began) / 1000;
}

async function longestWait(network: Measured): Promise<number> {
  const slots = Array.from({ length: network.nodes }, (_, index) => index + 1);
  const waits = await inParallel(slots, async (slot) => {
    const text = await (await fetch(`${network.url}/n/${slot}/api/v1/metrics`)).text();
    const value = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? NaN);
    return (1000 * value('pychain_untrusted_wait_seconds_total')) / value('pychain_sync_rounds_total');
  });
  return Math.max(...waits);
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Of the workerd processes that this process has started, itself or through its guard; 0 where the system does not tell. */
function childCpuSeconds(): number {
  try {
    const children = (pid: string): string[] => {
      const listed = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
      return listed === '' ? [] : listed.split(' ').flatMap((child) => [child, ...children(child)]);
    };
    const ticks = children(String(process.pid)).reduce((sum, pid) => {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
      return sum + Number(fields[11]) + Number(fields[12]);
    }, 0);
    // Clock ticks a second on Linux.
    return ticks / 100;
  } catch {
    return 0;
  }
}
