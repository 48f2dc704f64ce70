// How messages come to a node: one by itself, or one after the other. Every message comes to every node, so what one node sees is what
// the network does.
import type { Bundle } from './job.ts';
import { ALONE_PER_SECOND, ALONE_REMEMBERED_MAX, BUSY_MS } from './limits.ts';
import type { Millis } from './types.ts';

export class Pace {
  /** Messages that came, less ALONE_PER_SECOND since (a leaky bucket). */
  #load = 0;
  #at: Millis = -Infinity;
  /** Before a node has taken anything nothing is known: what it finds unsent when it wakes is no message that just came. */
  #isAlone = false;
  #busyUntil: Millis = -Infinity;

  /** Messages were stored. */
  note(count: number, now: Millis): void {
    if (count === 0) return;
    const passed = Math.max(0, now - this.#at);
    const load = Math.max(0, this.#load - (passed / 1000) * ALONE_PER_SECOND);
    this.#isAlone = load < 1;
    this.#load = Math.min(ALONE_REMEMBERED_MAX, load + count);
    this.#at = Math.max(this.#at, now);
  }

  /** Messages were brought: many at once, or not. */
  noteBrought(isMany: boolean, now: Millis): void {
    this.#busyUntil = isMany ? now + BUSY_MS : -Infinity;
  }

  /** Whether messages last came in numbers, and lately: each of them has waited for others. */
  isBusy(now: Millis): boolean {
    return now < this.#busyUntil;
  }

  /**
   * Whether a handover is of one message that came alone, and begins its way here: the only chain of calls that it makes longer is from
   * a request to its originator to the others, never one from node to node.
   */
  isAlone(handover: readonly Bundle[]): boolean {
    const [first, ...others] = handover;
    return this.#isAlone && first?.bodies.length === 1 && others.length === 0 && isFirstHop(first);
  }
}

/** Whether messages begin their way here, and nothing of it has failed before. */
export function isFirstHop({ hops, attempt, without }: Bundle): boolean {
  return hops === 1 && attempt === 0 && without.length === 0;
}
