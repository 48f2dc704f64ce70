// One connection of a stream, whatever it runs over.
import type { StreamFrame } from './types.ts';

export interface StreamConnection {
  readonly transport: 'websocket' | 'events';
  /** The next frame. Rejects with a PychainError once the connection has ended and all that came before was taken. */
  next(): Promise<StreamFrame>;
  /** The application has taken everything up to here: the node may send more. */
  acknowledge(cursor: string): void;
  close(): void;
}

/** Longest time to the first word of a node, milliseconds. */
export const OPEN_MS_MAX = 15_000;

/**
 * How long a connection may be silent, milliseconds. Nodes say something each 20 s over Server-Sent Events (STREAM_COMMENT_MS), and
 * answer pings over WebSockets.
 */
export const SILENCE_MS_MAX = 60_000;
