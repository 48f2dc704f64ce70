// What the page makes of what it is told.
import { describe, expect, it } from 'vitest';
import { paceOf } from '../../dashboard/live/pace.ts';
import { Retry } from '../../dashboard/live/retry.ts';
import { readBeaconFrame } from '../../dashboard/live/beacon.ts';
import { costOf, countUp, readMetrics, type Aggregate } from '../../dashboard/state/figures.ts';
import { countStates, memberCount, nodesOf, withStates } from '../../dashboard/state/nodes.ts';
import { PRICES, PRICES_READ_ON } from '../../dashboard/state/prices.ts';
import { initialState, reduce } from '../../dashboard/state/state.ts';
import * as words from '../../dashboard/ui/words.ts';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const member = (guid: number, state = 'alive', address = `https://a.example/n/${guid}`) => ({
  guid,
  state,
  address,
  last_seen: 5,
  failures: 0,
  public_key: 'k',
  incarnation: 0,
  capabilities: [],
});
const PREFIX = 'https://a.example/n/';

it('asks at the pace that its address names, within limits', () => {
  const paces = ['', '?every=1', '?every=60&a=b', '?every=0', '?every=301', '?every=1e1', '?every=-5'];
  expect(paces.map((query) => paceOf(query, 4_000))).toEqual([4_000, 1_000, 60_000, 4_000, 4_000, 4_000, 4_000]);
});

describe('a roster', () => {
  it('tells which nodes are hosted here, by their addresses', () => {
    const nodes = nodesOf([member(2), member(1), member(3, 'alive', 'https://b.example')], new Map(), PREFIX);
    expect([...nodes.values()].map(({ guid, slot }) => [guid, slot])).toEqual([
      [1, 1],
      [2, 2],
      [3, null],
    ]);
  });

  it('without somebody who was in it: dead, unless it had left', () => {
    const before = nodesOf([member(1), member(2), member(3, 'left')], new Map(), PREFIX);
    const nodes = nodesOf([member(1)], before, PREFIX);
    expect(countStates(nodes)).toMatchObject({ alive: 1, dead: 1, left: 1 });
    expect(memberCount(nodes)).toBe(1);
    // And it may come back.
    expect(nodesOf([member(1), member(2)], nodes, PREFIX).get(2)?.state).toBe('alive');
  });

  it('keeps no more than some of those that are gone', () => {
    const before = nodesOf(
      Array.from({ length: 500 }, (_, index) => member(index + 1)),
      new Map(),
      PREFIX,
    );
    expect(nodesOf([member(1)], before, PREFIX).size).toBe(65);
  });

  it('takes news of states, and tells where there are none', () => {
    const nodes = nodesOf([member(1), member(2)], new Map(), PREFIX);
    expect(withStates(nodes, [[1, 'alive']])).toBe(null);
    expect(
      withStates(nodes, [
        [2, 'suspect'],
        [9, 'alive'],
      ])?.get(2)?.state,
    ).toBe('suspect');
  });
});

describe('the state', () => {
  it('an answer that comes late is not shown as that of the node chosen since', () => {
    const chosen = reduce(initialState(), { type: 'select-node', guid: 2 });
    const inspection = { guid: 1, status: null, roster: [], fault: null };
    expect(reduce(chosen, { type: 'inspection', inspection }).inspection).toBe(null);
    expect(reduce(chosen, { type: 'inspection', inspection: { ...inspection, guid: 2 } }).inspection?.guid).toBe(2);
  });

  it('is an error only where nothing was ever heard', () => {
    const lost = reduce(initialState(), { type: 'roster-failed', fault: 'No.' });
    expect([lost.phase, lost.fault]).toEqual(['error', 'No.']);
    const ready = { ...initialState(), phase: 'ready' } as const;
    expect(reduce(ready, { type: 'roster-failed', fault: 'No.' })).toMatchObject({
      phase: 'ready',
      isRosterFresh: false,
    });
  });
});

it('connects again with growing pauses, short ones after a connection that held', () => {
  const retry = new Retry();
  const pauses = Array.from({ length: 12 }, () => retry.cut(0));
  expect(pauses[0]).toBeLessThanOrEqual(250);
  expect(pauses.at(-1)).toBeGreaterThanOrEqual(15_000);
  expect(Math.max(...pauses)).toBeLessThanOrEqual(30_000);
  retry.opened(0);
  expect(retry.cut(100)).toBeGreaterThanOrEqual(15_000);
  retry.opened(0);
  expect(retry.cut(60_000)).toBeLessThanOrEqual(250);
});

describe('a frame of the beacon', () => {
  it('is read, also with keys that this page does not know', () => {
    const message = { id: 'a', originator: 1, broadcast_timestamp: 1.5, members: 3, duplicates: 0, more: true };
    const frame = {
      type: 'receipts',
      cursor: 'c',
      messages: [
        {
          ...message,
          receipts: [
            [1, 0, 0, null],
            [2, 0.1, 1, 1],
          ],
        },
      ],
    };
    expect(readBeaconFrame(JSON.stringify(frame))).toMatchObject({ type: 'receipts', cursor: 'c' });
    expect(readBeaconFrame('{"type": "news"}')).toBe(null);
  });

  it.each([
    '{"type": "hello", "network": "a", "members": 3}',
    '{"type": "receipts", "cursor": "c", "messages": [{"id": "a"}]}',
    '{"type": "members", "members": [["1", "alive"]]}',
    '[]',
  ])('is refused where it is none: %s', (text) => {
    expect(() => readBeaconFrame(text)).toThrow(/expected/);
  });
});

describe('the figures', () => {
  const metrics = (deliveries: number, rows: number) =>
    readMetrics(
      `# HELP pychain_x X\npychain_deliveries_total{result="new"} ${deliveries}\npychain_deliveries_total{result="duplicate"} 5\n` +
        `pychain_rows_written_total ${rows}\npychain_queue_operations_total 100\npychain_deliver_calls_total 10\n`,
    );

  it('are summed over nodes, and cost what docs/cost.md says', () => {
    const counted = countUp([metrics(60, 30), metrics(40, 20)], 3);
    expect(counted).toMatchObject({ nodes: 2, hosted: 3, deliveries: 100, copies: 1.1, rows: 500_000 });
    // A delivery: half a row, two operations, a fifth of a request.
    expect(counted?.dollars).toBeCloseTo(0.5 * 1 + 2 * 0.4 + 0.2 * 0.15, 9);
  });

  it('say nothing of a network in which nothing was delivered', () => {
    expect(countUp([metrics(0, 30)], 1)).toMatchObject({ copies: null, rows: null, dollars: null });
    expect(countUp([], 4)).toBe(null);
  });

  const hourOf = (deliveries: number): Aggregate => {
    const ratios = { coverage: 1, t50: 0.1, t95: 0.2, deliveries_per_member: 1 };
    return { messages: 9, complete: 9, deliveries, ...ratios };
  };

  it.each<[string, ReturnType<typeof metrics>[], Aggregate | null, RegExp | null]>([
    ['enough deliveries', [metrics(120, 30), metrics(80, 20)], null, null],
    ['as many as the beacon heard of', [metrics(120, 30), metrics(80, 20)], hourOf(400), null],
    // Two of the four members were asked: of the deliveries to the others they know nothing.
    ['as many as are theirs', [metrics(150, 30), metrics(150, 20)], hourOf(600), null],
    ['few', [metrics(1, 2), metrics(198, 3)], null, /^too few deliveries are counted to tell: 199 of at least 200$/],
    ['fewer than the beacon heard of', [metrics(120, 30), metrics(80, 20)], hourOf(900), /forgotten .* beacon/],
    ['none that were asked', [], hourOf(600), /^no hosted node has answered$/],
  ])('tell what a delivery costs, or why not: %s', (_name, asked, hour, why) => {
    const counted = countUp(asked, 2);
    const cost = costOf({ hour, counted }, 4);
    if (why === null) expect(cost).toEqual({ rows: counted?.rows, dollars: counted?.dollars, why: null });
    else expect(cost).toEqual({ rows: null, dollars: null, why: expect.stringMatching(why) as string });
  });

  it('have the prices of docs/cost.md', () => {
    const cost = readFileSync(join(import.meta.dirname, '../../docs/cost.md'), 'utf8');
    const [, date, rows, operations, requests] =
      /read on ([\d-]+), .*: rows \$([\d.]+), queue operations \$([\d.]+), Durable Object requests \$([\d.]+) per million/.exec(
        cost,
      ) ?? [];
    expect([date, rows, operations, requests].map((text, index) => (index === 0 ? text : Number(text)))).toEqual([
      PRICES_READ_ON,
      PRICES.rowsWritten,
      PRICES.queueOperations,
      PRICES.objectRequests,
    ]);
  });
});

it('writes numbers as people do', () => {
  expect([0.041, 0.9996, 1.5, 12.34, 125].map(words.duration)).toEqual([
    '41 ms',
    '1.00 s',
    '1.50 s',
    '12.3 s',
    '2 min 5 s',
  ]);
  // 999 of 1,000 is not all.
  expect([words.percent(0.999), words.percent(1), words.percent(null)]).toEqual(['99 %', '100 %', '–']);
  expect([words.plural(1, 'delivery'), words.plural(1_200, 'delivery')]).toEqual(['1 delivery', '1,200 deliveries']);
});
