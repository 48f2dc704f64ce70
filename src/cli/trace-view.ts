// Drawings of a message's way, for a terminal.
import { missingLine } from './broadcast.ts';
import { printable } from './errors.ts';
import type { CoverageDetail } from './beacon-schemas.ts';
import { tableLines } from './table.ts';
import { intervals } from './text.ts';

type Receipt = CoverageDetail['receipts'][number];

/** What nodes say of a message, where there is no beacon. */
export interface Trace {
  readonly id: string;
  readonly originator: number;
  readonly broadcast_timestamp: number;
  readonly receipts: readonly {
    readonly guid: number;
    readonly after: number;
    readonly hops: number;
    readonly from: null;
  }[];
  readonly missing: readonly { readonly guid: number; readonly why: string }[];
}

/** Children of one node that are drawn one by one where none of them passed it on; the others are one line. */
const LEAVES_DRAWN = 8;
/** Lines of a drawing. */
const LINES_MAX = 200;
const BAR_CHARS = 24;

/** The tree of who had it from whom, as the beacon knows it. */
export function coverageLines(found: CoverageDetail): string[] {
  const { members, received, duplicates } = found;
  const times = [
    ['50 %', found.t50],
    ['95 %', found.t95],
    ['all', found.t100],
  ] as const;
  const told = times.flatMap(([share, after]) => (after === null ? [] : [`${share} after ${seconds(after)}`]));
  const drawn = drawing(found);
  return [
    headLine(found),
    [
      `${received} of ${members} members have it`,
      ...told,
      `at most ${count(found.hops_max, 'hop')}`,
      count(duplicates, 'duplicate'),
    ].join(', '),
    ...drawn.slice(0, LINES_MAX),
    ...(drawn.length > LINES_MAX ? [`… and ${drawn.length - LINES_MAX} lines more: --json has all`] : []),
    ...(found.missing_guids.length > 0 ? [`missing: ${intervals(found.missing_guids)}`] : []),
  ];
}

/** How many got it after how many hops, as the nodes say. */
export function levelLines(found: Trace): string[] {
  const levels = [...Map.groupBy(found.receipts, ({ hops }) => hops)].toSorted(([a], [b]) => a - b);
  const most = Math.max(...levels.map(([, receipts]) => receipts.length));
  const rows = levels.map(([hops, receipts]) => [
    String(hops),
    String(receipts.length),
    '█'.repeat(Math.max(1, Math.round((receipts.length / most) * BAR_CHARS))),
    span(receipts),
    intervals(receipts.map(({ guid }) => guid)),
  ]);
  return [
    headLine(found),
    `${found.receipts.length} of ${found.receipts.length + found.missing.length} nodes that are known have it; there is no beacon, so who had it from whom is not known, and times are by each node's own clock`,
    ...tableLines(['HOPS', 'NODES', '', 'AFTER', 'GUIDS'], rows, [0, 1]),
    ...(found.missing.length > 0 ? [missingLine(found.missing)] : []),
  ];
}

function headLine(found: Pick<Trace, 'id' | 'originator' | 'broadcast_timestamp'>): string {
  const at = new Date(found.broadcast_timestamp * 1000).toISOString();
  return `${printable(found.id)} from ${found.originator === 0 ? 'the boot node' : found.originator}, ${at}`;
}

/** Depth first, each node under whom it had it from. Nobody is drawn twice, whatever the beacon says. */
function drawing({ originator, receipts }: CoverageDetail): string[] {
  const byParent = Map.groupBy(
    receipts.filter(({ guid }) => guid !== originator),
    ({ from }) => from,
  );
  const drawn = new Set<number>([originator]);
  const lines: string[] = [originator === 0 ? 'boot node' : String(originator)];
  // With a stack of its own: a chain may be longer than the engine's.
  const stack: { readonly group: readonly Receipt[]; readonly indent: string; readonly isLast: boolean }[] = [];
  const put = (children: readonly Receipt[], indent: string): void => {
    const fresh = children.filter(({ guid }) => !drawn.has(guid));
    for (const { guid } of fresh) drawn.add(guid);
    const groups = grouped(fresh, byParent);
    stack.push(...groups.map((group, index) => ({ group, indent, isLast: index === groups.length - 1 })).toReversed());
  };
  const draw = (children: readonly Receipt[]): void => {
    put(children, '');
    for (let next = stack.pop(); next; next = stack.pop()) {
      const { group, indent, isLast } = next;
      lines.push(`${indent}${isLast ? '└─' : '├─'} ${groupText(group)}`);
      const [only] = group;
      if (group.length !== 1 || !only) continue;
      put(byParent.get(only.guid) ?? [], lines.length > LINES_MAX ? '' : `${indent}${isLast ? '   ' : '│  '}`);
    }
  };
  draw(byParent.get(originator) ?? []);
  const undrawn = () => receipts.filter(({ guid }) => !drawn.has(guid));
  if (undrawn().length === 0) return lines;
  // Such as who had it at network sync; then whatever is left, which no honest beacon tells.
  lines.push('from whom is not known');
  const known = new Set(receipts.map(({ guid }) => guid));
  draw(undrawn().filter(({ from }) => from === null || !known.has(from)));
  draw(undrawn());
  return lines;
}

/** Nodes that passed it on, and a few of those that did not, one by one; the rest together, last. */
function grouped(children: readonly Receipt[], byParent: ReadonlyMap<number | null, readonly Receipt[]>): Receipt[][] {
  const sorted = children.toSorted((a, b) => a.after - b.after || a.guid - b.guid);
  const leaves = sorted.filter(({ guid }) => !byParent.has(guid));
  const together = new Set(leaves.length > LEAVES_DRAWN ? leaves.slice(LEAVES_DRAWN - 1) : []);
  const alone = sorted.filter((receipt) => !together.has(receipt)).map((receipt) => [receipt]);
  return together.size === 0 ? alone : [...alone, [...together]];
}

function groupText(group: readonly Receipt[]): string {
  const [first] = group;
  if (group.length !== 1 || !first) {
    return `${group.length} more: ${intervals(group.map(({ guid }) => guid))}  ${span(group)}`;
  }
  return `${first.guid}  ${seconds(first.after)}${first.hops > 0 ? `, ${count(first.hops, 'hop')}` : ''}`;
}

/** From the first to the last of them. */
function span(receipts: readonly { readonly after: number }[]): string {
  const times = receipts.map(({ after }) => after).toSorted((a, b) => a - b);
  const [low, high] = [times[0] ?? 0, times.at(-1) ?? 0];
  return seconds(low) === seconds(high) ? seconds(low) : `${low.toFixed(3)} to ${seconds(high)}`;
}

function seconds(value: number): string {
  return `${value.toFixed(3)} s`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
