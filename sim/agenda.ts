// What is to happen, ordered by virtual time and, within a millisecond, by when it was planned: a binary heap.
import type { Millis } from '../src/protocol/types.ts';

interface Planned {
  readonly at: Millis;
  readonly seq: number;
  readonly run: () => void;
}

export class Agenda {
  now: Millis;
  /** Events that have happened. */
  steps = 0;
  readonly #heap: Planned[] = [];
  #seq = 0;

  constructor(now: Millis) {
    this.now = now;
  }

  at(at: Millis, run: () => void): void {
    const { length } = this.#heap;
    this.#heap.push({ at: Math.max(at, this.now), seq: this.#seq++, run });
    this.#up(length);
  }

  /** Lets everything happen until `end`, or until `isOver`. */
  runUntil(end: Millis, isOver: () => boolean): void {
    for (;;) {
      const first = this.#heap[0];
      if (!first || first.at > end || isOver()) break;
      const last = this.#heap.pop();
      if (last && last !== first) {
        this.#heap[0] = last;
        this.#down();
      }
      this.now = Math.max(this.now, first.at);
      this.steps++;
      first.run();
    }
    this.now = Math.max(this.now, end);
  }

  #up(from: number): void {
    let index = from;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#swapIfBefore(index, parent)) return;
      index = parent;
    }
  }

  #down(): void {
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      const right = left + 1;
      const child = right < this.#heap.length && this.#isBefore(right, left) ? right : left;
      if (child >= this.#heap.length || !this.#swapIfBefore(child, index)) return;
      index = child;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const [first, second] = [this.#heap[a], this.#heap[b]];
    if (!first || !second) return false;
    return first.at < second.at || (first.at === second.at && first.seq < second.seq);
  }

  #swapIfBefore(child: number, parent: number): boolean {
    const [lower, upper] = [this.#heap[child], this.#heap[parent]];
    if (!lower || !upper || !this.#isBefore(child, parent)) return false;
    this.#heap[child] = upper;
    this.#heap[parent] = lower;
    return true;
  }
}
