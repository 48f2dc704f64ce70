// The stream over Server-Sent Events: what its readers get, and when it ends. Time is the test's.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EventReaders } from '../../src/shell/event-readers.ts';
import { nodeFeed } from '../../src/shell/stream-feed.ts';
import {
  STREAM_ACKNOWLEDGE_MS,
  STREAM_COMMENT_MS,
  STREAM_EVENT_READERS_MAX,
  STREAM_EVENTS_MS_MAX,
  STREAM_FRAME_MESSAGES_MAX,
} from '../../src/protocol/limits.ts';
import { Machine, MINE, NOW, SELF } from '../protocol/machine.ts';

beforeEach(() => vi.useFakeTimers({ now: NOW }));
afterEach(() => vi.useRealTimers());

/** A node's readers, and messages for them. */
function setUp() {
  const machine = new Machine();
  const readers = new EventReaders(nodeFeed(() => machine.state));
  const deliver = (count = 1) => {
    machine.now = Date.now();
    const messages = Array.from({ length: count }, () => machine.message());
    const deliveries = messages.map(({ sealed }) => ({ body: sealed, range: MINE, hops: 1 }));
    machine.submit({ type: 'deliver', deliveries, newest: null, bringer: null });
    readers.arrived();
    return messages.map(({ id }) => id);
  };
  const open = (cursor: string | null = null, events: readonly string[] = []) => {
    const opened = readers.open({ transport: 'events', cursor, events, network: null });
    if (typeof opened === 'string') throw new Error(opened);
    const source = opened.body?.getReader();
    if (!source) throw new Error('no body');
    return {
      headers: opened.headers,
      cancel: () => source.cancel(),
      /** What comes next, as it is written; null at the end. */
      next: async () => {
        const { value, done } = await source.read();
        return done ? null : new TextDecoder().decode(value);
      },
    };
  };
  return { machine, readers, deliver, open };
}

/** The frame of one event, and its id. */
function parse(text: string | null) {
  const [, id = null] = /^id: (.*)$/m.exec(text ?? '') ?? [];
  const [, data = 'null'] = /^data: (.*)$/m.exec(text ?? '') ?? [];
  const frame = JSON.parse(data) as { type: string; cursor?: string; messages?: { id: string }[] };
  return { id, frame, ids: frame?.messages?.map((message) => message.id) ?? [] };
}

describe('a reader of events', () => {
  it('is greeted, gets what is there and what comes, with cursors as ids', async () => {
    const { deliver, open } = setUp();
    const [first] = deliver();
    const reader = open();
    expect(reader.headers.get('Content-Type')).toBe('text/event-stream; charset=utf-8');
    expect(await reader.next()).toBe(`retry: 1000\nid: 0\ndata: {"type":"hello","guid":${SELF},"cursor":"0"}\n\n`);
    const old = parse(await reader.next());
    expect([old.id, old.frame.type, old.frame.cursor, old.ids]).toEqual(['1', 'messages', '1', [first]]);
    const waiting = reader.next();
    const [second] = deliver();
    expect(parse(await waiting)).toMatchObject({ id: '2', ids: [second] });
  });

  it('comes back with its last id, and goes on', async () => {
    const { deliver, open } = setUp();
    const ids = [...deliver(), ...deliver()];
    const reader = open('1');
    expect(parse(await reader.next()).id).toBe('1');
    expect(parse(await reader.next()).ids).toEqual(ids.slice(1));
  });

  it('has nothing made for it before it takes it, and then no more than a frame', async () => {
    const { deliver, open } = setUp();
    const reader = open();
    for (let batch = 0; batch < 4; batch++) deliver(STREAM_FRAME_MESSAGES_MAX - 10);
    await reader.next();
    expect(parse(await reader.next()).ids).toHaveLength(STREAM_FRAME_MESSAGES_MAX);
    expect(parse(await reader.next()).id).toBe('3.19');
  });

  it('that waits in vain is sent a comment, and sent away after some minutes', async () => {
    const { open, readers } = setUp();
    const reader = open();
    await reader.next();
    const comments = STREAM_EVENTS_MS_MAX / STREAM_COMMENT_MS - 1;
    for (let index = 0; index < comments; index++) {
      const waiting = reader.next();
      await vi.advanceTimersByTimeAsync(STREAM_COMMENT_MS);
      expect(await waiting).toBe(':\n\n');
    }
    const last = reader.next();
    await vi.advanceTimersByTimeAsync(STREAM_COMMENT_MS);
    if ((await last) === ':\n\n') expect(parse(await reader.next()).frame).toEqual({ type: 'end', reason: 'time' });
    expect(await reader.next()).toBeNull();
    expect(readers.size).toBe(0);
  });

  it('that takes nothing is cut with the reason, when others wait behind it, and others are not', async () => {
    const { deliver, open, machine, readers } = setUp();
    const [slow, well] = [open(), open()];
    await slow.next();
    await well.next();
    const waiting = well.next();
    deliver();
    await waiting;
    const more = well.next();
    vi.setSystemTime(NOW + STREAM_ACKNOWLEDGE_MS);
    deliver();
    await more;
    expect(readers.size).toBe(2);
    vi.setSystemTime(NOW + STREAM_ACKNOWLEDGE_MS + 1);
    const [third] = deliver();
    expect(parse(await well.next()).ids).toEqual([third]);
    expect(parse(await slow.next()).frame).toEqual({ type: 'end', reason: 'too-slow' });
    expect(await slow.next()).toBeNull();
    expect([readers.size, machine.state.counters.get('stream_cut_slow')]).toEqual([1, 1]);
  });

  it('that goes away is forgotten, also while it waits', async () => {
    const { open, readers, deliver } = setUp();
    const [idle, waiting] = [open(), open()];
    await idle.next();
    await waiting.next();
    const never = waiting.next();
    await idle.cancel();
    await waiting.cancel();
    expect([await never, readers.size]).toEqual([null, 0]);
    deliver();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is refused where its cursor is none, or too many are there', () => {
    const { open } = setUp();
    expect(() => open('x')).toThrow('unknown-cursor');
    for (let index = 0; index < STREAM_EVENT_READERS_MAX; index++) open();
    expect(() => open()).toThrow('too-many-readers');
  });
});
