// What callers from outside may do, and how they behave: rates by token buckets, and demerits for what no honest node sends. In memory
// only: a node that is evicted has not been called for a while, and that is what mends a standing too.
import {
  CALLS_BURST,
  CALLS_PER_SECOND,
  MESSAGES_BURST,
  MESSAGES_PER_SECOND,
  ORIGINATOR_BURST,
  ORIGINATOR_PER_SECOND,
  STANDINGS_MAX,
} from './limits.ts';
import { TokenBucket } from './token-bucket.ts';
import type { Guid, Millis } from './types.ts';

/** What an offence costs. One mistake is forgiven, ten forged messages are not (guesses). */
export const DEMERITS = { invalid: 10, whileShutOut: 1 } as const;

/** At so many a caller is shut out; it may come back below the second: after 35 s of silence at most. */
const SHUT_OUT_AT = 100;
const BACK_BELOW = 50;
const DEMERITS_MAX = 120;
const FORGIVEN_PER_SECOND = 2;

interface Standing {
  readonly calls: TokenBucket;
  readonly messages: TokenBucket;
  demerits: number;
  at: Millis;
  isShutOut: boolean;
}

export class Standings {
  readonly #callers = new Map<Guid, Standing>();
  readonly #originators = new Map<Guid, TokenBucket>();

  /** Whether a caller may be heard now. */
  admit(guid: Guid, now: Millis): 'ok' | 'limited' | 'shut-out' {
    const standing = this.#of(guid, now);
    forgive(standing, now);
    if (standing.isShutOut) {
      add(standing, DEMERITS.whileShutOut);
      return 'shut-out';
    }
    return standing.calls.take(1, now) ? 'ok' : 'limited';
  }

  /** Whether a caller may bring a further message, or so many at once: all of them or none. */
  takeMessage(guid: Guid, now: Millis, count = 1): boolean {
    return this.#of(guid, now).messages.take(count, now);
  }

  /** Whether a further message of this originator is taken from outside. */
  takeOriginated(guid: Guid, now: Millis): boolean {
    let bucket = this.#originators.get(guid);
    if (!bucket) {
      makeRoom(this.#originators, (candidate) => candidate.isFull(now));
      this.#originators.set(guid, (bucket = new TokenBucket(ORIGINATOR_PER_SECOND, ORIGINATOR_BURST, now)));
    }
    return bucket.take(1, now);
  }

  /** The caller did what no honest node does. Returns whether that shut it out just now. */
  blame(guid: Guid, demerits: number, now: Millis): boolean {
    const standing = this.#of(guid, now);
    forgive(standing, now);
    const before = standing.isShutOut;
    add(standing, demerits);
    return standing.isShutOut && !before;
  }

  /** Callers that are shut out now. */
  shutOut(now: Millis): number {
    let count = 0;
    for (const standing of this.#callers.values()) {
      forgive(standing, now);
      if (standing.isShutOut) count++;
    }
    return count;
  }

  #of(guid: Guid, now: Millis): Standing {
    const known = this.#callers.get(guid);
    if (known) return known;
    makeRoom(this.#callers, (standing) => {
      forgive(standing, now);
      return standing.demerits === 0 && standing.calls.isFull(now);
    });
    const standing: Standing = {
      calls: new TokenBucket(CALLS_PER_SECOND, CALLS_BURST, now),
      messages: new TokenBucket(MESSAGES_PER_SECOND, MESSAGES_BURST, now),
      demerits: 0,
      at: now,
      isShutOut: false,
    };
    this.#callers.set(guid, standing);
    return standing;
  }
}

/** Keeps a map below its limit: entries at rest go, and where none is at rest the oldest. */
function makeRoom<T>(entries: Map<Guid, T>, isAtRest: (entry: T) => boolean): void {
  if (entries.size < STANDINGS_MAX) return;
  for (const [guid, entry] of entries) if (isAtRest(entry)) entries.delete(guid);
  const oldest = entries.keys().next();
  if (entries.size >= STANDINGS_MAX && !oldest.done) entries.delete(oldest.value);
}

function forgive(standing: Standing, now: Millis): void {
  const passed = Math.max(0, now - standing.at) / 1000;
  standing.at = Math.max(standing.at, now);
  standing.demerits = Math.max(0, standing.demerits - passed * FORGIVEN_PER_SECOND);
  if (standing.demerits < BACK_BELOW) standing.isShutOut = false;
}

function add(standing: Standing, demerits: number): void {
  standing.demerits = Math.min(DEMERITS_MAX, standing.demerits + demerits);
  if (standing.demerits >= SHUT_OUT_AT) standing.isShutOut = true;
}
