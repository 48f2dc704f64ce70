// Readers of a stream, a node's or the beacon's, over WebSockets. The sockets hibernate: what is kept of a reader is attached to its socket, so the object may be
// evicted at any time, and idle readers cost nothing. The rules are in src/protocol/stream.ts.
import type { StreamRefusal, StreamRequest } from '../api/ports.ts';
import { STREAM_NETWORK_READERS_MAX, STREAM_READERS_MAX, STREAM_UNACKNOWLEDGED_CHARS_MAX } from '../protocol/limits.ts';
import { acknowledge, afterSending, readiness, unacknowledgedChars, type StreamReader } from '../protocol/stream.ts';
import type { Millis } from '../protocol/types.ts';
import type { Piece, StreamFeed } from '../shell/stream-feed.ts';

/** Close codes of ours, RFC 6455 section 7.4.2. */
const BAD_MESSAGE = 4400;
const TOO_SLOW = 4408;

/** Answered by the platform without waking the object. */
const PING = 'ping';
const PONG = 'pong';

/** What several readers at the same place are sent, read and made into text once. */
interface Shared {
  readonly piece: Piece;
  texts: readonly string[] | null;
}

export class SocketReaders {
  readonly #ctx: DurableObjectState;
  readonly #feed: StreamFeed;
  /** By socket; read from the attachments when the object wakes. Null: not yet. */
  #known: Map<WebSocket, StreamReader> | null = null;
  #unacknowledged = 0;

  constructor(ctx: DurableObjectState, feed: StreamFeed) {
    this.#ctx = ctx;
    this.#feed = feed;
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(PING, PONG));
  }

  /** Readers that are connected. */
  get size(): number {
    return this.#ctx.getWebSockets().length;
  }

  /** Opens a WebSocket: hello, and what is there already as far as it fits a frame. */
  open({ cursor, events, network }: StreamRequest): Response | StreamRefusal {
    const from = this.#feed.begin(cursor);
    if (from === null) return 'unknown-cursor';
    const isFull =
      this.size >= STREAM_READERS_MAX ||
      (network !== null && this.#ctx.getWebSockets(network).length >= STREAM_NETWORK_READERS_MAX);
    if (isFull) return 'too-many-readers';
    const readers = this.#readers();
    const { 0: client, 1: server } = new WebSocketPair();
    this.#ctx.acceptWebSocket(server, network === null ? [] : [network]);
    const now = Date.now();
    const reader: StreamReader = { cursor: from, events, unacknowledged: [], toldAt: now };
    readers.set(server, reader);
    server.serializeAttachment(reader);
    server.send(this.#feed.hello(from).text);
    this.#turn(server, reader, new Map(), now);
    return new Response(null, { status: 101, webSocket: client });
  }

  /** A reader said something. */
  heard(socket: WebSocket, data: string | ArrayBuffer): void {
    const reader = this.#readers().get(socket);
    if (!reader) return;
    const after = typeof data === 'string' ? acknowledge(reader, data) : null;
    if (!after) return this.#cut(socket, BAD_MESSAGE, 'it acknowledges nothing that was sent');
    this.#keep(socket, reader, after);
    this.#turn(socket, after, new Map(), Date.now());
  }

  /** The reader closed its socket, or it broke. */
  closed(socket: WebSocket): void {
    this.#forget(socket);
    // The handshake's other half: without it the reader's program waits for it.
    socket.close();
  }

  #forget(socket: WebSocket): void {
    const readers = this.#readers();
    const reader = readers.get(socket);
    if (reader) this.#unacknowledged -= unacknowledgedChars(reader);
    readers.delete(socket);
  }

  /** Messages were stored: a frame for each reader that may have one. What does not fit goes when it is acknowledged. */
  arrived(): void {
    const now = Date.now();
    const shared = new Map<string, Shared>();
    for (const [socket, reader] of this.#readers()) this.#turn(socket, reader, shared, now);
  }

  #turn(socket: WebSocket, reader: StreamReader, shared: Map<string, Shared>, now: Millis): void {
    const ready = readiness(reader, this.#feed, now);
    if (ready === 'too-slow') this.#cut(socket, TOO_SLOW, 'too slow: a frame was not acknowledged in time');
    if (ready !== 'ready') return;
    const { piece, texts } = this.#next(reader, shared, now);
    const chars = texts.reduce((sum, text) => sum + text.length, 0);
    this.#makeRoom(chars);
    if (!this.#readers().has(socket)) return;
    try {
      for (const text of texts) socket.send(text);
    } catch {
      // It is closing: who wants the rest comes back.
      return this.#forget(socket);
    }
    if (texts.length > 0) this.#feed.count('stream_frames');
    this.#keep(socket, reader, afterSending(reader, piece, chars, now));
  }

  #next({ cursor, events, toldAt }: StreamReader, turn: Map<string, Shared>, now: Millis) {
    const key = JSON.stringify([cursor, events]);
    const shared = turn.get(key) ?? { piece: this.#feed.next(cursor, events, now), texts: null };
    turn.set(key, shared);
    const { piece } = shared;
    if (!piece.isDue(toldAt, now)) return { piece, texts: [] };
    shared.texts ??= piece.frames().map(({ text }) => text);
    return { piece, texts: shared.texts };
  }

  /** Cuts whoever has kept the node waiting longest, until so much fits into memory. */
  #makeRoom(chars: number): void {
    while (this.#unacknowledged > 0 && this.#unacknowledged + chars > STREAM_UNACKNOWLEDGED_CHARS_MAX) {
      let slowest: WebSocket | null = null;
      let since = Infinity;
      for (const [socket, { unacknowledged }] of this.#readers()) {
        const at = unacknowledged[0]?.[2] ?? Infinity;
        if (at < since) [slowest, since] = [socket, at];
      }
      if (!slowest) return;
      this.#cut(slowest, TOO_SLOW, 'too slow: the node has too much that readers did not acknowledge');
    }
  }

  #cut(socket: WebSocket, code: number, reason: string): void {
    this.#forget(socket);
    this.#feed.count(code === TOO_SLOW ? 'stream_cut_slow' : 'stream_cut_bad');
    socket.close(code, reason);
  }

  #keep(socket: WebSocket, before: StreamReader, reader: StreamReader): void {
    this.#unacknowledged += unacknowledgedChars(reader) - unacknowledgedChars(before);
    this.#readers().set(socket, reader);
    socket.serializeAttachment(reader);
  }

  #readers(): Map<WebSocket, StreamReader> {
    if (this.#known) return this.#known;
    this.#known = new Map();
    for (const socket of this.#ctx.getWebSockets()) {
      const reader = socket.deserializeAttachment() as StreamReader | null;
      if (!reader) continue;
      this.#known.set(socket, reader);
      this.#unacknowledged += unacknowledgedChars(reader);
    }
    return this.#known;
  }
}
