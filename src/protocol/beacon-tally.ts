// What the messages that the beacon keeps have added to its aggregates. Announcements of the boot node are counted nowhere: they are none that
// anybody sent.
import { Minutes, shareOf, type Aggregate, type Share } from './beacon-aggregates.ts';
import type { TrackedMessage } from './beacon-message.ts';
import { BEACON_DAY_MS, BEACON_SETTLE_MS } from './limits.ts';
import { BOOT_GUID, type Millis } from './types.ts';

export class Tally {
  readonly minutes = new Minutes();
  /** What each message has added to its minute. */
  readonly #shares = new Map<TrackedMessage, Share>();
  /** What has changed since it was counted. */
  readonly #changed = new Set<TrackedMessage>();
  /** When the last messages were heard of: those that may be under way. */
  readonly #young = new Map<TrackedMessage, Millis>();

  /** A message is heard of for the first time. */
  open(message: TrackedMessage, now: Millis): void {
    this.#settle(now);
    this.#young.set(message, now);
  }

  change(message: TrackedMessage): void {
    this.#changed.add(message);
  }

  /** A message that the minutes already have. */
  restore(message: TrackedMessage): void {
    if (message.facts.originator !== BOOT_GUID) {
      this.#shares.set(message, shareOf(message.figures, message.duplicates));
    }
  }

  /** What it has added stays. */
  forget(message: TrackedMessage): void {
    this.#shares.delete(message);
    this.#young.delete(message);
  }

  /** Brings the minutes up to date. */
  refresh(): void {
    for (const message of this.#changed) {
      this.#add(message, -1);
      this.restore(message);
      this.#add(message, 1);
    }
    this.#changed.clear();
  }

  /** Of the last hour and day, without what is still under way. */
  total(now: Millis): { readonly hour: Aggregate; readonly day: Aggregate } {
    this.refresh();
    this.#settle(now);
    this.#addUnderWay(-1);
    const hour = this.minutes.total(now, BEACON_DAY_MS / 24);
    const day = this.minutes.total(now, BEACON_DAY_MS);
    this.#addUnderWay(1);
    return { hour, day };
  }

  #settle(now: Millis): void {
    for (const [message, at] of this.#young) {
      if (at > now - BEACON_SETTLE_MS) return;
      this.#young.delete(message);
    }
  }

  #addUnderWay(sign: 1 | -1): void {
    for (const message of this.#young.keys()) if (!message.isComplete) this.#add(message, sign);
  }

  #add(message: TrackedMessage, sign: 1 | -1): void {
    const share = this.#shares.get(message);
    if (share) this.minutes.add(message.facts.broadcastAt, share, sign);
  }
}
