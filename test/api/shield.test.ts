// The outer shield, at a clock that stands still unless a test moves it.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { networkOf } from '../../src/api/shield.ts';
import { asked, BODY_ROUTES, BOOT, NODE, problemOf, send, sendTo, setUp } from './fakes.ts';

const BURST = 500;

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: 1_700_000_000_000 }));
afterEach(() => void vi.useRealTimers());

/** Status of each of some requests for a challenge. */
async function ask(app: ReturnType<typeof setUp>['app'], count: number, address?: string): Promise<number[]> {
  const statuses: number[] = [];
  for (let i = 0; i < count; i++) {
    const headers: Record<string, string> = address === undefined ? {} : { 'CF-Connecting-IP': address };
    statuses.push((await app.request(`${BOOT}/network/challenge`, { headers })).status);
  }
  return statuses;
}

const counted = (statuses: readonly number[]) => ({
  passed: statuses.filter((status) => status === 200).length,
  slowed: statuses.filter((status) => status === 429).length,
});

describe('one network', () => {
  test('is slowed when it calls too often, and told when to come back; others are not', async () => {
    const { app } = setUp();
    expect(counted(await ask(app, BURST + 10, '192.0.2.1'))).toEqual({ passed: BURST, slowed: 10 });
    const refused = await app.request(`${BOOT}/network/challenge`, { headers: { 'CF-Connecting-IP': '192.0.2.1' } });
    expect(refused.headers.get('Retry-After')).toBe('1');
    expect((await problemOf(refused)).slug).toBe('too-many-requests');
    expect(await ask(app, 1, '192.0.2.2')).toEqual([200]);
  });

  test('may call again as time passes', async () => {
    const { app } = setUp();
    await ask(app, BURST, '192.0.2.1');
    vi.setSystemTime(Date.now() + 1_000);
    expect(counted(await ask(app, 60, '192.0.2.1'))).toEqual({ passed: 50, slowed: 10 });
    vi.setSystemTime(Date.now() + 3_600_000);
    expect(counted(await ask(app, BURST + 1, '192.0.2.1'))).toEqual({ passed: BURST, slowed: 1 });
  });

  test('is all of an IPv6 subscriber’s addresses', async () => {
    const { app } = setUp();
    await ask(app, BURST, '2001:db8:1:2::1');
    expect(await ask(app, 1, '2001:db8:1:2:ffff:ffff:ffff:ffff')).toEqual([429]);
    expect(await ask(app, 1, '2001:db8:1:3::1')).toEqual([200]);
  });
});

test('nobody is slowed where the platform does not say who calls', async () => {
  const { app } = setUp();
  expect(counted(await ask(app, BURST + 100))).toEqual({ passed: BURST + 100, slowed: 0 });
});

test('so many networks are remembered, not more: the oldest gives way', async () => {
  const { app } = setUp();
  await ask(app, BURST, '192.0.2.1');
  await ask(app, BURST, '192.0.2.2');
  for (let i = 0; i < 9_998; i++) await ask(app, 1, `10.0.${i >> 8}.${i & 255}`);
  expect(await ask(app, 1, '192.0.2.1')).toEqual([429]);
  await ask(app, 1, '198.51.100.1');
  expect(await ask(app, 1, '192.0.2.2')).toEqual([429]);
  expect(await ask(app, 1, '192.0.2.1')).toEqual([200]);
});

describe('before anything is looked at', () => {
  const strangers = BODY_ROUTES.filter(({ isOperators }) => !isOperators);

  test.each(strangers)('$method $path, signing: $signing', async (route) => {
    const { app, calls } = setUp();
    const init = sendTo(route, route.body, { 'CF-Connecting-IP': '192.0.2.1' });
    for (let i = 0; i < BURST; i++) await app.request(route.path, init);
    calls.length = 0;
    expect((await app.request(route.path, init)).status).toBe(429);
    expect(calls).toEqual([]);
  });

  test('a node’s proof of its key too', async () => {
    const { app, calls } = setUp();
    const init = { headers: { 'CF-Connecting-IP': '192.0.2.1' } };
    const path = `${NODE}/network/challenge?nonce=${'a'.repeat(16)}`;
    for (let i = 0; i < BURST; i++) await app.request(path, init);
    calls.length = 0;
    expect((await app.request(path, init)).status).toBe(429);
    expect(calls).toEqual([]);
  });
});

test('operators are not slowed at what is theirs alone', async () => {
  const { app, calls } = setUp();
  const init = send('POST', { data: {} }, { 'CF-Connecting-IP': '192.0.2.1' });
  for (let i = 0; i < BURST + 1; i++) expect((await app.request(`${NODE}/messages`, init)).status).toBe(202);
  expect(asked(calls)).toHaveLength(BURST + 1);
});

describe('the network of an address', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:DB8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['2001:db8::', '2001:db8:0:0'],
    ['2001:db8:1:2:3::', '2001:db8:1:2'],
    ['2001::2:3:4:5:6', '2001:0:0:2'],
    ['::1', '0:0:0:0'],
    ['::', '0:0:0:0'],
    ['1::', '1:0:0:0'],
  ])('%s: %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});
