// A boot object that lost its storage: whatever becomes of it, no GUID is given twice. Storage is lost as in storage-lost.test.ts.
import { evictDurableObject, reset, runInDurableObject } from 'cloudflare:test';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { verifyCertificate } from '../../src/crypto/signatures.ts';
import { bootFacade } from '../../src/durable/boot-facade.ts';
import { keyOf, selfRecord } from '../support/signed.ts';
import {
  bindings,
  broadcast,
  call,
  callsOf,
  eventually,
  everywhere,
  NODE_COUNT,
  objectOf,
  serve,
  SLOTS,
} from './support.ts';

/** A node that has not been started when the boot object is lost. */
const LATE = NODE_COUNT;
const EARLY = SLOTS.filter((slot) => slot !== LATE);

const boot = () => bootFacade(bindings);
const object = () => bindings.BOOT.get(bindings.BOOT.idFromName('boot'));
const operator = { 'authorization': `Bearer ${bindings.ADMIN_TOKEN}`, 'content-type': 'application/json' };

async function lose(): Promise<void> {
  await runInDurableObject(object(), (_, state) => state.storage.deleteAll());
  await evictDurableObject(object());
}

const guidsOf = async (slots: readonly number[]) =>
  await Promise.all(slots.map(async (slot) => (await callsOf(slot).status()).guid));

/** Everything that a backup of the boot node holds. */
async function backUp(withKey: boolean): Promise<{ head: unknown; allocations: unknown[] }> {
  const head = await call(`/api/v1/boot/backup?with_key=${withKey}`, { headers: operator });
  const page = await call('/api/v1/boot/allocations?limit=128', { headers: operator });
  expect([head.status, page.status]).toEqual([200, 200]);
  return { head: head.body, allocations: (page.body as { allocations: unknown[] }).allocations };
}

const put = (path: string, body: unknown) =>
  call(`/api/v1/boot/${path}`, { method: 'PUT', headers: operator, body: JSON.stringify(body) });

async function restore({ head, allocations }: { head: unknown; allocations: unknown[] }) {
  return [await put('backup', head), await put('allocations', { allocations, last: true })];
}

/** Has nodes ask for new certificates, as they do when half of the life of theirs has passed. */
async function renew(slots: readonly number[]): Promise<void> {
  for (const slot of slots) {
    await runInDurableObject(objectOf(slot), (_, state) => {
      const { value } = state.storage.sql
        .exec<{ value: string }>(`SELECT value FROM meta WHERE key = 'membership'`)
        .one();
      const membership = JSON.parse(value) as { certificate: { issuedAt: number; expiresAt: number } };
      membership.certificate.issuedAt = 0;
      const text = JSON.stringify(membership);
      state.storage.sql.exec(`UPDATE meta SET value = ? WHERE key = 'membership'`, text);
    });
    await evictDurableObject(objectOf(slot));
    await callsOf(slot).wake();
  }
}

/** As if half of the life of all certificates had passed at the boot node. */
async function makeDue(): Promise<void> {
  await runInDurableObject(
    object(),
    (_, state) => void state.storage.sql.exec('UPDATE allocations SET issued_at = 1000'),
  );
}

/** Whether the certificates that nodes have are by this key. */
async function areProved(slots: readonly number[], networkKey: string): Promise<boolean> {
  const authority = { network: 'test', networkKey };
  const proved = await Promise.all(
    slots.map(async (slot) => {
      const { guid, publicKey, certificate } = await callsOf(slot).status();
      if (guid === null || certificate === null) return false;
      return await verifyCertificate(authority, guid, publicKey, certificate, Date.now());
    }),
  );
  return proved.every(Boolean);
}

/** Whether a node has the announcement of a GUID. */
async function hasAnnouncement(slot: number, guid: number): Promise<boolean> {
  const page = await callsOf(slot).messages(null, 500);
  return (page?.messages ?? []).some(({ data }) => {
    const { event } = data as { event?: { args: { members?: { guid: number }[] } } };
    return event?.args.members?.some((member) => member.guid === guid) ?? false;
  });
}

/**
 * Waits until all that have joined know each other, and have heard of the last one: what is under way then would reach the next test's
 * nodes. Asking the others for their status would have them join.
 */
async function settled(): Promise<void> {
  await eventually('all know all', async () => {
    await boot().announce(bindings.DELIVERIES);
    const tenures = await Promise.all(SLOTS.map((slot) => callsOf(slot).tenure()));
    const joined = SLOTS.filter((_, index) => tenures[index]?.tenure);
    const last = Math.max(...tenures.map(({ tenure }) => tenure?.guid ?? 0));
    for (const slot of joined) {
      if ((await callsOf(slot).status()).peers['alive'] !== joined.length - 1) return false;
      if (!(await hasAnnouncement(slot, last))) return false;
    }
    return true;
  });
}

beforeEach(async () => {
  for (const slot of EARLY) await callsOf(slot).wake();
  await settled();
});
afterEach(async () => {
  // A boot object that is lost announces nothing.
  if ((await boot().status()).phase === 'open') await settled();
  await reset();
});

describe('a boot object that lost its storage', () => {
  it('gives no GUID that any node has: the next one is above all, and all know each other', async () => {
    const before = await guidsOf(EARLY);
    const { networkKey } = await boot().status();
    await lose();
    expect(await callsOf(LATE).wake()).toBe(LATE);
    const status = await boot().status();
    expect(status).toMatchObject({ phase: 'lost', maxGuid: LATE, networkKey });
    expect(status.publicKey).not.toBe(networkKey);
    await renew(EARLY);
    expect(await guidsOf(EARLY)).toEqual(before);
    for (const slot of SLOTS) expect((await callsOf(slot).status()).networkKey).toBe(networkKey);
    await eventually('the newcomer is known', async () => {
      for (const slot of EARLY) if ((await callsOf(slot).member(LATE)) === null) return false;
      return (await callsOf(LATE).status()).peers['alive'] === EARLY.length;
    });
    await everywhere([await broadcast(LATE, { from: 'the newcomer' }), await broadcast(1, { to: 'it' })]);
  });

  it('gives none that was seen and forgotten', async () => {
    await runInDurableObject(objectOf(3), (_, state) => {
      state.storage.sql.exec(`INSERT INTO meta (key, value) VALUES ('seen_guid', '700')`);
    });
    await evictDurableObject(objectOf(3));
    await lose();
    expect(await callsOf(LATE).wake()).toBe(701);
  });

  it('lets nobody in from elsewhere, with words that say why', async () => {
    await lose();
    await callsOf(LATE).wake();
    const record = selfRecord(99, { address: 'https://n99.example.net' });
    expect(await boot().admit({ record, work: null })).toEqual({ ok: false, error: { reason: 'lost' } });
    const metrics = await (await serve('/api/v1/metrics')).text();
    expect(metrics).toContain('pychain_boot_lost 1');
  });

  it('with a backup is as it was: key, GUIDs, certificates; the next GUID is the next one', async () => {
    const before = await boot().status();
    const members = await guidsOf(EARLY);
    const backup = await backUp(true);
    await lose();
    expect((await boot().status()).publicKey).not.toBe(before.publicKey);
    const taken = await restore(backup);
    expect(taken.map(({ body }) => body)).toEqual([
      { max_guid: EARLY.length, key_replaced: true },
      { new: EARLY.length, newer: 0, kept: 0 },
    ]);
    expect((await backUp(true)).allocations).toEqual(backup.allocations);
    await makeDue();
    await renew(EARLY);
    expect(await areProved(EARLY, before.networkKey)).toBe(true);
    expect(await callsOf(LATE).wake()).toBe(LATE);
    expect(await guidsOf(EARLY)).toEqual(members);
    const { publicKey, networkKey } = before;
    expect(await boot().status()).toMatchObject({ publicKey, networkKey, phase: 'open' });
    expect((await restore(backup)).map(({ body }) => body)).toEqual([
      { max_guid: LATE, key_replaced: false },
      { new: 0, newer: 0, kept: EARLY.length },
    ]);
  });

  it('may be restored late: whom it let in meanwhile keeps the GUID, and gets a certificate of the right key', async () => {
    const { networkKey } = await boot().status();
    const backup = await backUp(true);
    await lose();
    expect(await callsOf(LATE).wake()).toBe(LATE);
    expect(await areProved([LATE], networkKey)).toBe(false);
    expect((await restore(backup)).map(({ status }) => status)).toEqual([200, 200]);
    await evictDurableObject(object());
    await renew(SLOTS);
    expect(await guidsOf(SLOTS)).toEqual([...(await guidsOf(EARLY)), LATE]);
    expect(await areProved(SLOTS, networkKey)).toBe(true);
    expect(await boot().status()).toMatchObject({ phase: 'open', publicKey: networkKey, maxGuid: LATE });
  });

  it('is not restored halfway or from what is not its own', async () => {
    const backup = await backUp(false);
    const head = backup.head as { network_key: string };
    await lose();
    const refused = async (changes: object) => {
      const { status, body } = await put('backup', { ...head, ...changes });
      return [status, (body as { errors?: { path: string }[] }).errors?.[0]?.path];
    };
    expect(head).not.toHaveProperty('private_key');
    expect(await refused({})).toEqual([409, 'private_key']);
    expect(await refused({ private_key: `${'s'.repeat(42)}A` })).toEqual([409, 'private_key']);
    expect(await refused({ network: 'other' })).toEqual([409, 'network']);
    // Nothing was taken of any of them.
    expect(await boot().status()).toMatchObject({ maxGuid: 0, phase: 'surveying' });
    const early = await put('allocations', { allocations: backup.allocations });
    expect(early).toMatchObject({ status: 409, body: { errors: [{ path: 'allocations[0].guid' }] } });
    expect(await callsOf(LATE).wake()).toBe(LATE);
    expect(await refused({ network_key: keyOf(7), private_key: `${'s'.repeat(42)}A` })).toEqual([409, 'network_key']);
  });
});

describe('a boot object that is well', () => {
  it('takes no other network’s key, and no allocation that contradicts its own', async () => {
    const { head, allocations } = await backUp(true);
    const [first] = allocations as { guid: number; public_key: string }[];
    const other = await put('backup', { ...(head as object), network_key: keyOf(7) });
    expect(other).toMatchObject({ status: 409, body: { errors: [{ path: 'network_key' }] } });
    const stolen = [...allocations.slice(1), { ...first, public_key: keyOf(7) }];
    expect(await put('allocations', { allocations: stolen })).toMatchObject({
      status: 409,
      body: { errors: [{ path: `allocations[${stolen.length - 1}].public_key` }] },
    });
    expect((await backUp(true)).allocations).toEqual(allocations);
  });

  it('starts above the floor that its operator sets, and never lower again', async () => {
    expect(await put('floor', { max_guid: 500 })).toEqual({ status: 200, body: { max_guid: 500 } });
    expect(await put('floor', { max_guid: 5 })).toEqual({ status: 200, body: { max_guid: 500 } });
    await evictDurableObject(object());
    expect(await callsOf(LATE).wake()).toBe(501);
    expect((await boot().status()).maxGuid).toBe(501);
    expect((await call('/api/v1/status')).body).toMatchObject({ max_guid: 501 });
  });

  it('pages through a backup of any size, in bodies that fit', async () => {
    const page = async (cursor: string) =>
      await call(`/api/v1/boot/allocations?limit=4${cursor}`, { headers: operator });
    const found: number[] = [];
    let cursor = '';
    for (;;) {
      const { body } = await page(cursor);
      const { allocations, next } = body as { allocations: { guid: number }[]; next: string | null };
      found.push(...allocations.map(({ guid }) => guid));
      if (next === null) break;
      cursor = `&cursor=${next}`;
    }
    expect(found).toEqual(EARLY);
    const many = Array.from({ length: 128 }, (_, index) => longest(1_000 + index));
    const { head } = await backUp(false);
    expect((await put('backup', { ...(head as object), max_guid: 2_000 })).status).toBe(200);
    expect(await put('allocations', { allocations: many, last: true })).toEqual({
      status: 200,
      body: { new: 128, newer: 0, kept: 0 },
    });
    expect((await boot().byGuid(1_127))?.publicKey).toBe(keyOf(1_127));
  });
});

/** An allocation as long as one can be. */
function longest(guid: number): object {
  const record = selfRecord(guid, {
    address: `https://${'a'.repeat(190)}${guid}.example.net/${'b'.repeat(39)}`,
    incarnation: Number.MAX_SAFE_INTEGER,
    capabilities: Array.from({ length: 16 }, () => 'c'.repeat(32)),
  });
  const { publicKey: public_key, ...rest } = record;
  const times = { issued: 1_700_000_000.123, expires: 1_800_000_000.123, signature: rest.signature };
  return { guid, ...rest, public_key, certificate: times, joined_at: 1_700_000_000.123 };
}
