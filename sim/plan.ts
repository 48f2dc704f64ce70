// What one run is like: size, settings and how likely each fault is, all drawn from the seed ("swarm testing", Groce et al., ISSTA 2012: a
// run without some kinds of faults finds what a run with all of them hides).
import type { ProtocolConfig } from '../src/protocol/config.ts';
import { BUSY_MESSAGES } from '../src/protocol/limits.ts';
import type { Millis } from '../src/protocol/types.ts';
import type { Random } from './random.ts';

/** Whether network sync reconciles mempools: then a message must be at every node, whatever was lost. */
export const RECONCILES = true;

export interface Plan {
  readonly nodes: number;
  /** Of these, nodes that are a deployment of their own, called over HTTP. */
  readonly outside: number;
  readonly newcomers: number;
  readonly liars: number;
  readonly messages: number;
  /** No network sync at all after the first, and nobody is ever ignored: tree, failover and repairs must do alone. */
  readonly treeOnly: boolean;
  readonly faultsMs: Millis;
  readonly config: Omit<ProtocolConfig, 'hostedPrefix'>;
  /** Probability that a node crashes at a commit; how long it stays away at most. */
  readonly crash: number;
  readonly downMs: Millis;
  /** Probability that a store cannot commit. */
  readonly commitFails: number;
  readonly pauses: number;
  readonly skewMs: Millis;
  readonly alarmLateMs: Millis;
  readonly loss: number;
  readonly latencyMs: Millis;
  readonly partitions: number;
  readonly bootOutages: number;
  /** Nodes that leave, some of which come back; nodes elsewhere that change their address. */
  readonly leaves: number;
  readonly moves: number;
  readonly queueTwice: number;
  readonly queueLate: number;
  readonly queueRefuses: number;
  readonly consumerCrashes: number;
  /** Nodes bring messages that are alone themselves. */
  readonly firstAttempts: boolean;
}

export interface Overrides {
  readonly nodes?: number | null;
  readonly nodesMax?: number;
}

const MINUTE = 60_000;
const DAY = 86_400_000;

export const HOSTED_PREFIX = 'https://net.example.org/n/';

export function drawPlan(random: Random, overrides: Overrides): Plan {
  const nodesMax = overrides.nodesMax ?? 100;
  const nodes = overrides.nodes ?? 2 + Math.floor((nodesMax - 1) * random.next() ** 2);
  const treeOnly = random.chance(0.35);
  const isCalm = random.chance(0.1);
  const rate = (max: number, never = 0.4) => (isCalm ? 0 : random.swarm(max, never));
  const count = (max: number) => Math.round(rate(max));
  const outside = treeOnly || random.chance(0.5) ? 0 : random.between(0, Math.ceil(nodes / 2));
  const newcomers = treeOnly ? 0 : count(5);
  const liars = treeOnly ? 0 : count(2);
  const messages = random.between(1, 30);
  return {
    nodes,
    outside,
    newcomers,
    liars,
    messages,
    treeOnly,
    faultsMs: random.between(1, 6) * MINUTE,
    // No run has as many messages at once as make a node busy.
    config: { ...drawConfig(random, treeOnly), busyMessages: messages % 4 === 3 ? 1 : BUSY_MESSAGES },
    crash: rate(0.05),
    downMs: random.pick([1_000, 15_000, 2 * MINUTE]) ?? 1_000,
    commitFails: rate(0.04),
    pauses: count(6),
    skewMs: count(30_000),
    alarmLateMs: count(45_000),
    loss: rate(0.4),
    latencyMs: random.pick([2, 20, 200, 1_500]) ?? 2,
    partitions: count(6),
    bootOutages: count(3),
    leaves: treeOnly ? 0 : count(4),
    moves: outside > 0 ? count(3) : 0,
    queueTwice: rate(0.3),
    queueLate: rate(0.1),
    queueRefuses: rate(0.5),
    consumerCrashes: rate(0.2),
    // Not drawn by itself: what seeds that found a bug draw after it stays as it was.
    firstAttempts: messages % 2 === 0,
  };
}

function drawConfig(random: Random, treeOnly: boolean): Omit<Plan['config'], 'busyMessages'> {
  const syncIntervalMs = treeOnly ? DAY : random.between(10, 60) * 1_000;
  const syncJitterMs = Math.round(syncIntervalMs / 2);
  // Short: peers are given up for dead while they are away, and must be found again.
  const guidTimeoutMs = !treeOnly && random.chance(0.2) ? random.between(2, 10) * MINUTE : 2 * 3_600_000;
  return {
    network: 'sim',
    fanout: random.pick([2, 3, 4, 8, 16, null]) ?? null,
    messageTtlMs: 6 * 3_600_000,
    maxFailures: treeOnly ? 1_000_000 : random.between(1, 4),
    probationMs: random.pick([0, 10_000, MINUTE]) ?? 0,
    guidTimeoutMs,
    newcomerCertificateMs: treeOnly ? 7 * DAY : Math.max(guidTimeoutMs, 4 * (syncIntervalMs + syncJitterMs)),
    powBits: 0,
    groupMembersMax: 1_000,
    networkKey: null,
    localPeers: false,
    hasHandler: false,
    syncIntervalMs,
    syncJitterMs,
  };
}
