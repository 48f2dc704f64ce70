// What the beacon's routes make of requests, and of what the beacon knows.
import { describe, expect, it } from 'vitest';
import {
  asked,
  BODY_ROUTES,
  BOOT,
  CALLER_GUID,
  coverage,
  ID,
  problemOf,
  reportBody,
  sendTo,
  setUp,
  type Setup,
  type Target,
} from './fakes.ts';

const get = async (path: string, setup: Setup = {}) => {
  const { app, calls } = setUp(setup);
  const response = await app.request(`${BOOT}/beacon/${path}`);
  return { response, calls: asked(calls) };
};

const summaryWire = {
  id: ID,
  originator: 3,
  broadcast_timestamp: 1_700_000_000.123,
  expires_at: 1_700_000_600.123,
  members: 3,
  received: 2,
  missing: 1,
  t50: 0.25,
  t95: null,
  t100: null,
  hops_max: 1,
  hops_mean: 1,
  duplicates: 4,
};

describe('reading', () => {
  it('gives pages of messages, newest first, in seconds', async () => {
    const { response, calls } = await get('messages?limit=2&cursor=9&originator=0');
    expect(await response.json()).toEqual({ messages: [summaryWire], next: 'more' });
    expect(calls).toEqual([{ to: 'beacon', method: 'messages', args: ['9', 2, 0] }]);
  });

  it('gives one message with who has it and who has not', async () => {
    expect(await (await get(`messages/${ID}`)).response.json()).toEqual({
      ...summaryWire,
      receipts: [
        { guid: 3, after: 0, hops: 0, from: null },
        { guid: 2, after: 0.25, hops: 1, from: 3 },
      ],
      missing_guids: [1],
    });
    const { response } = await get(`messages/${'00'.repeat(32)}`);
    expect((await problemOf(response)).slug).toBe('not-found');
  });

  it('gives aggregates of an hour and a day', async () => {
    const { response } = await get('summary');
    const { deliveries, duplicates, messages } = { messages: 1, deliveries: 1, duplicates: coverage.duplicates };
    const counts = { messages, deliveries, duplicates, complete: 0, coverage: 2 / 3, deliveries_per_member: 2.5 };
    const aggregate = { ...counts, t50: 0.25, t95: null, t100: null, t95_p95: null, hops_max: 1 };
    expect(await response.json()).toEqual({
      time: 1_700_000_001.5,
      network: 'test',
      members: 3,
      hour: aggregate,
      day: aggregate,
      kept: { messages: 1, oldest: 1_700_000_000.123 },
    });
  });

  it.each([
    ['messages?cursor=bad', 'cursor'],
    ['messages?limit=0', 'limit'],
    ['messages?originator=x', 'originator'],
    ['stream?cursor=bad', 'cursor'],
    ['stream?cursor=', 'cursor'],
  ])('%s is refused, naming the field', async (path, field) => {
    const { response } = await get(path);
    expect([response.status, (await problemOf(response)).errors[0]?.path]).toEqual([422, field]);
  });

  it.each(['messages', `messages/${ID}`, 'summary', 'metrics', 'stream'])(
    '%s without a beacon is a 404 no-beacon',
    async (path) => {
      const { response } = await get(path, { beacon: null });
      expect([response.status, (await problemOf(response)).slug]).toEqual([404, 'no-beacon']);
      // There may be one where no boot node is.
      expect((await get(path, { boot: null })).response.status).toBe(200);
    },
  );
});

describe('a report', () => {
  const target = BODY_ROUTES.find(({ path }) => path.endsWith('/receipts')) as Target;
  const post = async (body: unknown, setup: Setup = {}, as: Target = target) => {
    const { app, calls } = setUp(setup);
    return { response: await app.request(target.path, sendTo(as, body)), calls };
  };

  it('is taken about its signer, in milliseconds, and answered with how far the beacon has heard it', async () => {
    const { response, calls } = await post(reportBody);
    expect(await response.json()).toEqual({ heard: '4.1', kept: '0' });
    const [receipt] = reportBody.receipts;
    expect(asked(calls)[0]?.args).toEqual([
      {
        guid: CALLER_GUID,
        instance: 'a life',
        number: 1,
        after: '3',
        through: '4.1',
        live: [[1, 5]],
        receipts: [
          {
            id: ID,
            originator: 1,
            broadcastAt: (receipt?.broadcast_timestamp ?? 0) * 1000,
            expiresAt: (receipt?.expires_at ?? 0) * 1000,
            receivedAt: (receipt?.received_at ?? 0) * 1000,
            hops: 1,
            from: null,
          },
        ],
        duplicates: [[ID, 2]],
      },
    ]);
  });

  it.each([
    ['unsigned', {}, { ...target, signing: null }, 401],
    ['of a key without a certificate', {}, { ...target, signing: 'key' as const }, 401],
    ['of a certificate that proves nothing', { beacon: { admit: async () => 'unproven' as const } }, target, 401],
    ['before the network’s key is known', { beacon: { admit: async () => 'not-joined' as const } }, target, 503],
    ['too often', { beacon: { hear: async () => null } }, target, 429],
    ['where there is no beacon', { beacon: null }, target, 404],
  ])('%s is refused', async (_name, setup, as, status) => {
    const { response } = await post(reportBody, setup, as);
    expect(response.status).toBe(status);
    await problemOf(response);
  });

  it.each([
    [{ after: 'x' }, 'after'],
    [{ number: -1 }, 'number'],
    [{ live: [[1]] }, 'live[0]'],
    [{ receipts: Array(501).fill(reportBody.receipts[0]) }, 'receipts'],
    [{ receipts: [{ ...reportBody.receipts[0], id: 'x' }] }, 'receipts[0].id'],
    [{ duplicates: [[ID, 0]] }, 'duplicates[0][1]'],
    [{ instance: 'x'.repeat(65) }, 'instance'],
  ])('%.60j is refused, naming the field', async (changes, path) => {
    const { response, calls } = await post({ ...reportBody, ...changes });
    expect([response.status, (await problemOf(response)).errors[0]?.path.startsWith(path)]).toEqual([422, true]);
    expect(asked(calls)).toEqual([]);
  });
});
