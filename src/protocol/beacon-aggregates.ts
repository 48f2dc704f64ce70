// Aggregates over messages: counts and histograms a minute, so that an hour or a day takes bounded memory however many messages it had. All are
// whole numbers, so that what was added can be taken off again exactly when more is heard of a message.
import { BEACON_DAY_MS } from './limits.ts';
import type { Figures } from './beacon-message.ts';
import type { Millis } from './types.ts';

const MINUTE_MS = 60_000;
const MINUTES_AN_HOUR = 60;

/** Shares and ratios are counted in millionths. */
const MILLION = 1_000_000;

/** Bins of the histograms an octave: a time is known to 2.2 %. */
const BINS_AN_OCTAVE = 16;

export interface Aggregate {
  readonly messages: number;
  readonly deliveries: number;
  readonly duplicates: number;
  /** Messages that reached all. */
  readonly complete: number;
  /** Mean share of the members that had a message; null without one. */
  readonly coverage: number | null;
  /** Medians over the messages that got so far. */
  readonly t50: Millis | null;
  readonly t95: Millis | null;
  readonly t100: Millis | null;
  readonly t95P95: Millis | null;
  readonly hopsMax: number;
  /** Mean of deliveries, duplicates included, a member that is not the originator; null without one. */
  readonly deliveriesPerMember: number | null;
}

type Histogram = Record<string, number>;

/** What the messages of a minute add up to. */
interface Bucket {
  messages: number;
  deliveries: number;
  duplicates: number;
  complete: number;
  coverage: number;
  /** Messages with anybody to deliver to, and the sum of their ratios. */
  spread: number;
  perMember: number;
  t50: Histogram;
  t95: Histogram;
  t100: Histogram;
  hops: Histogram;
}

const SUMS = ['messages', 'deliveries', 'duplicates', 'complete', 'coverage', 'spread', 'perMember'] as const;
const HISTOGRAMS = ['t50', 't95', 't100', 'hops'] as const;

/** What one message adds. */
export type Share = Readonly<Bucket>;

/** What a message of a member adds to its minute. */
export function shareOf(figures: Figures, duplicates: number): Share {
  const { members, received, t50, t95, t100, hopsMax } = figures;
  const deliveries = Math.max(0, received - 1);
  const others = members - 1;
  const bin = (at: Millis | null): Histogram => (at === null ? {} : { [binOf(at)]: 1 });
  return {
    messages: 1,
    deliveries,
    duplicates,
    complete: received >= members ? 1 : 0,
    coverage: Math.round((received / Math.max(1, members)) * MILLION),
    spread: others > 0 ? 1 : 0,
    perMember: others > 0 ? Math.round(((deliveries + duplicates) / others) * MILLION) : 0,
    t50: bin(t50),
    t95: bin(t95),
    t100: bin(t100),
    hops: { [hopsMax]: 1 },
  };
}

export class Minutes {
  readonly #buckets = new Map<number, Bucket>();
  /** Hours whose buckets have changed since they were last taken. */
  #dirty = new Set<number>();

  /** Adds a message that was broadcast at `at`, or takes it off (`sign` -1). */
  add(at: Millis, share: Share, sign: 1 | -1): void {
    const minute = Math.floor(at / MINUTE_MS);
    const bucket = this.#buckets.get(minute) ?? empty();
    merge(bucket, share, sign);
    if (bucket.messages > 0) this.#buckets.set(minute, bucket);
    else this.#buckets.delete(minute);
    this.#dirty.add(Math.floor(minute / MINUTES_AN_HOUR));
  }

  /** All of the last so many milliseconds. */
  total(now: Millis, spanMs: Millis): Aggregate {
    const sum = empty();
    for (const [minute, bucket] of this.#buckets) {
      if (minute * MINUTE_MS > now - spanMs) merge(sum, bucket, 1);
    }
    const mean = (total: number, count: number) => (count === 0 ? null : total / count / MILLION);
    return {
      messages: sum.messages,
      deliveries: sum.deliveries,
      duplicates: sum.duplicates,
      complete: sum.complete,
      coverage: mean(sum.coverage, sum.messages),
      t50: quantile(sum.t50, 0.5),
      t95: quantile(sum.t95, 0.5),
      t100: quantile(sum.t100, 0.5),
      t95P95: quantile(sum.t95, 0.95),
      hopsMax: Object.keys(sum.hops).reduce((most, hops) => Math.max(most, Number(hops)), 0),
      deliveriesPerMember: mean(sum.perMember, sum.spread),
    };
  }

  /** Forgets what is older than a day, and gives the hours of which nothing is left. */
  expire(now: Millis): number[] {
    const hours = new Set<number>();
    for (const minute of this.#buckets.keys()) {
      if ((minute + 1) * MINUTE_MS > now - BEACON_DAY_MS) continue;
      this.#buckets.delete(minute);
      hours.add(Math.floor(minute / MINUTES_AN_HOUR));
    }
    return [...hours].filter((hour) => Object.keys(this.hour(hour)).length === 0);
  }

  /** Hours that have changed since this was last asked. */
  takeDirty(): number[] {
    const dirty = [...this.#dirty];
    this.#dirty = new Set();
    return dirty;
  }

  /** The buckets of an hour by minute, as JSON may have them. */
  hour(hour: number): Record<string, Share> {
    const found: Record<string, Share> = {};
    for (let minute = hour * MINUTES_AN_HOUR; minute < (hour + 1) * MINUTES_AN_HOUR; minute++) {
      const bucket = this.#buckets.get(minute);
      if (bucket) found[minute] = bucket;
    }
    return found;
  }

  /** Takes back what {@link hour} gave. */
  restore(hour: Readonly<Record<string, Share>>): void {
    for (const [minute, share] of Object.entries(hour)) {
      const bucket = empty();
      merge(bucket, share, 1);
      this.#buckets.set(Number(minute), bucket);
    }
  }
}

/** The hour of a moment, as {@link Minutes} counts them. */
export function hourOf(at: Millis): number {
  return Math.floor(at / MINUTE_MS / MINUTES_AN_HOUR);
}

function empty(): Bucket {
  const sums = { messages: 0, deliveries: 0, duplicates: 0, complete: 0, coverage: 0, spread: 0, perMember: 0 };
  return { ...sums, t50: {}, t95: {}, t100: {}, hops: {} };
}

function merge(into: Bucket, share: Share, sign: 1 | -1): void {
  const sum = into;
  for (const name of SUMS) sum[name] += sign * share[name];
  for (const name of HISTOGRAMS) {
    const histogram = sum[name];
    for (const [bin, count] of Object.entries(share[name])) {
      const left = (histogram[bin] ?? 0) + sign * count;
      if (left > 0) histogram[bin] = left;
      else delete histogram[bin];
    }
  }
}

function binOf(at: Millis): number {
  return at < 1 ? 0 : 1 + Math.floor(Math.log2(at) * BINS_AN_OCTAVE);
}

function quantile(histogram: Readonly<Histogram>, share: number): Millis | null {
  const bins = Object.entries(histogram)
    .map(([bin, count]) => [Number(bin), count] as const)
    .sort(([a], [b]) => a - b);
  const total = bins.reduce((sum, [, count]) => sum + count, 0);
  let rank = Math.max(1, Math.ceil(share * total));
  for (const [bin, count] of bins) {
    rank -= count;
    if (rank <= 0) return bin === 0 ? 0 : Math.round(2 ** ((bin - 0.5) / BINS_AN_OCTAVE));
  }
  return null;
}
