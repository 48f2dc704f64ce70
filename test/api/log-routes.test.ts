// GET /logs: an operator's look at what a node logged last.
import { describe, expect, test } from 'vitest';
import { BOOT, logRecord, NODE, problemOf, setUp, TOKEN } from './fakes.ts';

const AUTHORIZED = { headers: { Authorization: `Bearer ${TOKEN}` } };

describe.each([NODE, BOOT])('logs at %s', (base) => {
  test('are for operators alone: lines may hold addresses', async () => {
    const { app, calls } = setUp();
    for (const headers of [{}, { Authorization: 'Bearer wrong' }]) {
      const response = await app.request(`${base}/logs`, { headers });
      expect([response.status, (await problemOf(response)).slug]).toEqual([401, 'admin-token-wrong']);
    }
    expect(calls).toEqual([]);
  });

  test('come in pages, from a cursor on, of a level and above', async () => {
    const { app, calls } = setUp();
    const response = await app.request(`${base}/logs?cursor=1-0&limit=7&level=WARNING`, AUTHORIZED);
    expect(await response.json()).toEqual({
      logs: [{ ...logRecord, level: 'WARNING' }],
      next: null,
      cursor: '1-1',
      missed: false,
    });
    await app.request(`${base}/logs`, AUTHORIZED);
    expect(calls.map(({ args }) => args[0])).toEqual([
      { cursor: '1-0', limit: 7, level: 'WARNING' },
      { cursor: null, limit: 100, level: 'DEBUG' },
    ]);
  });

  test.each([
    ['level=warning', 'level'],
    ['limit=501', 'limit'],
    ['cursor=bad', 'cursor'],
  ])('refuse ?%s, naming the field', async (query, field) => {
    const response = await setUp().app.request(`${base}/logs?${query}`, AUTHORIZED);
    expect(response.status).toBe(422);
    expect((await problemOf(response)).errors.map(({ path }) => path)).toEqual([field]);
  });
});
