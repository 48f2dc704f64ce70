// What this node looks like from outside: the address that peers see its calls come from, where enough of them agree (Bitcoin's addrMe and libp2p's
// identify have the same; one peer alone may lie, or stand behind the same router). In memory only: it is asked for anew in every round.
import type { Millis } from './types.ts';

/** Operators who must agree, and more than half of those who said anything lately (guesses; libp2p asks for four). */
const QUORUM = 3;

/** How long a word counts: some rounds, also idle ones. */
const VOTE_MS = 3_600_000;

/** Operators whose words are remembered; the oldest gives way. */
const VOTES_MAX = 256;

export class Observed {
  readonly #votes = new Map<string, { readonly host: string; readonly at: Millis }>();

  /** A peer of this address group, which is one operator however many nodes it has, saw a call of this node come from `host`. */
  note(group: string, host: string, now: Millis): void {
    this.#votes.delete(group);
    const oldest = this.#votes.keys().next();
    if (this.#votes.size >= VOTES_MAX && !oldest.done) this.#votes.delete(oldest.value);
    this.#votes.set(group, { host, at: now });
  }

  /** What they agree on; null where too few have said anything, or do not agree. */
  agreed(now: Millis): string | null {
    const counts = new Map<string, number>();
    let all = 0;
    for (const { host, at } of this.#votes.values()) {
      if (now - at > VOTE_MS) continue;
      all++;
      counts.set(host, (counts.get(host) ?? 0) + 1);
    }
    for (const [host, count] of counts) if (count >= QUORUM && 2 * count > all) return host;
    return null;
  }
}
