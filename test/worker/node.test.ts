import { evictAllDurableObjects, evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { beforeAll, describe, expect, it } from 'vitest';
import { eventOf } from '../../src/protocol/message.ts';
import worker from '../../src/worker.ts';
import { bodyAt } from './bodies.ts';
import {
  atRest,
  bindings,
  broadcast,
  call,
  callsOf,
  eventually,
  everywhere,
  NODE_COUNT,
  objectOf,
  SLOTS,
  startNetwork,
  total,
} from './support.ts';

// One network for all tests of this file: each looks only at what it adds.
beforeAll(() => startNetwork());

const guidsNow = () => Promise.all(SLOTS.map(async (slot) => (await callsOf(slot).status()).guid));

describe('hosted nodes', () => {
  it('join in the order of their slots and know each other', async () => {
    expect(await guidsNow()).toEqual(SLOTS);
    const { body } = await call('/n/3/api/v1/members?limit=100');
    expect((body as { members: { guid: number; state: string }[] }).members.map(({ guid }) => guid)).toEqual(SLOTS);
  });

  it('a message reaches every node, once, in at most ceil(log_4 16) hops', async () => {
    const before = await total('pychain_deliveries_total');
    const id = await broadcast(5, { hello: 'wörld' });
    await everywhere([id]);
    for (const slot of SLOTS) {
      const { body } = await call(`/n/${slot}/api/v1/messages/${id}`);
      expect(body).toMatchObject({ id, data: { hello: 'wörld' }, originator: { guid: 5 } });
      expect((body as { hops: number }).hops).toBeLessThanOrEqual(2);
    }
    expect((await total('pychain_deliveries_total')) - before).toBe(NODE_COUNT - 1);
  });

  it('all nodes at the same instant: every message everywhere, each delivered exactly once', async () => {
    const before = await total('pychain_deliveries_total');
    const duplicates = await total('pychain_deliveries_total', { result: 'duplicate' });
    const ids = await Promise.all(SLOTS.flatMap((slot) => [1, 2, 3].map((index) => broadcast(slot, { slot, index }))));
    await everywhere(ids);
    expect(new Set(ids).size).toBe(NODE_COUNT * 3);
    expect((await total('pychain_deliveries_total')) - before).toBe(ids.length * (NODE_COUNT - 1));
    expect(await total('pychain_deliveries_total', { result: 'duplicate' })).toBe(duplicates);
  });

  it('evicting everybody changes nothing but latency', async () => {
    const id = await broadcast(2, { before: 1 });
    await everywhere([id]);
    const members = await call('/n/7/api/v1/members?limit=100');
    await evictAllDurableObjects();
    expect(await guidsNow()).toEqual(SLOTS);
    await everywhere([id]);
    const after = await broadcast(2, { after: 1 });
    await everywhere([after]);
    const again = await call('/n/7/api/v1/members?limit=100');
    const core = ({ body }: { body: unknown }) =>
      (body as { members: { guid: number; address: string; public_key: string }[] }).members.map((member) => [
        member.guid,
        member.address,
        member.public_key,
      ]);
    expect(core(again)).toEqual(core(members));
  });

  it('knows after eviction what it has seen: a redelivery is a duplicate', async () => {
    const id = await broadcast(1, { seen: 1 });
    await everywhere([id]);
    const body = await bodyAt(4, id);
    await evictDurableObject(objectOf(4));
    const outcomes = await callsOf(4).deliver([{ body, range: { from: 4, to: 3 }, hops: 1 }], null);
    expect(outcomes).toEqual(['duplicate']);
  });

  it('an idempotency key outlives eviction', async () => {
    const first = await broadcast(3, { once: true }, { 'idempotency-key': 'k1' });
    await evictDurableObject(objectOf(3));
    expect(await broadcast(3, { once: true }, { 'idempotency-key': 'k1' })).toBe(first);
  });

  it('what a message costs is counted across sleep: no counter of it ever falls', async () => {
    const names = ['deliveries', 'deliver_calls', 'messages_originated', 'queue_operations', 'rows_written'];
    const counts = async () =>
      (await Promise.all(SLOTS.map((slot) => callsOf(slot).samples()))).map((samples) =>
        samples
          .filter(({ name }) => names.includes(name.slice('pychain_'.length, -'_total'.length)))
          .filter(({ labels }) => [undefined, 'new'].includes(labels['result']) && labels['count'] !== 'awake')
          .map(({ value }) => value),
      );
    const start = await atRest(counts);
    await evictAllDurableObjects();
    expect(await counts()).toEqual(start);
    for (const slot of [3, 8]) {
      const before = await atRest(counts);
      await everywhere([await broadcast(slot, { asleep: slot })]);
      const after = await atRest(counts);
      const grown = after.map((values, node) => values.map((value, index) => value - (before[node]?.[index] ?? 0)));
      const sums = (grown[0] ?? []).map((_, index) => grown.reduce((sum, values) => sum + (values[index] ?? 0), 0));
      expect(grown.flat().filter((value) => value < 0)).toEqual([]);
      // Deliveries; calls, one each; the message; at least a row each.
      expect(sums.slice(0, 3).concat(sums.length)).toEqual([NODE_COUNT - 1, NODE_COUNT - 1, 1, names.length]);
      expect(sums.at(-2)).toBeGreaterThanOrEqual(NODE_COUNT);
      await evictAllDurableObjects();
      expect(await counts()).toEqual(after);
    }
  });

  it('a due alarm makes a sync round and is set again', async () => {
    const metric = async (name: string) =>
      (await callsOf(6).samples()).find((sample) => sample.name === name)?.value ?? 0;
    const rounds = await metric('pychain_sync_rounds_total');
    await runInDurableObject(objectOf(6), (_, state) => state.storage.sql.exec('UPDATE timers SET at = 1'));
    await evictDurableObject(objectOf(6));
    // It wakes with a timer that is overdue, and an alarm that is not: the alarm is set right, and rings.
    await eventually(
      'a round that peers answered',
      async () =>
        (await metric('pychain_sync_rounds_total')) === rounds + 1 && (await metric('pychain_syncs_total')) > 0,
    );
    const alarm = await runInDurableObject(objectOf(6), (_, state) => state.storage.getAlarm());
    expect(alarm).toBeGreaterThan(Date.now());
  });

  it('a lost alarm is set again by a cron tick, within ten minutes of them', async () => {
    await runInDurableObject(objectOf(6), (_, state) => state.storage.deleteAlarm());
    for (let minute = 0; minute < 10; minute++) {
      const scheduledTime = Date.now() + minute * 60_000;
      await worker.scheduled({ cron: '* * * * *', scheduledTime, noRetry() {} } as ScheduledController, bindings);
    }
    const alarm = await runInDurableObject(objectOf(6), (_, state) => state.storage.getAlarm());
    expect(alarm).not.toBeNull();
  });

  it('a cron schedule without code is an error, not a tick', async () => {
    const controller = { cron: '0 0 * * *', scheduledTime: Date.now(), noRetry() {} } as ScheduledController;
    await expect(worker.scheduled(controller, bindings)).rejects.toThrow(/no handler for the cron schedule/);
  });

  it('a damaged row does not stop a node', async () => {
    await runInDurableObject(objectOf(9), (_, state) => {
      const sql = `INSERT INTO segments (seq, expires_at, idx, body) VALUES (999, ${Date.now() + 60_000}, 'broken', 'x')`;
      state.storage.sql.exec(sql);
      state.storage.sql.exec(`UPDATE roster SET body = 'broken'`);
    });
    await evictDurableObject(objectOf(9));
    const id = await broadcast(1, { on: 'we go' });
    await everywhere([id]);
    expect(await total('pychain_rows_damaged_total')).toBe(2);
  });

  it("takes a message from an operator in the seed's form, once", async () => {
    const send = (body: object, token = bindings.ADMIN_TOKEN) =>
      call('/n/2/api/v1/broadcast', {
        method: 'PUT',
        headers: { 'authorization': `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    const unstamped = {
      data: { event: { name: 'DEAD_PEER', args: { guid: 1 } } },
      broadcast_timestamp: null,
      id: null,
      originator: { address: '10.0.0.7', guid: 3 },
      ttl: 1,
      seen_by: [],
    };
    expect((await send(unstamped, 'wrong-token-of-some-length')).status).toBe(401);
    expect(await send(unstamped)).toEqual({ status: 200, body: true });
    await eventually('the event at node 16', async () => {
      const { messages } = (await callsOf(16).messages(null, 100)) ?? { messages: [] };
      return messages.some(({ data, originator }) => originator.guid === 2 && eventOf(data)?.name === 'DEAD_PEER');
    });
  });
});
