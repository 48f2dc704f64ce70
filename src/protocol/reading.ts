// Reading the mempool in the order of arrival. Pages of the API, the stream and handlers all go by the same cursors, so that one can begin
// with pages and go on with the stream. A cursor is one node's own: it says nothing to another.
import { MESSAGES_SCANNED_MAX, SCANNED_CHARS_MAX } from './limits.ts';
import type { Mempool } from './mempool.ts';
import type { Millis, StoredMessage } from './types.ts';

/** What was read last. On the wire `seq` is after all of a segment, `seq.position` after a message inside of it. */
export interface Cursor {
  readonly seq: number;
  /** Infinity: all of the segment. */
  readonly position: number;
}

/** How much to read at once. At least one message is read, whatever its size. */
export interface Bounds {
  readonly messages: number;
  /** Characters of bodies. */
  readonly chars: number;
}

export interface Portion {
  readonly messages: readonly StoredMessage[];
  /** Characters of their bodies. */
  readonly chars: number;
  /** Where it ends. */
  readonly cursor: Cursor;
  /** Whether something is stored after it. */
  readonly more: boolean;
  /** Messages that expired, or were damaged, before they could be read; null: an unknown number of them, perhaps none. */
  readonly missed: number | null;
  /** Those of them that are still known of. */
  readonly expired: number;
}

/** Characters of bodies in one page: decoded they take several times as much, and an answer must fit RPC and memory. */
const PAGE_CHARS_MAX = 1_000_000;

/** Reads a cursor; null where it is none of ours. */
export function parseCursor(text: string): Cursor | null {
  const [, seq, position] = /^(\d{1,15})(?:\.(\d{1,7}))?$/.exec(text) ?? [];
  if (seq === undefined) return null;
  return { seq: Number(seq), position: position === undefined ? Infinity : Number(position) };
}

export function formatCursor({ seq, position }: Cursor): string {
  return position === Infinity ? String(seq) : `${seq}.${position}`;
}

/** Whether `place` comes after `cursor`. */
export function isAfter(place: Cursor, cursor: Cursor): boolean {
  return place.seq > cursor.seq || (place.seq === cursor.seq && place.position > cursor.position);
}

/** After everything that is stored. */
export function endOf(mempool: Mempool): Cursor {
  return { seq: mempool.lastSeq, position: Infinity };
}

/** Before everything that is stored. */
export function startOf(mempool: Mempool): Cursor {
  return { seq: mempool.firstSeq - 1, position: Infinity };
}

/**
 * Unexpired messages after a cursor that `wants` takes (null: all of them), in the order of their arrival. What of the cursor's past is
 * not there any more is told in `missed`. A cursor from the future was given before the node lost its storage: all is read.
 */
export function readOn(
  mempool: Mempool,
  from: Cursor,
  bounds: Bounds,
  now: Millis,
  wants: ((message: StoredMessage) => boolean) | null,
): Portion {
  const isLost = from.seq > mempool.lastSeq;
  const after = isLost ? startOf(mempool) : from;
  const messages: StoredMessage[] = [];
  let isGone = isLost || isAfter(startOf(mempool), after);
  let expired = 0;
  let cursor = after;
  let chars = 0;
  let scanned = 0;
  let scannedChars = 0;
  const portion = (at: Cursor, more: boolean): Portion => {
    return { messages, chars, cursor: at, more, missed: isGone ? null : expired, expired };
  };
  for (let seq = Math.max(after.seq, mempool.firstSeq); seq <= mempool.lastSeq; seq++) {
    const entries = mempool.entriesOf(seq);
    // It has expired before others that came earlier, or what tells of it is damaged.
    if (entries.length === 0 && isAfter({ seq, position: Infinity }, after)) isGone = true;
    for (const entry of entries) {
      if (!isAfter(entry, after)) continue;
      const isFull = messages.length === bounds.messages || chars > bounds.chars;
      if (isFull || scanned === MESSAGES_SCANNED_MAX || scannedChars > SCANNED_CHARS_MAX) return portion(cursor, true);
      scanned++;
      const isExpired = entry.expiresAt <= now;
      const message = isExpired && !wants ? null : mempool.read(entry);
      const size = message ? (mempool.bodyOf(entry)?.length ?? 0) : 0;
      scannedChars += size;
      if (message === null || (isExpired && wants?.(message))) expired++;
      else if (!isExpired && (!wants || wants(message))) {
        messages.push(message);
        chars += size;
      }
      cursor = entry.position === entries.length - 1 ? { seq, position: Infinity } : entry;
    }
  }
  return portion(endOf(mempool), false);
}

/** A page of the API: `next` is null at the end, `cursor` is where it ends. Null for a cursor that is none of ours. */
export function readPage(
  mempool: Mempool,
  text: string | null,
  limit: number,
  now: Millis,
): { messages: readonly StoredMessage[]; next: string | null; cursor: string } | null {
  const after = text === null ? startOf(mempool) : parseCursor(text);
  if (!after) return null;
  const bounds = { messages: limit, chars: PAGE_CHARS_MAX };
  const { messages, cursor, more } = readOn(mempool, after, bounds, now, null);
  return { messages, next: more ? formatCursor(cursor) : null, cursor: formatCursor(cursor) };
}
