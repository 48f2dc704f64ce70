// What a network costs in which nothing happens: nodes that know each other, no messages, for some hours of virtual time after they have come
// to rest. Counted at the machine; what the platform adds (an alarm is a request and a row to set) is added here.
import { REPAIR_MINUTES, windowOf } from '../src/cron/tick.ts';
import type { CounterName } from '../src/protocol/counters.ts';
import { PRICES } from './prices.ts';
import { NO_FAULTS, SCALE_CONFIG } from './scale.ts';
import { ScaleNetwork } from './scale-network.ts';
import { Sim } from './sim.ts';

/** Until pauses have grown as long as they get. */
const REST_HOURS = 3;
const HOUR = 3_600_000;
const MONTH_HOURS = 730;

export interface IdleResult {
  readonly nodes: number;
  readonly hours: number;
  /** An hour and node. */
  readonly rounds: number;
  /** A month and node. */
  readonly rows: number;
  readonly requests: number;
  readonly dollars: number;
}

/** Runs `nodes` nodes for `hours` of virtual time. */
export function runIdle(nodes: number, hours: number, seed: number): IdleResult {
  const sim = new Sim(seed, {}, {}, { ...NO_FAULTS, nodes, messages: 0, config: { ...SCALE_CONFIG, fanout: 64 } });
  const network = new ScaleNetwork(sim);
  const sum = (name: CounterName) =>
    network.nodes.reduce((total, { driver }) => total + (driver?.state.counters.get(name) ?? 0), 0);
  const stored = () => network.nodes.reduce((total, { store }) => total + store.rowsWritten(), 0);
  sim.run(REST_HOURS * HOUR);
  const before = { rounds: sum('sync_rounds'), asked: sum('sync_asked'), rows: stored() };
  sim.run(hours * HOUR);
  if (sim.violation) throw new Error(`${sim.violation.rule}: ${sim.violation.detail}`);
  const rounds = sum('sync_rounds') - before.rounds;
  // Each round sets the next alarm: a row.
  const rows = stored() - before.rows + rounds;
  const looks = windowOf(0, nodes, REPAIR_MINUTES).length * 60 * hours * shareOfWindows(nodes);
  const requests = rounds + sum('sync_asked') - before.asked + looks;
  const month = MONTH_HOURS / hours / nodes;
  const dollars = (rows * PRICES.rowsWrittenMillion + requests * PRICES.objectRequestsMillion) / 1e6;
  return {
    nodes,
    hours,
    rounds: rounds / nodes / hours,
    rows: rows * month,
    requests: requests * month,
    dollars: dollars * month,
  };
}

/** Cron's windows of a cycle that are not empty, where there are fewer nodes than windows. */
function shareOfWindows(nodes: number): number {
  return Math.min(1, nodes / REPAIR_MINUTES);
}
