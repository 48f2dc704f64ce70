// Repairs: ranges that this node still owes a message after a delivery failed, or that a duplicate brought. Stored, so that
// they outlive a crash; a row exists only where something failed.
import { REPAIRS_MAX } from './limits.ts';
import type { TextTable } from './store.ts';
import type { Guid, MessageId, Millis, Range } from './types.ts';

export interface Repair {
  readonly dueAt: Millis;
  /** How often the range was handed over before. */
  readonly attempt: number;
  readonly range: Range;
  /** Who has just failed for the range, and is left out this time. */
  readonly without: readonly Guid[];
  readonly ids: readonly MessageId[];
}

export class Repairs {
  readonly #table: TextTable;
  readonly #rows = new Map<number, Repair>();
  #nextId = 1;

  constructor(table: TextTable, damaged: (id: number) => void) {
    this.#table = table;
    for (const row of table.all()) {
      this.#nextId = row.id + 1;
      const repair = decodeRepair(row.body);
      if (repair) this.#rows.set(row.id, repair);
      else {
        damaged(row.id);
        table.delete(row.id);
      }
    }
  }

  get size(): number {
    return this.#rows.size;
  }

  /** Stores a repair. Over the limit the oldest gives way; it is returned, for its loss to be told. */
  add(repair: Repair): Repair | null {
    const oldest = this.#rows.size >= REPAIRS_MAX ? this.#rows.entries().next().value : undefined;
    if (oldest) this.remove(oldest[0]);
    const id = this.#nextId++;
    this.#rows.set(id, repair);
    this.#table.put(id, JSON.stringify(repair));
    return oldest?.[1] ?? null;
  }

  /** Messages that are owed to a range by others than these rows. */
  idsOwed(range: Range, except: readonly number[]): Set<MessageId> {
    const ids = new Set<MessageId>();
    for (const [row, repair] of this.#rows) {
      if (repair.range.from !== range.from || repair.range.to !== range.to || except.includes(row)) continue;
      for (const id of repair.ids) ids.add(id);
    }
    return ids;
  }

  get(id: number): Repair | null {
    return this.#rows.get(id) ?? null;
  }

  remove(id: number): void {
    if (this.#rows.delete(id)) this.#table.delete(id);
  }

  /** Repairs that are due, in the order in which they were added. */
  due(now: Millis): [id: number, repair: Repair][] {
    return [...this.#rows].filter(([, repair]) => repair.dueAt <= now);
  }

  /** When the next one is due; null without one. */
  nextDue(): Millis | null {
    let next: Millis | null = null;
    for (const { dueAt } of this.#rows.values()) next = next === null ? dueAt : Math.min(next, dueAt);
    return next;
  }
}

function decodeRepair(body: string): Repair | null {
  try {
    const repair = JSON.parse(body) as Repair;
    const numbers = [repair.dueAt, repair.attempt, repair.range.from, repair.range.to];
    const sound = numbers.every(Number.isFinite) && Array.isArray(repair.ids);
    // Stored by a version before there was a failover: nobody is left out.
    return sound ? { ...repair, without: Array.isArray(repair.without) ? repair.without : [] } : null;
  } catch {
    return null;
  }
}
