// Call-backs under way: how many in all and to one address group. Each keeps a connection and a caller waiting, so there is a limit.
import { CALLBACKS_GROUP_MAX, CALLBACKS_MAX, PATIENT_MS } from '../protocol/limits.ts';

/** A call-back that did not end by then has lost its worker. */
const LOST_AFTER_MS = 3 * PATIENT_MS;

export class CallBacks {
  readonly #running = new Map<number, { readonly group: string; readonly at: number }>();
  #next = 1;

  /** A ticket for one call-back; null where too many are under way. */
  begin(group: string, now: number): number | null {
    this.#forgetLost(now);
    const same = [...this.#running.values()].filter((running) => running.group === group).length;
    if (this.#running.size >= CALLBACKS_MAX || same >= CALLBACKS_GROUP_MAX) return null;
    this.#running.set(this.#next, { group, at: now });
    return this.#next++;
  }

  end(ticket: number): void {
    this.#running.delete(ticket);
  }

  size(now: number): number {
    this.#forgetLost(now);
    return this.#running.size;
  }

  #forgetLost(now: number): void {
    for (const [ticket, { at }] of this.#running) if (now - at > LOST_AFTER_MS) this.#running.delete(ticket);
  }
}
