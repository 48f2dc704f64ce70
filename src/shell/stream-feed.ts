// What a stream is of: readers, over sockets and over Server-Sent Events, go by the same rules whatever they read (src/protocol/stream.ts).
import type { Beacon, BeaconNews } from '../protocol/beacon.ts';
import { BEACON_FRAME_RECEIPTS_MAX } from '../protocol/limits.ts';
import type { NodeState } from '../protocol/node-state.ts';
import { parseCursor, type Cursor } from '../protocol/reading.ts';
import { beginning, framesOf, nextPortion } from '../protocol/stream.ts';
import type { Millis } from '../protocol/types.ts';
import { frameText } from './stream-text.ts';

/** A frame as it is sent. `cursor`: where it ends; null where it has none. */
export interface FrameText {
  readonly text: string;
  readonly cursor: string | null;
}

/** What follows a cursor, as much as fits a frame. */
export interface Piece {
  /** Where it ends. */
  readonly cursor: Cursor;
  /** Whether a reader that was told its cursor then should have frames of it now. */
  isDue(toldAt: Millis, now: Millis): boolean;
  frames(): readonly FrameText[];
}

export interface StreamFeed {
  /** A reader whose cursor has this number has everything. */
  readonly lastSeq: number;
  /** Where a reader begins; null where its cursor is none of ours. */
  begin(cursor: string | null): string | null;
  /** The first frame of all, for who begins there. */
  hello(cursor: string): FrameText;
  next(cursor: string, events: readonly string[], now: Millis): Piece;
  count(name: 'stream_frames' | 'stream_cut_slow' | 'stream_cut_bad'): void;
}

/** The messages of a node. */
export function nodeFeed(state: () => NodeState): StreamFeed {
  return {
    get lastSeq() {
      return state().mempool.lastSeq;
    },
    begin: (cursor) => beginning(state().mempool, cursor),
    hello: (cursor) => ({ text: frameText({ type: 'hello', guid: state().guid, cursor }), cursor }),
    next(cursor, events, now) {
      const portion = nextPortion(state().mempool, cursor, events, now);
      return {
        cursor: portion.cursor,
        isDue: (toldAt, at) => framesOf(portion, toldAt, at).length > 0,
        frames: () =>
          framesOf(portion, -Infinity, now).map((frame) => ({
            text: frameText(frame),
            cursor: 'cursor' in frame ? frame.cursor : null,
          })),
      };
    },
    count: (name) => state().counters.add(name),
  };
}

/** What a beacon hears. Cursors are stamps. */
export function beaconFeed(beacon: () => Beacon, network: string): StreamFeed {
  return {
    get lastSeq() {
      return beacon().lastStamp;
    },
    begin(cursor) {
      if (cursor === null) return String(beacon().floorStamp);
      if (cursor === 'now') return String(beacon().lastStamp);
      return parseCursor(cursor)?.position === Infinity ? cursor : null;
    },
    hello(cursor) {
      return { text: JSON.stringify({ type: 'hello', network, members: beacon().members, cursor }), cursor };
    },
    next(cursor) {
      const from = Number(cursor);
      const { news, stamp } = beacon().since(from, BEACON_FRAME_RECEIPTS_MAX);
      const isGap = from < beacon().floorStamp;
      return {
        cursor: { seq: stamp, position: Infinity },
        isDue: () => isGap || news.length > 0,
        frames: () => [
          ...(isGap ? [{ text: JSON.stringify({ type: 'gap' }), cursor: null }] : []),
          { text: newsText(news, String(stamp)), cursor: String(stamp) },
        ],
      };
    },
    // Nobody asks a beacon for these.
    count: () => undefined,
  };
}

function newsText(news: readonly BeaconNews[], cursor: string): string {
  const messages = news.map(({ message, holders }) => ({
    id: message.facts.id,
    originator: message.facts.originator,
    broadcast_timestamp: message.facts.broadcastAt / 1000,
    members: message.members,
    duplicates: message.duplicates,
    receipts: holders.map(({ guid, after, hops, from }) => [guid, after / 1000, hops, from]),
  }));
  return JSON.stringify({ type: 'receipts', cursor, messages });
}
