// Range-based set reconciliation (Meyer 2022, arxiv 2212.13567; logperiodic.com/rbsr.html; negentropy's rules, our own frames): two
// nodes find out what one has and the other lacks by comparing fingerprints of ranges and cutting those that differ. The
// initiator asks, the responder answers, neither keeps anything between frames, and only the initiator learns the difference.
import { FINGERPRINT_CHARS, isBefore, type Bound, type SortedItems } from './fingerprint.ts';
import { assert, type JsonObject, type JsonValue, type MessageId } from './types.ts';

/**
 * What is said of a range: null, nothing more to say; a string, its fingerprint; a list, from the responder the ids that it has
 * there, from the initiator the wish to be told them (what it lists is not looked at).
 */
export type Payload = null | string | readonly MessageId[];

/** A range reaches from where the one before it ended, the first from the beginning, up to `upper`; null: to the end. */
export type FrameRange = readonly [upper: Bound | null, payload: Payload];

/** What one side sends, as it is on the wire. After the last range there is nothing more to say. */
export type Frame = { readonly ranges: readonly FrameRange[] };

export interface Step {
  /** What to send; null where the initiator has nothing more to ask. The responder always answers. */
  readonly reply: Frame | null;
  /** What the other one was found to lack. Empty at the responder. */
  readonly have: MessageId[];
  /** What the other one says it has and the slice it belongs to lacks: its word only. Empty at the responder. */
  readonly need: MessageId[];
}

/** The smallest `frameBytesMax`: at the longest bounds, a frame holds one id and what surrounds it (480 B), doubled. */
export const FRAME_BYTES_MIN = 1_024;

/** Ranges, and ids, that a frame may have: about what 256 KB hold, so reading one costs some ms (guess). */
export const FRAME_RANGES_MAX = 4_096;
export const FRAME_IDS_MAX = 4_096;

/**
 * Parts that a range is cut into (measured over 1,000 to 100,000 items with 10 and 100 differences, frames of 60,000 B: with
 * negentropy's 16, which lists up to 32 items, it's as many rounds, since frames get full, and a third more bytes).
 */
const PARTS = 8;

/** Ranges of up to so many items are not cut but listed by the responder, or asked for by the initiator (measured with PARTS). */
const LISTED_MAX = 8;

/** `,[[9007199254740991,"…64…"],null]`: what passing over ranges takes at most. */
const SKIP_BYTES = 93;

/** `,[[9007199254740991,"…64…"],"…32…"]`: a fingerprint at most. */
const FINGERPRINT_BYTES = 123;

/** `"…64…",` */
const ID_BYTES = 67;

const ID = /^[0-9a-f]{64}$/;
const ID_PREFIX = /^[0-9a-f]{0,64}$/;
const FINGERPRINT = new RegExp(`^[0-9a-f]{${FINGERPRINT_CHARS}}$`);

/** The initiator's first frame: the fingerprint of all it has, or at once the wish to be told everything. */
export function startReconciliation(items: SortedItems): Frame {
  return { ranges: [[null, items.size === 0 ? [] : items.fingerprint(0, items.size)]] };
}

/**
 * One step: takes the other side's frame and says what to send back and, at the initiator, what was found. Frames never have more
 * bytes of JSON than `frameBytesMax` (at least FRAME_BYTES_MIN): what doesn't fit comes in later rounds, after a fingerprint of the
 * rest (negentropy's frameSizeLimit). A step's work is linear in the two frames (each range a binary search), and in the initiator's
 * own items once. In one step nothing is found twice; over several it may be, where a frame was full (the rest may reach over
 * ranges that are done) or a set changed: callers keep sets. With an honest other side and sets that rest it ends, since the first
 * range that is not done always gets smaller. One that lies can go on for ever: the caller limits rounds, and what it fetches.
 */
export function reconcile(
  items: SortedItems,
  frame: Frame,
  frameBytesMax: number,
  role: 'initiator' | 'responder',
): Step {
  assert(frameBytesMax >= FRAME_BYTES_MIN, 'frameBytesMax is FRAME_BYTES_MIN or more');
  const isInitiator = role === 'initiator';
  const writer = new FrameWriter(items, frameBytesMax);
  const have: MessageId[] = [];
  const need = new Set<MessageId>();
  for (const [upper, payload] of frame.ranges) {
    const from = writer.reached;
    const to = items.indexOf(upper, from);
    if (payload === null) writer.skip(upper, to);
    else if (typeof payload === 'string') {
      if (payload === items.fingerprint(from, to)) writer.skip(upper, to);
      else if (to - from > LISTED_MAX) writer.cut(upper, to);
      else if (isInitiator) writer.add(upper, [], to);
      else writer.list(upper, to);
    } else if (isInitiator) {
      compare(items.ids(from, to), payload, have, need);
      writer.skip(upper, to);
    } else writer.list(upper, to);
    if (writer.isFull) {
      writer.closeWith(endOf(frame));
      break;
    }
  }
  const reply = isInitiator && writer.ranges.length === 0 ? null : { ranges: writer.ranges };
  return { reply, have, need: [...need] };
}

/** Checks a frame from outside; null where it is none, or has too much in it. Total, and linear in what it accepts. */
export function readFrame(value: JsonValue): Frame | null {
  const list = isObject(value) ? value['ranges'] : null;
  if (!isArray(list) || list.length > FRAME_RANGES_MAX) return null;
  const ranges: FrameRange[] = [];
  let last: Bound | null | undefined;
  let ids = 0;
  for (const item of list) {
    if (!isArray(item) || item.length !== 2) return null;
    const upper = readBound(item[0]);
    const payload = readPayload(item[1], FRAME_IDS_MAX - ids);
    if (upper === undefined || payload === undefined) return null;
    // After the end there is nothing, and bounds ascend.
    if (last === null) return null;
    if (last && upper && !isBefore(last[0], last[1], upper)) return null;
    if (typeof payload === 'object' && payload) ids += payload.length;
    ranges.push([upper, payload]);
    last = upper;
  }
  return { ranges };
}

function readBound(value: JsonValue | undefined): Bound | null | undefined {
  if (value === null) return null;
  if (!isArray(value) || value.length !== 2) return undefined;
  const [at, prefix] = value;
  if (typeof at !== 'number' || !Number.isSafeInteger(at) || at < 0) return undefined;
  return typeof prefix === 'string' && ID_PREFIX.test(prefix) ? [at, prefix] : undefined;
}

function readPayload(value: JsonValue | undefined, idsMax: number): Payload | undefined {
  if (value === null) return null;
  if (typeof value === 'string') return FINGERPRINT.test(value) ? value : undefined;
  if (!isArray(value) || value.length > idsMax) return undefined;
  const ids = value.filter((id) => typeof id === 'string' && ID.test(id)) as MessageId[];
  return ids.length === value.length ? ids : undefined;
}

function isArray(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !isArray(value);
}

/** What of `ours` is not in `theirs` goes to `have`, the reverse to `need`. */
function compare(
  ours: readonly MessageId[],
  theirs: readonly MessageId[],
  have: MessageId[],
  need: Set<MessageId>,
): void {
  const listed = new Set(theirs);
  for (const id of ours) if (!listed.delete(id)) have.push(id);
  for (const id of listed) need.add(id);
}

/** Where the last range ends of which there was something to say: what follows is known to be equal. */
function endOf(frame: Frame): Bound | null {
  return frame.ranges.findLast(([, payload]) => payload !== null)?.[0] ?? null;
}

/** Builds a frame that never has more than so many bytes: there is always room left for passing over ranges and a fingerprint. */
class FrameWriter {
  readonly ranges: FrameRange[] = [];
  readonly #items: SortedItems;
  readonly #bytesMax: number;
  #bytes = JSON.stringify({ ranges: [] }).length;
  #ids = 0;
  /** Ranges up to here are to be passed over before the next is written. Those at the end need no word. */
  #skipped: Bound | null = null;
  #reached = 0;
  #isFull = false;

  constructor(items: SortedItems, bytesMax: number) {
    this.#items = items;
    this.#bytesMax = bytesMax - SKIP_BYTES - FINGERPRINT_BYTES;
  }

  /** Index of the first item that nothing was said of. */
  get reached(): number {
    return this.#reached;
  }

  /** Whether something did not fit. */
  get isFull(): boolean {
    return this.#isFull;
  }

  skip(upper: Bound | null, to: number): void {
    this.#skipped = upper;
    this.#reached = to;
  }

  /** Says something of the range up to `upper`, where item `to` stands; or is full. */
  add(upper: Bound | null, payload: Payload, to: number): void {
    const added: FrameRange[] = this.#skipped ? [[this.#skipped, null]] : [];
    added.push([upper, payload]);
    const bytes = added.reduce((sum, range) => sum + JSON.stringify(range).length + 1, this.#bytes);
    const isTooMuch = bytes > this.#bytesMax || this.ranges.length + added.length > FRAME_RANGES_MAX - 2;
    if (isTooMuch) this.#isFull = true;
    else this.#push(added, bytes, to);
  }

  /** Lists the items up to `to`, or as many as fit. */
  list(upper: Bound | null, to: number): void {
    const room = this.#bytesMax - this.#bytes - 2 * SKIP_BYTES;
    const idsMax = Math.min(Math.floor(room / ID_BYTES), FRAME_IDS_MAX - this.#ids);
    const end = Math.min(to, this.#reached + idsMax);
    if (idsMax > 0) {
      const ids = this.#items.ids(this.#reached, end);
      this.add(end === to ? upper : this.#items.boundBefore(end), ids, end);
    }
    if (end < to || idsMax <= 0) this.#isFull = true;
  }

  /** Cuts the items up to `to`, two or more, into parts of about equal size and gives their fingerprints, or those that fit. */
  cut(upper: Bound | null, to: number): void {
    const from = this.#reached;
    const parts = Math.min(PARTS, to - from);
    for (let part = 1; part <= parts && !this.#isFull; part++) {
      const end = from + Math.floor(((to - from) * part) / parts);
      const bound = part === parts ? upper : this.#items.boundBefore(end);
      this.add(bound, this.#items.fingerprint(this.#reached, end), end);
    }
  }

  /** The last range: the fingerprint of what nothing was said of, up to `upper`. For this there is room. */
  closeWith(upper: Bound | null): void {
    const to = this.#items.indexOf(upper, this.#reached);
    if (this.#skipped) this.ranges.push([this.#skipped, null]);
    this.ranges.push([upper, this.#items.fingerprint(this.#reached, to)]);
  }

  #push(added: readonly FrameRange[], bytes: number, to: number): void {
    this.ranges.push(...added);
    this.#bytes = bytes;
    const payload = added.at(-1)?.[1];
    if (typeof payload === 'object' && payload) this.#ids += payload.length;
    this.#skipped = null;
    this.#reached = to;
  }
}
