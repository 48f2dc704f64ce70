// The alarm of a node as a timer of its process: one at a time, by the clock on the wall.
import type { Millis } from '../protocol/types.ts';

/** Longest wait in one go: the clock may be set, or the machine sleep, and timers count neither. */
const LOOK_AGAIN_MS = 30_000;

/** When the handler failed, it is tried again after this. */
const RETRY_MS = 30_000;

export class Alarm {
  readonly #ring: () => void;
  readonly #failed: (cause: unknown) => void;
  #at: Millis | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #isStopped = false;

  /** `ring` may set the alarm anew; where it throws, `failed` is told, and it is rung again later. */
  constructor(ring: () => void, failed: (cause: unknown) => void) {
    this.#ring = ring;
    this.#failed = failed;
  }

  set(at: Millis | null): void {
    this.#at = at;
    this.#arm();
  }

  stop(): void {
    this.#isStopped = true;
    this.#arm();
  }

  #arm(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#at === null || this.#isStopped) return;
    const wait = Math.min(Math.max(0, this.#at - Date.now()), LOOK_AGAIN_MS);
    this.#timer = setTimeout(() => this.#look(), wait);
  }

  #look(): void {
    if (this.#at === null || this.#at > Date.now()) return this.#arm();
    this.#at = null;
    try {
      this.#ring();
    } catch (cause) {
      this.#failed(cause);
      this.set(Date.now() + RETRY_MS);
    }
  }
}
