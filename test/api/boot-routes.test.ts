import { describe, expect, test } from 'vitest';
import { BOOT, joinBody, KEY, memberWire, NODE, problemOf, send, setUp } from './fakes.ts';

describe('PUT /network/join', () => {
  test('at the boot node', async () => {
    const { app, calls } = setUp();
    const response = await app.request(`${BOOT}/network/join`, send('PUT', joinBody));
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      guid: 5,
      address: joinBody.address,
      incarnation: 0,
      max_guid: 5,
      members: [memberWire],
    });
    expect(calls).toEqual([{ to: 'boot', method: 'join', args: [KEY, joinBody.address] }]);
  });

  test.each([
    ['https://Example.com:443/n/1/', 'https://example.com/n/1'],
    ['http://10.0.0.7/', 'http://10.0.0.7'],
    ['http://h/a/../b', 'http://h/b'],
    ['HTTP://[::1]:8000', 'http://[::1]:8000'],
  ])('the address %s is kept as %s', async (address, kept) => {
    const { app, calls } = setUp();
    expect((await app.request(`${BOOT}/network/join`, send('PUT', { ...joinBody, address }))).status).toBe(200);
    expect(calls[0]?.args[1]).toBe(kept);
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
    const { app, calls } = setUp();
    const response = await app.request(`${BOOT}/network/join`, send('PUT', { ...joinBody, address }));
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
    const { app, calls } = setUp();
    const response = await app.request(`${BOOT}/network/join`, send('PUT', { ...joinBody, public_key: key }));
    expect(response.status).toBe(422);
    expect((await problemOf(response)).errors.map((error) => error.path)).toEqual(['public_key']);
    expect(calls).toEqual([]);
  });

  test.each([
    [{ reason: 'bad-key' }, 422, 'invalid-input'],
    [{ reason: 'bad-address' }, 422, 'invalid-input'],
    [{ reason: 'network-full', max: 9 }, 503, 'network-full'],
  ] as const)('the boot node refuses: %j', async (error, status, slug) => {
    const { app } = setUp({ boot: { join: async () => ({ ok: false, error }) } });
    const response = await app.request(`${BOOT}/network/join`, send('PUT', joinBody));
    expect(response.status).toBe(status);
    expect(response.headers.has('Retry-After')).toBe(status === 503);
    expect((await problemOf(response)).slug).toBe(slug);
  });

  test.each([
    ['with its header', { 'Content-Type': 'application/octet-stream', 'Content-Length': '0' }],
    ['without any', {}],
  ])('a seed client is told that members need keys, %s', async (_name, headers) => {
    const { app, calls } = setUp();
    const response = await app.request(`${BOOT}/network/join`, { method: 'PUT', headers });
    expect(response.status).toBe(422);
    const problem = await problemOf(response);
    expect(problem.slug).toBe('members-need-keys');
    expect(problem.detail).toMatch(/public_key.*address/);
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
