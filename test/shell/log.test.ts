// What is written of what nodes log, and what is kept of it to be read over HTTP.
import { describe, expect, test } from 'vitest';
import type { LogQuery } from '../../src/api/ports.ts';
import { LEVELS, type Level } from '../../src/protocol/log-events.ts';
import { LogRing } from '../../src/shell/log-ring.ts';
import { createLog, EVENT_BURST, type Log } from '../../src/shell/log.ts';

/** A line of each level. */
const OF_EACH: readonly Parameters<Log>[] = [
  ['tick', { first: 1, last: 2, failures: 0 }],
  ['peer_left', { guid: 1 }],
  ['refuted', { from: 2, opinion: 'dead' }],
  ['roster_full', { guid: 3 }],
  ['alarm_failed', { reason: 'a bug' }],
];

function logInto(written: string[], lowest: Level, recent = new LogRing()): Log {
  return createLog('7', lowest, { recent, write: (line) => written.push(line) });
}

describe('a log', () => {
  test.each(LEVELS.map((level, index) => [level, index] as const))('at %s leaves out what is below', (level, index) => {
    const written: string[] = [];
    const ring = new LogRing();
    const log = logInto(written, level, ring);
    for (const line of OF_EACH) log(...line);
    const levels = written.map((line) => (JSON.parse(line) as { level: string }).level);
    expect(levels).toEqual(LEVELS.slice(index));
    expect(ring.page(all())?.logs.map((record) => record.level)).toEqual(levels);
  });

  test('is JSON with the time, the node, what the table has of the event, and its fields', () => {
    const written: string[] = [];
    logInto(written, 'INFO')('peers_added', { guids: [2, 3], count: 2, max_guid: 3 });
    expect(JSON.parse(written[0] ?? '')).toEqual({
      time: expect.closeTo(Date.now() / 1000, -1),
      level: 'INFO',
      node: '7',
      log: 'network_sync',
      event: 'peers_added',
      guids: [2, 3],
      count: 2,
      max_guid: 3,
    });
  });

  test('is not filled by one event that comes again and again; others are still told', () => {
    const written: string[] = [];
    const log = logInto(written, 'INFO');
    for (let count = 0; count < 1_000; count++) log('caller_shut_out', { guid: count });
    log('left', { guid: 1 });
    expect(written.length).toBeLessThanOrEqual(EVENT_BURST + 2);
    expect(written.at(-1)).toContain('"left"');
  });

  test('tells everything at DEBUG that is of DEBUG: who asks for it wants it', () => {
    const written: string[] = [];
    const log = logInto(written, 'DEBUG');
    for (let count = 0; count < 1_000; count++) log('expired', { messages: count });
    expect(written).toHaveLength(1_000);
  });
});

function all(changes: Partial<LogQuery> = {}): LogQuery {
  return { cursor: null, limit: 1_000, level: 'DEBUG', ...changes };
}

describe('what is kept of a log', () => {
  const filled = (count: number, ring = new LogRing(10, 100_000, 1)) => {
    for (let index = 1; index <= count; index++) ring.add(JSON.stringify({ index }), index % 2 ? 'INFO' : 'WARNING');
    return ring;
  };
  const indexes = (ring: LogRing, query: Partial<LogQuery> = {}) =>
    ring.page(all(query))?.logs.map(({ index }) => index);

  test('is so many lines, the newest', () => {
    expect(indexes(filled(25))).toEqual([16, 17, 18, 19, 20, 21, 22, 23, 24, 25]);
  });

  test('is so many characters, however long a line is', () => {
    const ring = new LogRing(1_000, 500, 1);
    for (let index = 0; index < 100; index++) ring.add(JSON.stringify({ index, text: 'x'.repeat(80) }), 'INFO');
    expect(indexes(ring)).toEqual([96, 97, 98, 99]);
    ring.add(JSON.stringify({ text: 'x'.repeat(500) }), 'INFO');
    expect(indexes(ring)).toEqual([]);
    ring.add(JSON.stringify({ index: 101 }), 'INFO');
    expect(indexes(ring)).toEqual([101]);
  });

  test('can be turned page by page, and followed from its end on', () => {
    const ring = filled(5);
    const read: unknown[] = [];
    let page = ring.page(all({ limit: 2 }));
    for (; page; page = page.next === null ? null : ring.page(all({ limit: 2, cursor: page.next }))) {
      read.push(...page.logs.map(({ index }) => index));
    }
    expect(read).toEqual([1, 2, 3, 4, 5]);
    const end = ring.page(all())?.cursor ?? '';
    expect(ring.page(all({ cursor: end }))).toMatchObject({ logs: [], next: null, cursor: end, isMissed: false });
    ring.add('{"index":6}', 'INFO');
    expect(indexes(ring, { cursor: end })).toEqual([6]);
  });

  test('says so where lines are gone that a reader has not had', () => {
    const ring = filled(5);
    const cursor = ring.page(all())?.cursor ?? '';
    for (let index = 6; index <= 15; index++) ring.add(`{"index":${index}}`, 'INFO');
    expect(ring.page(all({ cursor }))?.isMissed).toBe(false);
    ring.add('{"index":16}', 'INFO');
    const page = ring.page(all({ cursor }));
    expect([page?.isMissed, page?.logs[0]?.['index']]).toEqual([true, 7]);
    expect(ring.page(all())?.isMissed).toBe(false);
  });

  test('begins anew where the node was evicted since, and says so', () => {
    const cursor = filled(5).page(all())?.cursor ?? '';
    const later = filled(2, new LogRing(10, 100_000, 2));
    expect(later.page(all({ cursor }))).toMatchObject({ isMissed: true, logs: [{ index: 1 }, { index: 2 }] });
  });

  test('shows a level and above', () => {
    const ring = filled(6);
    expect(indexes(ring, { level: 'WARNING' })).toEqual([2, 4, 6]);
    expect(indexes(ring, { level: 'WARNING', limit: 2 })).toEqual([2, 4]);
    expect(indexes(ring, { level: 'ERROR' })).toEqual([]);
  });

  test.each(['', 'x', '1', '1-', '-1', '1-1-1', `1-${'9'.repeat(40)}`])('takes no cursor like %j', (cursor) => {
    expect(filled(3).page(all({ cursor }))).toBeNull();
  });
});
