// What a delivery costs, from the nodes' own counters and what workerd has used.
import { dollarsPerMillion } from '../prices.ts';
import { basesOf, countersAt, inParallel } from '../network.ts';
import type { Usage } from './contender.ts';
import type { Ours } from './ours.ts';

/** What a delivery costs (a message arriving at a node that is not its originator). */
export interface Cost {
  readonly deliveriesPerNode: number;
  readonly rows: number;
  readonly queueOperations: number;
  readonly requests: number;
  readonly dollarsPerMillion: number;
  /** Of workerd, HTTP and the queue's broker included; null where the system does not tell. */
  readonly cpuSecondsPerMillion: number | null;
}

type Counters = ReadonlyMap<string, number>;

/** What only grows, by Prometheus' convention. */
const COUNTER = /_total(\{|$)/;

/** What the nodes have counted, and workerd has used. */
export class Counted {
  /** By node. */
  readonly #counters: readonly Counters[];
  readonly #usage: Usage | null;

  private constructor(counters: readonly Counters[], usage: Usage | null) {
    this.#counters = counters;
    this.#usage = usage;
  }

  static async read(ours: Ours): Promise<Counted> {
    return new Counted(await inParallel(basesOf(ours.network), countersAt), ours.usage());
  }

  since(before: Counted): Cost {
    const grown = (name: string) => growth(name, before.#counters, this.#counters);
    const deliveries = grown('pychain_deliveries_total{result="new"}');
    const all = grown('pychain_deliveries_total');
    const used = {
      rows: grown('pychain_rows_written_total') / deliveries,
      queueOperations: grown('pychain_queue_operations_total') / deliveries,
      requests: grown('pychain_deliver_calls_total') / deliveries,
    };
    const cpu = this.#usage && before.#usage && this.#usage.cpuSeconds - before.#usage.cpuSeconds;
    return {
      deliveriesPerNode: all / (deliveries || 1),
      ...used,
      dollarsPerMillion: dollarsPerMillion(used),
      cpuSecondsPerMillion: cpu === null ? null : (cpu / deliveries) * 1e6,
    };
  }
}

/** What a node goes on counting after its sleep (docs/operations.md). */
const LASTING = new Set([
  'pychain_deliveries_total{result="new"}',
  'pychain_deliver_calls_total',
  'pychain_messages_originated_total',
  'pychain_legs_total{result="handed_over"}',
  'pychain_queue_jobs_total',
  'pychain_queue_operations_total',
  'pychain_messages_expired_total',
  'pychain_sync_rounds_total',
  'pychain_rows_written_total{count="lasting"}',
]);

/** How much a counter has grown, all nodes together. One that was evicted since, idle for ten seconds, has begun all but these anew. */
export function growth(name: string, before: readonly Counters[], after: readonly Counters[]): number {
  return after.reduce((sum, counters, node) => {
    const first = before[node] ?? counters;
    const hasBegunAnew = [...first].some(
      ([counter, value]) => COUNTER.test(counter) && (counters.get(counter) ?? 0) < value,
    );
    const labelled = [...counters.keys()].filter((key) => key.startsWith(`${name}{`));
    return (labelled.length > 0 ? labelled : [name]).reduce((grown, key) => {
      const from = hasBegunAnew && !LASTING.has(key) ? 0 : (first.get(key) ?? 0);
      return grown + (counters.get(key) ?? 0) - from;
    }, sum);
  }, 0);
}
