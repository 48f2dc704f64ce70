// The queue's books: each leg that was handed over must be answered, or its sender must hear, with the range that it is about.
import type { Bundle, Job, JobLeg } from '../src/protocol/job.ts';
import { BOOT_GUID, type Range } from '../src/protocol/types.ts';

/** One message of one leg. */
function entryOf(number: number, to: number, range: Range, attempt: number, id: string): string {
  return `${number} ${to} ${range.from} ${range.to} ${attempt} ${id}`;
}

export class Ledger {
  readonly #open = new Map<string, number>();
  readonly #idOf: (body: string) => string;

  constructor(idOf: (body: string) => string) {
    this.#idOf = idOf;
  }

  open(number: number, job: Job): void {
    // The boot node keeps no messages: what it announces may be lost, and comes by sync.
    if (job.from.guid === BOOT_GUID) return;
    for (const bundle of job.bundles) {
      for (const leg of bundle.legs) {
        for (const body of bundle.bodies) this.#open.set(this.#entry(number, bundle, leg, body), job.from.guid);
      }
    }
  }

  answered(number: number, bundle: Bundle, leg: JobLeg, body: string): void {
    this.#open.delete(this.#entry(number, bundle, leg, body));
  }

  told(number: number, to: number, range: Range, attempt: number, ids: readonly string[]): void {
    for (const id of ids) this.#open.delete(entryOf(number, to, range, attempt, id));
  }

  get size(): number {
    return this.#open.size;
  }

  get first(): string {
    return this.#open.keys().next().value ?? '';
  }

  #entry(number: number, bundle: Bundle, leg: JobLeg, body: string): string {
    return entryOf(number, leg.to, leg.range, bundle.attempt, this.#idOf(body));
  }
}
