// What a node counts. In memory, since a row a count would be most of the bill; what is counted for a message goes along with rows that are
// written anyway, and survives the node's sleep (docs/decisions/0034-counters-survive.md).

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
  | 'untrusted_wait_ms'
  /** Rows of transactions whose note was written with them. */
  | 'rows_noted';

/** What survives. The others are counted where mostly nothing is written, so that a node that woke would show less than before. */
const LASTING: readonly CounterName[] = [
  'deliveries_new',
  'deliver_calls',
  'originated',
  'legs_handed_over',
  'jobs',
  'messages_expired',
  'sync_rounds',
  'rows_noted',
];

/** Lasting counters that are not 0. */
export type CounterNote = Partial<Record<CounterName, number>>;

export class Counters {
  readonly #values: Partial<Record<CounterName, number>> = {};
  /** Lasting ones as they are in the store. */
  #noted: CounterNote;
  readonly #rowsBefore: number;

  /** `notes`: those of the store. Each counter goes on from the highest; a note that cannot be read counts for nothing. */
  constructor(notes: readonly string[] = []) {
    for (const note of notes.map(readNote)) {
      for (const name of LASTING) this.#values[name] = Math.max(this.get(name), Number(note[name]) || 0);
    }
    this.#noted = this.draftNote(0);
    this.#rowsBefore = this.get('rows_noted');
  }

  add(name: CounterName, amount = 1): void {
    this.#values[name] = this.get(name) + amount;
  }

  get(name: CounterName): number {
    return this.#values[name] ?? 0;
  }

  /**
   * What may be told outside. A lasting counter as the store has it: had it been told higher, a node that slept would come back with less, and
   * `rate()` takes that for a restart and adds the whole of it.
   */
  told(name: CounterName): number {
    return LASTING.includes(name) ? (this.#noted[name] ?? 0) : this.get(name);
  }

  /** Rows in notes since this life began. */
  get rowsNoted(): number {
    return this.get('rows_noted') - this.#rowsBefore;
  }

  /** What goes along with a transaction of so many rows. */
  draftNote(rows: number): CounterNote {
    const note: CounterNote = {};
    for (const name of LASTING) {
      const value = this.get(name) + (name === 'rows_noted' ? rows : 0);
      if (value > 0) note[name] = value;
    }
    return note;
  }

  /** The note is in the store. */
  noted(note: CounterNote): void {
    this.#noted = note;
    this.#values.rows_noted = note.rows_noted ?? 0;
  }
}

function readNote(text: string): CounterNote {
  try {
    return (JSON.parse(text) ?? {}) as CounterNote;
  } catch {
    return {};
  }
}
