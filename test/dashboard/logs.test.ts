// Log lines of a node, as the page keeps and writes them.
import { describe, expect, it } from 'vitest';
import { LINES_KEPT_MAX, newest, withLines } from '../../dashboard/state/logs.ts';
import { initialState, reduce } from '../../dashboard/state/state.ts';

const record = (event: string, level = 'INFO', fields: object = {}) => ({
  time: 5,
  level,
  node: '1',
  log: 'api',
  event,
  ...fields,
});
const eventsOf = (lines: readonly { event: string }[]) => lines.map(({ event }) => event);

describe('log lines', () => {
  it('are no more than a node keeps, the newest of them', () => {
    const many = Array.from({ length: LINES_KEPT_MAX }, (_, index) => record(`e${index}`));
    const lines = withLines(withLines([], many, false), [record('last')], false);
    expect([lines.length, lines[0]?.event, lines.at(-1)?.event]).toEqual([LINES_KEPT_MAX, 'e1', 'last']);
    expect(new Set(lines.map(({ number }) => number)).size).toBe(LINES_KEPT_MAX);
  });

  it('are shown from a level on, the newest first, also of a level that is not known', () => {
    const lines = withLines([], [record('a'), record('b', 'ERROR'), record('c', 'NEW'), record('d', 'DEBUG')], false);
    expect(eventsOf(newest(lines, 'DEBUG', 3))).toEqual(['d', 'c', 'b']);
    expect(eventsOf(newest(lines, 'WARNING', 10))).toEqual(['c', 'b']);
  });

  it('tell where some are gone before them', () => {
    const lines = withLines(withLines([], [record('a')], false), [record('b'), record('c')], true);
    expect(lines.map(({ isAfterGap }) => isAfterGap)).toEqual([false, true, false]);
  });

  it('have their fields in short, with nothing in them that cannot be seen', () => {
    const fields = {
      guid: 3,
      reason: 'no answer',
      path: '/n/1',
      bad: 'a\u202eb',
      list: [1, 2],
      long: 'x'.repeat(1_000),
    };
    const [line] = withLines([], [record('a', 'INFO', fields)], false);
    expect(line?.fields).toMatch(/^guid=3 reason="no answer" path=\/n\/1 bad="a\\u\{202e\}b" list=\[1,2\] long=x+…$/);
    expect(line?.fields.length).toBeLessThan(250);
  });

  it('are of the node that is chosen, and gone with the token', () => {
    const logs = { guid: 2, lines: withLines([], [record('a')], false), fault: null };
    const chosen = reduce(initialState(), { type: 'select-node', guid: 2 });
    expect(reduce(chosen, { type: 'logs', logs }).logs).toBe(null);
    const trusted = reduce(chosen, { type: 'operator', operator: { hasToken: true } });
    expect(reduce(trusted, { type: 'logs', logs: { ...logs, guid: 3 } }).logs).toBe(null);
    const told = reduce(trusted, { type: 'logs', logs });
    expect(told.logs).toBe(logs);
    expect(reduce(told, { type: 'operator', operator: { isBusy: true } }).logs).toBe(logs);
    expect(reduce(told, { type: 'operator', operator: { hasToken: false } }).logs).toBe(null);
    expect(reduce(told, { type: 'select-node', guid: 3 }).logs).toBe(null);
  });
});
