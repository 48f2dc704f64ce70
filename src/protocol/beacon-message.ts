// One message as the beacon sees it: who has it, since when, by whom and over how many hops, of those who were live when it was first heard of.
// Receipts are packed into text where nobody looks at them: an object has 128 MB.
import type { Interval } from './sync.ts';
import { BOOT_GUID, type Guid, type MessageId, type Millis } from './types.ts';

/** The members that somebody takes for live. */
export interface View {
  /** Ascending, not overlapping. */
  readonly intervals: readonly Interval[];
  readonly size: number;
}

/** Who has a message: after so long, over so many hops, from whom. `stamp` is the beacon's own, see Beacon.since. */
export interface Holder {
  readonly guid: Guid;
  readonly after: Millis;
  readonly hops: number;
  readonly from: Guid | null;
  readonly stamp: number;
}

/** Whose view a message goes by: anybody's, that of a node of this deployment, its originator's. */
export type Rank = 0 | 1 | 2;

/** Figures of a message. Of those who were live then, the originator included; times from the broadcast on, null: not yet. */
export interface Figures {
  readonly members: number;
  readonly received: number;
  readonly t50: Millis | null;
  readonly t95: Millis | null;
  readonly t100: Millis | null;
  readonly hopsMax: number;
  /** Of deliveries; 0 without one. */
  readonly hopsMean: number;
}

/** What does not change about a message. */
export interface MessageFacts {
  readonly id: MessageId;
  /** Order in which the beacon first heard of messages. */
  readonly n: number;
  readonly originator: Guid;
  readonly broadcastAt: Millis;
  readonly expiresAt: Millis;
}

/** All but the receipts, as it is stored. */
export interface StoredFacts extends MessageFacts {
  readonly view: number;
  readonly rank: Rank;
  readonly changed: number;
  readonly duplicates: number;
  readonly holders: number;
  readonly figures: Figures;
}

/** What is told of a message. */
export interface Coverage extends MessageFacts, Figures {
  readonly duplicates: number;
}

export class TrackedMessage {
  readonly facts: MessageFacts;
  view: View;
  rank: Rank;
  /** Stamp of the last change. */
  changed = 0;
  duplicates = 0;
  #figures: Figures | null = null;
  #holders: Map<Guid, Holder> | null;
  #packed = '';
  #count: number;
  #received: number;

  private constructor(facts: MessageFacts, view: View, rank: Rank, stored: (StoredFacts & { packed: string }) | null) {
    this.facts = facts;
    this.view = view;
    this.rank = rank;
    this.#holders = stored ? null : new Map();
    this.#count = stored?.holders ?? 0;
    this.#received = stored?.figures.received ?? 0;
    if (!stored) return;
    this.changed = stored.changed;
    this.duplicates = stored.duplicates;
    this.#figures = stored.figures;
    this.#packed = stored.packed;
  }

  /** Heard of for the first time. Its originator has it. */
  static heardOf(facts: MessageFacts, view: View, rank: Rank, stamp: number): TrackedMessage {
    const message = new TrackedMessage(facts, view, rank, null);
    if (facts.originator !== BOOT_GUID) {
      message.add({ guid: facts.originator, after: 0, hops: 0, from: null, stamp });
    }
    message.changed = stamp;
    return message;
  }

  static restored(stored: StoredFacts, view: View, packed: string): TrackedMessage {
    const { id, n, originator, broadcastAt, expiresAt } = stored;
    const facts = { id, n, originator, broadcastAt, expiresAt };
    return new TrackedMessage(facts, view, stored.rank, { ...stored, packed });
  }

  /** How many have it, those who came later included. */
  get holders(): number {
    return this.#count;
  }

  /** Whether it takes the memory of receipts that are not packed. */
  get isUnpacked(): boolean {
    return this.#holders !== null;
  }

  /** Members live then, the originator included; it is told of by no view that came after it had left. */
  get members(): number {
    const { originator } = this.facts;
    return this.view.size + (originator === BOOT_GUID || isIn(this.view, originator) ? 0 : 1);
  }

  /** Whether all who were live then have it. */
  get isComplete(): boolean {
    return this.#received >= this.members;
  }

  /** Somebody has it. False where that is known. */
  add(holder: Holder): boolean {
    const holders = this.#read();
    if (holders.has(holder.guid)) return false;
    this.#holders = holders;
    holders.set(holder.guid, holder);
    this.#count++;
    if (this.#wasLive(holder.guid)) this.#received++;
    this.#change(holder.stamp);
    return true;
  }

  /** It came again to somebody. */
  repeat(count: number, stamp: number): void {
    this.duplicates += count;
    this.#change(stamp);
  }

  /** A better view of who was live then. */
  see(view: View, rank: Rank, stamp: number): void {
    if (rank <= this.rank) return;
    const isSame = view === this.view;
    this.view = view;
    this.rank = rank;
    if (isSame) return;
    this.#received = 0;
    for (const guid of this.#read().keys()) if (this.#wasLive(guid)) this.#received++;
    this.#change(stamp);
  }

  /** Who has it, first those who had it first. */
  sorted(): Holder[] {
    return [...this.#read().values()].sort((a, b) => a.after - b.after || a.guid - b.guid);
  }

  /** Receipts with a later stamp, in the order in which they were heard. */
  since(stamp: number): Holder[] {
    return [...this.#read().values()].filter((holder) => holder.stamp > stamp);
  }

  /** How many receipts have which later stamp. Of what is packed all have the same. */
  countsSince(stamp: number): (readonly [stamp: number, count: number])[] {
    if (!this.#holders) return this.changed > stamp ? [[this.changed, this.#count]] : [];
    return this.since(stamp).map((holder) => [holder.stamp, 1]);
  }

  /** Whether there are receipts, or duplicates, between two stamps. */
  hasNews(after: number, until: number): boolean {
    if (this.changed > after && this.changed <= until) return true;
    return this.#holders !== null && this.since(after).some((holder) => holder.stamp <= until);
  }

  /** Members live then who have it not yet, ascending, at most `limit`. */
  missing(limit: number): Guid[] {
    const holders = this.#read();
    const missing: Guid[] = [];
    for (const [first, last] of this.view.intervals) {
      for (let guid = first; guid <= last && missing.length < limit; guid++) {
        if (!holders.has(guid)) missing.push(guid);
      }
    }
    return missing;
  }

  get coverage(): Coverage {
    return { ...this.facts, ...this.figures, duplicates: this.duplicates };
  }

  get figures(): Figures {
    return (this.#figures ??= this.#computed());
  }

  /** Its text for the store; the receipts are packed by that. */
  stored(view: number): { readonly facts: StoredFacts; readonly packed: string } {
    const { changed, duplicates, rank, figures } = this;
    this.pack();
    return {
      facts: { ...this.facts, view, rank, changed, duplicates, holders: this.#count, figures },
      packed: this.#packed,
    };
  }

  /** Gives memory back. */
  pack(): void {
    if (!this.#holders) return;
    const flat = [...this.#holders.values()].flatMap(({ guid, after, hops, from }) => [guid, after, hops, from ?? -1]);
    this.#packed = flat.join();
    this.#holders = null;
  }

  #change(stamp: number): void {
    this.changed = stamp;
    this.#figures = null;
  }

  #wasLive(guid: Guid): boolean {
    return guid === this.facts.originator || isIn(this.view, guid);
  }

  /** Not kept where it is packed: who only reads takes no memory. */
  #read(): Map<Guid, Holder> {
    if (this.#holders) return this.#holders;
    const holders = new Map<Guid, Holder>();
    const flat = this.#packed === '' ? [] : this.#packed.split(',').map(Number);
    for (let index = 0; index + 3 < flat.length; index += 4) {
      const [guid = 0, after = 0, hops = 0, from = -1] = flat.slice(index, index + 4);
      // When exactly is forgotten: who goes on from before gets all of them again.
      holders.set(guid, { guid, after, hops, from: from < 0 ? null : from, stamp: this.changed });
    }
    return holders;
  }

  #computed(): Figures {
    const { originator } = this.facts;
    const live = this.sorted().filter(({ guid }) => this.#wasLive(guid));
    const { members } = this;
    const at = (share: number) => live[Math.max(1, Math.ceil(share * members)) - 1]?.after ?? null;
    const hops = live.filter(({ guid }) => guid !== originator).map((holder) => holder.hops);
    return {
      members,
      received: live.length,
      t50: at(0.5),
      t95: at(0.95),
      t100: at(1),
      hopsMax: hops.reduce((most, one) => Math.max(most, one), 0),
      hopsMean: hops.length === 0 ? 0 : hops.reduce((sum, one) => sum + one, 0) / hops.length,
    };
  }
}

/** A view of these intervals; those that are out of order are left out. */
export function viewOf(intervals: readonly Interval[]): View {
  const sound: Interval[] = [];
  let size = 0;
  for (const [first, last] of intervals) {
    if (first <= (sound.at(-1)?.[1] ?? 0) || last < first) continue;
    sound.push([first, last]);
    size += last - first + 1;
  }
  return { intervals: sound, size };
}

function isIn({ intervals }: View, guid: Guid): boolean {
  let low = 0;
  let high = intervals.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const [first, last] = intervals[middle] ?? [0, 0];
    if (guid < first) high = middle - 1;
    else if (guid > last) low = middle + 1;
    else return true;
  }
  return false;
}
