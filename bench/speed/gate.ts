// Requests at once: a process may have a thousand open files here, and each request that waits for its answer holds one, at both ends.
const OPEN_MAX = 400;

/** Lets so many through at once, the others wait for their turn. */
export class Gate {
  #open = 0;
  readonly #waiting: (() => void)[] = [];

  async through<T>(work: () => Promise<T>): Promise<T> {
    if (this.#open >= OPEN_MAX) await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    else this.#open++;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#open--;
    }
  }
}
