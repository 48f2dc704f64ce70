// A stream as an application sees it, over whatever happens to its connections.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PychainClient, type StreamEvent, type StreamOptions } from '../../src/client/client.ts';
import { EventParser } from '../../src/client/event-parser.ts';

const message = (n: number) => ({
  id: String(n),
  data: { n },
  originator: { guid: 2, address: 'http://node.example/n/2' },
  broadcast_timestamp: 1,
  expires_at: 2,
  received_at: 1.5,
  hops: 1,
});
const hello = (cursor: string, guid = 1) => ({ type: 'hello', guid, cursor });
const messages = (...numbers: number[]) => ({
  type: 'messages',
  messages: numbers.map(message),
  cursor: String(numbers.at(-1) ?? 0),
});

/** A WebSocket of which the test is the other side. */
class FakeSocket extends EventTarget {
  static readonly all: FakeSocket[] = [];
  /** Whether the next ones open. */
  static opens = true;
  readonly url: string;
  readonly sent: string[] = [];
  readyState = 0;

  constructor(url: string) {
    super();
    this.url = url;
    FakeSocket.all.push(this);
    const opens = FakeSocket.opens;
    queueMicrotask(() => {
      this.readyState = opens ? 1 : 3;
      this.dispatchEvent(new Event(opens ? 'open' : 'error'));
      if (!opens) this.cut(1006);
    });
  }

  send(text: string): void {
    this.sent.push(text);
  }

  close(): void {
    this.readyState = 3;
  }

  say(...frames: object[]): void {
    for (const frame of frames) this.dispatchEvent(new MessageEvent('message', { data: JSON.stringify(frame) }));
  }

  cut(code: number): void {
    this.readyState = 3;
    this.dispatchEvent(Object.assign(new Event('close'), { code, reason: '' }));
  }
}

const newest = () => FakeSocket.all.at(-1) as FakeSocket;

/** A stream of events whose parts the test gives. */
function events(...parts: (object | 'cut')[]): Response {
  const left = parts.values();
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const { done, value } = left.next();
      if (value === 'cut') controller.error(new Error('reset'));
      else if (!done) controller.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(value)}\n\n`));
      // It stays open, and says nothing.
      else return new Promise(() => undefined);
      return undefined;
    },
  });
  return new Response(body, { headers: { 'content-type': 'text/event-stream; charset=utf-8' } });
}

const stop = { controller: new AbortController() };
const asked: string[] = [];

function follow(options: StreamOptions = {}, answers: (() => Response)[] = []) {
  const client = new PychainClient({
    url: 'http://node.example/n/1',
    WebSocket: FakeSocket as unknown as typeof WebSocket,
    fetch: async (url) => {
      asked.push(url);
      const answer = answers.shift();
      if (!answer) throw new TypeError('fetch failed');
      return answer();
    },
  });
  const stream = client.stream({ signal: stop.controller.signal, ...options });
  /** The next event; pauses pass at once. */
  const next = async (): Promise<StreamEvent | undefined> => {
    const taken = stream.next();
    await vi.advanceTimersByTimeAsync(0);
    return (await taken).value ?? undefined;
  };
  return { stream, next };
}

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.all.length = 0;
  FakeSocket.opens = true;
  asked.length = 0;
  stop.controller = new AbortController();
});
afterEach(() => {
  stop.controller.abort();
  vi.useRealTimers();
});

/** Takes an event that comes after a pause. */
async function afterPause(stream: AsyncGenerator<StreamEvent, void>, ms: number) {
  const taken = stream.next();
  await vi.advanceTimersByTimeAsync(ms);
  return taken;
}

describe('over a WebSocket', () => {
  it('gives frames in order, and acknowledges what was taken, not what came', async () => {
    const { next } = follow({ cursor: 'now', events: ['A', 'B&C'] });
    const first = next();
    await vi.advanceTimersByTimeAsync(0);
    newest().say(hello('0'), messages(1), { type: 'gap', missed: 3 }, messages(2, 3), { type: 'news' });
    expect(newest().url).toBe('ws://node.example/n/1/api/v1/stream?event=A&event=B%26C&cursor=now');
    expect(await first).toEqual({ type: 'connected', guid: 1, cursor: '0', transport: 'websocket' });
    expect(await next()).toEqual(messages(1));
    expect(newest().sent).toEqual([]);
    expect(await next()).toEqual({ type: 'gap', missed: 3 });
    expect(newest().sent).toEqual(['{"ack":"1"}']);
    expect(await next()).toEqual(messages(2, 3));
    expect(newest().sent).toEqual(['{"ack":"1"}']);
  });

  it('goes on after the last message, those that had come before the cut included', async () => {
    const { stream, next } = follow();
    const first = next();
    await vi.advanceTimersByTimeAsync(0);
    newest().say(hello('0'), messages(1), messages(2));
    newest().cut(1006);
    expect(await first).toMatchObject({ type: 'connected' });
    expect(await next()).toEqual(messages(1));
    expect(await next()).toEqual(messages(2));
    const cut = await next();
    expect(cut).toMatchObject({ type: 'disconnected', error: { message: expect.stringContaining('1006') } });
    const again = afterPause(stream, 1_000);
    await vi.advanceTimersByTimeAsync(0);
    expect(newest().url).toMatch(/\?cursor=2$/);
    newest().say(hello('2'), messages(3));
    expect((await again).value).toMatchObject({ type: 'connected', cursor: '2' });
    expect(await next()).toEqual(messages(3));
    expect(asked).toEqual([]);
  });

  it('begins anew, after a gap, where the node lost its storage', async () => {
    const { stream, next } = follow();
    const first = next();
    await vi.advanceTimersByTimeAsync(0);
    newest().say(hello('0', 1), messages(1));
    await first;
    await next();
    newest().cut(1012);
    await next();
    const again = afterPause(stream, 1_000);
    await vi.advanceTimersByTimeAsync(0);
    newest().say(hello('1', 9), messages(2));
    expect((await again).value).toEqual({ type: 'gap', missed: null });
    expect(await next()).toMatchObject({ type: 'disconnected' });
    void afterPause(stream, 1_000);
    await vi.advanceTimersByTimeAsync(0);
    expect(newest().url).toBe('ws://node.example/n/1/api/v1/stream');
  });

  it('does not keep more than a node may send', async () => {
    const { next } = follow();
    const first = next();
    await vi.advanceTimersByTimeAsync(0);
    newest().say(hello('0'), ...Array.from({ length: 40 }, (_, n) => messages(n + 1)));
    await first;
    expect(newest().readyState).toBe(3);
    for (let n = 1; n <= 32; n++) expect(await next()).toEqual(messages(n));
    expect(await next()).toMatchObject({
      type: 'disconnected',
      error: { type: 'urn:pychain:client:unexpected-answer' },
    });
  });

  it('leaves a node that says nothing any more, not one that answers pings', async () => {
    const { stream } = follow();
    const first = stream.next();
    await vi.advanceTimersByTimeAsync(0);
    newest().say(hello('0'));
    await first;
    const second = stream.next();
    for (let n = 0; n < 10; n++) {
      await vi.advanceTimersByTimeAsync(25_000);
      newest().dispatchEvent(new MessageEvent('message', { data: 'pong' }));
    }
    expect(newest().readyState).toBe(1);
    await vi.advanceTimersByTimeAsync(100_000);
    expect((await second).value).toMatchObject({ error: { message: expect.stringContaining('silent') } });
  });

  it('ends on the signal while it waits, and closes its socket when the loop is left', async () => {
    const { stream, next } = follow();
    const first = next();
    await vi.advanceTimersByTimeAsync(0);
    newest().say(hello('0'));
    await first;
    const waiting = stream.next();
    stop.controller.abort();
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(newest().readyState).toBe(3);
    stop.controller = new AbortController();
    const other = follow();
    const taken = other.next();
    await vi.advanceTimersByTimeAsync(0);
    newest().say(hello('0'));
    await taken;
    await other.stream.return();
    expect(newest().readyState).toBe(3);
  });

  it('waits longer each time where it does not come back, and then asks for the reason', async () => {
    const { stream, next } = follow({}, [
      () => Response.json({ type: 'urn:pychain:problem:no-such-slot' }, { status: 404 }),
    ]);
    const first = next();
    await vi.advanceTimersByTimeAsync(0);
    newest().say(hello('0'), messages(1));
    await first;
    await next();
    FakeSocket.opens = false;
    newest().cut(1006);
    const pauses: number[] = [];
    for (let n = 0; n < 2; n++) {
      const { value } = await afterPause(stream, 60_000);
      if (value?.type === 'disconnected') pauses.push(value.retryMs);
    }
    expect(pauses[0]).toBeGreaterThanOrEqual(125);
    expect(pauses[1]).toBeGreaterThanOrEqual(250);
    const [refused] = await Promise.allSettled([stream.next(), vi.advanceTimersByTimeAsync(60_000)]);
    expect(refused).toMatchObject({ status: 'rejected', reason: { status: 404 } });
  });
});

describe('over Server-Sent Events', () => {
  beforeEach(() => void (FakeSocket.opens = false));

  it('is what it falls back to, and goes on after the last message too', async () => {
    const answers = [
      () => events(hello('0'), messages(1), { type: 'news' }, 'cut'),
      () => events(hello('1'), messages(2), { type: 'end', reason: 'time' }),
    ];
    const { stream, next } = follow({ cursor: '0' }, answers);
    expect(await next()).toMatchObject({ type: 'connected', transport: 'events' });
    expect(await next()).toEqual(messages(1));
    expect(await next()).toMatchObject({ type: 'disconnected' });
    expect((await afterPause(stream, 1_000)).value).toMatchObject({ type: 'connected', cursor: '1' });
    expect(await next()).toEqual(messages(2));
    expect(await next()).toMatchObject({ error: { message: expect.stringContaining('time') } });
    expect(asked.map((url) => new URL(url).search)).toEqual(['?cursor=0', '?cursor=1']);
  });

  it('leaves a node that is silent', async () => {
    const { stream, next } = follow({}, [() => events(hello('0'))]);
    await next();
    const { value } = await afterPause(stream, 61_000);
    expect(value).toMatchObject({ type: 'disconnected', error: { message: expect.stringContaining('silent') } });
  });

  it.each<[what: string, answer: () => Response, fault: object]>([
    [
      'a wrong cursor',
      () => Response.json({ detail: 'no cursor' }, { status: 422 }),
      { status: 422, detail: 'no cursor' },
    ],
    ['no node at all', () => new Response('<html>', { headers: { 'content-type': 'text/html' } }), { status: null }],
  ])('throws for %s', async (_what, answer, fault) => {
    const { stream } = follow({}, [answer]);
    const [refused] = await Promise.allSettled([stream.next(), vi.advanceTimersByTimeAsync(0)]);
    expect(refused).toMatchObject({ status: 'rejected', reason: { name: 'PychainError', ...fault } });
  });

  it('waits as long as a node with too many readers asks', async () => {
    const full = () => Response.json({ detail: 'full' }, { status: 503, headers: { 'retry-after': '10' } });
    const { next } = follow({}, [full]);
    expect(await next()).toMatchObject({ type: 'disconnected', retryMs: 10_000, error: { status: 503 } });
  });
});

it('reads events however they are cut into pieces', () => {
  const text = ': comment\nid: 7\r\ndata: {"a":\r\ndata:1}\r\n\r\nretry: 1\n\ndata: 2\r\rdata: 3\n\ndata: half';
  for (let size = 1; size <= text.length; size++) {
    const parser = new EventParser();
    const found: string[] = [];
    for (let at = 0; at < text.length; at += size) found.push(...parser.push(text.slice(at, at + size)));
    expect(found).toEqual(['{"a":\n1}', '2', '3']);
  }
  expect(() => new EventParser().push('x'.repeat(4_000_001))).toThrow(/longer than/);
});
