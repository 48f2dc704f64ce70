// What a node counts. In memory, since it woke: Prometheus counters may restart, and a row a count would be most of the bill.

import type { CallVerdict, PeerFault } from './effects.ts';

export type CounterName =
  | 'deliveries_new'
  | 'deliveries_duplicate'
  | 'deliveries_rejected'
  | 'deliveries_busy'
  | 'deliver_calls'
  | 'originated'
  | 'legs_handed_over'
  | 'legs_undeliverable'
  | 'failovers'
  | 'legs_expired'
  | 'legs_dropped'
  | 'jobs'
  | 'handovers_failed'
  | 'sync_rounds'
  | 'sync_answered'
  | 'sync_failed'
  | 'sync_asked'
  | 'reconcile_frames'
  | 'messages_wanted'
  | 'messages_served'
  | 'leaves'
  | 'returns'
  | 'refutations'
  | 'stirred'
  | 'joins'
  | 'joins_failed'
  | 'rows_damaged'
  | 'messages_expired'
  | `calls_${CallVerdict}`
  | 'calls_unproven'
  | 'signatures_made'
  | 'signatures_checked'
  | 'probes'
  | 'probes_answered'
  | 'probes_failed'
  | `peers_refused_${PeerFault}`
  | 'handler_batches'
  | 'handler_failures'
  | 'handler_missed'
  | 'stream_frames'
  | 'stream_cut_slow'
  | 'stream_cut_bad'
  | 'beacon_reports'
  | 'beacon_failures'
  /** Milliseconds in which a peer that is not trusted kept the node waiting. */
  | 'untrusted_wait_ms';

export class Counters {
  readonly #values = new Map<CounterName, number>();

  add(name: CounterName, amount = 1): void {
    this.#values.set(name, this.get(name) + amount);
  }

  get(name: CounterName): number {
    return this.#values.get(name) ?? 0;
  }
}
