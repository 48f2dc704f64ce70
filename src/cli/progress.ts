// A line on the terminal that tells how far a long command is; nothing where nobody looks.

const PAUSE_MS = 100;

export class Progress {
  readonly #what: string;
  readonly #isShown = process.stderr.isTTY;
  #shownAt = 0;

  /** `what` as in "allocations read". */
  constructor(what: string) {
    this.#what = what;
  }

  /** So many are done; `of` null: nobody knows how many there are. */
  at(done: number, of: number | null): void {
    const now = performance.now();
    if (!this.#isShown || now - this.#shownAt < PAUSE_MS) return;
    this.#shownAt = now;
    process.stderr.write(`\r\u001b[K${done}${of === null ? '' : ` of ${of}`} ${this.#what}`);
  }

  /** Takes the line away. */
  end(): void {
    if (this.#isShown && this.#shownAt > 0) process.stderr.write('\r\u001b[K');
  }
}
