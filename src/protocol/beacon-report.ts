// What a node tells the beacon: when it first had which message. All of it is read from the mempool, by the cursors that pages and handlers go by, so
// nothing is kept for it but how far the beacon has heard: what could not be told now is told later, and after a crash the beacon says where to go on.
import { backoffMs } from './backoff.ts';
import {
  BEACON_BACKOFF_MS_MAX,
  BEACON_CALLS_PER_SECOND,
  BEACON_WINDOW_MS_MIN,
  REPORT_DUPLICATES_MAX,
  REPORT_INTERVALS_MAX,
  REPORT_RECEIPTS_MAX,
} from './limits.ts';
import type { Entry, Mempool } from './mempool.ts';
import type { NodeState } from './node-state.ts';
import { endOf, formatCursor, isAfter, parseCursor, type Cursor } from './reading.ts';
import { isLive } from './roster.ts';
import type { Interval } from './sync.ts';
import type { Guid, MessageId, Millis } from './types.ts';

/** A message that came to a node for the first time, or that it originated (0 hops). */
export interface Receipt {
  readonly id: MessageId;
  readonly originator: Guid;
  readonly broadcastAt: Millis;
  readonly expiresAt: Millis;
  /** By the node's clock. */
  readonly receivedAt: Millis;
  readonly hops: number;
  /** Who delivered it; null: nobody did, or it is not known. */
  readonly from: Guid | null;
}

export interface Report {
  readonly guid: Guid;
  /** One life of the reporter, and the number of the report in it: a report that comes twice counts once. */
  readonly instance: string;
  readonly number: number;
  /** The reporter's cursors between which these receipts are. */
  readonly after: string;
  readonly through: string;
  /** GUIDs of the members that the reporter takes for live, itself included. */
  readonly live: readonly Interval[];
  readonly receipts: readonly Receipt[];
  /** How often messages came again. */
  readonly duplicates: readonly (readonly [id: MessageId, count: number])[];
}

/** The beacon's answer: the reporter's cursors up to which it has heard, and has stored. */
export interface Heard {
  readonly heard: string;
  readonly kept: string;
}

/** A report that is under way. */
interface Sent {
  readonly report: Report;
  readonly after: Cursor;
  readonly through: Cursor;
}

/** A node's side of the talk. In memory alone. */
export class Reporting {
  readonly #instance: string;
  /** What the beacon is told next follows this. After a wake that is what comes from now on, until the beacon has said what it has. */
  #cursor: Cursor;
  /** What the beacon has stored; null: it has not said yet. */
  #kept: Cursor | null = null;
  #duplicates = new Map<MessageId, number>();
  /** Duplicates of a report that was not answered: they go again under the same number. */
  #untold: Pick<Report, 'number' | 'duplicates'> | null = null;
  #number = 0;
  #sent: Sent | null = null;
  #isAsking = false;
  #failures = 0;
  #sentAt: Millis = -Infinity;
  #notBefore: Millis = -Infinity;
  #dueAt: Millis | null = null;

  /** `instance`: drawn, so that no other life has the same. */
  constructor(instance: string, mempool: Mempool) {
    this.#instance = instance;
    this.#cursor = endOf(mempool);
  }

  /** Messages came again: one id for each time. */
  repeated(ids: readonly MessageId[]): void {
    for (const id of ids) {
      const count = this.#duplicates.get(id) ?? 0;
      if (count > 0 || this.#duplicates.size < REPORT_DUPLICATES_MAX) this.#duplicates.set(id, count + 1);
    }
  }

  /** The node is awake anyway: has the beacon asked how far it has come, where that is not known, or not stored there. */
  look({ mempool }: NodeState): void {
    this.#isAsking ||= this.#kept === null ? mempool.size > 0 : isAfter(this.#cursor, this.#kept);
  }

  /** When the next report is due; null: there is nothing to tell, or one is under way. Drawn, so that members do not call all at once. */
  dueAt(state: NodeState, now: Millis, rng: () => number): Millis | null {
    if (this.#sent !== null || state.guid === null) return null;
    const isDue =
      this.#isAsking ||
      this.#untold !== null ||
      this.#duplicates.size > 0 ||
      isAfter(endOf(state.mempool), this.#cursor);
    if (!isDue) return null;
    if (this.#dueAt === null) {
      const { alive, probation, suspect } = state.roster.counts();
      const window = reportWindow(alive + probation + suspect + 1);
      this.#dueAt = Math.max(now + Math.round(rng() * window), this.#sentAt + window, this.#notBefore);
    }
    return this.#dueAt;
  }

  /** The report that is due. It is under way until it is answered or has failed. */
  next(state: NodeState, now: Millis): Report {
    if (this.#sent !== null || state.guid === null) throw new Error('assertion failed: no report is due');
    const after = this.#cursor;
    const { receipts, through } = collect(state.mempool, after);
    if (this.#untold === null) {
      this.#untold = { number: ++this.#number, duplicates: [...this.#duplicates] };
      this.#duplicates = new Map();
    }
    const report: Report = {
      guid: state.guid,
      instance: this.#instance,
      ...this.#untold,
      after: formatCursor(after),
      through: formatCursor(through),
      live: liveIntervals(state, state.guid),
      receipts,
    };
    this.#sent = { report, after, through };
    this.#sentAt = now;
    this.#dueAt = null;
    return report;
  }

  /** The beacon answered. It may have heard less than was told: then it goes on from there. */
  answered(answer: Heard, now: Millis, rng: () => number): void {
    const sent = this.#sent;
    const heard = parseCursor(answer.heard);
    const kept = parseCursor(answer.kept);
    if (!sent || !heard || !kept) return this.failed(now, rng);
    const cursor = isAfter(sent.through, heard) ? heard : sent.through;
    const isStuck = isAfter(sent.through, sent.after) && !isAfter(cursor, sent.after) && !isAfter(sent.after, cursor);
    if (isStuck) return this.failed(now, rng);
    this.#sent = null;
    this.#untold = null;
    this.#isAsking = false;
    this.#failures = 0;
    this.#cursor = cursor;
    this.#kept = kept;
  }

  /** The beacon did not answer: it is left alone for a while. */
  failed(now: Millis, rng: () => number): void {
    this.#sent = null;
    const pause = backoffMs(this.#failures++, rng);
    this.#notBefore = now + Math.min(BEACON_BACKOFF_MS_MAX, this.#failures > 8 ? pause * 5 : pause);
  }

  get failures(): number {
    return this.#failures;
  }
}

/** Time in which a member of a network of so many reports once. */
export function reportWindow(members: number): Millis {
  return Math.max(BEACON_WINDOW_MS_MIN, (members / BEACON_CALLS_PER_SECOND) * 1000);
}

/** Receipts after a cursor, as many as fit. */
function collect(mempool: Mempool, after: Cursor): { readonly receipts: Receipt[]; readonly through: Cursor } {
  const receipts: Receipt[] = [];
  let through = after;
  for (let seq = Math.max(after.seq, mempool.firstSeq); seq <= mempool.lastSeq; seq++) {
    const entries = mempool.entriesOf(seq);
    for (const entry of entries) {
      if (!isAfter(entry, after)) continue;
      if (receipts.length === REPORT_RECEIPTS_MAX) return { receipts, through };
      const receipt = receiptOf(mempool, entry);
      if (receipt) receipts.push(receipt);
      through = entry.position === entries.length - 1 ? { seq, position: Infinity } : entry;
    }
  }
  // A cursor from the future cannot be: storage and GUID of a node are lost together.
  return { receipts, through: endOf(mempool) };
}

function receiptOf(mempool: Mempool, entry: Entry): Receipt | null {
  const { id, broadcastAt, expiresAt, receivedAt, hops, from } = entry;
  const originator = entry.originator ?? mempool.read(entry)?.originator.guid ?? null;
  return originator === null ? null : { id, originator, broadcastAt, expiresAt, receivedAt, hops, from };
}

function liveIntervals({ roster }: NodeState, self: Guid): Interval[] {
  const intervals: [Guid, Guid][] = [];
  const add = (guid: Guid) => {
    const last = intervals.at(-1);
    if (last && guid === last[1] + 1) last[1] = guid;
    else intervals.push([guid, guid]);
  };
  let isSelfIn = false;
  for (const { guid, state } of roster.sorted()) {
    if (!isSelfIn && guid > self) {
      isSelfIn = true;
      add(self);
    }
    if (isLive(state)) add(guid);
  }
  if (!isSelfIn) add(self);
  return intervals.slice(0, REPORT_INTERVALS_MAX);
}
