// Numbers that one seed draws: the simulation has no other source of chance, so a seed is a whole run.

/** Deterministic numbers (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    // Neighbouring seeds must not begin alike.
    this.#state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) >>> 0;
  }

  /** Uniform in [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    const state = this.#state;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  chance(probability: number): boolean {
    return probability > 0 && this.next() < probability;
  }

  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  pick<T>(list: readonly T[]): T | null {
    return list[Math.floor(this.next() * list.length)] ?? null;
  }

  /** Often 0, else up to `max`, small values more likely: some seeds have hardly a fault of a kind, some have many. */
  swarm(max: number, never = 0.4): number {
    const value = max * this.next() ** 2;
    return this.chance(never) ? 0 : value;
  }
}
