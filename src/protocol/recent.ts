// A bounded memory of what a pure function gave: nobody can tell it from calling the function again, but by the time that it takes.

interface Kept<T> {
  readonly value: T;
  readonly chars: number;
}

/** Values by key, the oldest forgotten first once they have more than so many characters together. */
export class Recent<T> {
  readonly #charsMax: number;
  readonly #values = new Map<string, Kept<T>>();
  #chars = 0;

  constructor(charsMax: number) {
    this.#charsMax = charsMax;
  }

  get(key: string): T | undefined {
    return this.#values.get(key)?.value;
  }

  /** Keeps the first value of a key, unless it is too long alone. `chars`: of key and value. */
  set(key: string, value: T, chars: number): void {
    if (chars > this.#charsMax || this.#values.has(key)) return;
    this.#values.set(key, { value, chars });
    this.#chars += chars;
    for (const [oldest, kept] of this.#values) {
      if (this.#chars <= this.#charsMax) return;
      this.#values.delete(oldest);
      this.#chars -= kept.chars;
    }
  }
}
