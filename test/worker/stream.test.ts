// The stream over WebSockets, at the real objects, which are evicted between. What readers may have is in test/protocol/stream.test.ts.
import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  STREAM_ACKNOWLEDGE_MS,
  STREAM_NETWORK_READERS_MAX,
  STREAM_UNACKNOWLEDGED_CHARS_MAX,
} from '../../src/protocol/limits.ts';
import type { StreamReader } from '../../src/protocol/stream.ts';
import { broadcast, call, callsOf, eventually, everywhere, objectOf, serve, startNetwork } from './support.ts';

interface Frame {
  readonly type: string;
  readonly cursor: string;
  readonly missed?: number | null;
  readonly guid?: number;
  readonly messages?: readonly { id: string; data: object; hops: number; received_at: number }[];
}

/** A reader of a node's stream, and what it was told. */
async function connect(slot: number, query: string, headers: Record<string, string> = {}, acks = true) {
  const path = `/n/${slot}/api/v1/stream?${query}`;
  const response = await serve(path, { headers: { Upgrade: 'websocket', ...headers } });
  const socket = response.webSocket;
  if (!socket) throw new Error(`answered ${response.status}: ${await response.text()}`);
  const frames: Frame[] = [];
  const reader = { socket, frames, pongs: 0, closed: null as { code: number; reason: string } | null };
  socket.addEventListener('message', ({ data }) => {
    if (data === 'pong') {
      reader.pongs++;
      return;
    }
    const frame = JSON.parse(String(data)) as Frame;
    frames.push(frame);
    if (acks && frame.type === 'messages') socket.send(JSON.stringify({ ack: frame.cursor }));
  });
  socket.addEventListener('close', ({ code, reason }) => {
    reader.closed = { code, reason };
  });
  socket.accept();
  await eventually('hello', async () => frames.length > 0);
  return reader;
}

/** A broadcast of one test alone: messages of others may be under way still. */
const tell = (slot: number, name: string) => broadcast(slot, { event: { name, args: {} } });

const idsOf = (frames: readonly Frame[]) => frames.flatMap(({ messages = [] }) => messages.map(({ id }) => id));
const metric = async (slot: number, name: string, labels: object = {}) =>
  (await callsOf(slot).samples()).find((sample) => sample.name === name && matches(sample.labels, labels))?.value;
const matches = (of: object, labels: object) =>
  Object.entries(labels).every(([key, value]) => Reflect.get(of, key) === value);

beforeAll(() => startNetwork());

describe('the stream over Server-Sent Events', () => {
  it('gives the same frames, goes on after the last id, and ends when the reader goes', async () => {
    const { body } = await call('/n/10/api/v1/messages?limit=500');
    const { cursor } = body as { cursor: string };
    const first = await tell(10, 'TEN');
    const path = '/n/10/api/v1/stream?cursor=now&event=TEN';
    const response = await serve(path, { headers: { 'Last-Event-ID': cursor } });
    expect([response.status, response.headers.get('Content-Type'), response.headers.get('Cache-Control')]).toEqual([
      200,
      'text/event-stream; charset=utf-8',
      'no-store',
    ]);
    const source = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    const until = async (what: string) => {
      while (!text.includes(what)) text += (await source?.read())?.value ?? '';
    };
    await until(first);
    const second = await tell(10, 'TEN');
    await until(second);
    const events = text.split('\n\n').flatMap((event) => /^id: (\d+)\ndata: (.*)$/.exec(event)?.slice(1, 3) ?? []);
    expect(events.filter((_, index) => index % 2 === 1).map((data) => (JSON.parse(data) as Frame).type)).toEqual([
      'messages',
      'messages',
    ]);
    expect(await metric(10, 'pychain_stream_readers', { transport: 'events' })).toBe(1);
    await source?.cancel();
    await eventually(
      'no reader',
      async () => (await metric(10, 'pychain_stream_readers', { transport: 'events' })) === 0,
    );
  });
});

describe('the stream over a WebSocket', () => {
  it('goes on where a page ends, and gives each message as the API shows it', async () => {
    const first = await broadcast(1, { before: true });
    await everywhere([first]);
    const { body } = await call('/n/2/api/v1/messages');
    const { cursor } = body as { cursor: string };
    const reader = await connect(2, `event=TWO&cursor=${cursor}`);
    expect(reader.frames).toEqual([{ type: 'hello', guid: 2, cursor }]);
    const id = await tell(1, 'TWO');
    await eventually('the message', async () => reader.frames.length > 1);
    const shown = await call(`/n/2/api/v1/messages/${id}`);
    expect(reader.frames[1]).toEqual({ type: 'messages', messages: [shown.body], cursor: expect.any(String) });
    reader.socket.close();
  });

  it('begins with the oldest, or with what comes from now on', async () => {
    const old = await broadcast(3, { old: true });
    const [all, news] = [await connect(3, ''), await connect(3, 'cursor=now&event=THREE')];
    await eventually('what is there', async () => idsOf(all.frames).includes(old));
    const id = await tell(3, 'THREE');
    await eventually('the message', async () => idsOf(news.frames).length > 0 && idsOf(all.frames).includes(id));
    expect(idsOf(news.frames)).toEqual([id]);
  });

  it('outlives the eviction of the object, with its place and its filter', async () => {
    const reader = await connect(4, 'cursor=now&event=NEWS&event=MORE');
    const ids: string[] = [];
    for (const name of ['NEWS', 'OTHER', 'MORE', 'NEWS']) {
      await evictDurableObject(objectOf(4));
      const id = await tell(4, name);
      if (name !== 'OTHER') ids.push(id);
    }
    await eventually('three messages', async () => idsOf(reader.frames).length === 3);
    expect(idsOf(reader.frames)).toEqual(ids);
    expect(reader.closed).toBeNull();
    reader.socket.close();
    await eventually(
      'no reader',
      async () => (await metric(4, 'pychain_stream_readers', { transport: 'websocket' })) === 0,
    );
  });

  it('answers a ping without waking the object', async () => {
    const reader = await connect(5, 'cursor=now');
    await evictDurableObject(objectOf(5));
    reader.socket.send('ping');
    await eventually('the pong', async () => reader.pongs === 1);
    expect(reader.closed).toBeNull();
  });

  it('cuts who does not acknowledge, with the reason, and nobody else', async () => {
    const [mute, well] = [
      await connect(6, 'cursor=now&event=SIX', {}, false),
      await connect(6, 'cursor=now&event=SIX'),
    ];
    const first = await tell(6, 'SIX');
    await eventually('the message', async () => idsOf(mute.frames).length === 1 && idsOf(well.frames).length === 1);
    await eventually('one acknowledgement', async () =>
      runInDurableObject(objectOf(6), (_, state) => {
        const kept = state.getWebSockets().map((socket) => socket.deserializeAttachment() as StreamReader);
        return kept.filter(({ unacknowledged }) => unacknowledged.length > 0).length === 1;
      }),
    );
    // Long ago, as the object will read it when it wakes.
    await runInDurableObject(objectOf(6), (_, state) => {
      for (const socket of state.getWebSockets()) {
        const kept = socket.deserializeAttachment() as StreamReader;
        const age = STREAM_ACKNOWLEDGE_MS + 1;
        const unacknowledged = kept.unacknowledged.map(([cursor, chars, at]) => [cursor, chars, at - age]);
        socket.serializeAttachment({ ...kept, unacknowledged });
      }
    });
    await evictDurableObject(objectOf(6));
    const second = await tell(6, 'SIX');
    await eventually('the cut', async () => mute.closed !== null);
    expect(mute.closed).toEqual({ code: 4408, reason: 'too slow: a frame was not acknowledged in time' });
    await eventually('the message', async () => idsOf(well.frames).length === 2);
    expect([idsOf(well.frames), well.closed]).toEqual([[first, second], null]);
    expect(await metric(6, 'pychain_stream_cuts_total', { reason: 'slow' })).toBe(1);
    // It comes back with the last cursor that it has.
    const again = await connect(6, `event=SIX&cursor=${mute.frames.at(-1)?.cursor}`);
    await eventually('the message', async () => idsOf(again.frames).length === 1);
    expect(idsOf(again.frames)).toEqual([second]);
  });

  it('keeps bounded memory for all readers together: of those that do not acknowledge some are cut', async () => {
    const mute = await Promise.all(Array.from({ length: 80 }, () => connect(11, 'cursor=now&event=ELEVEN', {}, false)));
    const well = await connect(11, 'cursor=now&event=ELEVEN');
    const ids: string[] = [];
    for (let index = 0; index < 5; index++) {
      ids.push(await broadcast(11, { event: { name: 'ELEVEN', args: { text: 'x'.repeat(60_000) } } }));
      await eventually('the message', async () => idsOf(well.frames).length === index + 1);
    }
    await eventually('cuts', async () => mute.some(({ closed }) => closed !== null));
    const held = mute.filter(({ closed }) => closed === null);
    const chars = held.flatMap(({ frames }) => frames).reduce((sum, frame) => sum + JSON.stringify(frame).length, 0);
    expect(chars).toBeLessThan(STREAM_UNACKNOWLEDGED_CHARS_MAX + held.length * 200);
    expect(chars).toBeGreaterThan(STREAM_UNACKNOWLEDGED_CHARS_MAX / 2);
    expect([idsOf(well.frames), well.closed]).toEqual([ids, null]);
    for (const { socket } of held) socket.close();
  });

  it.each(['hello', '{"ack":"99999"}', new Uint8Array(8)])(
    'cuts who says what is no acknowledgement: %j',
    async (said) => {
      const reader = await connect(7, 'cursor=now');
      reader.socket.send(said);
      await eventually('the cut', async () => reader.closed !== null);
      expect(reader.closed?.code).toBe(4400);
    },
  );

  it('tells who comes back too late that there is a gap', async () => {
    const reader = await connect(8, 'cursor=123456');
    await eventually('the gap', async () => reader.frames.length > 2);
    expect(reader.frames[1]).toEqual({ type: 'gap', missed: null });
    expect(reader.frames[2]?.type).toBe('messages');
  });

  it('has a limit on the readers of one network, and others still come in', async () => {
    const from = (address: string) => connect(9, 'cursor=now&event=NINE', { 'CF-Connecting-IP': address });
    const readers = await Promise.all(
      Array.from({ length: STREAM_NETWORK_READERS_MAX }, (_, index) => from(`2001:db8::${(index + 1).toString(16)}`)),
    );
    await expect(from('2001:db8::ffff')).rejects.toThrow(/answered 503.*too-many-readers/);
    const other = await from('192.0.2.1');
    const id = await tell(9, 'NINE');
    await eventually('the message', async () =>
      [...readers, other].every(({ frames }) => idsOf(frames).length === 1 && idsOf(frames)[0] === id),
    );
    for (const { socket } of readers) socket.close();
  });

  it.each(['cursor=x', `event=${'x'.repeat(129)}`, Array(9).fill('event=x').join('&'), 'event='])(
    'refuses %s before anything is opened',
    async (query) => {
      const { status, body } = await call(`/n/1/api/v1/stream?${query}`, { headers: { Upgrade: 'websocket' } });
      expect([status, (body as { type: string }).type]).toEqual([422, 'urn:pychain:problem:invalid-input']);
    },
  );
});
