// How ranges were cut into legs, kept until a peer changes: an originator cuts the same range for each of its messages.
import type { JobLeg } from './job.ts';

/** Ranges that are kept: an originator has one, and who passes on gets a few. */
const CUTS_MAX = 32;

export class Cuts {
  #writes = -1;
  readonly #legs = new Map<string, readonly JobLeg[]>();

  /** The legs of a cut, made anew where a peer's record was written since. `key` tells all else that they depend on. */
  of(key: string, writes: number, cut: () => readonly JobLeg[]): readonly JobLeg[] {
    if (writes !== this.#writes || this.#legs.size >= CUTS_MAX) this.#legs.clear();
    this.#writes = writes;
    const known = this.#legs.get(key);
    if (known) return known;
    const legs = cut();
    this.#legs.set(key, legs);
    return legs;
  }
}
