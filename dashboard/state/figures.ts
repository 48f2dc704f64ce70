// What the network does and costs, from counters that its nodes keep. No DOM, no clock.
import { PRICES } from './prices.ts';

export type Counters = ReadonlyMap<string, number>;

/** What the beacon says of the last hour. */
export interface Aggregate {
  readonly messages: number;
  readonly complete: number;
  /** New ones, all members together. */
  readonly deliveries: number;
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

/** What a million deliveries cost, or `why` that cannot be told. */
export interface Cost {
  readonly rows: number | null;
  readonly dollars: number | null;
  readonly why: string | null;
}

/** Deliveries a node: of fewer, what was written once, at its join, is most (guess). */
const DELIVERIES_MIN = 100;
/** Of what the beacon knows of at least so much has to be counted: who sends much gets less than others (guess). */
const COUNTED_MIN = 0.5;

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

/** What deliveries cost, where enough of them are counted: a node may have lost its counters, which then tell of little but its waking. */
export function costOf({ hour, counted }: Figures, members: number): Cost {
  const none = { rows: null, dollars: null };
  if (counted === null) return { ...none, why: 'no hosted node has answered' };
  const { rows, dollars, deliveries, nodes } = counted;
  const least = nodes * DELIVERIES_MIN;
  if (deliveries < least) {
    return { ...none, why: `too few deliveries are counted to tell: ${deliveries} of at least ${least}` };
  }
  // Deliveries to the nodes that were asked: each member gets about as many.
  const known = ((hour?.deliveries ?? 0) * nodes) / Math.max(1, members);
  if (deliveries < known * COUNTED_MIN) {
    return { ...none, why: 'the nodes have forgotten deliveries that the beacon knows of' };
  }
  return { rows, dollars, why: null };
}
