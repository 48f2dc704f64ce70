// One seed: everybody joins, faults and applications have their time, the network is healed, and must come right in bounded time.
import type { Millis } from '../src/protocol/types.ts';
import type { Hooks } from './hooks.ts';
import { missingMessages, unmetLiveSet, unmetMessages, unmetOutbox, unmetTimers, type Unmet } from './liveness.ts';
import { RECONCILES, type Overrides, type Plan } from './plan.ts';
import { Sim, type Stats, type Violation } from './sim.ts';
import { World } from './world.ts';

export interface Options extends Overrides {
  readonly hooks?: Hooks;
  readonly reconciles?: boolean;
}

export interface Outcome {
  readonly seed: number;
  readonly plan: Plan;
  readonly stats: Stats;
  readonly violation: Violation | null;
  readonly history: readonly string[];
  readonly virtualMs: Millis;
  readonly events: number;
}

const JOINED_WITHIN_MS = 120_000;
const STEP_MS = 15_000;
/** After the network is healed: repairs wait a minute at most, dead letters three. */
const HEALED_WITHIN_MS = 15 * 60_000;
/** And a peer in trouble is probed with a probability of one to its failures a round. */
const HEALED_WITHIN_ROUNDS = 60;

export function runSeed(seed: number, options: Options = {}): Outcome {
  const sim = new Sim(seed, options, options.hooks ?? {});
  const world = new World(sim);
  const { plan } = sim;
  sim.run(JOINED_WITHIN_MS);
  world.begin();
  sim.run(plan.faultsMs);
  world.heal();
  settle(sim, world, options.reconciles ?? RECONCILES);
  sim.stats.unreached = missingMessages(world.members, world.books.accepted, world.nodeOf).length;
  const { stats, violation, history, elapsed, agenda } = sim;
  return { seed, plan, stats, violation, history, virtualMs: elapsed, events: agenda.steps };
}

/** Lets time pass until all is well, or for too long. */
function settle(sim: Sim, world: World, reconciles: boolean): void {
  const { syncIntervalMs, syncJitterMs } = sim.plan.config;
  const rounds = sim.plan.treeOnly ? 0 : HEALED_WITHIN_ROUNDS * (syncIntervalMs + syncJitterMs);
  const within = HEALED_WITHIN_MS + rounds;
  const healedAt = sim.now;
  let unmet: Unmet | null = null;
  while (sim.now - healedAt < within && sim.violation === null) {
    sim.run(STEP_MS);
    unmet = unmetBy(sim, world, reconciles);
    if (!unmet) break;
  }
  sim.stats.healMs = sim.now - healedAt;
  if (unmet) sim.violate(unmet.rule, unmet.detail);
}

function unmetBy(
  { plan }: Sim,
  { nodes, members, liarGuids, books, ledger, nodeOf, leftAtOf }: World,
  reconciles: boolean,
): Unmet | null {
  // Without reconciliation a message may pass by who was away or unknown, but for where nobody can be.
  const reachesAll = reconciles || plan.treeOnly;
  const open = ledger.size === 0 ? null : `${ledger.size} legs, the first: ${ledger.first}`;
  return (
    unmetLiveSet(members, liarGuids, leftAtOf) ??
    unmetOutbox(nodes) ??
    unmetTimers(nodes) ??
    (open === null ? null : { rule: 'the queue loses no leg', detail: open }) ??
    (reachesAll ? unmetMessages(members, books.accepted, nodeOf) : null)
  );
}
