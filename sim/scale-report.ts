// What is printed of large networks: a table for the terminal, the same one for docs/protocol.md, and what does not hold.
import Table from 'cli-table3';
import type { Millis } from '../src/protocol/types.ts';
import type { Scenario, ScaleResult } from './scale.ts';

export const LABELS: Readonly<Record<Scenario, string>> = {
  healthy: 'healthy',
  dead: '10 % dead',
  loss: '30 % lost',
  halves: 'two halves',
};

/** Sync intervals after the end of a cut by which everything must be everywhere. */
const HEALED_INTERVALS_MAX = 2;

const HEAD = ['nodes', 'network', 'missing', 'deliveries', 'sends', 'hops', '50 %', '95 %', '100 %', 'healed'];
const COSTS = ['events', 'virtual s', 'wall s', 'peak MB'];

const group = new Intl.NumberFormat('en').format;

/** What a result breaks of what large networks must hold; empty where nothing. */
export function brokenRules(result: ScaleResult): string[] {
  const { nodes, scenario, missing, hops, hopsBound, sends, arrivals, healedIntervals, violation } = result;
  const broken: string[] = [];
  if (violation) broken.push(`${violation.rule}: ${violation.detail}`);
  if (missing > 0) broken.push(`${missing} messages times nodes are missing`);
  if (scenario === 'healthy') {
    if (arrivals !== 1) broken.push(`${arrivals.toFixed(4)} deliveries a node and message, not 1`);
    if (sends !== 1) broken.push(`${sends.toFixed(4)} sends a node and message, not 1`);
    if (hops > hopsBound) broken.push(`${hops} hops, more than ${hopsBound}`);
  }
  if (scenario === 'halves' && (healedIntervals === null || healedIntervals > HEALED_INTERVALS_MAX)) {
    broken.push(`healed after ${healedIntervals?.toFixed(2) ?? 'no number of'} sync intervals`);
  }
  return broken.map((rule) => `${nodes} nodes, ${LABELS[scenario]}: ${rule}`);
}

/** For a terminal: what messages cost, and what the run did. */
export function scaleTable(results: readonly ScaleResult[]): string {
  const head = [...HEAD, ...COSTS];
  const table = new Table({ head, style: { head: [], border: [], compact: true }, colAligns: head.map(() => 'right') });
  for (const result of results) table.push([...cells(result), ...costs(result)]);
  return table.toString();
}

/** For docs/protocol.md: what messages cost, and what the runs of each size did. */
export function scaleMarkdown(results: readonly ScaleResult[]): string {
  const sizes = Map.groupBy(results, ({ nodes }) => nodes);
  const runs = [...sizes].map(([nodes, ofSize]) => [group(nodes), String(ofSize.length), ...costs(total(ofSize))]);
  return `${markdown(HEAD, results.map(cells))}\n\n${markdown(['nodes', 'runs', ...COSTS], runs)}`;
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function cells(result: ScaleResult): string[] {
  const { nodes, scenario, missing, arrivals, sends, hops, hopsBound, t50, t95, t100, healedMs } = result;
  const isCut = scenario === 'halves';
  const intervals = result.healedIntervals?.toFixed(2) ?? 'never';
  return [
    group(nodes),
    LABELS[scenario],
    String(missing),
    arrivals.toFixed(3),
    sends.toFixed(3),
    `${hops} (${hopsBound})`,
    // While the network is cut, half of the nodes cannot have a message: how long the cut lasts is nobody's merit.
    ...(isCut ? ['', '', ''] : [t50, t95, t100].map(seconds)),
    isCut ? `${seconds(healedMs)}: ${intervals}` : '',
  ];
}

type Costs = Pick<ScaleResult, 'events' | 'virtualMs' | 'wallMs' | 'peakBytes'>;

function total(results: readonly ScaleResult[]): Costs {
  const sum = (of: (result: ScaleResult) => number) => results.reduce((all, result) => all + of(result), 0);
  return {
    events: sum(({ events }) => events),
    virtualMs: sum(({ virtualMs }) => virtualMs),
    wallMs: sum(({ wallMs }) => wallMs),
    peakBytes: Math.max(...results.map(({ peakBytes }) => peakBytes)),
  };
}

function costs({ events, virtualMs, wallMs, peakBytes }: Costs): string[] {
  return [
    group(events),
    group(Math.round(virtualMs / 1000)),
    (wallMs / 1000).toFixed(1),
    group(Math.round(peakBytes / 1e6)),
  ];
}

function seconds(ms: Millis | null): string {
  if (ms === null) return 'never';
  return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 0)} s`;
}
