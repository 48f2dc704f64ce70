// Messages from outside that cannot be checked: their originator's key is not known here. It may come to be known, so they are wanted later
// at first; but an originator that is gone is known to nobody new any more, and then it must end.
import type { MessageId, Millis } from './types.ts';

/** How often a message is wanted later before it is refused (guess: two rounds of the queue's four tries). */
const TRIES_MAX = 8;

/** How long a message that was refused is not asked for at sync. */
const REMEMBERED_MS = 600_000;

/** Messages that are remembered; the oldest gives way. */
const MESSAGES_MAX = 10_000;

export class Unverified {
  readonly #tries = new Map<MessageId, { count: number; readonly since: Millis }>();

  /** A message came that cannot be checked. Returns whether to want it later; else it is refused. */
  isWantedLater(id: MessageId, now: Millis): boolean {
    const known = this.#tries.get(id);
    if (known && now - known.since < REMEMBERED_MS) return ++known.count <= TRIES_MAX;
    this.#tries.delete(id);
    const oldest = this.#tries.keys().next();
    if (this.#tries.size >= MESSAGES_MAX && !oldest.done) this.#tries.delete(oldest.value);
    this.#tries.set(id, { count: 1, since: now });
    return true;
  }

  /** Whether a message was refused lately: it need not be asked for. */
  wasRefused(id: MessageId, now: Millis): boolean {
    const known = this.#tries.get(id);
    return known !== undefined && known.count > TRIES_MAX && now - known.since < REMEMBERED_MS;
  }
}
