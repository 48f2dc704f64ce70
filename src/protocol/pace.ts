// How messages come to a node: one by itself, or one after the other. Every message comes to every node, so what one node sees is what
// the network does.
import type { Bundle } from './job.ts';
import { ALONE_MS } from './limits.ts';
import type { Millis } from './types.ts';

export class Pace {
  #lastAt: Millis = -Infinity;
  /** Before a node has taken anything nothing is known: what it finds unsent when it wakes is no message that just came. */
  #isAlone = false;

  /** Messages were stored. */
  note(now: Millis): void {
    this.#isAlone = now - this.#lastAt >= ALONE_MS;
    this.#lastAt = now;
  }

  /**
   * Whether a handover is of the last message that came alone, and begins its way here: the only chain of calls that it makes longer is from
   * a request to its originator to the others, never one from node to node.
   */
  isAlone(handover: readonly Bundle[]): boolean {
    const [first, ...others] = handover;
    const isFirstHop = first?.hops === 1 && first.attempt === 0 && first.without.length === 0;
    return this.#isAlone && isFirstHop && first.bodies.length === 1 && others.length === 0;
  }
}
