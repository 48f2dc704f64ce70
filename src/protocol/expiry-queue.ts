// Segments by the moment at which they expire, soonest first: a binary heap, since messages may live as long as their originators like.
import type { Millis } from './types.ts';

export interface Expiring {
  readonly expiresAt: Millis;
}

export class ExpiryQueue<T extends Expiring> {
  readonly #heap: T[] = [];

  push(item: T): void {
    const heap = this.#heap;
    let at = heap.push(item) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (this.#timeAt(above) <= item.expiresAt) break;
      heap[at] = heap[above] as T;
      at = above;
    }
    heap[at] = item;
  }

  /** Takes out the one that expires first, where that has expired; null where none has. */
  popExpired(now: Millis): T | null {
    const heap = this.#heap;
    const [first] = heap;
    if (!first || first.expiresAt > now) return null;
    const last = heap.pop();
    if (last && heap.length > 0) this.#sink(last);
    return first;
  }

  /** Puts an item in at the top, and has it sink to its place. */
  #sink(item: T): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (this.#timeAt(below + 1) < this.#timeAt(below)) below++;
      if (this.#timeAt(below) >= item.expiresAt) break;
      heap[at] = heap[below] as T;
      at = below;
    }
    heap[at] = item;
  }

  #timeAt(index: number): Millis {
    return this.#heap[index]?.expiresAt ?? Infinity;
  }
}
