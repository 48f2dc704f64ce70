// Which messages are shown spreading, and which nodes light up. No DOM, no clock.
import type { Arrival, Spread } from '../state/message-book.ts';
import { Playback } from './playback.ts';

/** Copies shown on their way at once, about: beyond that nodes only light up, since nobody could tell trees apart. */
const COPIES_MAX = 3_000;
/** How long a tree fades after its last copy has arrived, milliseconds. */
export const FADE_MS = 1_600;

export class Stage {
  /** In the order in which they began. */
  readonly playbacks: Playback[] = [];
  /** By GUID, when it was last shown to have got a message that is not played, page time. */
  readonly lit = new Map<number, number>();
  #pinned: Playback | null = null;
  readonly #isStill: boolean;

  constructor(isStill: boolean) {
    this.#isStill = isStill;
  }

  /** Takes receipts as they come. */
  hear(arrivals: readonly Arrival[], now: number): void {
    this.sweep(now);
    for (const { spread, first } of arrivals) {
      const playback = this.playbacks.find((one) => one.spread === spread);
      if (playback) playback.extend(now);
      // A message that was left out at first stays so: half a tree tells nothing.
      else if (first === 0 && this.#copies() + spread.members <= COPIES_MAX) this.#begin(spread, now);
      else for (let index = first; index < spread.guids.length; index++) this.lit.set(spread.guids[index] ?? 0, now);
    }
  }

  /** Shows a message again from its beginning, and keeps its tree; null: keeps none. */
  pin(spread: Spread | null, now: number): void {
    this.#pinned = null;
    if (!spread) return this.sweep(now);
    const running = this.playbacks.findIndex((one) => one.spread === spread);
    if (running >= 0) this.playbacks.splice(running, 1);
    this.#pinned = this.#begin(spread, now);
  }

  get pinned(): Playback | null {
    return this.#pinned;
  }

  /** How far a message is shown to have come, 0..1 of its members; null: it is not played. */
  progressOf(spread: Spread, now: number): number | null {
    const playback = this.playbacks.find((one) => one.spread === spread);
    if (!playback || spread.members === 0) return null;
    const arrived = playback.ends.reduce((count, end) => (end <= now ? count + 1 : count), 0);
    return Math.min(1, arrived / spread.members);
  }

  /** Whether anything of it still changes. */
  isMoving(now: number): boolean {
    if (this.#pinned && this.#pinned.endsAt + FADE_MS > now) return true;
    return this.playbacks.some((one) => one !== this.#pinned) || this.lit.size > 0;
  }

  /** Forgets what has been shown. */
  sweep(now: number): void {
    for (const playback of this.playbacks) playback.extend(now);
    const isOver = (one: Playback) => one !== this.#pinned && one.endsAt + FADE_MS <= now;
    for (let index = this.playbacks.length - 1; index >= 0; index--) {
      const one = this.playbacks[index];
      if (one && isOver(one)) this.playbacks.splice(index, 1);
    }
    for (const [guid, at] of this.lit) if (at + FADE_MS <= now) this.lit.delete(guid);
  }

  #begin(spread: Spread, now: number): Playback {
    const playback = new Playback(spread, now, this.#isStill);
    playback.extend(now);
    this.playbacks.push(playback);
    return playback;
  }

  #copies(): number {
    return this.playbacks.reduce((sum, { spread }) => sum + spread.members, 0);
  }
}
