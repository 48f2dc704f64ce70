import { describe, expect, test } from 'vitest';
import { composeMessage } from '../../src/protocol/message.ts';
import { seal } from '../../src/protocol/seal.ts';
import { onlyMe } from '../../src/protocol/tree.ts';
import type { MessageContent } from '../../src/protocol/types.ts';
import {
  asked,
  broadcast,
  CALLER_GUID,
  deliveriesBody,
  ID,
  NODE,
  nodeStatus,
  problemOf,
  send,
  sendTo,
  setUp,
  SIGNATURE,
  TOKEN,
} from './fakes.ts';

const messageWire = {
  id: ID,
  data: { event: { name: 'DEAD_PEER', args: { guid: 1 } } },
  originator: { guid: 3, address: 'http://127.0.0.1:8787/n/3' },
  broadcast_timestamp: 1_700_000_000.123,
  expires_at: 1_700_000_600.123,
  received_at: 1_700_000_000.456,
  hops: 2,
};

/** A message in the seed's form, and as it is passed on. */
function stampedMessage(changes: Partial<MessageContent> = {}, nonce = 7) {
  const content = {
    network: 'test',
    data: broadcast.data,
    originator: broadcast.originator,
    broadcastAt: 1_700_000_000_123,
    expiresAt: 1_700_000_600_123,
    ...changes,
  };
  const draft = composeMessage(content, nonce);
  if (!draft.ok) throw new Error(draft.error.reason);
  const { id } = draft.value;
  const { network } = content;
  const stamp = { id, broadcast_timestamp: content.broadcastAt / 1000, nonce, network, signature: SIGNATURE };
  return { body: { ...broadcast, ...stamp, seen_by: [3, 1] }, sealed: seal(draft.value.body, SIGNATURE) };
}

/** As the gateway is told who calls: by the key that proved it. */
const CALLER = { guid: CALLER_GUID, publicKey: expect.stringMatching(/^[\w-]{43}$/) };

describe('POST /messages', () => {
  test('data', async () => {
    const { app, calls } = setUp();
    const data = { 'text': 'ü😀', 'n': -1.5e300, 'constructor': { prototype: [] }, '': null };
    const response = await app.request(`${NODE}/messages`, send('POST', { data }));
    expect(response.status).toBe(202);
    expect(response.headers.get('Location')).toBe(`${NODE}/messages/${ID}`);
    expect(await response.json()).toEqual({ id: ID, broadcast_timestamp: 1_700_000_000.123 });
    expect(calls).toEqual([
      { to: 'node', method: 'originate', args: [[{ data, ttlSeconds: null, idempotencyKey: null }]] },
    ]);
  });

  test('event, ttl, Idempotency-Key', async () => {
    const { app, calls } = setUp();
    const key = ` ${'k'.repeat(126)}~`.trim();
    const body = { event: { name: 'DEAD_PEER', args: { guid: 1 } }, ttl: 86_400 };
    expect((await app.request(`${NODE}/messages`, send('POST', body, { 'Idempotency-Key': key }))).status).toBe(202);
    expect((await app.request(`${NODE}/messages`, send('POST', { event: { name: 'X' } }))).status).toBe(202);
    expect(calls.map((call) => call.args[0])).toEqual([
      [{ data: { event: body.event }, ttlSeconds: 86_400, idempotencyKey: key }],
      [{ data: { event: { name: 'X', args: {} } }, ttlSeconds: null, idempotencyKey: null }],
    ]);
  });

  test.each([
    [{}, 'data'],
    [{ data: {}, event: { name: 'X' } }, 'data'],
    [{ data: [] }, 'data'],
    [{ data: null }, 'data'],
    [{ data: 'text' }, 'data'],
    [{ data: {}, extra: 1 }, 'extra'],
    [{ 'data': {}, 'odd key': 1 }, '["odd key"]'],
    [{ event: {} }, 'event.name'],
    [{ event: { name: '' } }, 'event.name'],
    [{ event: { name: 'x'.repeat(129) } }, 'event.name'],
    [{ event: { name: 'X', args: 1 } }, 'event.args'],
    [{ event: { name: 'X', more: 1 } }, 'event.more'],
    [{ data: {}, ttl: 0 }, 'ttl'],
    [{ data: {}, ttl: 86_401 }, 'ttl'],
    [{ data: {}, ttl: 1.5 }, 'ttl'],
    [{ data: {}, ttl: '60' }, 'ttl'],
    [[], ''],
    ['"text"', ''],
    [7, ''],
  ])('%j: 422 that names %j', async (body, path) => {
    const { app, calls } = setUp();
    const response = await app.request(`${NODE}/messages`, send('POST', body));
    expect(response.status).toBe(422);
    const problem = await problemOf(response);
    expect(problem.errors.map((error) => error.path)).toContain(path);
    expect(problem.detail).toBe('the body is not valid');
    expect(calls).toEqual([]);
  });

  test('thousands of unknown keys make a short answer', async () => {
    const { app } = setUp();
    const body = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`key${i}`, i]));
    const response = await app.request(`${NODE}/messages`, send('POST', body));
    expect(response.status).toBe(422);
    expect((await response.text()).length).toBeLessThan(5_000);
  });

  test.each(['k'.repeat(129), 'ü', '\u007f', ''])('Idempotency-Key %j: 422', async (key) => {
    const { app, calls } = setUp();
    const response = await app.request(`${NODE}/messages`, send('POST', { data: {} }, { 'Idempotency-Key': key }));
    expect(response.status).toBe(422);
    expect((await problemOf(response)).errors[0]?.path).toBe('idempotency-key');
    expect(calls).toEqual([]);
  });

  test.each([
    [{ reason: 'not-joined' }, 503, 'not-joined', /GUID/],
    [{ reason: 'too-large', bytes: 70_001, max: 65_536 }, 413, 'message-too-large', /70001.*65536/],
    [{ reason: 'mempool-full', max: 100_000 }, 503, 'mempool-full', /100000/],
    [{ reason: 'bad-data', path: 'data.x', message: 'is bad' }, 422, 'invalid-input', /body is not valid/],
    [{ reason: 'key-reused' }, 422, 'key-reused', /Idempotency-Key/],
  ] as const)('the node refuses: %j', async (error, status, slug, detail) => {
    const { app } = setUp({ node: { originate: async () => ({ ok: false, error: { index: 0, error } }) } });
    for (const [method, path, body] of [
      ['POST', 'messages', { data: {} }],
      ['PUT', 'broadcast', broadcast],
    ] as const) {
      const response = await app.request(`${NODE}/${path}`, send(method, body));
      expect(response.status).toBe(status);
      expect(response.headers.has('Retry-After')).toBe(status === 503);
      const problem = await problemOf(response);
      expect(problem.slug).toBe(slug);
      expect(problem.detail).toMatch(detail);
      const places = error.reason === 'bad-data' ? [{ path: error.path, message: error.message }] : [];
      expect(problem.errors).toEqual(places);
    }
  });
});

describe('POST /messages/batch', () => {
  const BATCH = `${NODE}/messages/batch`;
  const deep = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;

  test('messages with their own ttl; what became of them in their order', async () => {
    const ids = ['a'.repeat(64), 'b'.repeat(64)];
    const originate = async () => ({
      ok: true as const,
      value: ids.map((id, index) => ({ id, broadcastAt: 1_700_000_000_000 + index })),
    });
    const { app, calls } = setUp({ node: { originate } });
    const messages = [{ data: { n: 1 } }, { event: { name: 'X' }, ttl: 60 }];
    const response = await app.request(BATCH, send('POST', { messages }));
    expect(response.status).toBe(202);
    expect(await response.json()).toEqual({
      messages: [
        { id: ids[0], broadcast_timestamp: 1_700_000_000 },
        { id: ids[1], broadcast_timestamp: 1_700_000_000.001 },
      ],
    });
    expect(calls[0]?.args[0]).toEqual([
      { data: { n: 1 }, ttlSeconds: null, idempotencyKey: null },
      { data: { event: { name: 'X', args: {} } }, ttlSeconds: 60, idempotencyKey: null },
    ]);
  });

  test('under an Idempotency-Key each place has a key of its own, which no message alone can have', async () => {
    const { app, calls } = setUp();
    const body = { messages: [{ data: {} }, { data: {} }] };
    expect((await app.request(BATCH, send('POST', body, { 'Idempotency-Key': 'k' }))).status).toBe(202);
    const keys = calls.flatMap(({ args }) => args[0] as { idempotencyKey: string }[]).map((one) => one.idempotencyKey);
    expect(new Set(keys).size).toBe(2);
    for (const key of keys) expect(key).toMatch(/^k\n/);
  });

  test.each([
    [{}, 'messages'],
    [{ messages: [] }, 'messages'],
    [{ messages: {} }, 'messages'],
    [{ messages: Array.from({ length: 101 }, () => ({ data: {} })) }, 'messages'],
    [{ messages: [{ data: {} }], ttl: 5 }, 'ttl'],
    [{ messages: [{ data: {} }, {}] }, 'messages[1].data'],
    [{ messages: [{ data: {} }, { data: {}, ttl: 0 }] }, 'messages[1].ttl'],
  ])('%#: 422 that names %j %j', async (body, path) => {
    const { app, calls } = setUp();
    const response = await app.request(BATCH, send('POST', body));
    expect(response.status).toBe(422);
    expect((await problemOf(response)).errors.map((error) => error.path)).toContain(path);
    expect(calls).toEqual([]);
  });

  test('a message may be as deep as one that comes alone', async () => {
    const { app, calls } = setUp();
    const text = (levels: number) => `{"messages":[{"data":${deep(levels)}}]}`;
    expect((await app.request(BATCH, send('POST', text(64)))).status).toBe(202);
    expect((await app.request(BATCH, send('POST', text(65)))).status).toBe(400);
    expect(calls).toHaveLength(1);
  });

  test.each([
    [{ reason: 'too-large', bytes: 70_001, max: 65_536 }, 413, 'message-too-large', /^messages\[7\]: .*70001/],
    [{ reason: 'bad-data', path: 'data.x', message: 'is bad' }, 422, 'invalid-input', /body is not valid/],
    [{ reason: 'key-reused' }, 422, 'key-reused', /^messages\[7\]: /],
  ] as const)('the node refuses one: %j', async (error, status, slug, detail) => {
    const { app } = setUp({ node: { originate: async () => ({ ok: false, error: { index: 7, error } }) } });
    const response = await app.request(BATCH, send('POST', { messages: [{ data: {} }] }));
    expect(response.status).toBe(status);
    const problem = await problemOf(response);
    expect(problem.slug).toBe(slug);
    expect(problem.detail).toMatch(detail);
    const places = error.reason === 'bad-data' ? [{ path: 'messages[7].data.x', message: 'is bad' }] : [];
    expect(problem.errors).toEqual(places);
  });
});

describe('GET /messages', () => {
  test('a page', async () => {
    const { app, calls } = setUp();
    const response = await app.request(`${NODE}/messages`);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ messages: [messageWire], next: null, cursor: '3' });
    expect((await app.request(`${NODE}/messages?cursor=c&limit=500`)).status).toBe(200);
    expect((await app.request(`${NODE}/messages?limit=501`)).status).toBe(422);
    expect((await app.request(`${NODE}/messages?cursor=bad`)).status).toBe(422);
    expect(calls.map((call) => call.args)).toEqual([
      [null, 100],
      ['c', 500],
      ['bad', 100],
    ]);
  });

  test('one', async () => {
    const { app } = setUp();
    const found = await app.request(`${NODE}/messages/${ID}`);
    expect(found.status).toBe(200);
    expect(await found.json()).toEqual(messageWire);
    const missing = await app.request(`${NODE}/messages/${'0'.repeat(64)}`);
    expect(missing.status).toBe(404);
    expect((await problemOf(missing)).slug).toBe('not-found');
  });

  test.each(['x', ID.toUpperCase(), `${ID}0`, '%ff', '..%2f'])('an id that is none: %s', async (id) => {
    const { app, calls } = setUp();
    expect([404, 422]).toContain((await app.request(`${NODE}/messages/${id}`)).status);
    expect(calls).toEqual([]);
  });
});

describe('PUT /broadcast', () => {
  const target = { method: 'PUT', path: `${NODE}/broadcast`, signing: 'peer' } as const;
  const stamped = { ...broadcast, id: ID, broadcast_timestamp: 1_700_000_000.123, seen_by: [3, 1] };

  test('unstamped: originates', async () => {
    const { app, calls } = setUp();
    const response = await app.request(`${NODE}/broadcast`, send('PUT', { ...broadcast, later: 1 }));
    expect(response.status).toBe(200);
    expect(await response.json()).toBe(true);
    expect(calls).toEqual([
      { to: 'node', method: 'originate', args: [[{ data: broadcast.data, ttlSeconds: null, idempotencyKey: null }]] },
    ]);
  });

  test('without seen_by', async () => {
    const { app } = setUp();
    const { seen_by: _, ...rest } = broadcast;
    expect((await app.request(`${NODE}/broadcast`, send('PUT', rest))).status).toBe(200);
  });

  test('stamped, by a member: delivered to this node alone; the seed’s ttl says nothing about time', async () => {
    const { app, calls } = setUp();
    const { body, sealed } = stampedMessage();
    const response = await app.request(target.path, sendTo(target, { ...body, ttl: 4 }));
    expect(response.status).toBe(200);
    expect(await response.json()).toBe(true);
    const other = stampedMessage({ network: 'other', expiresAt: 1_700_000_001_500 }, 2 ** 53 - 1);
    await app.request(target.path, sendTo(target, { ...other.body, expires_at: 1_700_000_001.5 }));
    const range = onlyMe(1);
    expect(calls.filter(({ method }) => method === 'deliver').map(({ args }) => args)).toEqual([
      [CALLER, 0, [{ body: sealed, range, hops: 1 }]],
      [CALLER, 0, [{ body: other.sealed, range, hops: 1 }]],
    ]);
  });

  test('stamped, whose id is not the hash of what it says: rejected, and not delivered', async () => {
    const { body } = stampedMessage();
    for (const changes of [
      { id: ID },
      { data: { a: 2 } },
      { originator: { ...body.originator, guid: 4 } },
      { broadcast_timestamp: body.broadcast_timestamp + 0.001 },
      { nonce: 8 },
      { network: 'other' },
    ]) {
      const { app, calls } = setUp();
      const response = await app.request(target.path, sendTo(target, { ...body, ...changes }));
      expect(response.status).toBe(422);
      expect((await problemOf(response)).slug).toBe('message-rejected');
      expect(asked(calls)).toEqual([]);
    }
  });

  test('stamped, without the originator’s signature: 422 that names it', async () => {
    const { app, calls } = setUp();
    const { signature: _, ...body } = stampedMessage().body;
    const response = await app.request(target.path, sendTo(target, body));
    expect(response.status).toBe(422);
    expect((await problemOf(response)).errors.map(({ path }) => path)).toEqual(['signature']);
    expect(asked(calls)).toEqual([]);
  });

  test('stamped, by the operator: 401, since an operator proves to be no member', async () => {
    const { app, calls } = setUp();
    const response = await app.request(target.path, send('PUT', stampedMessage().body));
    expect(response.status).toBe(401);
    expect((await problemOf(response)).slug).toBe('unauthenticated');
    expect(calls).toEqual([]);
  });

  test('unstamped, by a member: 422, since a member speaks for itself only', async () => {
    const { app, calls } = setUp();
    const response = await app.request(target.path, sendTo(target, broadcast));
    expect(response.status).toBe(422);
    expect((await problemOf(response)).errors.map(({ path }) => path)).toEqual(['id']);
    expect(asked(calls)).toEqual([]);
  });

  test('stamped, at a node that has not joined: 503', async () => {
    const { app, calls } = setUp({ node: { status: async () => ({ ...nodeStatus, guid: null }) } });
    const response = await app.request(target.path, sendTo(target, stampedMessage().body));
    expect(response.status).toBe(503);
    expect((await problemOf(response)).slug).toBe('not-joined');
    expect(calls.map(({ method }) => method)).not.toContain('deliver');
  });

  test.each([
    ['duplicate', 200],
    ['rejected', 422],
    ['busy', 503],
  ] as const)('verdict %s: %i', async (verdict, status) => {
    const { app } = setUp({ node: { deliver: async () => [verdict] } });
    const response = await app.request(target.path, sendTo(target, stampedMessage().body));
    expect(response.status).toBe(status);
    expect(response.headers.has('Retry-After')).toBe(status === 503);
    if (status === 200) expect(await response.json()).toBe(false);
    else expect((await problemOf(response)).slug).toBe(status === 422 ? 'message-rejected' : 'unavailable');
  });

  test.each<[object, string]>([
    [{ ...stamped, id: 7 }, 'id'],
    [{ ...stamped, id: 'abc' }, 'id'],
    [{ ...stamped, id: null }, 'broadcast_timestamp'],
    [{ ...stamped, broadcast_timestamp: null }, 'broadcast_timestamp'],
    [{ ...stamped, broadcast_timestamp: -1 }, 'broadcast_timestamp'],
    [{ ...stamped, broadcast_timestamp: 1e11 }, 'broadcast_timestamp'],
    [{ ...stamped, expires_at: stamped.broadcast_timestamp }, 'expires_at'],
    [{ ...stamped, expires_at: stamped.broadcast_timestamp + 86_401 }, 'expires_at'],
    [{ ...stamped, ttl: '1' }, 'ttl'],
    [{ ...stamped, seen_by: ['1'] }, 'seen_by[0]'],
    [{ ...stamped, seen_by: Array.from({ length: 4_097 }, () => 1) }, 'seen_by'],
    [{ ...stamped, originator: {} }, 'originator.guid'],
    [{ ...stamped, nonce: 0.5 }, 'nonce'],
    [{ ...stamped, data: undefined }, 'data'],
  ])('%j: 422 that names %s', async (body, path) => {
    const { app, calls } = setUp();
    const response = await app.request(`${NODE}/broadcast`, send('PUT', body));
    expect(response.status).toBe(422);
    expect((await problemOf(response)).errors.map((error) => error.path)).toContain(path);
    expect(calls).toEqual([]);
  });
});

describe('POST /deliveries', () => {
  const target = { method: 'POST', path: `${NODE}/deliveries`, signing: 'peer' } as const;
  const [delivery] = deliveriesBody.deliveries;

  test('a batch of a member: an outcome each, signed over the nonce of the request', async () => {
    const outcomes = ['new', 'duplicate', 'rejected', 'busy'] as const;
    const { app, calls } = setUp({ node: { deliver: async () => outcomes } });
    const deliveries = outcomes.map((_, index) => ({ ...delivery, body: `{"n":${index}}`, hops: index + 1 }));
    const init = sendTo(target, { max_guid: 9, deliveries });
    const response = await app.request(target.path, init);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ outcomes, signature: SIGNATURE });
    const range = { from: 1, to: 0 };
    const brought = outcomes.map((_, index) => ({ body: `${SIGNATURE}{"n":${index}}`, range, hops: index + 1 }));
    const [admitted, delivered, signed] = calls;
    expect(admitted).toMatchObject({ method: 'admit', args: [{ credential: { guid: CALLER_GUID } }] });
    expect(delivered).toEqual({ to: 'node', method: 'deliver', args: [CALLER, 9, brought] });
    expect(signed).toMatchObject({ method: 'signAnswer', args: [expect.any(String), { outcomes }] });
    const nonce = String(signed?.args[0]);
    expect(new Headers(init.headers).get('signature-input')).toContain(`nonce="${nonce}"`);
  });

  test('the operator’s token is no membership: 401', async () => {
    const { app, calls } = setUp();
    const response = await app.request(target.path, send('POST', deliveriesBody));
    expect(response.status).toBe(401);
    expect(calls).toEqual([]);
  });

  test.each<[object, string]>([
    [{ deliveries: [] }, 'deliveries'],
    [{ deliveries: Array.from({ length: 257 }, () => delivery) }, 'deliveries'],
    [{ max_guid: -1 }, 'max_guid'],
    [{ deliveries: [{ ...delivery, hops: 0 }] }, 'deliveries[0].hops'],
    [{ deliveries: [{ ...delivery, signature: 'x' }] }, 'deliveries[0].signature'],
    [{ deliveries: [delivery, { ...delivery, range: { from: -1, to: 0 } }] }, 'deliveries[1].range.from'],
    [{ deliveries: [{ ...delivery, range: { from: 0, to: 2 ** 31 } }] }, 'deliveries[0].range.to'],
    [{ deliveries: [{ ...delivery, body: 'x'.repeat(65_537) }] }, 'deliveries[0].body'],
    [{ deliveries: [{ ...delivery, body: {} }] }, 'deliveries[0].body'],
  ])('%j: 422 that names %s', async (changes, path) => {
    const { app, calls } = setUp();
    const response = await app.request(target.path, sendTo(target, { ...deliveriesBody, ...changes }));
    expect(response.status).toBe(422);
    expect((await problemOf(response)).errors.map((error) => error.path)).toEqual([path]);
    expect(asked(calls)).toEqual([]);
  });

  test('as many as one call may have pass', async () => {
    const { app } = setUp();
    const deliveries = Array.from({ length: 256 }, () => delivery);
    expect((await app.request(target.path, sendTo(target, { max_guid: 0, deliveries }))).status).toBe(200);
  });
});

test('the token is in no answer', async () => {
  const { app } = setUp({ node: { originate: async () => Promise.reject(new Error(TOKEN)) } });
  const response = await app.request(`${NODE}/messages`, send('POST', { data: {} }));
  expect(response.status).toBe(503);
  expect(await response.text()).not.toContain(TOKEN);
});
