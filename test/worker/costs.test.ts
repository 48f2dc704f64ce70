// Counts what docs/cost.md says: rows, queue operations and requests per delivery in a network of 16 nodes with FANOUT 4. Each
// figure there is the ceiling here.
import { beforeAll, describe, expect, it } from 'vitest';
import { documented } from './documented.ts';
import {
  atRest,
  broadcast,
  broadcastAll,
  callsOf,
  everywhere,
  NODE_COUNT,
  SLOTS,
  startNetwork,
  total,
} from './support.ts';

async function figures() {
  return {
    rows: await total('pychain_rows_written_total'),
    operations: await total('pychain_queue_operations_total'),
    calls: await total('pychain_deliver_calls_total'),
    deliveries: await total('pychain_deliveries_total', { result: 'new' }),
  };
}

type Figures = Awaited<ReturnType<typeof figures>>;

beforeAll(() => startNetwork());

describe('cost of a delivery', () => {
  it('alone', async () => {
    const before = await atRest(figures);
    const id = await broadcast(1, { alone: 'x'.repeat(900) });
    await everywhere([id]);
    const cost = perDelivery(before, await atRest(figures));
    expect(cost.deliveries).toBe(NODE_COUNT - 1);
    expect(cost.rows).toBeCloseTo(documented('alone', 1), 2);
    expect(cost.operations).toBeCloseTo(documented('alone', 2), 2);
    expect(cost.calls).toBeCloseTo(documented('alone', 3), 2);
  });

  it('together: what one request brings is one row a node', async () => {
    const before = await atRest(figures);
    const all = Array.from({ length: 100 }, (_, index) => ({ index, text: 'x'.repeat(900) }));
    const ids = await broadcastAll(2, all);
    expect(new Set(ids).size).toBe(all.length);
    await everywhere(ids);
    const cost = perDelivery(before, await atRest(figures));
    expect(cost.deliveries).toBe(all.length * (NODE_COUNT - 1));
    expectAtMost('together', cost);
    // Readers see them in the order of the request, at their originator as elsewhere.
    for (const slot of [2, 9]) {
      const page = await callsOf(slot).messages(null, 500);
      expect(page?.messages.map(({ id }) => id).filter((id) => ids.includes(id))).toEqual(ids);
    }
  });

  it('under load: what arrives together is stored together', async () => {
    const before = await atRest(figures);
    const messages = SLOTS.flatMap((slot) => Array.from({ length: 40 }, (_, index) => ({ slot, index })));
    const results = await Promise.all(
      messages.map(({ slot, index }) =>
        callsOf(slot).originate([
          { data: { slot, index, text: 'x'.repeat(900) }, ttlSeconds: null, idempotencyKey: null },
        ]),
      ),
    );
    const ids = results.map((result) => (result.ok ? (result.value[0]?.id ?? '') : ''));
    await everywhere(ids);
    const cost = perDelivery(before, await atRest(figures));
    expect(cost.deliveries).toBe(messages.length * (NODE_COUNT - 1));
    expectAtMost('under load', cost);
  });
});

function expectAtMost(load: string, cost: ReturnType<typeof perDelivery>): void {
  expect(cost.rows).toBeLessThanOrEqual(documented(load, 1));
  expect(cost.operations).toBeLessThanOrEqual(documented(load, 2));
  expect(cost.calls).toBeLessThanOrEqual(documented(load, 3));
}

function perDelivery(before: Figures, after: Figures) {
  const deliveries = after.deliveries - before.deliveries;
  const per = (name: 'rows' | 'operations' | 'calls') =>
    Math.round(((after[name] - before[name]) / deliveries) * 1_000) / 1_000;
  return { deliveries, rows: per('rows'), operations: per('operations'), calls: per('calls') };
}
