// Messages from outside that cannot be checked: their originator's key is not known here. It may come to be known, so they are wanted later
// at first; but an originator that is gone is known to nobody new any more, and then it must end.
import type { Guid, MessageId } from './types.ts';

/** How often a message is wanted later before it is refused (guess: two rounds of the queue's four tries). */
const TRIES_MAX = 8;

/** Messages that are remembered; the oldest gives way. */
const MESSAGES_MAX = 10_000;

export class Unverified {
  readonly #tries = new Map<MessageId, { count: number; readonly originator: Guid }>();

  /** A message came that cannot be checked. Returns whether to want it later; else it is refused, for as long as it lives. */
  isWantedLater(id: MessageId, originator: Guid): boolean {
    const known = this.#tries.get(id);
    if (known) return ++known.count <= TRIES_MAX;
    const oldest = this.#tries.keys().next();
    if (this.#tries.size >= MESSAGES_MAX && !oldest.done) this.#tries.delete(oldest.value);
    this.#tries.set(id, { count: 1, originator });
    return true;
  }

  /** Whether a message was refused, and still would be: it need not be asked for. */
  wasRefused(id: MessageId, isKnown: (originator: Guid) => boolean): boolean {
    const refused = this.#tries.get(id);
    return refused !== undefined && refused.count > TRIES_MAX && !isKnown(refused.originator);
  }
}
