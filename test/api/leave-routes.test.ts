import { describe, expect, test } from 'vitest';
import { asked, NODE, nodeStatus, problemOf, send, setUp } from './fakes.ts';

const LEFT_AT = 1_700_000_000_000;
const left = async () => ({ ...nodeStatus, leftAt: LEFT_AT });

describe('POST /network/leave', () => {
  test('the node leaves', async () => {
    const { app, calls } = setUp({ node: { status: left } });
    const response = await app.request(`${NODE}/network/leave`, send('POST', {}));
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ guid: nodeStatus.guid, left_at: LEFT_AT / 1000 });
    expect(asked(calls).map(({ method }) => method)).toContain('leave');
  });

  test('asked twice, it has left', async () => {
    const { app } = setUp({ node: { status: left, leave: async () => ({ ok: false, error: { reason: 'left' } }) } });
    const response = await app.request(`${NODE}/network/leave`, send('POST', {}));
    expect([response.status, await response.json()]).toMatchObject([200, { left_at: LEFT_AT / 1000 }]);
  });

  test.each([
    [{ reason: 'not-joined' } as const, 'not-joined'],
    [{ reason: 'mempool-full', max: 100_000 } as const, 'mempool-full'],
  ])('%j is said, and it has not left', async (error, slug) => {
    const { app } = setUp({ node: { leave: async () => ({ ok: false, error }) } });
    const response = await app.request(`${NODE}/network/leave`, send('POST', {}));
    expect(response.status).toBe(503);
    expect((await problemOf(response)).slug).toBe(slug);
  });
});

test('POST /network/return: the node comes back', async () => {
  const { app, calls } = setUp();
  const response = await app.request(`${NODE}/network/return`, send('POST', {}));
  expect([response.status, await response.json()]).toEqual([200, { guid: nodeStatus.guid, left_at: null }]);
  expect(asked(calls).map(({ method }) => method)).toContain('return');
});

test.each(['leave', 'return'])('POST /network/%s is for operators alone', async (word) => {
  const { app, calls } = setUp();
  const response = await app.request(`${NODE}/network/${word}`, send('POST', {}, { Authorization: 'Bearer no' }));
  expect(response.status).toBe(401);
  expect(calls.map(({ method }) => method)).not.toContain(word);
});
