// Messages that an application gives together.
import { describe, expect, it } from 'vitest';
import type { Reply } from '../../src/protocol/effects.ts';
import type { JsonObject } from '../../src/protocol/types.ts';
import { TestNetwork } from '../support/network.ts';

const wish = (data: JsonObject, idempotencyKey: string | null = null) => ({ data, ttlSeconds: null, idempotencyKey });

function started(nodes: number): TestNetwork {
  const network = new TestNetwork(nodes);
  network.start();
  return network;
}

function taken(reply: Reply) {
  if (reply.type !== 'originated' || !reply.taken.ok) throw new Error(`not taken: ${JSON.stringify(reply)}`);
  return reply.taken.value;
}

describe('messages that are given together', () => {
  it('are one row at their originator, one job for all, and one row at each of the others, in their order', () => {
    const network = started(5);
    const rows = () => network.node(1).store.rowsWritten();
    const [before, jobs] = [rows(), network.node(1).driver.state.counters.get('jobs')];
    const ids = taken(network.originateAll(1, [wish({ n: 0 }), wish({ n: 1 }), wish({ n: 2 })])).map(({ id }) => id);
    expect(new Set(ids).size).toBe(3);
    expect(rows() - before).toBe(1);
    network.settle();
    expect(network.node(1).driver.state.counters.get('jobs') - jobs).toBe(1);
    for (const slot of [1, 2, 3, 4, 5]) {
      const { mempool } = network.node(slot).driver.state;
      expect(mempool.entriesOf(mempool.lastSeq).map(({ id }) => id)).toEqual(ids);
    }
  });

  it.each([
    ['is too large', wish({ text: 'x'.repeat(70_000) }), { reason: 'too-large' }],
    ['speaks for the boot node', wish({ event: { name: 'PEER_JOINED', args: {} } }), { reason: 'bad-data' }],
    ['has the key of another', wish({ n: 'other' }, 'used'), { reason: 'key-reused' }],
  ])('are not taken where one of them %s: it is named, and nothing has changed', (_, bad, error) => {
    const network = started(2);
    network.originate(1, { n: 'first' }, { idempotencyKey: 'used' });
    network.settle();
    const rows = network.node(1).store.rowsWritten();
    const reply = network.originateAll(1, [wish({ n: 0 }), wish({ n: 1 }, 'new'), bad, wish({ n: 3 })]);
    expect(reply).toMatchObject({ taken: { ok: false, error: { index: 2, error } } });
    network.settle();
    expect(network.node(1).store.rowsWritten()).toBe(rows);
    expect(network.messagesAt(2)).toHaveLength(1);
    // Nor is a key used up by what was not taken.
    expect(taken(network.originateAll(1, [wish({ n: 'else' }, 'new')]))).toHaveLength(1);
  });

  it('are the same when they come again with their keys, also where some are new', () => {
    const network = started(2);
    const wishes = [wish({ n: 0 }, 'a'), wish({ n: 1 }, 'b')];
    const first = taken(network.originateAll(1, wishes));
    network.now += 5;
    const again = taken(network.originateAll(1, [...wishes, wish({ n: 2 }, 'c')]));
    expect(again.slice(0, 2)).toEqual(first);
    network.settle();
    expect(network.messagesAt(2)).toHaveLength(3);
  });
});
