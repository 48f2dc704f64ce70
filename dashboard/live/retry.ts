// When a connection that was cut is tried again: with growing pauses, which begin short again once a connection was a good one. No DOM, no clock.
import { pauseMs } from '../../src/client/pause.ts';

/** A connection that held this long was a good one, milliseconds. */
const GOOD_MS = 5_000;

export class Retry {
  #failures = 0;
  #openedAt: number | null = null;

  /** In a row, so far. */
  get failures(): number {
    return this.#failures;
  }

  opened(now: number): void {
    this.#openedAt = now;
  }

  /** The connection has ended, or did not open. Gives how long to wait before the next attempt, milliseconds. */
  cut(now: number): number {
    if (this.#openedAt !== null && now - this.#openedAt >= GOOD_MS) this.#failures = 0;
    this.#openedAt = null;
    return pauseMs(this.#failures++);
  }
}
