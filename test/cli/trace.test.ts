// The way of a message as the beacon tells it: the drawing, and the command over HTTP.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import type { CoverageDetail } from '../../src/cli/beacon-schemas.ts';
import { trace } from '../../src/cli/trace.ts';
import { coverageLines } from '../../src/cli/trace-view.ts';
import { printed } from '../support/printed.ts';
import { isNoneOfOurs } from '../support/watch-fetch.ts';

const ID = 'ab'.repeat(32);

type Row = readonly [guid: number, after: number, hops: number, from: number | null];

function coverage(rows: readonly Row[], changes: Partial<CoverageDetail> = {}): CoverageDetail {
  return {
    id: ID,
    originator: 1,
    broadcast_timestamp: 1_795_377_600,
    members: 6,
    received: rows.length,
    missing: 6 - rows.length,
    t50: 0.05,
    t95: null,
    t100: null,
    hops_max: 2,
    hops_mean: 1.2,
    duplicates: 1,
    receipts: rows.map(([guid, after, hops, from]) => ({ guid, after, hops, from })),
    missing_guids: [],
    ...changes,
  };
}

const TREE: readonly Row[] = [
  [1, 0, 0, null],
  [5, 0.04, 1, 1],
  [2, 0.05, 1, 1],
  [3, 0.09, 2, 2],
  [4, 0.1, 2, 2],
];

describe('the drawing', () => {
  test('is the tree of who had it from whom, the first to get it first', () => {
    expect(coverageLines(coverage(TREE, { missing_guids: [6] }))).toEqual([
      `${ID} from 1, 2026-11-22T20:00:00.000Z`,
      '5 of 6 members have it, 50 % after 0.050 s, at most 2 hops, 1 duplicate',
      '1',
      '├─ 5  0.040 s, 1 hop',
      '└─ 2  0.050 s, 1 hop',
      '   ├─ 3  0.090 s, 2 hops',
      '   └─ 4  0.100 s, 2 hops',
      'missing: 6',
    ]);
  });

  test('shows who had it from somebody who is not known, with all below', () => {
    const rows: Row[] = [...TREE, [7, 0.5, 1, null], [8, 0.6, 2, 7], [9, 0.7, 3, 99]];
    expect(coverageLines(coverage(rows)).slice(7)).toEqual([
      'from whom is not known',
      '├─ 7  0.500 s, 1 hop',
      '│  └─ 8  0.600 s, 2 hops',
      '└─ 9  0.700 s, 3 hops',
    ]);
  });

  test('has room for thousands: those who passed nothing on are one line', () => {
    const rows: Row[] = [[1, 0, 0, null]];
    for (let guid = 2; guid <= 5_000; guid++) rows.push([guid, guid / 1000, 1, 1]);
    const lines = coverageLines(coverage(rows));
    expect(lines).toHaveLength(11);
    expect(lines.at(-1)).toBe('└─ 4992 more: 9-5000  0.009 to 5.000 s');
  });

  test('is not longer than a few pages, however many passed it on', () => {
    const rows: Row[] = [[1, 0, 0, null]];
    for (let guid = 2; guid <= 5_000; guid++) rows.push([guid, guid / 1000, guid, guid - 1]);
    const lines = coverageLines(coverage(rows));
    expect(lines.length).toBeLessThan(250);
    expect(lines.at(-1)).toMatch(/and \d+ lines more: --json has all/);
  });

  test('ends where what the beacon says goes round in circles', () => {
    const rows: Row[] = [
      [1, 0, 0, null],
      [2, 0.1, 1, 3],
      [3, 0.2, 2, 2],
    ];
    expect(coverageLines(coverage(rows)).slice(2)).toEqual([
      '1',
      'from whom is not known',
      '├─ 2  0.100 s, 1 hop',
      '└─ 3  0.200 s, 2 hops',
    ]);
  });
});

describe('the command', () => {
  let asked: string[] = [];
  const server = createServer(({ url = '' }, response) => {
    asked.push(url);
    const say = (status: number, body: object) =>
      response
        .writeHead(status, { 'content-type': status === 200 ? 'application/json' : 'application/problem+json' })
        .end(JSON.stringify(body));
    if (url === `/api/v1/beacon/messages/${ID}`) return say(200, { ...coverage(TREE), other: 'key' });
    if (url === '/api/v1/status') {
      return say(200, { network: 'test', protocol: 'pychain/1', guid: 0, address: 'local:', max_guid: 5, time: 1 });
    }
    return say(404, { type: 'urn:pychain:problem:not-found', title: 'Not found', status: 404, detail: 'no' });
  });
  afterEach(() => {
    server.close();
    asked = [];
  });

  test('asks the beacon, and nobody else', async () => {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const url = isNoneOfOurs(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const lines = await printed(() => trace(ID, { url, json: false }));
    expect(lines).toEqual(coverageLines(coverage(TREE)));
    expect(asked).toEqual(['/api/v1/status', `/api/v1/beacon/messages/${ID}`]);
    const [told] = await printed(() => trace(ID, { url, json: true }));
    expect(JSON.parse(told ?? '')).toMatchObject({ source: 'beacon', id: ID, receipts: [{ guid: 1 }, {}, {}, {}, {}] });
  });

  test.each(['abc', 'x'.repeat(64), `${ID}0`, ''])('refuses %j as an id', async (id) => {
    await expect(trace(id, { json: false })).rejects.toMatchObject({ exitCode: 2 });
  });
});
