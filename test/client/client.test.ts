// The client: what it believes, what it tells of refusals, and that a broadcast whose answer was lost is one.
import { describe, expect, expectTypeOf, it } from 'vitest';
import type * as z from 'zod';
import type * as schemas from '../../src/api/schemas.ts';
import {
  PychainClient,
  type ClientOptions,
  type Message,
  type Member,
  type NodeStatus,
} from '../../src/client/client.ts';
import { setUp } from '../api/fakes.ts';

const URL_OF_NODE = 'http://node.example/n/1';
const ID = 'a'.repeat(64);
const MESSAGE = {
  id: ID,
  data: { a: 1 },
  originator: { guid: 2, address: 'http://node.example/n/2' },
  broadcast_timestamp: 1,
  expires_at: 2,
  received_at: 1.5,
  hops: 1,
};

interface Call {
  readonly url: string;
  readonly init: RequestInit;
}

/** A client whose node gives these answers, one after the other; functions may throw, as a broken line does. */
function clientOf(answers: readonly (() => Response | Promise<Response>)[], options: Partial<ClientOptions> = {}) {
  const calls: Call[] = [];
  const client = new PychainClient({
    url: URL_OF_NODE,
    token: 'token',
    fetch: async (url, init) => {
      calls.push({ url, init });
      const answer = answers[calls.length - 1] ?? answers.at(-1);
      if (!answer) throw new Error('assertion failed: no answer');
      return await answer();
    },
    ...options,
  });
  return { client, calls };
}

const json = (body: unknown, init?: ResponseInit) => () => Response.json(body, init);
const lost = () => {
  throw new TypeError('fetch failed', { cause: new Error('socket hang up') });
};
const ACCEPTED = json({ id: ID, broadcast_timestamp: 1 }, { status: 202 });
const busy = (after: string) => json({ type: 'x', detail: 'busy' }, { status: 503, headers: { 'retry-after': after } });

it('has the types of the API', () => {
  expectTypeOf<z.output<typeof schemas.message>>().toExtend<Message>();
  expectTypeOf<z.output<typeof schemas.member>>().toExtend<Member>();
  expectTypeOf<z.output<typeof schemas.status>>().toExtend<NodeStatus>();
});

it('understands what the API answers', async () => {
  const { app } = setUp();
  const client = new PychainClient({ url: URL_OF_NODE, fetch: async (url, init) => app.request(url, init) });
  expect((await client.status()).guid).toBeGreaterThan(0);
  // Of as many pages as are wanted: the fake's never end.
  const { value } = await client.members().next();
  expect(value).toMatchObject({ guid: expect.any(Number), state: expect.any(String) });
  expect((await client.messagePage()).cursor).toEqual(expect.any(String));
  expect(await client.message('f'.repeat(64))).toBeNull();
  await expect(client.message('no id')).rejects.toMatchObject({
    name: 'PychainError',
    status: 422,
    type: 'urn:pychain:problem:invalid-input',
    errors: [{ path: 'id', message: expect.stringContaining('64') }],
  });
  await expect(client.broadcast({ a: 1 })).rejects.toMatchObject({ status: expect.toBeOneOf([401, 403]) });
});

it('turns pages', async () => {
  const page = (next: string | null) => json({ messages: [MESSAGE], next, cursor: next ?? 'end' });
  const { client, calls } = clientOf([page('a&b'), page(null)]);
  const all: Message[] = [];
  for await (const message of client.messages({ cursor: '7', limit: 1 })) all.push(message);
  expect(all).toHaveLength(2);
  expect(calls.map(({ url }) => new URL(url).search)).toEqual(['?cursor=7&limit=1', '?cursor=a%26b&limit=1']);
});

describe('says clearly', () => {
  it.each<[what: string, answer: () => Response, says: RegExp]>([
    ['a page of a proxy', () => new Response('<html>'), /not with JSON: is it a node/],
    ['a field that is missing', json({ ...MESSAGE, originator: { guid: 2 } }), /originator.address: expected a string/],
    ['a field of another kind', json({ ...MESSAGE, hops: '1' }), /hops: expected a whole number/],
    ['a redirect', () => new Response(null, { status: 308, headers: { location: '/x' } }), /redirects/],
    ['more than any node says', () => new Response('x'.repeat(17_000_000)), /longer than 16000000 characters/],
  ])('%s', async (_what, answer, says) => {
    const asked = clientOf([answer]).client.message(ID);
    await expect(asked).rejects.toMatchObject({
      type: 'urn:pychain:client:unexpected-answer',
      message: expect.stringMatching(says),
    });
  });

  it('a node that is away, and one that does not answer in time', async () => {
    await expect(clientOf([lost]).client.status()).rejects.toMatchObject({
      type: 'urn:pychain:client:unreachable',
      status: null,
      message: expect.stringContaining('socket hang up'),
    });
    const never = (url: string, { signal }: RequestInit) =>
      new Promise<Response>((_resolve, reject) => {
        if (signal?.aborted) reject(signal.reason);
        signal?.addEventListener('abort', () => reject(signal.reason));
      });
    const { client } = clientOf([], { fetch: never, timeoutMs: 5 });
    await expect(client.status()).rejects.toMatchObject({ type: 'urn:pychain:client:timeout' });
    const signal = AbortSignal.abort(new Error('not wanted any more'));
    await expect(client.status({ signal })).rejects.toThrow('not wanted any more');
  });

  it.each<[says: RegExp, options: ClientOptions]>([
    [/^url node/, { url: 'node' }],
    [/^url /, { url: 'ftp://node.example' }],
    [/^url /, { url: 'http://me:secret@node.example' }],
    [/^timeoutMs 0/, { url: URL_OF_NODE, timeoutMs: 0 }],
    [/^token: /, { url: URL_OF_NODE, token: 'a\nb' }],
  ])('%s', (says, options) => {
    expect(() => new PychainClient(options)).toThrow(says);
  });
});

describe('a broadcast', () => {
  it('is sent again under one key where the answer was lost or the node was busy', async () => {
    const { client, calls } = clientOf([lost, busy('0'), ACCEPTED]);
    expect((await client.broadcast({ a: 1 })).id).toBe(ID);
    const keys = calls.map(({ init }) => new Headers(init.headers).get('idempotency-key'));
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(keys).toEqual([keys[0], keys[0], keys[0]]);
    expect(new Set(calls.map(({ init }) => init.body)).size).toBe(1);
  });

  it('has a key of its own each time, or the one that was given', async () => {
    const { client, calls } = clientOf([ACCEPTED]);
    await client.broadcast({ a: 1 });
    await client.broadcast({ a: 1 });
    await client.broadcast({ a: 1 }, { idempotencyKey: 'mine' });
    const [first, second, third] = calls.map(({ init }) => new Headers(init.headers).get('idempotency-key'));
    expect(first).not.toBe(second);
    expect(third).toBe('mine');
  });

  it.each([400, 401, 413, 422, 500])('that is refused with %i is not sent again', async (status) => {
    const { client, calls } = clientOf([json({ title: 'no' }, { status })]);
    await expect(client.broadcast({ a: 1 })).rejects.toMatchObject({ status, title: 'no' });
    expect(calls).toHaveLength(1);
  });

  it('is not sent again once nodes may have forgotten its key', async () => {
    const { client, calls } = clientOf([busy('2')]);
    await expect(client.broadcast({ a: 1 }, { ttl: 2 })).rejects.toMatchObject({ status: 503, retryAfterMs: 2000 });
    expect(calls).toHaveLength(1);
  });

  it('ends with the signal', async () => {
    const stop = new AbortController();
    const { client } = clientOf([
      () => {
        stop.abort(new Error('enough'));
        return busy('20')();
      },
    ]);
    await expect(client.broadcast({ a: 1 }, { signal: stop.signal })).rejects.toThrow('enough');
  });

  it('of several is one request, sent again under one key; what became of each comes in their order', async () => {
    const messages = [1, 2].map((n) => ({ id: String(n).repeat(64), broadcast_timestamp: n }));
    const { client, calls } = clientOf([lost, json({ messages }, { status: 202 })]);
    expect(await client.broadcastAll([{ a: 1 }, { event: { name: 'X' } }], { ttl: 60 })).toEqual(messages);
    expect(calls.map(({ url }) => url)).toEqual(Array(2).fill(`${URL_OF_NODE}/api/v1/messages/batch`));
    expect(new Set(calls.map(({ init }) => new Headers(init.headers).get('idempotency-key'))).size).toBe(1);
    expect(JSON.parse(String(calls[1]?.init.body))).toEqual({
      messages: [
        { data: { a: 1 }, ttl: 60 },
        { event: { name: 'X' }, ttl: 60 },
      ],
    });
  });

  it('of several is not believed where the answer is of fewer; of none it asks nobody', async () => {
    const { client, calls } = clientOf([json({ messages: [{ id: ID, broadcast_timestamp: 1 }] }, { status: 202 })]);
    await expect(client.broadcastAll([{ a: 1 }, { a: 2 }])).rejects.toThrow('messages: expected 2 of them');
    expect(await client.broadcastAll([])).toEqual([]);
    expect(calls).toHaveLength(1);
  });

  it.each<[content: Parameters<PychainClient['broadcast']>[0], body: object]>([
    [{ a: 1 }, { data: { a: 1 } }],
    [{ event: { name: 'X' } }, { event: { name: 'X' } }],
    [{ event: { name: 'X', args: { a: 1 } } }, { event: { name: 'X', args: { a: 1 } } }],
    [{ event: { name: 'X', at: 1 } }, { data: { event: { name: 'X', at: 1 } } }],
    [{ event: 'X' }, { data: { event: 'X' } }],
    [{ event: { name: 'X' }, more: 1 }, { data: { event: { name: 'X' }, more: 1 } }],
  ])('of %j', async (content, body) => {
    const { client, calls } = clientOf([ACCEPTED]);
    await client.broadcast(content);
    expect(JSON.parse(String(calls[0]?.init.body))).toEqual(body);
  });
});
