// How long a node of this deployment may keep a batch waiting. All that is in the queue behind the batch waits with it, so whoever has just used
// up all of its time gets little for a while: by then its sender ignores it, or it answers again.
import { IMPATIENT_MS } from '../protocol/limits.ts';
import type { Millis } from '../protocol/types.ts';

/** A delivery is stored before it is answered; a node that takes longer than this is not well, and others take its range over. */
export const DELIVER_TIMEOUT_MS = 5_000;

/** How long it gets little time (guess: MAX_FAILURES failures, which count once in five seconds, and a pause). */
const SHORT_FOR_MS = 30_000;

export class Patience {
  /** When nodes last used up all of their time, by address: as many as the deployment has at most. */
  readonly #usedUp = new Map<string, Millis>();

  /** How long a call may take. */
  limit(address: string, now: Millis): Millis {
    const at = this.#usedUp.get(address);
    return at !== undefined && now - at < SHORT_FOR_MS ? IMPATIENT_MS : DELIVER_TIMEOUT_MS;
  }

  answered(address: string): void {
    this.#usedUp.delete(address);
  }

  /** A call that `began` then has failed. Little time that was used up does not count: that would never end. */
  failed(address: string, began: Millis, now: Millis): void {
    if (now - began >= DELIVER_TIMEOUT_MS) this.#usedUp.set(address, now);
  }
}
