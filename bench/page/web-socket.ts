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

/** Takes an upgrade. `onEnd` is called once. */
export function acceptWebSocket(request: IncomingMessage, socket: Duplex, onEnd: () => void): ServerSocket {
  const key = String(request.headers['sec-websocket-key']);
  const accept = createHash('sha1').update(`${key}${GUID}`).digest('base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  const send = (text: string) => {
    if (socket.writable) socket.write(frameOf(text));
  };
  socket.on('data', (data: Buffer) => {
    const opcode = (data[0] ?? 0) & 0x0f;
    if (opcode === CLOSE) socket.end();
    // All that a page says is "ping".
    else if (opcode === 1) send('pong');
  });
  socket.on('error', () => undefined);
  socket.once('close', onEnd);
  return { send, cut: () => socket.destroy() };
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
