import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  STREAM_ACKNOWLEDGE_MS,
  STREAM_CHECKPOINT_MS,
  STREAM_FRAME_CHARS_MAX,
  STREAM_FRAME_MESSAGES_MAX,
  STREAM_WINDOW_FRAMES,
} from '../../src/protocol/limits.ts';
import { Mempool, type Arrival } from '../../src/protocol/mempool.ts';
import {
  acknowledge,
  afterSending,
  beginning,
  framesOf,
  nextPortion,
  readiness,
  type StreamFrame,
  type StreamReader,
} from '../../src/protocol/stream.ts';
import { createMemoryNodeStore } from '../../src/store/memory-store.ts';
import { sealed } from '../support/signed.ts';

const NOW = 1_700_000_000_000;

function arrival(index: number, name = 'NEWS', text = ''): Arrival {
  const originator = { guid: 1, address: 'local:/n/1' };
  const data = { event: { name, args: { index, text } } };
  const message = sealed({ network: 'test', data, originator, broadcastAt: NOW, expiresAt: NOW + 600_000 }, index);
  return { message, range: { from: 1, to: 0 }, hops: 1, idempotencyKey: null, from: null };
}

const store = createMemoryNodeStore();
const empty = () => {
  const fresh = createMemoryNodeStore();
  return new Mempool(fresh.segments, fresh.meta, () => undefined);
};

function reader(cursor: string, events: readonly string[] = []): StreamReader {
  return { cursor, events, unacknowledged: [], toldAt: NOW };
}

/** One turn, as the shell does it. */
function turn(mempool: Mempool, of: StreamReader, now = NOW): { after: StreamReader; frames: readonly StreamFrame[] } {
  const portion = nextPortion(mempool, of.cursor, of.events, now);
  const frames = framesOf(portion, of.toldAt, now);
  return { frames, after: afterSending(of, portion, JSON.stringify(frames).length * Number(frames.length > 0), now) };
}

const indexesOf = (frames: readonly StreamFrame[]) =>
  frames.flatMap((frame) =>
    frame.type === 'messages'
      ? frame.messages.map(({ data }) => (data as { event: { args: { index: number } } }).event.args.index)
      : [],
  );

describe('where a reader begins', () => {
  const mempool = new Mempool(store.segments, store.meta, () => undefined);
  mempool.append([arrival(1), arrival(2)], NOW);
  it.each([
    ['without a cursor: before all', null, '0'],
    ['now: after all', 'now', '1'],
    ['with its cursor', '1.0', '1.0'],
    ['with none of ours: nowhere', 'x', null],
  ])('%s', (_name, given, begins) => {
    expect(beginning(mempool, given)).toBe(begins);
  });
});

describe('a reader', () => {
  it('gets what follows its cursor, once, and is caught up then', () => {
    const mempool = empty();
    mempool.append([arrival(1), arrival(2)], NOW);
    const first = turn(mempool, reader('0'));
    expect(indexesOf(first.frames)).toEqual([1, 2]);
    expect(readiness(first.after, mempool, NOW)).toBe('caught-up');
    mempool.append([arrival(3)], NOW);
    expect(readiness(first.after, mempool, NOW)).toBe('ready');
    expect(indexesOf(turn(mempool, first.after).frames)).toEqual([3]);
  });

  it('gets frames of bounded size', () => {
    const mempool = empty();
    const many = Array.from({ length: STREAM_FRAME_MESSAGES_MAX + 1 }, (_, index) => arrival(index));
    mempool.append(many, NOW);
    expect(indexesOf(turn(mempool, reader('0')).frames)).toHaveLength(STREAM_FRAME_MESSAGES_MAX);
    const large = empty();
    large.append([arrival(1, 'NEWS', 'x'.repeat(60_000)), arrival(2, 'NEWS', 'x'.repeat(60_000)), arrival(3)], NOW);
    const { frames } = turn(large, reader('0'));
    expect(indexesOf(frames)).toEqual([1, 2]);
    expect(JSON.stringify(frames).length).toBeLessThan(2 * STREAM_FRAME_CHARS_MAX);
  });

  it('may have some frames unacknowledged, then waits, and goes on when it acknowledges', () => {
    const mempool = empty();
    let of = reader('0');
    for (let index = 1; index <= STREAM_WINDOW_FRAMES; index++) {
      mempool.append([arrival(index)], NOW);
      expect(readiness(of, mempool, NOW)).toBe('ready');
      of = turn(mempool, of).after;
    }
    mempool.append([arrival(99)], NOW);
    expect(readiness(of, mempool, NOW)).toBe('waiting');
    // The third frame, and those before it.
    const acknowledged = acknowledge(of, '{"ack":"3"}');
    expect(acknowledged?.unacknowledged.map(([cursor]) => cursor)).toEqual(['4', '5', '6', '7', '8']);
    expect(acknowledged && readiness(acknowledged, mempool, NOW)).toBe('ready');
  });

  it('is too slow when others wait behind what it does not acknowledge, and only then', () => {
    const mempool = empty();
    mempool.append([arrival(1)], NOW);
    const { after } = turn(mempool, reader('0'));
    const late = NOW + STREAM_ACKNOWLEDGE_MS + 1;
    expect(readiness(after, mempool, late)).toBe('caught-up');
    mempool.append([arrival(2)], NOW);
    expect(readiness(after, mempool, late - 1)).toBe('ready');
    expect(readiness(after, mempool, late)).toBe('too-slow');
  });

  it.each([
    ['that is no JSON', 'hello'],
    ['of nothing', '{}'],
    ['that is no cursor', '{"ack":"x"}'],
    ['that is no text', '{"ack":1}'],
    ['of what was not sent yet', '{"ack":"2"}'],
    ['of what was before', '{"ack":"0"}'],
    ['that is too long', `{"ack":"1","x":"${'x'.repeat(64)}"}`],
  ])('an acknowledgement %s is none', (_name, text) => {
    const mempool = empty();
    mempool.append([arrival(1)], NOW);
    const { after } = turn(mempool, reader('0'));
    expect(acknowledge(after, text)).toBeNull();
    const done = acknowledge(after, '{"ack":"1"}');
    expect(done?.unacknowledged).toEqual([]);
    // Twice is once too often: each costs a wake-up.
    expect(done && acknowledge(done, '{"ack":"1"}')).toBeNull();
  });

  it('of some events gets those, and is told now and then how far the node has come', () => {
    const mempool = empty();
    mempool.append([arrival(1, 'OTHER'), arrival(2), arrival(3, 'OTHER')], NOW);
    const first = turn(mempool, reader('0', ['NEWS', 'MORE']));
    expect(indexesOf(first.frames)).toEqual([2]);
    mempool.append([arrival(4, 'OTHER')], NOW);
    const quiet = turn(mempool, first.after);
    expect([quiet.frames, quiet.after.cursor, quiet.after.unacknowledged.length]).toEqual([[], '2', 1]);
    mempool.append([arrival(5, 'OTHER')], NOW);
    const told = turn(mempool, quiet.after, NOW + STREAM_CHECKPOINT_MS);
    expect(told.frames).toEqual([{ type: 'messages', messages: [], cursor: '3' }]);
  });

  it('of events that are far away is told to go on, for nobody else would', () => {
    const portion = { messages: [], chars: 0, cursor: { seq: 3, position: 7 }, more: true, missed: 0, expired: 0 };
    expect(framesOf(portion, NOW, NOW)).toEqual([{ type: 'messages', messages: [], cursor: '3.7' }]);
    expect(framesOf({ ...portion, more: false }, NOW, NOW)).toEqual([]);
  });

  it('is told of what it missed, before what follows', () => {
    const mempool = empty();
    mempool.append([arrival(1)], NOW);
    mempool.append([arrival(2)], NOW);
    mempool.expire(NOW + 600_000);
    const { frames } = turn(mempool, reader('1'), NOW + 600_000);
    expect(frames).toEqual([
      { type: 'gap', missed: null },
      { type: 'messages', messages: [], cursor: '2' },
    ]);
  });
});

it('a reader that is cut at any moment, and comes back with the last cursor that it has, gets each message once and in order', () => {
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ type: fc.constant('append' as const), count: fc.integer({ min: 1, max: 7 }) }),
    },
    { weight: 4, arbitrary: fc.constant({ type: 'turn' as const }) },
    // How many of the frames under way arrive before the cut.
    { weight: 1, arbitrary: fc.record({ type: fc.constant('cut' as const), arrive: fc.nat(STREAM_WINDOW_FRAMES) }) },
    { weight: 2, arbitrary: fc.record({ type: fc.constant('read' as const), acks: fc.boolean() }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const mempool = empty();
      let appended = 0;
      const got: number[] = [];
      let cursor = '0';
      let of = reader(cursor);
      let underWay: StreamFrame[] = [];
      const receive = (count: number) => {
        for (const frame of underWay.splice(0, count)) {
          got.push(...indexesOf([frame]));
          if (frame.type === 'messages') cursor = frame.cursor;
        }
      };
      const send = () => {
        if (readiness(of, mempool, NOW) !== 'ready') return;
        const { frames, after } = turn(mempool, of);
        underWay.push(...frames);
        of = after;
      };
      for (const each of [...steps, ...Array.from({ length: 200 }, () => ({ type: 'read' as const, acks: true }))]) {
        if (each.type === 'append') {
          const first = appended + 1;
          appended += each.count;
          mempool.append(
            Array.from({ length: each.count }, (_, index) => arrival(first + index)),
            NOW,
          );
        }
        if (each.type === 'cut') {
          receive(each.arrive);
          underWay = [];
          of = reader(cursor);
        }
        if (each.type === 'read') {
          receive(underWay.length);
          of = (each.acks ? acknowledge(of, JSON.stringify({ ack: cursor })) : null) ?? of;
        }
        send();
        expect(of.unacknowledged.length).toBeLessThanOrEqual(STREAM_WINDOW_FRAMES);
      }
      expect(got).toEqual(Array.from({ length: appended }, (_, index) => index + 1));
    }),
  );
});
