// A log record as a line for people, and back.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatRecord, parseFileLine, parseWorkerLine, type LogRecord } from '../../src/cli/log-line.ts';

const RECORD: LogRecord = {
  time: 1_795_377_600.123,
  level: 'INFO',
  node: '3',
  log: 'network_sync',
  event: 'peer_added',
  guid: 4,
  address: 'http://127.0.0.1:8787/n/4',
  note: 'two words',
};

test('reads as a line for people', () => {
  expect(formatRecord(RECORD)).toBe(
    '2026-11-22T20:00:00.123Z INFO peer_added guid=4 address=http://127.0.0.1:8787/n/4 note="two words"',
  );
});

test('what is not a record of a node that we know is not taken for one', () => {
  const line = (change: object) => JSON.stringify({ ...RECORD, ...change });
  expect(parseWorkerLine(line({}))).toEqual(RECORD);
  for (const node of ['../..', '0', '1/2', '', 'x', 3]) expect(parseWorkerLine(line({ node }))).toBeNull();
  for (const log of ['../api', 'other', null]) expect(parseWorkerLine(line({ log }))).toBeNull();
  for (const text of ['', '{', 'null', '[]', 'Error: boom', '{"time":1}']) expect(parseWorkerLine(text)).toBeNull();
});

test('every record comes back from its line, whatever is in its fields', () => {
  const value = fc.jsonValue().map((json): unknown => JSON.parse(JSON.stringify(json)));
  const reserved = ['time', 'level', 'node', 'log', 'event', '__proto__'];
  const key = fc.string().filter((name) => !reserved.includes(name));
  fc.assert(
    fc.property(fc.dictionary(key, value), fc.string(), (fields, event) => {
      const record = { ...fields, time: RECORD.time, level: 'INFO' as const, node: '1', log: 'api' as const, event };
      const line = formatRecord(record);
      expect(line).not.toMatch(/\p{Cc}/u);
      expect(parseFileLine(line)).toEqual({ ...fields, time: RECORD.time, level: 'INFO', event });
    }),
  );
});

test('lines of other shapes are not records', () => {
  for (const line of [
    '',
    'x',
    '2026-11-22T20:00:00.123Z INFO',
    '2026-11-22T20:00:00.123Z INFO a b',
    'now INFO a b=1',
  ]) {
    expect(parseFileLine(line)).toBeNull();
  }
});
