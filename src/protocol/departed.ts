// Members who left before they were known here: their records may come later, from who has not heard of it. Kept, since a node that was loaded anew
// would take such a record for that of somebody who is there, and might never call it. It happens seldom: one small row for all.
import type { MetaTable } from './store.ts';
import type { Guid } from './types.ts';

/** Meta key. */
const DEPARTED_KEY = 'departed';

/** The oldest gives way (guess: those who leave while a newcomer is not told of them yet). */
const DEPARTED_MAX = 256;

export class Departed {
  readonly #meta: MetaTable | null;
  readonly #incarnations = new Map<Guid, number>();

  /** Without a table it is in memory only. */
  constructor(meta: MetaTable | null) {
    this.#meta = meta;
    for (const [guid, incarnation] of readPairs(meta?.get(DEPARTED_KEY) ?? null))
      this.#incarnations.set(guid, incarnation);
  }

  /** An incarnation of one that is not known here has left. */
  note(guid: Guid, incarnation: number): void {
    const before = this.#incarnations.get(guid) ?? -1;
    if (incarnation <= before) return;
    this.#incarnations.delete(guid);
    const oldest = this.#incarnations.keys().next();
    if (this.#incarnations.size >= DEPARTED_MAX && !oldest.done) this.#incarnations.delete(oldest.value);
    this.#incarnations.set(guid, incarnation);
    this.#meta?.set(DEPARTED_KEY, JSON.stringify([...this.#incarnations]));
  }

  /** Whether a record is of an incarnation that has left. */
  has(guid: Guid, incarnation: number): boolean {
    return (this.#incarnations.get(guid) ?? -1) >= incarnation;
  }
}

function readPairs(text: string | null): readonly (readonly [Guid, number])[] {
  if (text === null) return [];
  // Our own row, written whole.
  return JSON.parse(text) as [Guid, number][];
}
