// The stream of a node's messages: what a reader is sent, and when it has to wait. The reader acknowledges the frames that it has; a few may be under
// way without. So what a slow reader keeps in the node's memory is bounded, and a cut loses nothing: it comes back with the cursor of the last frame
// that it has. A frame comes whole or not at all, so no message comes twice.
import {
  STREAM_ACKNOWLEDGE_MS,
  STREAM_ACKNOWLEDGEMENT_CHARS_MAX,
  STREAM_CHECKPOINT_MS,
  STREAM_FRAME_CHARS_MAX,
  STREAM_FRAME_MESSAGES_MAX,
  STREAM_WINDOW_CHARS,
  STREAM_WINDOW_FRAMES,
} from './limits.ts';
import { eventOf, isObject } from './message.ts';
import type { Mempool } from './mempool.ts';
import { formatCursor, isAfter, parseCursor, readOn, startOf, type Cursor, type Portion } from './reading.ts';
import type { Guid, JsonValue, Millis, StoredMessage } from './types.ts';

/** A frame that the reader has not acknowledged: the cursor at its end, characters, and when it was sent. */
export type SentFrame = readonly [cursor: string, chars: number, at: Millis];

/** What is kept of a reader between two turns. Plain data: it is stored beside its socket, and outlives the node's memory. */
export interface StreamReader {
  /** How far the node has come for it. */
  readonly cursor: string;
  /** Names of events; none: everything. */
  readonly events: readonly string[];
  readonly unacknowledged: readonly SentFrame[];
  /** When it was last told a cursor. */
  readonly toldAt: Millis;
}

/** What a reader is told. Kinds that it does not know it should pass over. */
export type StreamFrame =
  /** First of all. `cursor` is where it begins; `guid` is the node's, null before it has joined. */
  | { readonly type: 'hello'; readonly guid: Guid | null; readonly cursor: string }
  /** Messages expired before they could be sent, or were lost; null: an unknown number, perhaps none. */
  | { readonly type: 'gap'; readonly missed: number | null }
  /** To be acknowledged with its cursor. Without messages it only tells the cursor. */
  | { readonly type: 'messages'; readonly messages: readonly StoredMessage[]; readonly cursor: string }
  /** Last of all, over Server-Sent Events, where there are no close codes. `time`: come back for more. */
  | { readonly type: 'end'; readonly reason: 'time' | 'too-slow' };

/** `caught-up`: nothing waits for it; `too-slow`: it has not acknowledged for too long what others wait behind. */
export type Readiness = 'ready' | 'caught-up' | 'waiting' | 'too-slow';

/** Where a reader begins; null where its cursor is none of ours. `now` is after all that is stored, null before it. */
export function beginning(mempool: Mempool, cursor: string | null): string | null {
  if (cursor === null) return formatCursor(startOf(mempool));
  if (cursor === 'now') return String(mempool.lastSeq);
  return parseCursor(cursor) && cursor;
}

/** Whether a reader may be sent something now. */
export function readiness(reader: StreamReader, { lastSeq }: Pick<Mempool, 'lastSeq'>, now: Millis): Readiness {
  const { seq, position } = cursorOf(reader.cursor);
  if (seq === lastSeq && position === Infinity) return 'caught-up';
  const [oldest] = reader.unacknowledged;
  if (oldest && now - oldest[2] > STREAM_ACKNOWLEDGE_MS) return 'too-slow';
  const isFull =
    reader.unacknowledged.length >= STREAM_WINDOW_FRAMES || unacknowledgedChars(reader) >= STREAM_WINDOW_CHARS;
  return isFull ? 'waiting' : 'ready';
}

/** What follows a cursor, as much as fits a frame. */
export function nextPortion(mempool: Mempool, cursor: string, events: readonly string[], now: Millis): Portion {
  const wants = (message: StoredMessage) => events.includes(eventOf(message.data)?.name ?? '');
  const bounds = { messages: STREAM_FRAME_MESSAGES_MAX, chars: STREAM_FRAME_CHARS_MAX };
  return readOn(mempool, cursorOf(cursor), bounds, now, events.length === 0 ? null : wants);
}

/** The frames of a portion; none where it has nothing that the reader should know now. */
export function framesOf(portion: Portion, toldAt: Millis, now: Millis): readonly StreamFrame[] {
  const { messages, missed, more } = portion;
  const gap = missed === 0 ? [] : [{ type: 'gap', missed } as const];
  // Where it ends for its bounds alone it must be answered, or nobody would go on.
  const isDue = messages.length > 0 || gap.length > 0 || more || now - toldAt >= STREAM_CHECKPOINT_MS;
  return isDue ? [...gap, { type: 'messages', messages, cursor: formatCursor(portion.cursor) }] : [];
}

/** The reader after it was sent these frames of a portion, `chars` in all. */
export function afterSending(
  reader: StreamReader,
  portion: Pick<Portion, 'cursor'>,
  chars: number,
  now: Millis,
): StreamReader {
  const cursor = formatCursor(portion.cursor);
  if (chars === 0) return { ...reader, cursor };
  return { ...reader, cursor, toldAt: now, unacknowledged: [...reader.unacknowledged, [cursor, chars, now]] };
}

/**
 * The reader after it said something; null where that acknowledges nothing: so a reader cannot say more than it is sent. An acknowledgement is
 * `{"ack": cursor}`, and of all frames before it too.
 */
export function acknowledge(reader: StreamReader, text: string): StreamReader | null {
  const cursor = acknowledged(text);
  const last = reader.unacknowledged.at(-1);
  if (!cursor || !last || isAfter(cursor, cursorOf(last[0]))) return null;
  const unacknowledged = reader.unacknowledged.filter(([sent]) => isAfter(cursorOf(sent), cursor));
  return unacknowledged.length === reader.unacknowledged.length ? null : { ...reader, unacknowledged };
}

/** Characters that may be in memory still for this reader. */
export function unacknowledgedChars({ unacknowledged }: StreamReader): number {
  return unacknowledged.reduce((sum, [, chars]) => sum + chars, 0);
}

function acknowledged(text: string): Cursor | null {
  if (text.length > STREAM_ACKNOWLEDGEMENT_CHARS_MAX) return null;
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    return null;
  }
  const ack = isObject(value) ? value['ack'] : null;
  return typeof ack === 'string' ? parseCursor(ack) : null;
}

function cursorOf(text: string): Cursor {
  const cursor = parseCursor(text);
  if (!cursor) throw new Error(`assertion failed: ${text} is no cursor of ours`);
  return cursor;
}
