// The beacon: it hears from every node when it first had a message. What it is told twice counts once, so nodes may tell it again whatever it may have
// missed; how far it has heard each of them it tells with every answer. It has no part in delivery. Its store is written seldom and in large pieces: what a crash
// takes of it is told again, since nodes know what it has stored.
import { hourOf, type Aggregate, type Share } from './beacon-aggregates.ts';
import { Block, LongTexts } from './beacon-blocks.ts';
import { TrackedMessage, viewOf, type Holder, type Rank, type View } from './beacon-message.ts';
import { Reporters, type StoredReporters } from './beacon-reporters.ts';
import type { Heard, Receipt, Report } from './beacon-report.ts';
import { Tally } from './beacon-tally.ts';
import {
  BEACON_FLUSH_MS,
  BEACON_FLUSH_MS_MIN,
  BEACON_MESSAGES_MAX,
  BEACON_RECEIPTS_MAX,
  BEACON_UNPACKED_MAX,
  CLOCK_SKEW_MS_MAX,
  HOPS_MAX,
  ROSTER_MEMBERS_MAX,
  TTL_SECONDS_MAX,
} from './limits.ts';
import type { BeaconStore } from './store.ts';
import type { Interval } from './sync.ts';
import type { Guid, MessageId, Millis } from './types.ts';

/** Views that are looked up by their text; usually all members tell the same. */
const VIEWS_MAX = 64;

/** The one row of the table `state`. */
interface StoredState {
  readonly heard: StoredReporters;
  readonly floorAt: Millis;
  readonly floorStamp: number;
  readonly live: readonly Interval[];
  readonly hour: number;
  readonly minutes: Record<string, Share>;
}

export interface BeaconPage {
  readonly messages: readonly TrackedMessage[];
  readonly next: string | null;
}

export interface BeaconSummary {
  readonly members: number;
  readonly hour: Aggregate;
  readonly day: Aggregate;
  readonly messages: number;
  readonly oldest: Millis | null;
}

/** What has changed of one message. */
export interface BeaconNews {
  readonly message: TrackedMessage;
  readonly holders: readonly Holder[];
}

export class Beacon {
  readonly #store: BeaconStore;
  readonly #blocks: Block[] = [];
  readonly #blockTexts: LongTexts;
  readonly #hourTexts: LongTexts;
  readonly #stateTexts: LongTexts;
  readonly #messages = new Map<MessageId, TrackedMessage>();
  readonly #blockOf = new Map<TrackedMessage, Block>();
  readonly #reporters = new Reporters();
  readonly #tally = new Tally();
  readonly #minutes = this.#tally.minutes;
  readonly #views = new Map<string, View>();
  #live: View = viewOf([]);
  #holders = 0;
  #unpacked = 0;
  #nextN = 1;
  #nextBlock = 1;
  #stamp = 0;
  /** What was forgotten: broadcast no later, changed no later. */
  #floorAt: Millis = 0;
  #floorStamp = 0;
  /** Since the last flush: what has changed and is not complete, blocks, and since when. */
  readonly #incomplete = new Set<TrackedMessage>();
  readonly #dirty = new Set<Block>();
  #dirtySince: Millis | null = null;
  #flushedAt: Millis = -Infinity;
  /** Blocks that are forgotten, and still stored. */
  readonly #gone: number[] = [];
  /** The hour that is stored with the state. */
  #hourKept = 0;

  /** Reads what is stored. A damaged row is handed to `damaged`, and left out. */
  constructor(store: BeaconStore, damaged: (table: string, row: number) => void) {
    this.#store = store;
    this.#blockTexts = new LongTexts(store.blocks);
    this.#hourTexts = new LongTexts(store.hours);
    this.#stateTexts = new LongTexts(store.state);
    for (const [number, text] of this.#blockTexts.load()) {
      this.#nextBlock = number + 1;
      const block = Block.decode(number, text);
      if (block) this.#restoreBlock(block);
      else damaged('blocks', number);
    }
    for (const [number, text] of this.#hourTexts.load()) {
      const hour = parsed<Record<string, Share>>(text);
      if (hour) this.#minutes.restore(hour);
      else damaged('hours', number);
    }
    const text = this.#stateTexts.load().get(0);
    const state = text === undefined ? null : parsed<StoredState>(text);
    if (state) this.#restoreState(state);
    else if (text !== undefined) damaged('state', 0);
  }

  /** Takes a report. `isInside`: of a node of this deployment, which is believed more of others. */
  hear(report: Report, isInside: boolean, now: Millis): Heard {
    const { heard, isRepeated, isFurther } = this.#reporters.note(report);
    if (isFurther) this.#dirtySince ??= now;
    const view = this.#viewOf(report.live);
    if (view.size <= ROSTER_MEMBERS_MAX && (isInside || this.#live.size === 0)) this.#live = view;
    for (const receipt of report.receipts) this.#receive(report.guid, receipt, view, isInside ? 1 : 0, now);
    if (!isRepeated) for (const [id, count] of report.duplicates) this.#repeat(id, count, now);
    return heard;
  }

  /** When what is in memory alone should be stored; null: all of it is. Messages that all have wait for no more; too many are stored at once. */
  get flushAt(): Millis | null {
    if (this.#dirtySince === null) return null;
    if (this.#unpacked > BEACON_UNPACKED_MAX) return this.#dirtySince;
    const soonest = this.#flushedAt + BEACON_FLUSH_MS_MIN;
    return Math.max(soonest, this.#incomplete.size === 0 ? this.#dirtySince : this.#dirtySince + BEACON_FLUSH_MS);
  }

  /** Stores what has changed. */
  flush(now: Millis): void {
    this.#dirtySince = null;
    this.#flushedAt = now;
    this.#tally.refresh();
    this.#store.transaction(() => {
      for (const number of this.#gone) this.#blockTexts.delete(number);
      for (const block of this.#dirty) this.#blockTexts.put(block.number, block.encode());
      const current = hourOf(now);
      for (const hour of this.#minutes.expire(now)) this.#hourTexts.delete(hour);
      // The hour that is, is part of the state: it changes with nearly each flush.
      const hours = new Set([...this.#minutes.takeDirty(), ...(this.#hourKept < current ? [this.#hourKept] : [])]);
      for (const hour of hours) if (hour !== current) this.#putHour(hour);
      this.#hourKept = current;
      this.#stateTexts.put(0, JSON.stringify(this.#stateOf(current)));
    });
    this.#gone.length = 0;
    this.#dirty.clear();
    this.#incomplete.clear();
    this.#unpacked = 0;
    this.#reporters.kept();
  }

  /** Newest first. Null for a cursor that is none of ours. */
  page(cursor: string | null, limit: number, originator: Guid | null): BeaconPage | null {
    if (cursor !== null && !/^\d{1,15}$/.test(cursor)) return null;
    const below = cursor === null ? Infinity : Number(cursor);
    const messages: TrackedMessage[] = [];
    for (const block of this.#blocks.toReversed()) {
      for (const message of block.messages.toReversed()) {
        if (message.facts.n >= below) continue;
        if (originator !== null && message.facts.originator !== originator) continue;
        if (messages.length === limit) return { messages, next: String(messages.at(-1)?.facts.n ?? 0) };
        messages.push(message);
      }
    }
    return { messages, next: null };
  }

  message(id: MessageId): TrackedMessage | null {
    return this.#messages.get(id) ?? null;
  }

  summary(now: Millis): BeaconSummary {
    return {
      members: this.members,
      ...this.#tally.total(now),
      messages: this.#messages.size,
      oldest: this.#blocks[0]?.messages[0]?.facts.broadcastAt ?? null,
    };
  }

  /** Messages that are kept, and receipts of them. */
  get size(): number {
    return this.#messages.size;
  }

  get holders(): number {
    return this.#holders;
  }

  /** Live members, as it was told last. */
  get members(): number {
    return this.#live.size;
  }

  /** Stamp of the last change; stamps ascend, also over a crash, since they begin with the time. */
  get lastStamp(): number {
    return this.#stamp;
  }

  /** What was changed up to this stamp is forgotten in part. */
  get floorStamp(): number {
    return this.#floorStamp;
  }

  /** What has changed after a stamp, in the order in which it did, as much as fits, and the stamp at its end. */
  since(stamp: number, limit: number): { readonly news: readonly BeaconNews[]; readonly stamp: number } {
    // From before a crash: what comes now has later stamps.
    if (stamp >= this.#stamp) return { news: [], stamp };
    const later = [...this.#messages.values()].filter(({ changed }) => changed > stamp);
    const counts = later.flatMap((message) => message.countsSince(stamp)).sort(([a], [b]) => a - b);
    let cut = this.#stamp;
    let total = 0;
    for (const [at, count] of counts) {
      total += count;
      if (total < limit) continue;
      cut = at;
      break;
    }
    const news = later.flatMap((message): BeaconNews[] => {
      if (!message.hasNews(stamp, cut)) return [];
      const holders = message.since(stamp).filter((holder) => holder.stamp <= cut);
      return [{ message, holders }];
    });
    return { news, stamp: cut };
  }

  #receive(guid: Guid, receipt: Receipt, view: View, rank: Rank, now: Millis): void {
    const { id, originator, broadcastAt, expiresAt, receivedAt, hops, from } = receipt;
    const ownRank: Rank = guid === originator ? 2 : rank;
    let message = this.#messages.get(id);
    if (!message) {
      const isSound =
        broadcastAt <= now + 2 * CLOCK_SKEW_MS_MAX && expiresAt <= broadcastAt + TTL_SECONDS_MAX * 1000 + 1;
      // What was forgotten does not come back with one receipt.
      if (!isSound || broadcastAt <= this.#floorAt || view.size > ROSTER_MEMBERS_MAX) return;
      const facts = { id, n: this.#nextN++, originator, broadcastAt, expiresAt };
      message = TrackedMessage.heardOf(facts, view, ownRank, this.#nextStamp(now));
      this.#append(message);
      this.#tally.open(message, now);
      this.#touched(message, message.holders, now);
    } else if (view.size <= ROSTER_MEMBERS_MAX) {
      const { changed } = message;
      message.see(view, ownRank, this.#stamp + 1);
      if (message.changed !== changed) {
        this.#nextStamp(now);
        this.#touched(message, 0, now);
      }
    }
    const after = Math.max(0, receivedAt - broadcastAt);
    const holder = { guid, after, hops: Math.min(hops, HOPS_MAX), from, stamp: this.#stampAfter(now) };
    const wasUnpacked = message.isUnpacked;
    if (message.add(holder)) {
      this.#nextStamp(now);
      this.#holders++;
      this.#touched(message, wasUnpacked ? 1 : message.holders, now);
    }
  }

  #repeat(id: MessageId, count: number, now: Millis): void {
    const message = this.#messages.get(id);
    if (!message) return;
    message.repeat(count, this.#nextStamp(now));
    this.#touched(message, 0, now);
  }

  #stampAfter(now: Millis): number {
    return Math.max(this.#stamp + 1, Math.floor(now));
  }

  #nextStamp(now: Millis): number {
    return (this.#stamp = this.#stampAfter(now));
  }

  #touched(message: TrackedMessage, unpacked: number, now: Millis): void {
    this.#tally.change(message);
    this.#unpacked += unpacked;
    if (message.isComplete) this.#incomplete.delete(message);
    else this.#incomplete.add(message);
    const block = this.#blockOf.get(message);
    if (block) this.#dirty.add(block);
    this.#dirtySince ??= now;
  }

  #append(message: TrackedMessage): void {
    let block = this.#blocks.at(-1);
    if (!block || block.isFull) this.#blocks.push((block = new Block(this.#nextBlock++)));
    block.messages.push(message);
    this.#blockOf.set(message, block);
    this.#messages.set(message.facts.id, message);
    this.#holders += message.holders;
    this.#makeRoom();
  }

  /** The oldest block goes whole. */
  #makeRoom(): void {
    while (
      this.#blocks.length > 1 &&
      (this.#messages.size > BEACON_MESSAGES_MAX || this.#holders > BEACON_RECEIPTS_MAX)
    ) {
      const block = this.#blocks.shift();
      if (!block) return;
      this.#tally.refresh();
      for (const message of block.messages) {
        this.#floorAt = Math.max(this.#floorAt, message.facts.broadcastAt);
        this.#floorStamp = Math.max(this.#floorStamp, message.changed);
        this.#holders -= message.holders;
        this.#messages.delete(message.facts.id);
        this.#blockOf.delete(message);
        this.#tally.forget(message);
        this.#incomplete.delete(message);
      }
      this.#dirty.delete(block);
      this.#gone.push(block.number);
    }
  }

  #viewOf(intervals: readonly Interval[]): View {
    const key = JSON.stringify(intervals);
    const known = this.#views.get(key);
    if (known) return known;
    if (this.#views.size >= VIEWS_MAX) this.#views.clear();
    const view = viewOf(intervals);
    this.#views.set(key, view);
    return view;
  }

  #putHour(hour: number): void {
    const minutes = this.#minutes.hour(hour);
    if (Object.keys(minutes).length > 0) this.#hourTexts.put(hour, JSON.stringify(minutes));
    else this.#hourTexts.delete(hour);
  }

  #stateOf(hour: number): StoredState {
    return {
      heard: this.#reporters.stored(),
      floorAt: this.#floorAt,
      floorStamp: this.#floorStamp,
      live: this.#live.intervals,
      hour,
      minutes: this.#minutes.hour(hour),
    };
  }

  #restoreBlock(block: Block): void {
    this.#blocks.push(block);
    for (const message of block.messages) {
      const { id, n } = message.facts;
      this.#messages.set(id, message);
      this.#blockOf.set(message, block);
      this.#tally.restore(message);
      this.#holders += message.holders;
      this.#nextN = Math.max(this.#nextN, n + 1);
      this.#stamp = Math.max(this.#stamp, message.changed);
    }
  }

  #restoreState({ heard, floorAt, floorStamp, live, hour, minutes }: StoredState): void {
    this.#reporters.restore(heard);
    this.#floorAt = floorAt;
    this.#floorStamp = floorStamp;
    this.#stamp = Math.max(this.#stamp, floorStamp);
    this.#live = viewOf(live);
    this.#hourKept = hour;
    this.#minutes.restore(minutes);
  }
}

function parsed<T>(text: string): T | null {
  try {
    return JSON.parse(text) as T;
  } catch {
    return null;
  }
}
