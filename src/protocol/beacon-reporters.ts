// How far the beacon has heard each member, and has stored of it: its answer to every report, by which the member knows what to tell again.
import type { Heard, Report } from './beacon-report.ts';
import { ROSTER_MEMBERS_MAX } from './limits.ts';
import { formatCursor, isAfter, parseCursor, type Cursor } from './reading.ts';
import type { Guid } from './types.ts';

/** Before everything a node has. */
const START: Cursor = { seq: 0, position: Infinity };

interface Reporter {
  readonly heard: Cursor;
  readonly kept: Cursor;
  readonly instance: string;
  readonly number: number;
}

/** As it is stored. */
export type StoredReporters = readonly (readonly [guid: Guid, heard: string])[];

export class Reporters {
  readonly #reporters = new Map<Guid, Reporter>();

  /** Notes a report. `isRepeated`: it was heard before, in this life of the beacon; `isFurther`: it tells of more than was known. */
  note(report: Report): { readonly heard: Heard; readonly isRepeated: boolean; readonly isFurther: boolean } {
    const { guid, instance, number } = report;
    const before = this.#reporters.get(guid) ?? { heard: START, kept: START, instance: '', number: 0 };
    const isRepeated = instance === before.instance && number <= before.number;
    const heard = heardUpTo(before.heard, report);
    // The latest last: whoever has not reported for longest is forgotten first, and tells all again.
    this.#reporters.delete(guid);
    const [oldest] = this.#reporters.keys();
    if (this.#reporters.size >= ROSTER_MEMBERS_MAX && oldest !== undefined) this.#reporters.delete(oldest);
    this.#reporters.set(guid, { heard, kept: before.kept, instance, number: isRepeated ? before.number : number });
    return {
      heard: { heard: formatCursor(heard), kept: formatCursor(before.kept) },
      isRepeated,
      isFurther: isAfter(heard, before.heard),
    };
  }

  /** All that was heard is stored now. */
  kept(): void {
    for (const [guid, reporter] of this.#reporters) {
      if (reporter.kept !== reporter.heard) this.#reporters.set(guid, { ...reporter, kept: reporter.heard });
    }
  }

  stored(): StoredReporters {
    return [...this.#reporters].map(([guid, { heard }]) => [guid, formatCursor(heard)]);
  }

  restore(stored: StoredReporters): void {
    for (const [guid, text] of stored) {
      const cursor = parseCursor(text) ?? START;
      this.#reporters.set(guid, { heard: cursor, kept: cursor, instance: '', number: 0 });
    }
  }
}

/** How far a reporter is heard of after a report: it counts only where nothing is left out before it. */
function heardUpTo(before: Cursor, { after, through }: Report): Cursor {
  const [from, to] = [parseCursor(after), parseCursor(through)];
  if (!from || !to || isAfter(from, before)) return before;
  return isAfter(to, before) ? to : before;
}
