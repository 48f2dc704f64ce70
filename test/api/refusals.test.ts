import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { BODY_ROUTES, BOOT, NODE, problemOf, send, setUp, TOKEN } from './fakes.ts';

describe('404 and 405', () => {
  test.each([
    '/nope',
    '/api',
    '/api/v1',
    '/api/v1/',
    '/api/v1/status/',
    '/n',
    '/n/1',
    '/n/1/api/v1',
    '/n/1/api/v1/nope',
    '/n/1/api/v2/status',
    '//api/v1/status',
    '/api/v1/nodes/',
    '/api/v1/nodes/1/2',
    '/%00',
    '/%ff',
    '/%zz',
  ])('GET %s: 404', async (path) => {
    const response = await setUp().app.request(`http://localhost${path}`);
    expect(response.status).toBe(404);
    expect((await problemOf(response)).slug).toBe('not-found');
  });

  test.each(['0', '5', '01', '-1', '1.0', 'x', '99999999999999999999', '%31x'])(
    'slot %s: 404 that tells the slots',
    async (slot) => {
      const { app, calls } = setUp();
      for (const init of [{}, send('POST', {})]) {
        const response = await app.request(`/n/${slot}/api/v1/status`, init);
        expect(response.status).toBe(404);
        const problem = await problemOf(response);
        expect(problem.slug).toBe('no-such-slot');
        expect(problem.detail).toContain('1 to 4');
      }
      expect(calls).toEqual([]);
    },
  );

  test('no boot node here: 404 for all of it', async () => {
    const { app } = setUp({ boot: null });
    for (const path of ['status', 'members', 'messages', 'network/join', 'nope']) {
      const response = await app.request(`${BOOT}/${path}`);
      expect(response.status).toBe(404);
      expect((await problemOf(response)).detail).toBe('this deployment hosts no boot node');
    }
    expect((await app.request(`${NODE}/status`)).status).toBe(200);
  });

  test.each([
    ['GET', 'messages'],
    ['POST', 'messages'],
    ['GET', `messages/${'0'.repeat(64)}`],
    ['PUT', 'broadcast'],
  ])('%s /%s at the boot node: 404 that tells where', async (method, path) => {
    const response = await setUp().app.request(`${BOOT}/${path}`, { method });
    expect(response.status).toBe(404);
    expect((await problemOf(response)).detail).toBe(
      `the boot node keeps no messages: ask a node, /n/<slot>/api/v1/${path}`,
    );
  });

  test.each([
    ['DELETE', '/', 'GET, HEAD'],
    ['POST', `${NODE}/status`, 'GET, HEAD'],
    ['DELETE', `${NODE}/messages`, 'GET, HEAD, POST'],
    ['PATCH', `${NODE}/messages/${'0'.repeat(64)}`, 'GET, HEAD'],
    ['GET', `${NODE}/broadcast`, 'PUT'],
    ['HEAD', `${NODE}/broadcast`, 'PUT'],
    ['POST', `${NODE}/broadcast`, 'PUT'],
    ['GET', `${NODE}/sync`, 'POST'],
    ['PUT', `${BOOT}/sync`, 'POST'],
    ['POST', `${BOOT}/network/join`, 'PUT'],
    ['OPTIONS', `${NODE}/broadcast`, 'PUT'],
    ['OPTIONS', `${BOOT}/network/join`, 'PUT'],
    ['DELETE', `${BOOT}/nodes/abc`, 'GET, HEAD'],
  ])('%s %s: 405, Allow: %s', async (method, path, allow) => {
    const { app, calls } = setUp();
    const response = await app.request(path, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get('Allow')).toBe(allow);
    if (method !== 'HEAD') expect((await problemOf(response)).slug).toBe('method-not-allowed');
    expect(calls).toEqual([]);
  });
});

describe('operator calls', () => {
  const operator = BODY_ROUTES.filter(({ isOperators }) => isOperators);

  test.each(operator)('$method $path without a token: 401', async ({ method, path, body }) => {
    const { app, calls } = setUp();
    const authorizations = [
      '',
      'Bearer',
      'Bearer ',
      `Basic ${TOKEN}`,
      TOKEN,
      `Bearer ${TOKEN}x`,
      `Bearer ${TOKEN.slice(1)}`,
      `Bearer x ${TOKEN}`,
    ];
    for (const authorization of authorizations) {
      const response = await app.request(path, send(method, body, { Authorization: authorization }));
      expect(response.status).toBe(401);
      expect(response.headers.get('WWW-Authenticate')).toMatch(/^Bearer/);
      const text = await response.text();
      expect(text).not.toContain(TOKEN);
      expect(text).not.toContain(TOKEN.slice(1));
    }
    expect(calls).toEqual([]);
  });

  test.each(operator)('$method $path with no token set: 403', async ({ method, path, body }) => {
    for (const adminToken of [null, '']) {
      const { app, calls } = setUp({ config: { adminToken } });
      for (const authorization of [`Bearer ${TOKEN}`, 'Bearer ', 'Bearer null']) {
        const response = await app.request(path, send(method, body, { Authorization: authorization }));
        expect(response.status).toBe(403);
        expect((await problemOf(response)).detail).toContain('ADMIN_TOKEN is not set');
      }
      expect(calls).toEqual([]);
    }
  });

  test('a stranger’s body is not read', async () => {
    const { app } = setUp();
    const request = new Request(`http://localhost${NODE}/messages`, {
      method: 'POST',
      body: 'x',
      headers: { 'Content-Type': 'application/json' },
    });
    expect((await app.request(request)).status).toBe(401);
    expect(request.bodyUsed).toBe(false);
  });

  test('a wrong token whose hash begins or ends like the right one’s: 401', async () => {
    const { app, calls } = setUp();
    const right = sha256(utf8ToBytes(TOKEN));
    for (const at of [0, 31]) {
      let i = 0;
      while (sha256(utf8ToBytes(`wrong-${i}`))[at] !== right[at]) i++;
      const init = send('POST', { data: {} }, { Authorization: `Bearer wrong-${i}` });
      expect((await app.request(`${NODE}/messages`, init)).status).toBe(401);
    }
    expect(calls).toEqual([]);
  });

  test('the scheme may be written in any case', async () => {
    const { app } = setUp();
    const init = send('POST', { data: {} }, { Authorization: `bEARER  ${TOKEN}` });
    expect((await app.request(`${NODE}/messages`, init)).status).toBe(202);
  });
});

describe('failures', () => {
  test('a gateway that throws: 503, logged, and nothing of it told', async () => {
    const overloaded = Object.assign(new TypeError('secret: overloaded'), { overloaded: true });
    for (const thrown of [new Error('secret: reset'), overloaded, 'secret text', null, { toString: null }]) {
      const { app, logged } = setUp({ node: { status: async () => Promise.reject(thrown as Error) } });
      const response = await app.request(`${NODE}/status`, { headers: { 'X-Request-Id': 'abc' } });
      expect(response.status).toBe(503);
      expect(response.headers.get('Retry-After')).toBe('1');
      const problem = await problemOf(response);
      expect(problem.slug).toBe('unavailable');
      expect(JSON.stringify(problem)).not.toContain('secret');
      expect(logged).toEqual([
        {
          node: '1',
          level: 'WARNING',
          event: 'request_unavailable',
          fields: { request_id: 'abc', method: 'GET', path: `${NODE}/status`, error: expect.any(String) },
        },
      ]);
    }
  });

  describe('a gateway that hangs', () => {
    beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
    afterEach(() => void vi.useRealTimers());

    test.each([
      ['GET', `${NODE}/messages`, undefined, 'messages', /: try again$/],
      ['POST', `${NODE}/messages`, { data: {} }, 'originate', /is open; a message with an Idempotency-Key/],
      ['POST', `${NODE}/network/leave`, {}, 'leave', /is open/],
    ] as const)('%s %s: 503 after a while, which tells what to do', async (method, path, body, hangs, says) => {
      const asked = Promise.withResolvers<void>();
      const hang = () => {
        asked.resolve();
        return new Promise<never>(() => undefined);
      };
      const { app, logged } = setUp({ node: { [hangs]: hang } });
      const answer = app.request(path, body ? send(method, body) : {});
      await asked.promise;
      await vi.advanceTimersByTimeAsync(10_000);
      const response = await answer;
      expect([response.status, response.headers.get('Retry-After')]).toEqual([503, '5']);
      const problem = await problemOf(response);
      expect(problem.slug).toBe('overdue');
      expect(problem.detail).toMatch(says);
      expect(logged.map(({ event }) => event)).toEqual(['request_overdue']);
    });

    test('no timer is left where it answers', async () => {
      expect((await setUp().app.request(`${NODE}/status`)).status).toBe(200);
      expect(vi.getTimerCount()).toBe(0);
    });
  });

  test('a gateway that throws before it returns a promise', async () => {
    const { app } = setUp({
      node: {
        status() {
          throw new Error('at once');
        },
      },
    });
    expect((await app.request(`${NODE}/status`)).status).toBe(503);
  });

  test.each([new TypeError('secret: x is not a function'), new Error('assertion failed: secret')])(
    'a bug behind the gateway: 500 (%s)',
    async (bug) => {
      const { app, logged } = setUp({ node: { status: async () => Promise.reject(bug) } });
      const response = await app.request(`${NODE}/status`);
      expect(response.status).toBe(500);
      const text = await response.text();
      expect(text).not.toContain('secret');
      expect(text).not.toContain('.ts');
      expect(logged[0]).toMatchObject({ level: 'ERROR', event: 'request_failed' });
      expect(logged[0]?.fields['error']).toContain('secret');
    },
  );

  test('a bug of the API: 500, with headers as ever', async () => {
    // A page that is no page breaks the view.
    const { app, logged } = setUp({
      node: { members: async () => JSON.parse('{"members":[null],"next":null}') as never },
    });
    const response = await app.request(`${NODE}/members`);
    expect(response.status).toBe(500);
    expect(response.headers.get('Cache-Control')).toBe('no-store');
    expect(JSON.stringify(await problemOf(response))).not.toMatch(/null|\.ts|TypeError/);
    expect(logged).toHaveLength(1);
    expect(logged[0]?.fields['request_id']).toBe(response.headers.get('X-Request-Id'));
  });
});

describe('headers', () => {
  test.each([
    ['GET', `${NODE}/status`, 200],
    ['GET', `${NODE}/metrics`, 200],
    ['GET', '/nope', 404],
    ['POST', `${NODE}/status`, 405],
    ['POST', `${NODE}/messages`, 401],
    ['POST', `${NODE}/sync`, 415],
    ['GET', '/n/9/api/v1/status', 404],
    ['GET', '/', 200],
  ])('%s %s (%i)', async (method, path, status) => {
    const response = await setUp().app.request(path, { method });
    expect(response.status).toBe(status);
    expect(response.headers.get('Cache-Control')).toBe('no-store');
    expect(response.headers.get('X-Content-Type-Options')).toBe('nosniff');
    expect(response.headers.get('X-Request-Id')).toMatch(/^[\w-]{36}$/);
  });

  test('a caller’s request id is kept where it is harmless', async () => {
    const { app } = setUp();
    const idFor = async (id: string) =>
      (await app.request('/', { headers: { 'X-Request-Id': id } })).headers.get('X-Request-Id');
    expect(await idFor('mine-1')).toBe('mine-1');
    expect(await idFor('<script>')).not.toContain('script');
    expect(await idFor('x'.repeat(300))).toHaveLength(36);
  });
});
