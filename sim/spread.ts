// How a message spreads: when how many nodes had it.
import type { MessageId, Millis } from '../src/protocol/types.ts';

export class Spread {
  readonly id: MessageId;
  readonly sentAt: Millis;
  /** Nodes that are to get it. */
  readonly wanted: number;
  /** Milliseconds from sending, ascending, one a node. */
  readonly #after: Uint32Array;
  #reached = 0;

  constructor(id: MessageId, sentAt: Millis, wanted: number) {
    this.id = id;
    this.sentAt = sentAt;
    this.wanted = wanted;
    this.#after = new Uint32Array(wanted);
  }

  get reached(): number {
    return this.#reached;
  }

  get isDone(): boolean {
    return this.#reached >= this.wanted;
  }

  /** A further node has it. Called in the order of time. */
  reach(now: Millis): void {
    this.#after[this.#reached++] = now - this.sentAt;
  }

  /** Milliseconds until this share of the nodes had it; null where they never did. */
  after(share: number): Millis | null {
    const count = Math.ceil(share * this.wanted);
    return count > this.#reached ? null : (this.#after[Math.max(0, count - 1)] ?? 0);
  }
}
