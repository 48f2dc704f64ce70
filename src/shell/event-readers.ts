// Readers of a stream, a node's or the beacon's, over Server-Sent Events (WHATWG HTML, section 9.2), for whoever cannot use WebSockets. Each holds a connection open, and
// the object awake, so there are fewer of them, and none for long. Nothing is read for a reader before its connection takes more.
import type { StreamRefusal, StreamRequest } from '../api/ports.ts';
import {
  STREAM_ACKNOWLEDGE_MS,
  STREAM_COMMENT_MS,
  STREAM_EVENT_READERS_MAX,
  STREAM_EVENTS_MS_MAX,
} from '../protocol/limits.ts';
import { readiness, type StreamReader } from '../protocol/stream.ts';
import { formatCursor } from '../protocol/reading.ts';
import type { Millis } from '../protocol/types.ts';
import type { FrameText, StreamFeed } from './stream-feed.ts';
import { frameText } from './stream-text.ts';

/** How long a reader's program should wait before it comes back, milliseconds. */
const RETRY_MS = 1_000;

interface EventReader {
  reader: StreamReader;
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
  readonly endsAt: Millis;
  /** What it is told before anything else. */
  greeting: string | null;
  /** Since when it has not taken what it was given; null: it waits for more. */
  busySince: Millis | null;
  /** Ends its waiting. */
  wake(): void;
}

export class EventReaders {
  readonly #feed: StreamFeed;
  readonly #readers = new Set<EventReader>();

  constructor(feed: StreamFeed) {
    this.#feed = feed;
  }

  /** Readers that are connected. */
  get size(): number {
    return this.#readers.size;
  }

  /** Begins a stream of events. */
  open({ cursor, events }: StreamRequest): Response | StreamRefusal {
    const from = this.#feed.begin(cursor);
    if (from === null) return 'unknown-cursor';
    if (this.size >= STREAM_EVENT_READERS_MAX) return 'too-many-readers';
    const now = Date.now();
    const greeting = `retry: ${RETRY_MS}\n${eventText(this.#feed.hello(from))}`;
    let own: EventReader;
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          const reader: StreamReader = { cursor: from, events, unacknowledged: [], toldAt: now };
          const endsAt = now + STREAM_EVENTS_MS_MAX;
          own = { reader, controller, endsAt, greeting, busySince: now, wake: () => undefined };
          this.#readers.add(own);
        },
        pull: () => this.#pull(own),
        cancel: () => this.#drop(own),
      },
      // Nothing is made before it is asked for.
      { highWaterMark: 0 },
    );
    return new Response(body, { headers: { 'Content-Type': 'text/event-stream; charset=utf-8' } });
  }

  /** Messages were stored. Who waits gets them; who has taken nothing for long is cut. */
  arrived(): void {
    const now = Date.now();
    for (const own of this.#readers) {
      if (own.busySince === null) own.wake();
      else if (now - own.busySince > STREAM_ACKNOWLEDGE_MS) {
        this.#feed.count('stream_cut_slow');
        this.#end(own, 'too-slow');
      }
    }
  }

  /** Ends all of them, as when their time is up. */
  end(): void {
    for (const own of this.#readers) this.#end(own, 'time');
  }

  /** The connection takes more: gives it what there is, or waits. */
  async #pull(own: EventReader): Promise<void> {
    own.busySince = null;
    while (this.#readers.has(own)) {
      const now = Date.now();
      if (now >= own.endsAt) return this.#end(own, 'time');
      const text = own.greeting ?? this.#next(own, now);
      own.greeting = null;
      if (text !== '') return this.#give(own, text);
      const ms = Math.min(STREAM_COMMENT_MS, own.endsAt - now);
      const isWoken = await new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(false), ms);
        own.wake = () => {
          clearTimeout(timer);
          resolve(true);
        };
      });
      // Whether anybody is there still shows only when something is written.
      if (!isWoken && this.#readers.has(own)) return this.#give(own, ':\n\n');
    }
  }

  #next(own: EventReader, now: Millis): string {
    const { reader } = own;
    if (readiness(reader, this.#feed, now) !== 'ready') return '';
    const piece = this.#feed.next(reader.cursor, reader.events, now);
    const isDue = piece.isDue(reader.toldAt, now);
    own.reader = { ...reader, cursor: formatCursor(piece.cursor), toldAt: isDue ? now : reader.toldAt };
    if (!isDue) return '';
    this.#feed.count('stream_frames');
    return piece.frames().map(eventText).join('');
  }

  #give(own: EventReader, text: string): void {
    own.busySince = Date.now();
    own.controller.enqueue(new TextEncoder().encode(text));
  }

  #end(own: EventReader, reason: 'time' | 'too-slow'): void {
    own.controller.enqueue(
      new TextEncoder().encode(eventText({ text: frameText({ type: 'end', reason }), cursor: null })),
    );
    own.controller.close();
    this.#drop(own);
  }

  #drop(own: EventReader): void {
    this.#readers.delete(own);
    own.wake();
  }
}

/** A frame as an event. What has a cursor has it as its id, which the reader's program sends when it comes back. */
function eventText({ text, cursor }: FrameText): string {
  const id = cursor === null ? '' : `id: ${cursor}\n`;
  return `${id}data: ${text}\n\n`;
}
