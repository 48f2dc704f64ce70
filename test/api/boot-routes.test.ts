import { describe, expect, test } from 'vitest';
import type { JoinRefusal } from '../../src/api/ports.ts';
import {
  asked,
  BOOT,
  caller,
  joinBody,
  KEY,
  member,
  memberWire,
  NODE,
  problemOf,
  sendTo,
  setUp,
  SIGNATURE,
  type Setup,
} from './fakes.ts';

const target = { method: 'PUT', path: `${BOOT}/network/join`, signing: 'key' } as const;

/** A signed join, and what the boot node was asked. */
async function join(body: unknown, setup: Setup = {}, headers: Readonly<Record<string, string>> = {}) {
  const { app, calls, logged } = setUp(setup);
  const response = await app.request(target.path, sendTo(target, body, headers));
  return { response, calls, logged };
}

describe('GET /network/challenge', () => {
  test('at the boot node: what a newcomer must solve', async () => {
    const { app, calls } = setUp();
    const response = await app.request(`${BOOT}/network/challenge`);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      challenge: 'c',
      bits: 16,
      expires: 1_700_000_300,
      network: 'test',
      protocol: 'pychain/1',
      network_key: KEY,
    });
    expect(calls).toEqual([{ to: 'boot', method: 'challenge', args: [] }]);
  });

  test('at a node: its key, signed over the caller’s nonce', async () => {
    const { app, calls } = setUp();
    const nonce = 'a-nonce-of-a-boot-node';
    const response = await app.request(`${NODE}/network/challenge?nonce=${nonce}`);
    expect(response.status).toBe(200);
    const view = { network: 'test', protocol: 'pychain/1', public_key: KEY };
    expect(await response.json()).toEqual({ ...view, signature: SIGNATURE });
    expect(calls.at(-1)).toEqual({ to: 'node', method: 'signAnswer', args: [nonce, view] });
  });

  test.each(['', '?nonce=', '?nonce=short', `?nonce=${'a'.repeat(65)}`, `?nonce=${'a'.repeat(20)}%20`])(
    'at a node, %j: 422, and nothing is signed',
    async (query) => {
      const { app, calls } = setUp();
      const response = await app.request(`${NODE}/network/challenge${query}`);
      expect(response.status).toBe(422);
      expect((await problemOf(response)).errors[0]?.path).toBe('nonce');
      expect(calls).toEqual([]);
    },
  );
});

describe('PUT /network/join', () => {
  test('at the boot node', async () => {
    const { response, calls } = await join({ ...joinBody, challenge: 'c', solution: 's' });
    expect(response.status).toBe(200);
    const answer = {
      guid: 5,
      address: joinBody.address,
      incarnation: 0,
      certificate: memberWire.certificate,
      network_key: KEY,
      max_guid: 5,
      members: [memberWire],
    };
    expect(await response.json()).toEqual({ ...answer, signature: SIGNATURE });
    const record = {
      publicKey: caller.publicKey,
      address: joinBody.address,
      incarnation: 0,
      capabilities: ['sync'],
      signature: SIGNATURE,
    };
    expect(calls).toEqual([
      { to: 'boot', method: 'join', args: [{ record, work: { challenge: 'c', solution: 's' } }] },
      { to: 'boot', method: 'signAnswer', args: [expect.stringMatching(/^[\w-]{22}$/), answer] },
    ]);
  });

  test('the answer is signed over the nonce of the request', async () => {
    const { app, calls } = setUp();
    const init = sendTo(target, joinBody);
    await app.request(target.path, init);
    const input = new Headers(init.headers).get('signature-input') ?? '';
    expect(input).toContain(`nonce="${String(calls.at(-1)?.args[0])}"`);
  });

  test('a member brings no work', async () => {
    const { calls } = await join(joinBody);
    expect(calls[0]?.args).toMatchObject([{ work: null }]);
  });

  test('unsigned: 401', async () => {
    const { app, calls } = setUp();
    const response = await app.request(target.path, sendTo({ ...target, signing: null }, joinBody));
    expect(response.status).toBe(401);
    expect((await problemOf(response)).slug).toBe('unauthenticated');
    expect(calls).toEqual([]);
  });

  test('signed with another key than that which joins: 401', async () => {
    const { response, calls } = await join({ ...joinBody, public_key: KEY });
    expect(response.status).toBe(401);
    expect((await problemOf(response)).slug).toBe('unauthenticated');
    expect(calls).toEqual([]);
  });

  test.each([
    ['https://Example.com:443/n/1/', 'https://example.com/n/1'],
    ['http://10.0.0.7/', 'http://10.0.0.7'],
    ['http://h/a/../b', 'http://h/b'],
    ['HTTP://[::1]:8000', 'http://[::1]:8000'],
  ])('the address %s is kept as %s', async (address, kept) => {
    const { response, calls } = await join({ ...joinBody, address });
    expect(response.status).toBe(200);
    expect(calls[0]?.args).toMatchObject([{ record: { address: kept } }]);
  });

  test.each([
    '',
    '10.0.0.7',
    'ftp://h',
    'http://',
    'http:h',
    'http:\\\\h',
    'http://u@h',
    'http://u:p@h',
    'http://h?',
    'http://h?a=b',
    'http://h#',
    'http://h/#x',
    ' http://h',
    'http://h\n',
    'http://h/ü',
    'http://h//',
    'http://h:99999',
    `http://h/${'a'.repeat(250)}`,
    7,
    null,
    'javascript:alert(1)',
  ])('address %j: 422', async (address) => {
    const { response, calls } = await join({ ...joinBody, address });
    expect(response.status).toBe(422);
    expect((await problemOf(response)).errors.map((error) => error.path)).toEqual(['address']);
    expect(calls).toEqual([]);
  });

  test.each([
    undefined,
    '',
    'A'.repeat(42),
    'A'.repeat(44),
    `${'A'.repeat(42)}B`,
    `${'A'.repeat(42)}=`,
    `${'A'.repeat(42)}+`,
    1,
  ])('public key %j: 422', async (key) => {
    const { response, calls } = await join({ ...joinBody, public_key: key });
    expect(response.status).toBe(422);
    expect((await problemOf(response)).errors.map((error) => error.path)).toEqual(['public_key']);
    expect(calls).toEqual([]);
  });

  test.each<[Readonly<Record<string, unknown>>, string]>([
    [{ incarnation: -1 }, 'incarnation'],
    [{ incarnation: 0.5 }, 'incarnation'],
    [{ incarnation: 2 ** 53 }, 'incarnation'],
    [{ incarnation: undefined }, 'incarnation'],
    [{ capabilities: 'sync' }, 'capabilities'],
    [{ capabilities: ['Sync'] }, 'capabilities[0]'],
    [{ capabilities: ['s'.repeat(33)] }, 'capabilities[0]'],
    [{ capabilities: Array.from({ length: 17 }, () => 's') }, 'capabilities'],
    [{ signature: undefined }, 'signature'],
    [{ signature: `${SIGNATURE}A` }, 'signature'],
    [{ signature: `${SIGNATURE.slice(1)}B` }, 'signature'],
    [{ challenge: 'c' }, 'solution'],
    [{ solution: 's' }, 'solution'],
    [{ challenge: 'c'.repeat(97), solution: 's' }, 'challenge'],
    [{ challenge: 'c', solution: 's'.repeat(17) }, 'solution'],
  ])('%j: 422 that names %s', async (changes, path) => {
    const { response, calls } = await join({ ...joinBody, ...changes });
    expect(response.status).toBe(422);
    expect((await problemOf(response)).errors.map((error) => error.path)).toEqual([path]);
    expect(calls).toEqual([]);
  });

  test.each<[JoinRefusal, number, string, RegExp, string | null]>([
    [{ reason: 'bad-key' }, 422, 'invalid-input', /body/, 'public_key'],
    [{ reason: 'bad-address', fault: 'literal-address' }, 422, 'invalid-input', /body/, 'address'],
    [{ reason: 'bad-address', fault: null }, 422, 'invalid-input', /body/, 'address'],
    [{ reason: 'bad-record' }, 422, 'invalid-input', /body/, 'signature'],
    [{ reason: 'bad-challenge' }, 422, 'invalid-input', /body/, 'challenge'],
    [{ reason: 'expired-challenge' }, 422, 'invalid-input', /body/, 'challenge'],
    [{ reason: 'work-missing' }, 403, 'not-admitted', /proof of work/, null],
    [{ reason: 'unanswered', detail: 'HTTP 404' }, 403, 'not-admitted', /HTTP 404/, null],
    [{ reason: 'group-full', group: 'peers.net', max: 64 }, 403, 'not-admitted', /peers\.net has 64/, null],
    [{ reason: 'stale-record', incarnation: 7 }, 409, 'stale-record', /above 7/, 'incarnation'],
    [{ reason: 'busy' }, 503, 'unavailable', /try again/, null],
    [{ reason: 'network-full', max: 9 }, 503, 'network-full', /9 members/, null],
  ])('the boot node refuses: %j', async (error, status, slug, detail, path) => {
    const { response, calls } = await join(joinBody, { boot: { join: async () => ({ ok: false, error }) } });
    expect(response.status).toBe(status);
    expect(response.headers.has('Retry-After')).toBe(status === 503);
    const problem = await problemOf(response);
    expect(problem.slug).toBe(slug);
    expect(problem.detail).toMatch(detail);
    expect(problem.errors.map((place) => place.path)).toEqual(path === null ? [] : [path]);
    // Nothing is signed for who is not let in.
    expect(calls).toHaveLength(1);
  });

  test.each([
    ['with its header', { 'Content-Type': 'application/octet-stream', 'Content-Length': '0' }],
    ['without any', {}],
  ])('a seed client is told that members need keys, %s', async (_name, headers) => {
    const { app, calls } = setUp();
    const response = await app.request(target.path, { method: 'PUT', headers });
    expect(response.status).toBe(422);
    const problem = await problemOf(response);
    expect(problem.slug).toBe('members-need-keys');
    expect(problem.detail).toMatch(/key.*signed.*network\/challenge/);
    expect(problem.errors.map(({ path }) => path)).toEqual(['public_key', 'address', 'signature']);
    expect(calls).toEqual([]);
  });

  test('at a node that is not the boot node: {}', async () => {
    const { app, calls } = setUp();
    const headers = { 'Content-Type': 'application/octet-stream', 'Content-Length': '0' };
    const response = await app.request(`${NODE}/network/join`, { method: 'PUT', headers });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({});
    expect(calls).toEqual([]);
  });
});

describe('a private network', () => {
  const joinToken = 'a-join-token-for-tests';
  const config = { joinToken };

  test.each([
    ['none', undefined],
    ['an empty one', ''],
    ['another', 'Bearer a-join-token-for-testz'],
    ['a longer one', `Bearer ${joinToken}x`],
    ['the right one in another scheme', `Basic ${joinToken}`],
    ['the right one without a scheme', joinToken],
  ])('lets nobody in with no token but its own: %s', async (_name, authorization) => {
    const { response, calls } = await join(joinBody, { config }, { Authorization: authorization ?? '' });
    expect(response.status).toBe(401);
    expect(response.headers.get('WWW-Authenticate')).toMatch(/^Bearer/);
    const problem = await problemOf(response);
    expect(problem.slug).toBe('join-token-wrong');
    expect(JSON.stringify(problem)).not.toContain(joinToken);
    expect(calls).toEqual([]);
  });

  test('lets in who knows it', async () => {
    const { response, calls } = await join(joinBody, { config }, { Authorization: `Bearer ${joinToken}` });
    expect(response.status).toBe(200);
    expect(asked(calls)).toHaveLength(1);
  });

  test('wants a signature too', async () => {
    const { app, calls } = setUp({ config });
    const init = sendTo({ ...target, signing: null }, joinBody, { Authorization: `Bearer ${joinToken}` });
    expect((await app.request(target.path, init)).status).toBe(401);
    expect(calls).toEqual([]);
  });

  test('has members that see each other without it', async () => {
    const { app } = setUp({ config });
    const sync = { method: 'POST', path: `${NODE}/sync`, signing: 'peer' } as const;
    const body = { guid: 3, max_guid_node: { address: member.address, guid: 5 } };
    expect((await app.request(sync.path, sendTo(sync, body))).status).toBe(200);
  });

  test('an empty token is none: everybody may ask', async () => {
    for (const open of [null, '']) {
      const { response } = await join(joinBody, { config: { joinToken: open } }, { Authorization: '' });
      expect(response.status).toBe(200);
    }
  });
});

describe('POST /network/leave at the boot node', () => {
  const leaving = { method: 'POST', path: `${BOOT}/network/leave`, signing: 'key' } as const;

  test('is about whoever signed it', async () => {
    const { app, calls } = setUp();
    const response = await app.request(leaving.path, sendTo(leaving, { incarnation: 3 }));
    expect([response.status, await response.json()]).toEqual([200, {}]);
    expect(asked(calls)).toEqual([{ to: 'boot', method: 'depart', args: [caller.publicKey, 3] }]);
  });

  test.each([
    ['unsigned', { ...leaving, signing: null }, { incarnation: 3 }, 401],
    ['without an incarnation', leaving, {}, 422],
    ['with none that there is', leaving, { incarnation: -1 }, 422],
  ])('%s: nobody leaves', async (_, to, body, status) => {
    const { app, calls } = setUp();
    expect((await app.request(to.path, sendTo(to, body))).status).toBe(status);
    expect(calls).toEqual([]);
  });
});
