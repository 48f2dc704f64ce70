// A message as it is shown spreading: along its real tree, slower than it was. A hop takes hundredths of a second, which nobody sees, and news
// of it come four times a second. So a copy sets out once its sender is shown to have the message, and never before the page knows of it. No DOM, no clock.
import type { Spread } from '../state/message-book.ts';

/** How long a copy is shown on its way, milliseconds. */
const TRAVEL_MS = 460;
/** Copies of one sender set out within this time: not all at once, so that they can be told apart. */
const STAGGER_MS = 260;
/** A receipt whose sender's own receipt does not come is shown without it. */
const ORPHAN_MS = 1_500;

export class Playback {
  readonly spread: Spread;
  /** By the index of the receipt: when its copy sets out and arrives, page time. NaN: not placed yet. */
  readonly starts: number[] = [];
  readonly ends: number[] = [];
  /** Guid of the sender that its copy is shown to come from; null: it lights up on its own. */
  readonly senders: (number | null)[] = [];
  readonly #waiting = new Map<number, number>();
  readonly #isStill: boolean;
  /** When the last copy that is known of has arrived. */
  endsAt: number;

  /** `isStill`: nothing moves, for those who do not want it. */
  constructor(spread: Spread, now: number, isStill: boolean) {
    this.spread = spread;
    this.#isStill = isStill;
    this.endsAt = now;
  }

  /** Places the receipts that have come since. */
  extend(now: number): void {
    const { guids } = this.spread;
    for (let index = this.starts.length; index < guids.length; index++) {
      this.starts.push(NaN);
      this.ends.push(NaN);
      this.senders.push(null);
      this.#waiting.set(index, now);
    }
    // A sender that is placed may let those behind it be placed.
    for (let placed = true; placed;) {
      placed = false;
      for (const [index, since] of this.#waiting) {
        if (!this.#place(index, now, since)) continue;
        this.#waiting.delete(index);
        placed = true;
      }
    }
  }

  /** Whether the copy of a receipt has arrived. */
  hasArrived(index: number, now: number): boolean {
    return (this.ends[index] ?? NaN) <= now;
  }

  #place(index: number, now: number, since: number): boolean {
    const { guids, hops, froms, originator } = this.spread;
    const from = froms[index] ?? null;
    if (from === null || hops[index] === 0) return this.#set(index, now, now, null);
    const sender = this.spread.indexOf(from);
    // The originator has it before it says so.
    const ready = sender >= 0 ? this.ends[sender] : from === originator ? now : NaN;
    if (ready === undefined || Number.isNaN(ready)) {
      return now - since >= ORPHAN_MS && this.#set(index, now, now, null);
    }
    if (this.#isStill) return this.#set(index, now, now, from);
    const start = Math.max(now, ready) + STAGGER_MS * shareOf(guids[index] ?? 0);
    return this.#set(index, start, start + TRAVEL_MS, from);
  }

  #set(index: number, start: number, end: number, sender: number | null): boolean {
    this.starts[index] = start;
    this.ends[index] = end;
    this.senders[index] = sender;
    this.endsAt = Math.max(this.endsAt, end);
    return true;
  }
}

/** A number in [0, 1) that looks drawn, and is the same each time for a node. */
function shareOf(guid: number): number {
  return (Math.imul(guid, 0x9e3779b1) >>> 0) / 2 ** 32;
}
