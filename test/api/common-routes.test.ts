import { describe, expect, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { VERSION } from '../../src/api/version.ts';
import {
  BOOT,
  KEY,
  member,
  memberWire,
  NODE,
  nodeStatus,
  peerWire,
  problemOf,
  send,
  setUp,
  SIGNATURE,
  syncBody,
  TOKEN,
} from './fakes.ts';

test('the version is that of package.json', () => {
  expect(VERSION).toBe(packageJson.version);
});

describe.each([
  { base: NODE, to: 'node', guid: 1, certificate: memberWire.certificate },
  { base: BOOT, to: 'boot', guid: 0, certificate: null },
])('common routes at $base', ({ base, to, guid, certificate }) => {
  test('GET /status', async () => {
    const { app, calls } = setUp();
    const response = await app.request(`${base}/status`);
    expect(response.status).toBe(200);
    expect(response.headers.get('Content-Type')).toBe('application/json');
    expect(await response.json()).toEqual({
      network: 'test',
      protocol: 'pychain/1',
      version: VERSION,
      guid,
      address: 'http://127.0.0.1:8787/n/1',
      public_key: KEY,
      network_key: KEY,
      certificate,
      incarnation: 1,
      capabilities: ['broadcast', 'sync'],
      max_guid: 4,
      time: 1_700_000_001.5,
      peers: { alive: 3 },
      messages: 7,
      last_sync_at: 1_700_000_000.5,
      next_sync_at: null,
      left_at: null,
      observed_host: null,
    });
    expect(calls).toEqual([{ to, method: 'status', args: [] }]);
  });

  test('GET /status?nonce= is signed over the nonce and what it says', async () => {
    const { app, calls } = setUp();
    const plain = await (await app.request(`${base}/status`)).json();
    for (const nonce of ['a'.repeat(16), '-_Zz09'.repeat(10)]) {
      calls.length = 0;
      const response = await app.request(`${base}/status?nonce=${nonce}`);
      expect(await response.json()).toEqual({ ...(plain as object), signature: SIGNATURE });
      expect(calls.at(-1)).toEqual({ to, method: 'signAnswer', args: [nonce, plain] });
    }
  });

  test.each(['', 'a'.repeat(15), 'a'.repeat(65), `${'a'.repeat(16)}%0a`, `${'a'.repeat(16)}.`])(
    'GET /status?nonce=%s: 422, and nothing is signed',
    async (nonce) => {
      const { app, calls } = setUp();
      const response = await app.request(`${base}/status?nonce=${nonce}`);
      expect(response.status).toBe(422);
      expect((await problemOf(response)).errors[0]?.path).toBe('nonce');
      expect(calls).toEqual([]);
    },
  );

  test('GET /capabilities', async () => {
    const { app } = setUp();
    const response = await app.request(`${base}/capabilities`);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      protocol: 'pychain/1',
      capabilities: ['broadcast', 'sync'],
      limits: { message_bytes_max: 65_536, body_bytes_max: 262_144, json_depth_max: 64, ttl_seconds_max: 86_400 },
    });
  });

  test('GET /nodes/{guid} is a JSON string or null', async () => {
    const { app, calls } = setUp();
    for (const [id, body] of [
      [2, JSON.stringify(member.address)],
      [9, 'null'],
    ] as const) {
      const response = await app.request(`${base}/nodes/${id}`);
      expect(response.status).toBe(200);
      expect(response.headers.get('Content-Type')).toBe('application/json');
      expect(await response.text()).toBe(body);
    }
    expect(calls.map((call) => call.args)).toEqual([[2], [9]]);
  });

  test.each(['0', '-1', '1.5', '2147483648', 'abc', '%20', '1e3', '99999999999999999999'])(
    'GET /nodes/%s: 422',
    async (id) => {
      const { app, calls } = setUp();
      for (const list of ['nodes', 'members']) {
        const response = await app.request(`${base}/${list}/${id}`);
        expect(response.status).toBe(422);
        expect((await problemOf(response)).errors).toEqual([{ path: 'guid', message: expect.any(String) }]);
      }
      expect(calls).toEqual([]);
    },
  );

  test('GET /members', async () => {
    const { app, calls } = setUp();
    const response = await app.request(`${base}/members`);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ members: [peerWire], next: 'more' });
    await app.request(`${base}/members?cursor=abc&limit=128&unknown=1`);
    expect(calls.map((call) => call.args)).toEqual([
      [null, 100],
      ['abc', 128],
    ]);
  });

  test.each([
    'limit=0',
    'limit=129',
    'limit=x',
    'limit=1&limit=2',
    'limit=',
    'limit=1.0',
    'cursor=',
    `cursor=${'c'.repeat(257)}`,
  ])('GET /members?%s: 422', async (query) => {
    const { app, calls } = setUp();
    const response = await app.request(`${base}/members?${query}`);
    expect(response.status).toBe(422);
    expect((await problemOf(response)).errors[0]?.path).toBe(query.split('=')[0]);
    expect(calls).toEqual([]);
  });

  test('a cursor that is none: 422', async () => {
    const { app } = setUp();
    const response = await app.request(`${base}/members?cursor=bad`);
    expect(response.status).toBe(422);
    expect((await problemOf(response)).errors[0]?.path).toBe('cursor');
  });

  test('GET /members/{guid}', async () => {
    const { app } = setUp();
    const found = await app.request(`${base}/members/2`);
    expect(found.status).toBe(200);
    expect(await found.json()).toEqual(peerWire);
    const missing = await app.request(`${base}/members/3`);
    expect(missing.status).toBe(404);
    expect((await problemOf(missing)).slug).toBe('not-found');
  });

  test('POST /sync, the seed’s request', async () => {
    const { app, calls } = setUp();
    const response = await app.request(`${base}/sync`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(syncBody),
    });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      address: 'http://127.0.0.1:8787/n/4',
      guid: 4,
      have: [[1, 4]],
      members: [memberWire],
      more: false,
      frame: null,
      caller_state: null,
      caller_host: null,
    });
    expect(calls).toEqual([
      {
        to,
        method: 'sync',
        args: [
          {
            guid: 3,
            maxGuidNode: { guid: 5, address: '10.0.0.9' },
            have: null,
            members: [],
            digest: null,
            wanted: [],
            doubted: [],
          },
          null,
        ],
      },
    ]);
  });

  test('POST /sync with ours: members of an unknown caller are dropped', async () => {
    const { app, calls } = setUp();
    const body = {
      ...syncBody,
      guid: 0,
      have: [
        [1, 3],
        [5, 5],
      ],
      members: [memberWire],
      later: { any: 'thing' },
    };
    expect((await app.request(`${base}/sync`, send('POST', body))).status).toBe(200);
    expect(calls[0]?.args).toEqual([
      {
        guid: 0,
        maxGuidNode: { guid: 5, address: '10.0.0.9' },
        have: [
          [1, 3],
          [5, 5],
        ],
        members: [],
        digest: null,
        wanted: [],
        doubted: [],
      },
      null,
    ]);
  });

  test.each([
    [{}, ['guid', 'max_guid_node']],
    [{ ...syncBody, guid: -1 }, ['guid']],
    [{ ...syncBody, guid: '3' }, ['guid']],
    [{ ...syncBody, guid: 2 ** 31 }, ['guid']],
    [{ ...syncBody, guid: 1.5 }, ['guid']],
    [{ ...syncBody, max_guid_node: null }, ['max_guid_node']],
    [{ ...syncBody, max_guid_node: { guid: 5 } }, ['max_guid_node.address']],
    [{ ...syncBody, max_guid_node: { guid: 5, address: 'a'.repeat(257) } }, ['max_guid_node.address']],
    [{ ...syncBody, max_guid_node: { guid: 5, address: 'a b' } }, ['max_guid_node.address']],
    [{ ...syncBody, have: [[3, 1]] }, ['have[0]']],
    [{ ...syncBody, have: [[1]] }, ['have[0]']],
    [{ ...syncBody, have: [[0, 1]] }, ['have[0][0]']],
    [{ ...syncBody, have: Array.from({ length: 129 }, () => [1, 1]) }, ['have']],
    [[], ['']],
    [null, ['']],
  ])('POST /sync %j: 422', async (body, paths) => {
    const { app, calls } = setUp();
    const response = await app.request(`${base}/sync`, send('POST', body));
    expect(response.status).toBe(422);
    expect((await problemOf(response)).errors.map((error) => error.path)).toEqual(paths);
    expect(calls).toEqual([]);
  });

  test('POST /sync: what is wrong is told in words', async () => {
    const { app } = setUp();
    const body = { guid: '3', max_guid_node: { guid: -1, address: 'a b' }, have: [[1], [3, 1]] };
    const told = async (sent: unknown) =>
      (await problemOf(await app.request(`${base}/sync`, send('POST', sent)))).errors.map(({ message }) => message);
    expect(await told(body)).toEqual([
      'Invalid input: expected number, received string',
      'Too small: expected number to be >=0',
      'expected an address: visible ASCII characters',
      'Too small: expected array to have >=2 items',
      'expected [first, last], first not above last',
    ]);
    expect(await told({})).toEqual(['missing, and needed', 'missing, and needed']);
  });

  test('POST /sync at a node that has not joined: 503', async () => {
    const { app } = setUp({ node: { sync: async () => null }, boot: { sync: async () => null } });
    const response = await app.request(`${base}/sync`, send('POST', syncBody));
    expect(response.status).toBe(503);
    expect(response.headers.get('Retry-After')).toBe('1');
    expect((await problemOf(response)).slug).toBe('not-joined');
  });

  test('GET /metrics', async () => {
    const { app } = setUp();
    const response = await app.request(`${base}/metrics`);
    expect(response.status).toBe(200);
    expect(response.headers.get('Content-Type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(await response.text()).toBe(
      '# HELP pychain_peers Peers\n# TYPE pychain_peers gauge\npychain_peers{state="alive"} 3\n',
    );
  });

  test('HEAD is GET without a body', async () => {
    const { app } = setUp();
    for (const path of ['status', 'capabilities', 'nodes/2', 'members', 'members/2', 'metrics']) {
      const response = await app.request(`${base}/${path}`, { method: 'HEAD' });
      expect(response.status).toBe(200);
      expect(await response.text()).toBe('');
    }
  });
});

test('a node that has not joined: status 503, the rest answers', async () => {
  const { app } = setUp({ node: { status: async () => ({ ...nodeStatus, guid: null }) } });
  const response = await app.request(`${NODE}/status`);
  expect(response.status).toBe(503);
  expect(response.headers.get('Retry-After')).toBe('1');
  expect((await problemOf(response)).slug).toBe('not-joined');
  expect((await app.request(`${NODE}/capabilities`)).status).toBe(200);
});

describe('a page of another origin', () => {
  const origin = { Origin: 'https://elsewhere.example' };
  const asks = (path: string, init: RequestInit = {}) =>
    setUp().app.request(path, { ...init, headers: { ...origin, ...(init.headers as Record<string, string>) } });

  test.each([
    [`${NODE}/status`, 200],
    [`${BOOT}/members`, 200],
    [`${NODE}/stream`, 200],
    [`${BOOT}/beacon/stream`, 200],
    [`${NODE}/openapi.json`, 200],
    [`${NODE}/messages?limit=x`, 422],
    [`${NODE}/nope`, 404],
    ['/n/9/api/v1/status', 404],
  ])('may read GET %s: %s', async (path, status) => {
    const response = await asks(path);
    expect(response.status).toBe(status);
    expect(response.headers.get('Access-Control-Allow-Origin')).toBe('*');
    // Such as Retry-After, which the client goes by.
    expect(response.headers.get('Access-Control-Expose-Headers')).toBe('*');
    expect(response.headers.has('Access-Control-Allow-Credentials')).toBe(false);
    await response.body?.cancel();
  });

  test('may broadcast with the token, and learns that it is wrong', async () => {
    for (const [token, status] of [
      [TOKEN, 202],
      ['wrong', 401],
    ] as const) {
      const response = await asks(
        `${NODE}/messages`,
        send('POST', { data: {} }, { ...origin, Authorization: `Bearer ${token}` }),
      );
      expect(response.status).toBe(status);
      expect(response.headers.get('Access-Control-Allow-Origin')).toBe('*');
    }
  });

  test.each([
    [`${NODE}/messages`, 'GET, HEAD, POST'],
    [`${NODE}/messages/${'0'.repeat(64)}`, 'GET, HEAD'],
    [`${NODE}/stream`, 'GET, HEAD'],
    [`${BOOT}/members/3`, 'GET, HEAD'],
    [`${BOOT}/beacon/messages`, 'GET, HEAD'],
    [`${NODE}/sync`, 'POST'],
    // Never PUT.
    [`${BOOT}/boot/backup`, 'GET, HEAD'],
  ])('is told before what it may ask: OPTIONS %s', async (path, methods) => {
    const { app, calls } = setUp();
    const response = await app.request(path, {
      method: 'OPTIONS',
      headers: { ...origin, 'Access-Control-Request-Method': 'POST' },
    });
    expect(response.status).toBe(204);
    expect(await response.text()).toBe('');
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'access-control-allow-origin': '*',
      'access-control-allow-methods': methods,
      'access-control-allow-headers': 'authorization, content-type, idempotency-key, last-event-id',
      'access-control-max-age': '7200',
    });
    expect(calls).toEqual([]);
  });

  test.each(['/nope', `${NODE}/nope`, `${NODE}/broadcast`, `${BOOT}/network/join`])(
    'is refused OPTIONS %s: there is nothing for it',
    async (path) => {
      const response = await asks(path, { method: 'OPTIONS' });
      expect(response.status).toBeGreaterThan(400);
      expect(response.headers.has('Access-Control-Allow-Methods')).toBe(false);
    },
  );
});

test('GET / points to the status pages', async () => {
  const response = await setUp().app.request('/');
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({ see: ['/api/v1/status', '/n/1/api/v1/status'] });
});
