import { evictDurableObject, reset } from 'cloudflare:test';
import { afterEach, describe, expect, it } from 'vitest';
import { bootFacade } from '../../src/durable/boot-facade.ts';
import type { SelfRecord } from '../../src/protocol/types.ts';
import { keyOf, selfRecord } from '../support/signed.ts';
import { bindings, call, serve } from './support.ts';

afterEach(() => reset());

const address = (index: number) => `https://n${index}.example`;
const boot = () => bootFacade(bindings);
const object = () => bindings.BOOT.get(bindings.BOOT.idFromName('boot'));

/** What this deployment's own nodes say: their signatures were made in the same deployment, so nobody looks at them. */
const record = (index: number, changes: Partial<SelfRecord> = {}) =>
  selfRecord(index, { address: address(index), ...changes });

async function joinGuid(index: number, changes: Partial<SelfRecord> = {}): Promise<number> {
  const joined = await boot().join(record(index, changes));
  if (!joined.ok) throw new Error(joined.error.reason);
  return joined.value.guid;
}

describe('boot object', () => {
  it('200 joins at the same instant: 200 distinct GUIDs, 1 to 200', async () => {
    const guids = await Promise.all(Array.from({ length: 200 }, (_, index) => joinGuid(index)));
    expect([...guids].sort((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, index) => index + 1));
  });

  it('the same joiner again: the same GUID, at the same instant, after eviction, from a new address', async () => {
    const atOnce = await Promise.all(Array.from({ length: 20 }, () => joinGuid(1)));
    expect(new Set(atOnce)).toEqual(new Set([1]));
    await joinGuid(2);
    await evictDurableObject(object());
    expect(await joinGuid(1)).toBe(1);
    expect(await joinGuid(1, { address: 'https://moved.example', incarnation: 1 })).toBe(1);
    expect((await boot().byGuid(1))?.address).toBe('https://moved.example');
    expect((await boot().byGuid(1))?.incarnation).toBe(1);
    await evictDurableObject(object());
    expect(await joinGuid(3)).toBe(3);
  });

  it('refuses a key and an address that are none, and gives no GUID for them', async () => {
    const refusal = async (changes: Partial<SelfRecord>) => {
      const joined = await boot().join(record(1, changes));
      return joined.ok ? null : joined.error.reason;
    };
    expect(await refusal({ publicKey: 'short' })).toBe('bad-key');
    expect(await refusal({ address: 'with space' })).toBe('bad-address');
    expect((await boot().status()).maxGuid).toBe(0);
  });

  it('arguments too long for a header are refused before they are sent', async () => {
    await expect(boot().join(record(1, { address: `https://${'x'.repeat(9_000)}.example` }))).rejects.toThrow(
      /too long/,
    );
  });

  it('pages through members and finds them by GUID', async () => {
    for (let index = 1; index <= 5; index++) await joinGuid(index);
    const first = await call('/api/v1/members?limit=3');
    expect(first.body).toMatchObject({ members: [{ guid: 1 }, { guid: 2 }, { guid: 3 }], next: '3' });
    const second = await call('/api/v1/members?limit=3&cursor=3');
    expect(second.body).toMatchObject({ members: [{ guid: 4 }, { guid: 5 }], next: null });
    expect(await call('/api/v1/nodes/4')).toEqual({ status: 200, body: address(4) });
    expect(await call('/api/v1/nodes/9')).toEqual({ status: 200, body: null });
  });

  it('no path from outside reaches the object that itty-durable would open to everyone', async () => {
    await joinGuid(1);
    for (const path of ['/do/call/destroy', '/api/v1/do/call/destroy', '/n/1/do/call/destroy', '//do/call/destroy']) {
      const response = await serve(path, { headers: { 'do-content': '[]' } });
      expect(response.status).toBe(404);
      await response.body?.cancel();
    }
    expect((await boot().status()).maxGuid).toBe(1);
  });

  it.each([
    '/do/call/destroy',
    '/do/call/reset',
    '/do/set/state',
    '/do/get-prop/state',
    '/do/call/constructor',
    '/',
    '/do/call/context',
  ])('the object itself refuses %s', async (path) => {
    await joinGuid(1);
    const response = await object().fetch(`https://itty-durable${path}`, { headers: { 'do-content': '[]' } });
    expect(response.status).toBe(403);
    expect((await boot().status()).maxGuid).toBe(1);
  });

  it('a moved member needs a higher incarnation: an old record does not bring an old address back', async () => {
    await joinGuid(1);
    expect(await joinGuid(1, { address: 'https://moved.example', incarnation: 1 })).toBe(1);
    const old = await boot().join(record(1));
    expect(old).toEqual({ ok: false, error: { reason: 'stale-record', incarnation: 1 } });
    const same = await boot().join(record(1, { address: 'https://elsewhere.example', incarnation: 1 }));
    expect(same).toEqual({ ok: false, error: { reason: 'stale-record', incarnation: 1 } });
    expect((await boot().byGuid(1))?.address).toBe('https://moved.example');
  });

  it('its key outlives eviction', async () => {
    const { networkKey } = await boot().status();
    await evictDurableObject(object());
    expect((await boot().status()).networkKey).toBe(networkKey);
  });

  it('nobody joins over HTTP without a signature, also not with the operator’s token', async () => {
    const join = (headers: Record<string, string>) =>
      call('/api/v1/network/join', {
        method: 'PUT',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ public_key: keyOf(1), address: address(1) }),
      });
    expect((await join({})).status).toBe(401);
    expect((await join({ authorization: `Bearer ${bindings.ADMIN_TOKEN}` })).status).toBe(401);
    expect((await boot().status()).maxGuid).toBe(0);
  });
});
