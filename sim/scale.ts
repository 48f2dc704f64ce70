// What broadcasts cost in large networks, healthy and not: four scenarios, each in a network of its own that is there from the start.
import { BUSY_MESSAGES, HOPS_MAX } from '../src/protocol/limits.ts';
import type { Millis } from '../src/protocol/types.ts';
import type { Plan } from './plan.ts';
import { ScaleNetwork, type Counts } from './scale-network.ts';
import { Sim, type Violation } from './sim.ts';

export const SCENARIOS = ['healthy', 'dead', 'loss', 'halves'] as const;
export type Scenario = (typeof SCENARIOS)[number];

/** Nodes that are dead, and requests and answers that are lost. */
const DEAD = 0.1;
const LOSS = 0.3;
const CUT_MS = 600_000;

/** Messages of one run, and the pause between two: enough that a hop or a failure of one is not another's. */
const MESSAGES = 4;
const PAUSE_MS = 2_000;

/** Before the first message, so that calls are under way. */
const BEFORE_MS = 1_000;

/** After the last message is everywhere: what is still sent then is counted too. */
const AFTER_MS = 10_000;

/** One way, uniform from 1 ms: a guess at what a call within a deployment takes. */
const LATENCY_MS = 50;

const SECOND = 1_000;
const TTL_MS = 600 * SECOND;

/** Defaults of src/config.ts; messages outlive the cut. */
export const SCALE_CONFIG: Plan['config'] = {
  network: 'sim',
  fanout: 64,
  messageTtlMs: TTL_MS,
  maxFailures: 3,
  guidTimeoutMs: 3_600 * SECOND,
  newcomerCertificateMs: 3_600 * SECOND,
  powBits: 16,
  groupMembersMax: 64,
  networkKey: null,
  localPeers: false,
  hasHandler: false,
  busyMessages: BUSY_MESSAGES,
  probationMs: 60 * SECOND,
  syncIntervalMs: 60 * SECOND,
  syncJitterMs: 30 * SECOND,
};

/** Nothing goes wrong. */
export const NO_FAULTS = {
  outside: 0,
  newcomers: 0,
  liars: 0,
  treeOnly: false,
  faultsMs: 0,
  crash: 0,
  downMs: 0,
  commitFails: 0,
  pauses: 0,
  skewMs: 0,
  alarmLateMs: 0,
  loss: 0,
  latencyMs: LATENCY_MS,
  partitions: 0,
  bootOutages: 0,
  leaves: 0,
  moves: 0,
  queueTwice: 0,
  queueLate: 0,
  queueRefuses: 0,
  consumerCrashes: 0,
  firstAttempts: false,
};

export interface ScaleOptions {
  readonly nodes: number;
  readonly scenario: Scenario;
  readonly fanout: number;
  readonly seed: number;
  /** Called now and then. */
  readonly progress?: (text: string) => void;
}

export interface ScaleResult {
  readonly nodes: number;
  readonly live: number;
  readonly scenario: Scenario;
  readonly fanout: number;
  readonly seed: number;
  readonly messages: number;
  /** Messages times live nodes that did not get them. */
  readonly missing: number;
  /** Messages handed to the queue, of copies that arrived, and of new ones, a message and live node but its originator. */
  readonly sends: number;
  readonly arrivals: number;
  readonly deliveries: number;
  readonly hops: number;
  readonly hopsBound: number;
  /** Milliseconds until this share of the live nodes had a message: the mean over messages, for `t100` the longest. Null: never. */
  readonly t50: Millis | null;
  readonly t95: Millis | null;
  readonly t100: Millis | null;
  /** From the end of the cut until all was everywhere, in ms and in sync intervals with their jitter. Null where nothing was cut, or never. */
  readonly healedMs: Millis | null;
  readonly healedIntervals: number | null;
  readonly syncs: number;
  readonly counts: Counts;
  readonly violation: Violation | null;
  readonly virtualMs: Millis;
  readonly events: number;
  readonly wallMs: number;
  /** Largest resident size of this process so far. */
  readonly peakBytes: number;
}

/** Runs one scenario. */
export function runScale(options: ScaleOptions): ScaleResult {
  const { nodes, scenario, fanout, seed } = options;
  const began = performance.now();
  const isCut = scenario === 'halves';
  const config = { ...SCALE_CONFIG, fanout, ...(isCut && { messageTtlMs: CUT_MS + TTL_MS }) };
  const plan = { ...NO_FAULTS, nodes, messages: MESSAGES, config, loss: scenario === 'loss' ? LOSS : 0 };
  const sim = new Sim(seed, {}, {}, plan);
  const network = new ScaleNetwork(sim);
  const run = (ms: Millis) => advance(network, ms, options);
  run(BEFORE_MS);
  if (scenario === 'dead') network.kill(DEAD);
  sim.faulty = scenario === 'loss';
  if (isCut) network.cut(CUT_MS);
  const cutAt = sim.now;
  for (let message = 0; message < MESSAGES; message++) {
    network.originate(network.pick(isCut ? (message % 2 === 0 ? 0 : 1) : null));
    run(isCut ? CUT_MS / MESSAGES : PAUSE_MS);
  }
  const until = sim.now + TTL_MS;
  while (!network.isDone && sim.now < until && !sim.violation) run(PAUSE_MS);
  run(AFTER_MS);
  return { ...report(network, options, isCut ? cutAt + CUT_MS : null), wallMs: performance.now() - began };
}

/** Least hops that a tree needs: ceil(log_fanout nodes). */
export function hopsBound(nodes: number, fanout: number): number {
  let hops = 0;
  for (let reach = 1; reach < nodes && hops < HOPS_MAX; reach *= fanout) hops++;
  return hops;
}

function advance({ sim, spreads }: ScaleNetwork, ms: Millis, { nodes, scenario, progress }: ScaleOptions): void {
  for (let left = ms; left > 0; left -= SECOND) {
    sim.run(Math.min(left, SECOND));
    const open = spreads.filter((spread) => !spread.isDone).length;
    progress?.(`${nodes} nodes, ${scenario}: ${Math.round(sim.elapsed / SECOND)} s, ${open} messages under way`);
  }
}

function report(network: ScaleNetwork, options: ScaleOptions, healAt: Millis | null): Omit<ScaleResult, 'wallMs'> {
  const { sim, spreads, counts, live } = network;
  const { nodes, scenario, fanout, seed } = options;
  const wanted = spreads.reduce((sum, spread) => sum + spread.wanted, 0);
  const per = (count: number) => count / wanted;
  const healedMs =
    healAt === null ? null : most(spreads.map((spread) => plus(spread.after(1), spread.sentAt - healAt)));
  const { syncIntervalMs, syncJitterMs } = sim.plan.config;
  return {
    nodes,
    live,
    scenario,
    fanout,
    seed,
    messages: spreads.length,
    missing: wanted - spreads.reduce((sum, spread) => sum + spread.reached, 0),
    sends: per(counts.sends),
    arrivals: per(counts.new + counts.duplicate + counts.rejected + counts.busy),
    deliveries: per(counts.new),
    hops: network.hopsMax(),
    hopsBound: hopsBound(nodes, fanout),
    t50: mean(spreads.map((spread) => spread.after(0.5))),
    t95: mean(spreads.map((spread) => spread.after(0.95))),
    t100: most(spreads.map((spread) => spread.after(1))),
    healedMs,
    healedIntervals: healedMs === null ? null : healedMs / (syncIntervalMs + syncJitterMs),
    syncs: counts.syncs,
    counts,
    violation: sim.violation,
    virtualMs: sim.elapsed,
    events: sim.agenda.steps,
    peakBytes: process.resourceUsage().maxRSS * 1024,
  };
}

function plus(value: number | null, other: number): number | null {
  return value === null ? null : value + other;
}

function mean(values: readonly (number | null)[]): number | null {
  return values.reduce<number | null>(
    (sum, value) => (sum === null || value === null ? null : sum + value / values.length),
    0,
  );
}

function most(values: readonly (number | null)[]): number | null {
  return values.reduce<number | null>(
    (top, value) => (top === null || value === null ? null : Math.max(top, value)),
    0,
  );
}
