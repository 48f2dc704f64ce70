// A node's messages as they come, for as long as the application wants them: whatever is cut is taken up again where it ended.
import type { StreamConnection } from './connection.ts';
import { CLIENT_PROBLEMS, cutOff, PychainError } from './error.ts';
import { openEvents } from './event-stream.ts';
import type { Fetch } from './http.ts';
import { pause, pauseMs } from './pause.ts';
import type { Message } from './types.ts';
import { openWebSocket, type WebSocketClass } from './web-socket.ts';

/** What an application hears of a stream. */
export type StreamEvent =
  /** Connected, the first time or again. A node with another `guid` than before has lost its storage: a gap follows. */
  | {
      readonly type: 'connected';
      readonly guid: number | null;
      readonly cursor: string;
      readonly transport: 'websocket' | 'events';
    }
  /** Messages in the order of their arrival. Without any it only tells how far the node has come. `cursor` goes on after them. */
  | { readonly type: 'messages'; readonly messages: readonly Message[]; readonly cursor: string }
  /** Messages expired before they could be read, or were lost: so many, or null where nobody knows how many. */
  | { readonly type: 'gap'; readonly missed: number | null }
  /** The connection is gone, for this reason; the next attempt is so many milliseconds away. */
  | { readonly type: 'disconnected'; readonly error: PychainError; readonly retryMs: number };

export interface StreamOptions {
  /** Where to begin: a `cursor` of this very node, or `now`. Without it: with the oldest message that the node has. */
  readonly cursor?: string | undefined;
  /** Only messages whose event has one of these names, 8 at most. */
  readonly events?: readonly string[] | undefined;
  /** Ends the stream. */
  readonly signal?: AbortSignal | undefined;
}

/** How a node's stream is reached. */
export interface StreamTarget {
  readonly url: string;
  readonly fetch: Fetch;
  /** Null: Server-Sent Events alone. */
  readonly WebSocket: WebSocketClass | null;
}

/** A connection that held this long was a good one: what comes after it begins with short pauses again. */
const GOOD_MS = 5_000;

/** What is known of a stream beyond one connection. */
interface Progress {
  cursor: string | null;
  /** Of the node, as it was last heard; null: not heard yet. */
  guid: number | null;
  /** In a row. */
  failures: number;
  /** Whether it was ever connected, and by a WebSocket. */
  hasConnected: boolean;
  hasSocket: boolean;
}

/** Follows a stream until the signal, or until the node refuses for good: then it throws. */
export async function* followStream(target: StreamTarget, options: StreamOptions): AsyncGenerator<StreamEvent, void> {
  const { cursor = null, events = [], signal } = options;
  const progress: Progress = { cursor, guid: null, failures: 0, hasConnected: false, hasSocket: false };
  for (;;) {
    if (signal?.aborted) return;
    let error: PychainError;
    try {
      const connection = await connect(target, progress, events, signal);
      error = yield* read(connection, progress, signal);
    } catch (cause) {
      if (signal?.aborted) return;
      if (!(cause instanceof PychainError) || isFinal(cause, progress)) throw cause;
      error = cause;
    }
    if (signal?.aborted) return;
    const retryMs = pauseMs(progress.failures++, error.retryAfterMs);
    yield { type: 'disconnected', error, retryMs };
    await pause(retryMs, signal);
  }
}

/** A WebSocket; where it does not open, the events, which also tell why where the node refuses. */
async function connect(
  { url, fetch, WebSocket }: StreamTarget,
  progress: Progress,
  events: readonly string[],
  signal?: AbortSignal,
): Promise<StreamConnection> {
  const query = new URLSearchParams();
  for (const name of events) query.append('event', name);
  if (progress.cursor !== null) query.set('cursor', progress.cursor);
  const full = query.size === 0 ? url : `${url}?${query}`;
  const socket = WebSocket && (await openWebSocket(full, WebSocket, signal));
  if (socket) {
    progress.hasSocket = true;
    return socket;
  }
  // The first attempt after a cut: a node that has WebSockets is likely to be away for a moment, and events would keep it awake.
  if (progress.hasSocket && progress.failures <= 1) throw cutOff('the WebSocket does not open');
  return await openEvents(full, fetch, signal);
}

/** Passes on what one connection brings. Gives why it ended. */
async function* read(
  connection: StreamConnection,
  progress: Progress,
  signal?: AbortSignal,
): AsyncGenerator<StreamEvent, PychainError> {
  const began = Date.now();
  const stop = () => connection.close();
  signal?.addEventListener('abort', stop);
  try {
    for (;;) {
      const frame = await connection.next();
      if (signal?.aborted) return cutOff('ended by the reader');
      if (frame.type === 'hello') {
        const { guid, cursor } = frame;
        const isAnother = guid !== null && progress.guid !== null && guid !== progress.guid;
        progress.guid = guid ?? progress.guid;
        progress.hasConnected = true;
        if (isAnother) {
          // It counts anew: from the cursor on it would leave out what came since.
          progress.cursor = null;
          yield { type: 'gap', missed: null };
          return cutOff('the node lost its storage: its GUID is another');
        }
        progress.cursor = cursor;
        yield { type: 'connected', guid, cursor, transport: connection.transport };
      } else if (frame.type === 'messages') {
        progress.cursor = frame.cursor;
        progress.failures = 0;
        yield frame;
        // Whoever asks for more has taken these.
        connection.acknowledge(frame.cursor);
      } else if (frame.type === 'gap') yield frame;
    }
  } catch (cause) {
    if (Date.now() - began > GOOD_MS) progress.failures = 0;
    throw cause;
  } finally {
    signal?.removeEventListener('abort', stop);
    connection.close();
  }
}

/** Whether another attempt would end like this one. */
function isFinal({ status, type }: PychainError, { hasConnected }: Progress): boolean {
  if (status === null || status < 400) return type === CLIENT_PROBLEMS.unexpected && !hasConnected;
  if (status >= 500 || status === 408 || status === 425 || status === 429) return false;
  // What was a node before may be behind a proxy for the moment that knows of none.
  return !hasConnected || type.startsWith('urn:pychain:problem:');
}
