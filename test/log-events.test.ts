// docs/operations.md has the events as the table of the code has them.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { LOG_EVENTS, LOG_NAMES, type EventSpec } from '../src/protocol/log-events.ts';
import { logEntry, type LogLine } from '../src/protocol/log-line.ts';

const ROW = /^\| `(\w+)` \| (DEBUG|INFO|WARNING|ERROR|CRITICAL) \| ([^|]*) \| ([^|]*) \|$/;

test.each(LOG_NAMES)('the events of the %s log are in docs/operations.md, with levels, fields and meaning', (log) => {
  const text = readFileSync(new URL('../docs/operations.md', import.meta.url), 'utf8');
  const section = text.split(`#### ${log}\n`)[1]?.split('\n#')[0] ?? '';
  const told = section.split('\n').flatMap((line) => {
    const [, event, level, fields, meaning] = ROW.exec(line) ?? [];
    return event === undefined ? [] : [{ event, level, fields, meaning }];
  });
  const known = Object.entries<EventSpec>(LOG_EVENTS[log]).map(([event, { level, fields, meaning }]) => ({
    event,
    level,
    fields: Object.keys(fields).join(', '),
    meaning,
  }));
  expect(told).toEqual(known);
});

test('an event is in one log', () => {
  const names = LOG_NAMES.flatMap((log) => Object.keys(LOG_EVENTS[log]));
  expect(new Set(names).size).toBe(names.length);
});

test('a name that is not in the table does not compile, nor does a field that is missing or wrong', () => {
  // @ts-expect-error no such event
  expect(() => logEntry(['peer_vanished', { guid: 1 }])).toThrow('in the table');
  // @ts-expect-error no guid
  const missing: LogLine = ['peer_left', {}];
  // @ts-expect-error a number
  const wrong: LogLine = ['refuted', { from: '2', opinion: 'dead' }];
  expect([missing, wrong]).toHaveLength(2);
});
