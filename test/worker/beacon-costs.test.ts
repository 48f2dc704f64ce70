// Counts what docs/cost.md says of the beacon: rows and requests per delivery in a network of 16 nodes with FANOUT 4, and that the nodes themselves write no row for it.
import { beforeAll, expect, it } from 'vitest';
import storage from '../../docs/storage.md?raw';
import type { CoveragePage } from '../../src/api/ports.ts';
import { beaconStub } from '../../src/durable/stubs.ts';
import { BEACON_FLUSH_MS_MIN, BEACON_WINDOW_MS_MIN } from '../../src/protocol/limits.ts';
import { beaconMetric } from './beacon-support.ts';
import { documented } from './documented.ts';
import { atRest, bindings, broadcast, callsOf, eventually, NODE_COUNT, SLOTS, startNetwork, total } from './support.ts';

async function figures() {
  return {
    rows: await beaconMetric('rows_written_total'),
    reports: await beaconMetric('reports_heard_total'),
    nodeRows: await total('pychain_rows_written_total'),
    deliveries: await total('pychain_deliveries_total', { result: 'new' }),
  };
}

/** Waits until the beacon has heard of these messages from all. */
async function heardByAll(ids: readonly string[]): Promise<void> {
  await eventually(`${ids.length} messages at all`, async () => {
    const received = new Map<string, number>();
    for (let cursor: string | null = null; ;) {
      const page: CoveragePage | null = await beaconStub(bindings).messages(cursor, 500, null);
      for (const message of page?.messages ?? []) received.set(message.id, message.received);
      cursor = page?.next ?? null;
      if (cursor === null) break;
    }
    return ids.every((id) => received.get(id) === NODE_COUNT);
  });
}

beforeAll(() => startNetwork());

it(
  'the beacon costs what docs/cost.md says, alone and under load, and the nodes no row',
  { timeout: 60_000 },
  async () => {
    const before = await atRest(figures, BEACON_FLUSH_MS_MIN + BEACON_WINDOW_MS_MIN);
    const id = await broadcast(1, { alone: 'x'.repeat(900) });
    await heardByAll([id]);
    const alone = await atRest(figures, BEACON_FLUSH_MS_MIN + BEACON_WINDOW_MS_MIN);
    const cost = perDelivery(before, alone);
    expect(cost.deliveries).toBe(NODE_COUNT - 1);
    expect(cost.rows).toBeCloseTo(documented('beacon, alone', 1), 2);
    const rows = /^\| a message heard by the beacon, alone \| (\d+) \|$/m.exec(storage)?.[1];
    expect(alone.rows - before.rows).toBe(Number(rows));
    expect(cost.reports).toBeCloseTo(documented('beacon, alone', 2), 2);
    expect(cost.nodeRows).toBeCloseTo(documented('alone', 1), 2);

    const messages = SLOTS.flatMap((slot) => Array.from({ length: 10 }, (_, index) => ({ slot, index })));
    const results = await Promise.all(
      messages.map(({ slot, index }) =>
        callsOf(slot).originate([
          { data: { slot, index, text: 'x'.repeat(900) }, ttlSeconds: null, idempotencyKey: null },
        ]),
      ),
    );
    await heardByAll(results.map((result) => (result.ok ? (result.value[0]?.id ?? '') : '')));
    const load = perDelivery(alone, await atRest(figures, BEACON_FLUSH_MS_MIN + BEACON_WINDOW_MS_MIN));
    expect(load.deliveries).toBe(messages.length * (NODE_COUNT - 1));
    expect(load.rows).toBeLessThanOrEqual(documented('beacon, under load', 1));
    expect(load.reports).toBeLessThanOrEqual(documented('beacon, under load', 2));
    expect(load.nodeRows).toBeLessThanOrEqual(documented('under load', 1));
  },
);

function perDelivery(before: Awaited<ReturnType<typeof figures>>, after: typeof before) {
  const deliveries = after.deliveries - before.deliveries;
  const per = (name: 'rows' | 'reports' | 'nodeRows') => (after[name] - before[name]) / deliveries;
  return { deliveries, rows: per('rows'), reports: per('reports'), nodeRows: per('nodeRows') };
}
