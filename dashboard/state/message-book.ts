// Messages and where they have arrived, folded from receipts as these come: in any order, some of them twice. No DOM, no clock.

/** Guid of a node, seconds from the broadcast until it had the message, hops, and who sent it there; null: nobody, or nobody knows. */
export type Receipt = readonly [guid: number, after: number, hops: number, from: number | null];

/** What is new of a message. */
export interface ReceiptsOf {
  readonly id: string;
  readonly originator: number;
  /** Unix seconds. */
  readonly broadcast_timestamp: number;
  /** Live members at the time, the originator included. */
  readonly members: number;
  readonly duplicates: number;
  readonly receipts: readonly Receipt[];
}

/** What the beacon has reckoned of a message: all there is for one whose receipts this page has not seen. */
export interface Summary {
  readonly id: string;
  readonly originator: number;
  readonly broadcast_timestamp: number;
  readonly members: number;
  readonly received: number;
  readonly missing: number;
  readonly t50: number | null;
  readonly t95: number | null;
  readonly t100: number | null;
  readonly hops_max: number;
  readonly duplicates: number;
}

/** Messages that are kept; the one that was heard of first gives way. */
export const MESSAGES_MAX = 200;

/** Receipts a message, as many as the beacon tells. */
const RECEIPTS_MAX = 10_000;

/** One message. Columns by the order in which receipts came. */
export class Spread {
  readonly id: string;
  readonly originator: number;
  readonly broadcastAt: number;
  /** When this page heard of it first, page time, seconds. */
  readonly heardAt: number;
  readonly guids: number[] = [];
  readonly afters: number[] = [];
  readonly hops: number[] = [];
  readonly froms: (number | null)[] = [];
  readonly #indexes = new Map<number, number>();
  members: number;
  duplicates = 0;
  hopsMax = 0;
  summary: Summary | null = null;
  #sorted: Float64Array | null = null;

  constructor(
    { id, originator, broadcast_timestamp, members }: Omit<ReceiptsOf, 'duplicates' | 'receipts'>,
    heardAt: number,
  ) {
    this.id = id;
    this.originator = originator;
    this.broadcastAt = broadcast_timestamp;
    this.heardAt = heardAt;
    this.members = members;
  }

  /** Takes a receipt; false where it is no news. */
  add([guid, after, hops, from]: Receipt): boolean {
    if (this.#indexes.has(guid) || this.guids.length >= RECEIPTS_MAX) return false;
    this.#indexes.set(guid, this.guids.length);
    this.guids.push(guid);
    // Clocks differ: nobody has a message before it was sent.
    this.afters.push(Math.max(0, after));
    this.hops.push(hops);
    this.froms.push(from);
    if (hops > this.hopsMax) this.hopsMax = hops;
    this.#sorted = null;
    return true;
  }

  /** Where the receipt of a node is; -1: there is none. */
  indexOf(guid: number): number {
    return this.#indexes.get(guid) ?? -1;
  }

  /** Nodes that have it, as far as anybody knows. */
  get received(): number {
    return Math.max(this.guids.length, this.summary?.received ?? 0);
  }

  /** 0..1 of the members; null where nobody says how many these are. */
  get coverage(): number | null {
    return this.members === 0 ? null : Math.min(1, this.received / this.members);
  }

  /** Seconds from the broadcast until this share of the members had it; null: they have it not, or nobody says when. */
  timeTo(share: 0.5 | 0.95 | 1): number | null {
    const wanted = Math.max(1, Math.ceil(this.members * share));
    if (this.guids.length >= wanted) return this.sorted()[wanted - 1] ?? null;
    const { summary } = this;
    if (!summary) return null;
    return share === 0.5 ? summary.t50 : share === 0.95 ? summary.t95 : summary.t100;
  }

  /** The times at which it arrived, ascending. */
  sorted(): Float64Array {
    return (this.#sorted ??= Float64Array.from(this.afters).sort());
  }
}

/** Receipts of a message from `first` on that were not known before. */
export interface Arrival {
  readonly spread: Spread;
  readonly first: number;
}

export class MessageBook {
  /** By id, in the order in which they were heard of. */
  readonly #spreads = new Map<string, Spread>();

  get size(): number {
    return this.#spreads.size;
  }

  get(id: string): Spread | null {
    return this.#spreads.get(id) ?? null;
  }

  /** The latest broadcasts, newest first. */
  newest(count: number): Spread[] {
    const all = [...this.#spreads.values()].sort((a, b) => b.broadcastAt - a.broadcastAt);
    return all.slice(0, count);
  }

  /** Takes receipts at `now`, page time, seconds. Gives what is new of them. */
  fold(messages: readonly ReceiptsOf[], now: number): Arrival[] {
    const arrivals: Arrival[] = [];
    for (const message of messages) {
      const spread = this.#spreads.get(message.id) ?? this.#open(message, now);
      const first = spread.guids.length;
      spread.members = Math.max(spread.members, message.members);
      spread.duplicates = Math.max(spread.duplicates, message.duplicates);
      for (const receipt of message.receipts) spread.add(receipt);
      if (spread.guids.length > first) arrivals.push({ spread, first });
    }
    return arrivals;
  }

  /** Takes what the beacon has reckoned, likewise. */
  summarise(summaries: readonly Summary[], now: number): void {
    // Newest first: the oldest is to be forgotten first.
    for (const summary of summaries.toReversed()) {
      const spread = this.#spreads.get(summary.id) ?? this.#open(summary, now);
      spread.members = Math.max(spread.members, summary.members);
      spread.duplicates = Math.max(spread.duplicates, summary.duplicates);
      spread.hopsMax = Math.max(spread.hopsMax, summary.hops_max);
      spread.summary = summary;
    }
  }

  #open(message: Omit<ReceiptsOf, 'duplicates' | 'receipts'>, now: number): Spread {
    const spread = new Spread(message, now);
    this.#spreads.set(message.id, spread);
    const oldest = this.#spreads.keys().next();
    if (this.#spreads.size > MESSAGES_MAX && !oldest.done) this.#spreads.delete(oldest.value);
    return spread;
  }
}
