// What the network does and costs, from counters that its nodes keep since they woke. No DOM, no clock.
import { PRICES } from './prices.ts';

export type Counters = ReadonlyMap<string, number>;

/** What the beacon says of the last hour. */
export interface Aggregate {
  readonly messages: number;
  readonly complete: number;
  readonly coverage: number;
  readonly t50: number | null;
  readonly t95: number | null;
  readonly deliveries_per_member: number;
}

export interface Figures {
  /** Null where there is no beacon, or nothing was sent. */
  readonly hour: Aggregate | null;
  /** Null: no node has said anything yet. */
  readonly counted: Counted | null;
}

export interface Counted {
  /** Nodes that were asked, of those that are hosted here. */
  readonly nodes: number;
  readonly hosted: number;
  /** New ones: messages that a node had not. */
  readonly deliveries: number;
  /** Copies that arrived, a message and node: 1 is as few as there can be. Null: nothing has arrived yet. */
  readonly copies: number | null;
  /** Per million deliveries; null likewise. */
  readonly rows: number | null;
  readonly dollars: number | null;
}

const LINE = /^(\w+)(?:\{([^}]*)\})? ([\d.e+-]+)$/;

/** Reads the text of `/metrics`: values by name, and by name with labels as they stand there. */
export function readMetrics(text: string): Counters {
  const counters = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [, name, labels, value] = LINE.exec(line) ?? [];
    if (name === undefined) continue;
    const keys = labels === undefined ? [name] : [name, `${name}{${labels}}`];
    for (const key of keys) counters.set(key, (counters.get(key) ?? 0) + Number(value));
  }
  return counters;
}

/** The counters of some of the hosted nodes, put together. */
export function countUp(all: readonly Counters[], hosted: number): Counted | null {
  if (all.length === 0) return null;
  const sum = (key: string) => all.reduce((total, counters) => total + (counters.get(`pychain_${key}`) ?? 0), 0);
  const deliveries = sum('deliveries_total{result="new"}');
  const million = (amount: number) => (deliveries === 0 ? null : (amount / deliveries) * 1_000_000);
  const rows = sum('rows_written_total');
  const dollars =
    rows * PRICES.rowsWritten +
    sum('queue_operations_total') * PRICES.queueOperations +
    sum('deliver_calls_total') * PRICES.objectRequests;
  return {
    nodes: all.length,
    hosted,
    deliveries,
    copies: deliveries === 0 ? null : (deliveries + sum('deliveries_total{result="duplicate"}')) / deliveries,
    rows: million(rows),
    dollars: million(dollars / 1_000_000),
  };
}
