// The beacon at the real objects, which are evicted between. Its rules are in test/protocol/beacon.test.ts.
import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { beforeAll, expect, it } from 'vitest';
import { beaconStub } from '../../src/durable/stubs.ts';
import { metricFaults, metricNames } from '../support/metric-rules.ts';
import { beaconMetric, beaconObject, coverageOf, heardBy } from './beacon-support.ts';
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
  startNetwork,
} from './support.ts';

beforeAll(() => startNetwork());

/** Rows of blocks that are stored. */
const stored = () =>
  runInDurableObject(
    beaconObject(),
    (_, state) =>
    state.storage.sql.exec<{ body: string }>('SELECT body FROM blocks').toArray().map((row) => row.body).join('\n'), // prettier-ignore
  );

it('tells of a message what the nodes tell of it themselves', async () => {
  const id = await broadcast(1, { a: 1 });
  await everywhere([id]);
  const found = await heardBy(id, NODE_COUNT);
  expect(found).toMatchObject({ originator: 1, members: NODE_COUNT, received: NODE_COUNT, missing: 0, duplicates: 0 });
  expect(found.missing_guids).toEqual([]);
  for (const slot of SLOTS) {
    const message = await callsOf(slot).message(id);
    const { guid } = await callsOf(slot).status();
    // The originator has it from the first moment on.
    const after = guid === 1 ? 0 : ((message?.receivedAt ?? 0) - (message?.broadcastAt ?? 0)) / 1000;
    expect(found.receipts.find((receipt) => receipt.guid === guid)).toMatchObject({ after, hops: message?.hops });
  }
  expect(found.t100).toBe(found.receipts.at(-1)?.after);
  // A tree: who brought it had it before, and with one hop less.
  const byGuid = new Map(found.receipts.map((receipt) => [receipt.guid, receipt]));
  for (const { from, hops, guid } of found.receipts) {
    if (guid === 1) expect(from).toBeNull();
    else expect(byGuid.get(from ?? 0)?.hops).toBe(hops - 1);
  }
  const { body } = await call('/api/v1/beacon/messages?limit=1&originator=1');
  expect(body).toMatchObject({ messages: [{ id, received: NODE_COUNT }], next: null });
  expect((await call('/api/v1/beacon/summary')).body).toMatchObject({ members: NODE_COUNT, network: 'test' });
  expect((await call('/api/v1/capabilities')).body).toMatchObject({ capabilities: expect.arrayContaining(['beacon']) });
});

it('has metrics as Prometheus wants them', async () => {
  const response = await serve('/api/v1/beacon/metrics');
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  const text = await response.text();
  expect(metricFaults(text)).toEqual([]);
  expect([...metricNames(text)].toSorted()).toEqual(
    ['messages', 'receipts', 'reports_heard_total', 'rows_written_total'].map((name) => `pychain_beacon_${name}`),
  );
  expect(await beaconMetric('messages')).toBeGreaterThan(0);
});

it('has the same figures after an eviction, and goes on', async () => {
  const id = await broadcast(2, { b: 1 });
  const before = await heardBy(id, NODE_COUNT);
  await eventually('it is stored', async () => (await stored()).includes(id));
  const summary = (await call('/api/v1/beacon/summary')).body as object;
  await evictDurableObject(beaconObject());
  expect(await coverageOf(id)).toEqual(before);
  expect((await call('/api/v1/beacon/summary')).body).toEqual({ ...summary, time: expect.any(Number) });
  const next = await broadcast(3, { b: 2 });
  await heardBy(next, NODE_COUNT);
  expect(await coverageOf(id)).toEqual(before);
});

it('hears from nodes that were evicted before they had told, and again what it lost before it had stored it', async () => {
  const first = await broadcast(4, { c: 1 });
  await everywhere([first]);
  for (const slot of SLOTS) await evictDurableObject(objectOf(slot));
  await evictDurableObject(beaconObject());
  const second = await broadcast(5, { c: 2 });
  await everywhere([second]);
  await heardBy(second, NODE_COUNT);
  expect((await heardBy(first, NODE_COUNT)).received).toBe(NODE_COUNT);
});

it('counts duplicates as nodes do', async () => {
  const id = await broadcast(6, { d: 1 });
  await heardBy(id, NODE_COUNT);
  const before = await callsOf(7).samples();
  const entry = await runInDurableObject(objectOf(7), (_, state) =>
    state.storage.sql.exec<{ body: string }>('SELECT body FROM segments ORDER BY seq DESC LIMIT 1').one(),
  );
  const body = entry.body.split('\n').at(-1) as never;
  const { guid = 0 } = (await callsOf(7).status()) as { guid: number };
  for (let times = 0; times < 3; times++)
    await callsOf(7).deliver([{ body, range: { from: guid, to: guid - 1 }, hops: 1 }], null);
  await eventually('three duplicates', async () => (await coverageOf(id))?.duplicates === 3);
  const duplicates = (samples: typeof before) =>
    samples.find(({ name, labels }) => name === 'pychain_deliveries_total' && labels['result'] === 'duplicate')
      ?.value ?? 0;
  expect(duplicates(await callsOf(7).samples()) - duplicates(before)).toBe(3);
});

it.each([
  ['/api/v1/beacon/messages/' + 'ab'.repeat(32), 404, 'not-found'],
  ['/api/v1/beacon/messages/x', 422, 'invalid-input'],
  ['/api/v1/beacon/messages?cursor=x', 422, 'invalid-input'],
  ['/api/v1/beacon/messages?originator=-1', 422, 'invalid-input'],
])('%s is refused with %i', async (path, status, slug) => {
  const answer = await call(path);
  expect([answer.status, (answer.body as { type: string }).type]).toEqual([status, `urn:pychain:problem:${slug}`]);
});

it('hears a member elsewhere about itself alone, as often as it may', async () => {
  const report = { instance: 'x', number: 1, after: '0', through: '0', live: [], receipts: [], duplicates: [] };
  const answers = await Promise.all(
    Array.from({ length: 110 }, (_, number) => beaconStub(bindings).hear({ ...report, guid: 999, number }, false)),
  );
  expect(answers.filter((answer) => answer === null).length).toBeGreaterThan(0);
  expect(answers.filter((answer) => answer !== null).length).toBeGreaterThanOrEqual(100);
});
