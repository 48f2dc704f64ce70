// Time limits of many calls that are made at once, such as a batch of deliveries: one timer for all of them. In workerd a timer a call, set and
// cleared, was a twentieth of the time under load (`npm run profile`).
import type { Millis } from '../protocol/types.ts';

interface Waiting {
  readonly until: Millis;
  readonly expire: () => void;
}

export class Deadlines {
  readonly #waiting = new Set<Waiting>();
  #timer: ReturnType<typeof setTimeout> | null = null;
  #ringsAt = Infinity;

  /** Rejects after `ms` milliseconds; the work itself cannot be stopped, its result is dropped. */
  limit<T>(work: Promise<T>, ms: Millis, what: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const expire = () => reject(new Error(`${what}: no answer within ${ms} ms`));
      const waiting = { until: Date.now() + ms, expire };
      this.#waiting.add(waiting);
      this.#arm(waiting.until);
      void work.then(resolve, reject).then(() => this.#done(waiting));
    });
  }

  #done(waiting: Waiting): void {
    this.#waiting.delete(waiting);
    // A timer that rings for nobody would hold up who waits for the end of everything.
    if (this.#waiting.size === 0) this.#disarm();
  }

  #arm(at: Millis): void {
    if (at >= this.#ringsAt) return;
    this.#disarm();
    this.#ringsAt = at;
    this.#timer = setTimeout(() => this.#ring(), at - Date.now());
  }

  #disarm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#ringsAt = Infinity;
  }

  #ring(): void {
    this.#disarm();
    const now = Date.now();
    let next = Infinity;
    for (const waiting of this.#waiting) {
      if (waiting.until > now) next = Math.min(next, waiting.until);
      else {
        this.#waiting.delete(waiting);
        waiting.expire();
      }
    }
    if (next < Infinity) this.#arm(next);
  }
}
