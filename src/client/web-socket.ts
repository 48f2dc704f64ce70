// The stream over a WebSocket. What is not acknowledged the node keeps back, so that a slow reader's memory is bounded.
import { readFrame } from './checks.ts';
import { OPEN_MS_MAX, SILENCE_MS_MAX, type StreamConnection } from './connection.ts';
import { cutOff, unexpected, type PychainError } from './error.ts';
import type { StreamFrame } from './types.ts';

/** What is needed of the platform's `WebSocket`. */
export type WebSocketClass = new (url: string) => WebSocket;

/** The node answers `ping` with `pong` without being woken. */
const PING_MS = 25_000;

/** Frames, and their characters, that wait to be taken. A node sends eight, and about 260,000 characters and one frame: far more is none. */
const WAITING_FRAMES_MAX = 32;
const WAITING_CHARS_MAX = 4_000_000;

interface Waiting {
  readonly frame: StreamFrame;
  readonly chars: number;
}

class WebSocketConnection implements StreamConnection {
  readonly transport = 'websocket';
  readonly #socket: WebSocket;
  readonly #waiting: Waiting[] = [];
  readonly #ping: ReturnType<typeof setInterval>;
  #chars = 0;
  #heardAt = Date.now();
  #fault: PychainError | null = null;
  #wake: () => void = () => undefined;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => this.#hear(data));
    socket.addEventListener('close', ({ code, reason }) => this.#end(cutOff(closeText(code, reason))));
    // A close follows, and says more.
    socket.addEventListener('error', () => undefined);
    this.#ping = setInterval(() => {
      if (Date.now() - this.#heardAt > SILENCE_MS_MAX) this.#end(cutOff('the node was silent for too long'));
      else this.#send('ping');
    }, PING_MS);
  }

  async next(): Promise<StreamFrame> {
    for (;;) {
      const taken = this.#waiting.shift();
      if (taken) {
        this.#chars -= taken.chars;
        return taken.frame;
      }
      if (this.#fault) throw this.#fault;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  acknowledge(cursor: string): void {
    this.#send(JSON.stringify({ ack: cursor }));
  }

  close(): void {
    this.#end(cutOff('closed by the reader'));
  }

  #hear(data: unknown): void {
    this.#heardAt = Date.now();
    if (this.#fault || data === 'pong') return;
    try {
      if (typeof data !== 'string') throw unexpected('a frame of the stream is not text');
      const frame = readFrame(data);
      if (!frame) return;
      this.#waiting.push({ frame, chars: data.length });
      this.#chars += data.length;
      if (this.#waiting.length > WAITING_FRAMES_MAX || this.#chars > WAITING_CHARS_MAX) {
        throw unexpected('the node sends more than was acknowledged');
      }
    } catch (fault) {
      // Nothing else is thrown there.
      return this.#end(fault as PychainError);
    }
    this.#wake();
  }

  #send(text: string): void {
    // Else it is closing: who needs it comes back.
    if (this.#socket.readyState === SOCKET_OPEN) this.#socket.send(text);
  }

  #end(fault: PychainError): void {
    if (this.#fault) return;
    this.#fault = fault;
    clearInterval(this.#ping);
    this.#socket.close();
    this.#wake();
  }
}

/** `WebSocket.OPEN`, which not every platform has under this name. */
const SOCKET_OPEN = 1;

/** Opens a WebSocket. Null where it does not open: the platform does not tell why. */
export function openWebSocket(
  url: string,
  SocketClass: WebSocketClass,
  signal?: AbortSignal,
): Promise<StreamConnection | null> {
  return new Promise((resolve) => {
    const socket = new SocketClass(url.replace(/^http/, 'ws'));
    const connection = new WebSocketConnection(socket);
    const give = (opened: StreamConnection | null) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', giveUp);
      if (!opened) connection.close();
      resolve(opened);
    };
    const giveUp = () => give(null);
    const timer = setTimeout(giveUp, OPEN_MS_MAX);
    signal?.addEventListener('abort', giveUp);
    socket.addEventListener('open', () => give(connection));
    socket.addEventListener('close', giveUp);
    socket.addEventListener('error', giveUp);
  });
}

function closeText(code: number, reason: string): string {
  return `the node closed the stream: ${code}${reason === '' ? '' : `, ${reason}`}`;
}
