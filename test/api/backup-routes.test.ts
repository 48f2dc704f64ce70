import { describe, expect, test } from 'vitest';
import { BACKUP_PAGE_MAX } from '../../src/protocol/limits.ts';
import {
  allocation,
  allocationWire,
  backupWire,
  BOOT,
  joinBody,
  KEY,
  member,
  NODE,
  problemOf,
  send,
  sendTo,
  setUp,
  TOKEN,
  type Setup,
} from './fakes.ts';

const SECRET = `${'s'.repeat(42)}A`;
const operator = { headers: { Authorization: `Bearer ${TOKEN}` } };

const put = async (path: string, body: unknown, setup: Setup = {}) => {
  const made = setUp(setup);
  return { ...made, response: await made.app.request(`${BOOT}/boot/${path}`, send('PUT', body)) };
};

describe('GET /boot/backup', () => {
  test('the first part, without the secret half of the key', async () => {
    const { app, calls } = setUp();
    const response = await app.request(`${BOOT}/boot/backup`, operator);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ ...backupWire, count: 1, exported_at: 1_700_000_000.5 });
    expect(calls).toEqual([{ to: 'boot', method: 'backup', args: [false] }]);
  });

  test('with it where it is asked for, in an answer that nobody on the way keeps', async () => {
    const backup = async (withKey: boolean) => ({
      network: 'test',
      networkKey: KEY,
      privateKey: withKey ? SECRET : null,
      maxGuid: 7,
      count: 1,
      exportedAt: 1_000,
    });
    const { app, logged, accesses } = setUp({ boot: { backup } });
    const response = await app.request(`${BOOT}/boot/backup?with_key=true`, operator);
    expect(await response.json()).toMatchObject({ private_key: SECRET });
    expect(response.headers.get('Cache-Control')).toBe('no-store');
    expect(JSON.stringify([logged, accesses])).not.toContain(SECRET);
    const without = await app.request(`${BOOT}/boot/backup?with_key=false`, operator);
    expect(await without.text()).not.toContain('private_key');
  });

  test.each(['?with_key=', '?with_key=1', '?with_key=true&with_key=true'])(
    '%s: 422, and nothing is given out',
    async (query) => {
      const { app, calls } = setUp();
      const response = await app.request(`${BOOT}/boot/backup${query}`, operator);
      expect(response.status).toBe(422);
      expect((await problemOf(response)).errors[0]?.path).toBe('with_key');
      expect(calls).toEqual([]);
    },
  );
});

test.each(['backup', 'backup?with_key=true', 'allocations'])('GET /boot/%s is for the operator alone', async (path) => {
  const { app, calls } = setUp();
  for (const headers of [{}, { Authorization: 'Bearer wrong' }]) {
    const response = await app.request(`${BOOT}/boot/${path}`, { headers });
    expect(response.status).toBe(401);
    expect((await problemOf(response)).slug).toBe('admin-token-wrong');
  }
  const off = setUp({ config: { adminToken: null } });
  expect((await off.app.request(`${BOOT}/boot/${path}`, operator)).status).toBe(403);
  expect([...calls, ...off.calls]).toEqual([]);
  // A node that is not the boot node has none.
  expect((await app.request(`${NODE}/boot/${path}`, operator)).status).toBe(404);
});

describe('GET /boot/allocations', () => {
  test('a page', async () => {
    const { app, calls } = setUp();
    const response = await app.request(`${BOOT}/boot/allocations?cursor=1&limit=5`, operator);
    expect(await response.json()).toEqual({ allocations: [allocationWire], next: '2' });
    expect(calls).toEqual([{ to: 'boot', method: 'allocations', args: ['1', 5] }]);
  });

  test('members of long ago have a GUID and no signatures', async () => {
    const old = { ...allocation, signature: '', certificate: { issuedAt: 0, expiresAt: 0, signature: '' } };
    const { app } = setUp({ boot: { allocations: async () => ({ allocations: [old], next: null }) } });
    const response = await app.request(`${BOOT}/boot/allocations`, operator);
    expect(await response.json()).toEqual({
      allocations: [{ ...allocationWire, signature: null, certificate: null }],
      next: null,
    });
  });

  test.each([`limit=${BACKUP_PAGE_MAX + 1}`, 'limit=0', 'cursor=bad'])('%s: 422', async (query) => {
    const response = await setUp().app.request(`${BOOT}/boot/allocations?${query}`, operator);
    expect(response.status).toBe(422);
    expect((await problemOf(response)).errors[0]?.path).toBe(query.split('=')[0]);
  });
});

describe('PUT /boot/backup', () => {
  test('hands the head over, with the key where there is one, and without what else a first line has', async () => {
    const line = { ...backupWire, format: 'pychain-boot-backup/1', count: 3, exported_at: 1 };
    const { response, calls } = await put('backup', line);
    expect(await response.json()).toEqual({ max_guid: 7, key_replaced: false });
    const head = { network: 'test', networkKey: KEY, maxGuid: 7 };
    expect(calls).toEqual([{ to: 'boot', method: 'beginRestore', args: [{ ...head, privateKey: null }, false] }]);
    const second = await put('backup', { ...line, private_key: SECRET });
    expect(second.calls[0]?.args).toEqual([{ ...head, privateKey: SECRET }, false]);
    const dry = await put('backup?dry_run=true', line);
    expect(dry.calls[0]?.args).toEqual([{ ...head, privateKey: null }, true]);
    const unclear = await put('backup?dry_run=yes', line);
    expect([unclear.response.status, unclear.calls]).toEqual([422, []]);
  });

  test('what does not fit: 409 that names the field', async () => {
    const beginRestore = async () => ({ ok: false as const, error: { field: 'network_key', message: 'another' } });
    const { response } = await put('backup', backupWire, { boot: { beginRestore } });
    expect(response.status).toBe(409);
    expect(await problemOf(response)).toMatchObject({
      slug: 'backup-refused',
      errors: [{ path: 'network_key', message: 'another' }],
    });
  });

  test('a key that is none is not repeated in the refusal', async () => {
    const odd = `${SECRET}${SECRET}`;
    const { response, calls, logged } = await put('backup', { ...backupWire, private_key: odd });
    expect(response.status).toBe(422);
    const text = await response.text();
    expect(text).toContain('private_key');
    expect(text + JSON.stringify(logged)).not.toContain(SECRET);
    expect(calls).toEqual([]);
  });
});

describe('PUT /boot/allocations', () => {
  test('hands them over; the address group follows from the address', async () => {
    const remote = { ...allocationWire, address: 'https://a.b.example.org', signature: null, certificate: null };
    const { response, calls } = await put('allocations', { allocations: [allocationWire, remote] });
    expect(await response.json()).toEqual({ new: 2, newer: 0, kept: 0 });
    const none = { signature: '', certificate: { issuedAt: 0, expiresAt: 0, signature: '' } };
    const second = { ...allocation, address: remote.address, ...none, group: 'example.org' };
    expect(calls).toEqual([{ to: 'boot', method: 'restore', args: [[allocation, second], false] }]);
    const last = await put('allocations', { allocations: [], last: true });
    expect(last.calls[0]?.args).toEqual([[], true]);
  });

  test('one that contradicts what is there: 409 that names it and its field', async () => {
    const restore = async () => ({
      ok: false as const,
      error: { index: 1, field: 'public_key', message: 'GUID 2 is given to another key' },
    });
    const allocations = [allocationWire, { ...allocationWire, guid: 3 }];
    const { response } = await put('allocations', { allocations }, { boot: { restore } });
    expect(response.status).toBe(409);
    expect((await problemOf(response)).errors).toEqual([
      { path: 'allocations[1].public_key', message: 'GUID 2 is given to another key' },
    ]);
  });

  test.each<[string, unknown]>([
    ['guid', { ...allocationWire, guid: 0 }],
    ['public_key', { ...allocationWire, public_key: 'short' }],
    // Has the form of a key, and is one that proves nothing.
    ['public_key', { ...allocationWire, public_key: 'A'.repeat(43) }],
    ['certificate.signature', { ...allocationWire, certificate: { ...allocationWire.certificate, signature: '' } }],
    ['joined_at', { ...allocationWire, joined_at: 0 }],
    ['address', { ...member, ...allocationWire, address: 'a b' }],
  ])('a wrong %s: 422 that names it, and nothing is handed over', async (path, wrong) => {
    const { response, calls } = await put('allocations', { allocations: [allocationWire, wrong] });
    expect(response.status).toBe(422);
    expect((await problemOf(response)).errors[0]?.path).toBe(`allocations[1].${path}`);
    expect(calls).toEqual([]);
  });

  test('more than a page: 422', async () => {
    const sent = (count: number) => put('allocations', { allocations: Array(count).fill(allocationWire) });
    expect((await sent(BACKUP_PAGE_MAX + 1)).response.status).toBe(422);
    expect((await sent(BACKUP_PAGE_MAX)).response.status).toBe(200);
  });
});

describe('PUT /boot/floor', () => {
  test('hands the GUID over', async () => {
    const { response, calls } = await put('floor', { max_guid: 41 });
    expect(await response.json()).toEqual({ max_guid: 41 });
    expect(calls).toEqual([{ to: 'boot', method: 'raiseFloor', args: [41] }]);
  });

  test.each([0, -1, 1.5, 2 ** 31, '41', null])('%j is no GUID: 422', async (max_guid) => {
    const { response, calls } = await put('floor', { max_guid });
    expect(response.status).toBe(422);
    expect(calls).toEqual([]);
  });

  test('too far above what was given: 409', async () => {
    const raiseFloor = async () => ({ ok: false as const, error: { field: 'max_guid', message: 'must be 5 at most' } });
    const { response } = await put('floor', { max_guid: 41 }, { boot: { raiseFloor } });
    expect(response.status).toBe(409);
  });
});

describe('a boot node that cannot give GUIDs', () => {
  test.each([
    ['surveying', 'boot-starting', '30'],
    ['restoring', 'boot-starting', '30'],
    ['lost', 'boot-lost', '3600'],
  ] as const)('%s: 503 that says why, and when to come again', async (reason, slug, retryAfter) => {
    const { app } = setUp({ boot: { join: async () => ({ ok: false, error: { reason } }) } });
    const target = { method: 'PUT', path: `${BOOT}/network/join`, signing: 'key' } as const;
    const response = await app.request(target.path, sendTo(target, joinBody));
    expect(response.status).toBe(503);
    expect(response.headers.get('Retry-After')).toBe(retryAfter);
    expect((await problemOf(response)).slug).toBe(slug);
  });
});
