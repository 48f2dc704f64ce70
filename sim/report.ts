// What is printed of runs: totals, a table, and a failure with all that is needed to see it again.
import Table from 'cli-table3';
import { IMPATIENT_MS } from '../src/protocol/limits.ts';
import type { Outcome } from './run.ts';

export interface Found {
  readonly name: string;
  /** Within how many seeds it was found; null: it was not. */
  readonly seeds: number | null;
  readonly rule: string | null;
}

export class Summary {
  readonly failed: number[] = [];
  readonly #outcomes: Outcome[] = [];

  add(outcome: Outcome): void {
    // The last events of a run that went well are nobody's business, and a thousand runs have many.
    this.#outcomes.push({ ...outcome, history: [] });
    if (outcome.violation) this.failed.push(outcome.seed);
  }

  totals() {
    const sum = (of: (outcome: Outcome) => number) => this.#outcomes.reduce((total, outcome) => total + of(outcome), 0);
    const most = (of: (outcome: Outcome) => number) => Math.max(0, ...this.#outcomes.map(of));
    const calm = this.#outcomes.filter(isCalm);
    const ideal = calm.reduce((total, { stats, plan }) => total + stats.messages * (plan.nodes - 1), 0);
    const sends = calm.reduce((total, { stats }) => total + stats.sends, 0);
    return {
      seeds: this.#outcomes.length,
      failed: this.failed,
      nodes: sum(({ plan }) => plan.nodes + plan.newcomers),
      nodesMax: most(({ plan }) => plan.nodes + plan.newcomers),
      events: sum(({ events }) => events),
      virtualHours: Math.round(sum(({ virtualMs }) => virtualMs) / 36_000) / 100,
      messages: sum(({ stats }) => stats.messages),
      deliveries: sum(({ stats }) => stats.deliveries),
      duplicates: sum(({ stats }) => stats.duplicates),
      rejected: sum(({ stats }) => stats.rejected),
      busy: sum(({ stats }) => stats.busy),
      hopsMax: most(({ stats }) => stats.hopsMax),
      healthySeeds: calm.length,
      healthySendsPerNodeAndMessage: ideal === 0 ? null : Math.round((1000 * sends) / ideal) / 1000,
      crashes: sum(({ stats }) => stats.crashes),
      failedCommits: sum(({ stats }) => stats.failedCommits),
      pauses: sum(({ stats }) => stats.pauses),
      partitions: sum(({ stats }) => stats.partitions),
      lost: sum(({ stats }) => stats.lost),
      refusals: sum(({ stats }) => stats.refusals),
      liars: sum(({ plan }) => plan.liars),
      healSecondsMax: most(({ stats }) => stats.healMs) / 1000,
      unreached: sum(({ stats }) => stats.unreached),
    };
  }
}

const LABELS: Readonly<Record<keyof ReturnType<Summary['totals']>, string>> = {
  seeds: 'seeds',
  failed: 'seeds that failed',
  nodes: 'nodes',
  nodesMax: 'nodes at most',
  events: 'events',
  virtualHours: 'virtual hours',
  messages: 'messages accepted',
  deliveries: 'deliveries (new)',
  duplicates: 'duplicates',
  rejected: 'rejected',
  busy: 'busy',
  hopsMax: 'hops at most',
  healthySeeds: 'seeds without faults',
  healthySendsPerNodeAndMessage: 'sends per node and message, healthy',
  crashes: 'crashes',
  failedCommits: 'commits that failed',
  pauses: 'pauses',
  partitions: 'partitions',
  lost: 'requests and answers lost',
  refusals: 'refusals of the queue',
  liars: 'liars',
  healSecondsMax: 'seconds to heal at most',
  unreached: 'messages times nodes not reached',
};

export function summaryTable(summary: Summary, seconds: number): string {
  const table = new Table({ colAligns: ['left', 'right'], style: { border: [], compact: true } });
  const totals = summary.totals();
  for (const [key, label] of Object.entries(LABELS)) {
    const value = totals[key as keyof typeof totals];
    table.push([label, Array.isArray(value) ? value.join(' ') || 'none' : String(value ?? '-')]);
  }
  table.push(['seeds a second', (totals.seeds / seconds).toFixed(1)]);
  return table.toString();
}

export function mutationTable(found: readonly Found[]): string {
  const table = new Table({
    head: ['known bug', 'found within', 'by the rule'],
    style: { head: [], border: [], compact: true },
  });
  for (const { name, seeds, rule } of found) {
    table.push([name, seeds === null ? 'NOT FOUND' : `${seeds} seeds`, rule ?? '-']);
  }
  return table.toString();
}

export function failureText({ seed, plan, violation, history }: Outcome, replay: string): string {
  const at = violation ? `${violation.atMs / 1000} s` : '-';
  const lines = [
    `seed ${seed} broke the rule "${violation?.rule ?? ''}" at ${at}`,
    `  ${violation?.detail.slice(0, 2_000) ?? ''}`,
    `  plan: ${JSON.stringify(plan)}`,
    '  last events (seconds of virtual time):',
    ...history.map((line) => `  ${line}`),
    `replay: ${replay}`,
  ];
  return lines.join('\n');
}

/** Nothing went wrong, nobody came or went, and answers came in the time that anybody is given, so that a message costs what it should. */
function isCalm({ plan, stats }: Outcome): boolean {
  if (2 * plan.latencyMs >= IMPATIENT_MS) return false;
  const faults = stats.crashes + stats.failedCommits + stats.pauses + stats.partitions + stats.refusals + stats.lost;
  return (
    faults +
      plan.newcomers +
      plan.liars +
      plan.leaves +
      plan.moves +
      plan.queueTwice +
      plan.queueLate +
      plan.consumerCrashes ===
    0
  );
}
