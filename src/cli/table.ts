// Tables for people: columns aligned, no lines between rows, never wider or higher than the terminal.
import Table from 'cli-table3';
import colors from 'picocolors';
import { printable } from './errors.ts';
import { hasJoined, type NodeRow } from './network-view.ts';

const NO_LINES = {
  'top': '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  'bottom': '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  'left': '',
  'left-mid': '',
  'mid': '',
  'mid-mid': '',
  'right': '',
  'right-mid': '',
  'middle': '  ',
};

/** Lines of a table; `right` are the indexes of columns of numbers. */
export function tableLines(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly number[],
): string[] {
  const table = new Table({
    head: head.map((title) => colors.dim(title)),
    chars: NO_LINES,
    style: { 'head': [], 'border': [], 'padding-left': 0, 'padding-right': 0 },
    colAligns: head.map((_, index) => (right.includes(index) ? 'right' : 'left')),
  });
  table.push(...rows.map((row) => [...row]));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd());
}

const HEAD = ['NODE', 'GUID', 'STATE', 'PEERS', 'MAX GUID', 'MESSAGES', 'LAST SYNC'];
const NUMBERS = [0, 1, 4, 5, 6];
/** In front, where there are several. */
const DEPLOYMENT = 'DEPLOYMENT';

/** The live table, in at most `height` lines: when there are more nodes than lines, the last line sums up the rest. */
export function networkTable(rows: readonly NodeRow[], now: number, height: number): string[] {
  const room = Math.max(1, height - 1);
  const isOne = rows.every((row) => row.deployment === 1);
  const lines = (some: readonly NodeRow[]) =>
    tableLines(
      isOne ? HEAD : [DEPLOYMENT, ...HEAD],
      some.map((row) => [...(isOne ? [] : [String(row.deployment)]), ...cells(row, now)]),
      isOne ? NUMBERS : [0, ...NUMBERS.map((column) => column + 1)],
    );
  if (rows.length <= room) return lines(rows);
  // Nodes with a problem are what one looks for: they are shown before healthy ones.
  const byNeed = rows.toSorted((a, b) => Number(hasJoined(a)) - Number(hasJoined(b)) || inOrder(a, b));
  const shown = byNeed.slice(0, room - 1).toSorted(inOrder);
  const rest = byNeed.slice(room - 1);
  return [...lines(shown), colors.dim(restLine(rest))];
}

function inOrder(a: NodeRow, b: NodeRow): number {
  return a.deployment - b.deployment || a.slot - b.slot;
}

function cells(row: NodeRow, now: number): string[] {
  const { slot, status } = row;
  if (status === null || status.guid === null) {
    return [String(slot), '–', colors.yellow('joining'), '–', '–', '–', '–'];
  }
  return [
    String(slot),
    String(status.guid),
    status.left_at === null ? colors.green('joined') : colors.yellow('left'),
    peersText(status.peers),
    String(status.max_guid),
    String(status.messages),
    ageText(status.last_sync_at, now),
  ];
}

/** `3 alive, 1 suspect`; most first. */
export function peersText(peers: Readonly<Record<string, number>>): string {
  const states = Object.entries(peers).filter(([, count]) => count > 0);
  if (states.length === 0) return '0';
  const sorted = states.toSorted(([, a], [, b]) => b - a);
  return sorted.map(([state, count]) => `${count} ${printable(state)}`).join(', ');
}

function restLine(rows: readonly NodeRow[]): string {
  const joined = rows.filter(hasJoined);
  const guids = joined.map((row) => row.status?.max_guid ?? 0);
  const messages = joined.map((row) => row.status?.messages ?? 0);
  return [
    `and ${rows.length} more: ${joined.length} joined`,
    ...(joined.length > 0 ? [`max GUID ${span(guids)}`, `messages ${span(messages)}`] : []),
  ].join(', ');
}

function span(values: readonly number[]): string {
  const low = Math.min(...values);
  const high = Math.max(...values);
  return low === high ? String(low) : `${low} to ${high}`;
}

/** `12 s ago`; `never` for null. Times in Unix seconds. */
export function ageText(at: number | null, now: number): string {
  if (at === null) return 'never';
  const seconds = Math.max(0, Math.round(now - at));
  if (seconds < 120) return `${seconds} s ago`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min ago`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h ago` : `${Math.round(seconds / 86_400)} d ago`;
}
