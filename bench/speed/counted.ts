// What a delivery costs, from the nodes' own counters and what workerd has used.
import { dollarsPerMillion } from '../prices.ts';
import { totals } from '../network.ts';
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

/** What the nodes have counted, and workerd has used. */
export class Counted {
  readonly #totals: ReadonlyMap<string, number>;
  readonly #usage: Usage | null;

  private constructor(counted: ReadonlyMap<string, number>, usage: Usage | null) {
    this.#totals = counted;
    this.#usage = usage;
  }

  static async read(ours: Ours): Promise<Counted> {
    return new Counted(await totals(ours.network), ours.usage());
  }

  since(before: Counted): Cost {
    const grown = (name: string) => (this.#totals.get(name) ?? 0) - (before.#totals.get(name) ?? 0);
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
