// A bounded memory of what a pure function gave: nobody can tell it from calling the function again, but by the time that it takes.

/** Values by text, the oldest forgotten first once the texts have more than so many characters together. */
export class Recent<T> {
  readonly #charsMax: number;
  readonly #values = new Map<string, T>();
  #chars = 0;

  constructor(charsMax: number) {
    this.#charsMax = charsMax;
  }

  get(text: string): T | undefined {
    return this.#values.get(text);
  }

  /** A text that is too long alone is not kept. */
  set(text: string, value: T): void {
    if (text.length > this.#charsMax || this.#values.has(text)) return;
    this.#values.set(text, value);
    this.#chars += text.length;
    for (const [oldest] of this.#values) {
      if (this.#chars <= this.#charsMax) return;
      this.#values.delete(oldest);
      this.#chars -= oldest.length;
    }
  }
}
