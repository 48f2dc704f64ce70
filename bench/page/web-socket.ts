// The server's side of WebSockets (RFC 6455), as much as a made-up network needs: text out, pings in.
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const TEXT = 0x81;
const CLOSE = 8;

export interface ServerSocket {
  send(text: string): void;
  /** Without a word, as a bad line does. */
  cut(): void;
}

/** Takes an upgrade. `onText` hears what the page says but for pings, which are answered; `onEnd` is called once. */
export function acceptWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  onText: (text: string) => void,
  onEnd: () => void,
): ServerSocket {
  const key = String(request.headers['sec-websocket-key']);
  const accept = createHash('sha1').update(`${key}${GUID}`).digest('base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  const send = (text: string) => {
    if (socket.writable) socket.write(frameOf(text));
  };
  let waiting = Buffer.alloc(0);
  socket.on('data', (data: Buffer) => {
    waiting = Buffer.concat([waiting, data]);
    // A head of two bytes, a mask of four: a page says nothing that is longer than 125 bytes.
    for (let size = sizeOf(waiting); waiting.length >= size; size = sizeOf(waiting)) {
      const frame = waiting.subarray(0, size);
      waiting = waiting.subarray(size);
      const text = unmasked(frame);
      if (((frame[0] ?? 0) & 0x0f) === CLOSE) return void socket.end();
      if (text === 'ping') send('pong');
      else onText(text);
    }
  });
  socket.on('error', () => undefined);
  socket.once('close', onEnd);
  return { send, cut: () => socket.destroy() };
}

function sizeOf(data: Buffer): number {
  return 6 + ((data[1] ?? 0) & 0x7f);
}

function unmasked(frame: Buffer): string {
  return Buffer.from(frame.subarray(6).map((byte, index) => byte ^ (frame[2 + (index % 4)] ?? 0))).toString();
}

function frameOf(text: string): Buffer {
  const body = Buffer.from(text);
  if (body.length < 126) return Buffer.concat([Buffer.from([TEXT, body.length]), body]);
  const isShort = body.length < 65_536;
  const head = Buffer.alloc(isShort ? 4 : 10);
  head[0] = TEXT;
  head[1] = isShort ? 126 : 127;
  if (isShort) head.writeUInt16BE(body.length, 2);
  else head.writeBigUInt64BE(BigInt(body.length), 2);
  return Buffer.concat([head, body]);
}
