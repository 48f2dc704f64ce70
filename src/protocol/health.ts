// Local health (Lifeguard: Dadgar, Phillips, Currey, DSN-W 2018): an observer that sees many fail at once, or rings late, is probably
// the sick one. It blames itself first: while its score is up, peers are given that many more failures before they are ignored.
// In memory only: a node that was evicted has not been well or ill since.

/** Highest score (memberlist's awareness_max_multiplier is 8). */
const SCORE_MAX = 8;

export class Health {
  #score = 0;

  /** 0 is well. */
  get score(): number {
    return this.#score;
  }

  /** Failures more than usual before a peer is ignored: one that fails alone is no sign of us being ill. */
  get patience(): number {
    return Math.max(0, this.#score - 1);
  }

  /** A call got its answer. */
  ok(): void {
    this.#score = Math.max(0, this.#score - 1);
  }

  /** A peer that was well gave no answer, somebody called us dead, or our own alarm came late. */
  failed(): void {
    this.#score = Math.min(SCORE_MAX, this.#score + 1);
  }
}
