// Holds the table in docs/storage.md against the real objects.
import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { beforeAll, describe, expect, it } from 'vitest';
import document from '../../docs/storage.md?raw';
import { openDurableSql } from '../../src/durable/durable-sql.ts';
import { commitJoin, draftJoin } from '../../src/protocol/boot.ts';
import { endSurvey } from '../../src/protocol/boot-phase.ts';
import { takeBatch } from '../../src/protocol/boot-restore.ts';
import { raiseFloor } from '../../src/protocol/guid-floor.ts';
import { Nonces } from '../../src/protocol/nonces.ts';
import { Roster } from '../../src/protocol/roster.ts';
import { openSqlBootStore } from '../../src/store/sql-boot-store.ts';
import { openSqlNodeStore } from '../../src/store/sql-node-store.ts';
import { TEST_CONFIG } from '../support/network.ts';
import { keyOf, member, sealed, selfRecord } from '../support/signed.ts';
import { atRest, bindings, broadcast, callsOf, eventually, objectOf, startNetwork } from './support.ts';

const ALONE = { from: 3, to: 2 };

function documented(operation: string): number {
  const row = document.split('\n').find((line) => line.startsWith(`| ${operation} |`));
  if (!row) throw new Error(`docs/storage.md does not tell of "${operation}"`);
  return Number(row.split('|')[2]);
}

/** Rows written: those whose count survives, and since the node woke the others. */
async function rowCounts(slot: number) {
  const samples = (await callsOf(slot).samples()).filter(({ name }) => name === 'pychain_rows_written_total');
  const of = (count: string) => samples.find(({ labels }) => labels['count'] === count)?.value ?? NaN;
  return { lasting: of('lasting'), awake: of('awake') };
}

async function rowsOf(slot: number): Promise<number> {
  const { lasting, awake } = await rowCounts(slot);
  return lasting + awake;
}

async function roundsOf(slot: number): Promise<number> {
  const sample = (await callsOf(slot).samples()).find(({ name }) => name === 'pychain_sync_rounds_total');
  return sample?.value ?? NaN;
}

/** Rows that `work` writes at a node, its handover to the queue included. */
async function rowsWritten(slot: number, work: () => Promise<unknown>): Promise<number> {
  const before = await rowsOf(slot);
  await work();
  let last = -1;
  const after = await eventually('rest', async () => {
    const rows = await rowsOf(slot);
    const still = rows === last;
    last = rows;
    return still ? rows : null;
  });
  return after - before;
}

let made = 0;
function deliveries(count: number, range: { from: number; to: number }) {
  const now = Date.now();
  return Array.from({ length: count }, () => {
    const content = { network: 'test', data: { made: made++ }, originator: { guid: 9, address: 'local:/n/9' } };
    const message = sealed({ ...content, broadcastAt: now, expiresAt: now + 600_000 }, made);
    return { body: message.sealed, range, hops: 1 };
  });
}

/**
 * Wakes a node anew with all timers due, as if it had slept until now, and gives the rows of the sync round that follows. The alarm
 * was still set for later, so it is set once more than in life: that one is not counted.
 */
async function rowsOfDueRound(slot: number, sql: string): Promise<number> {
  const before = await atRest(() => rowCounts(slot));
  const rounds = await roundsOf(slot);
  await runInDurableObject(objectOf(slot), (_, state) => {
    state.storage.sql.exec('UPDATE timers SET at = 1');
    state.storage.sql.exec(sql);
  });
  await evictDurableObject(objectOf(slot));
  await eventually('the round', async () => (await roundsOf(slot)) === rounds + 1);
  // Until nothing is written any more.
  await rowsWritten(slot, async () => undefined);
  return (await rowsOf(slot)) - before.lasting - 1;
}

beforeAll(() => startNetwork());

describe('rows written', () => {
  it('by a batch', async () => {
    const batch = deliveries(10, ALONE);
    const receive = () => callsOf(3).deliver(batch, null);
    expect(await rowsWritten(3, receive)).toBe(documented('a batch received, nobody behind'));
    expect(await rowsWritten(3, receive)).toBe(documented('a batch of duplicates'));
    const onward = deliveries(10, { from: 3, to: 1 });
    await atRest(() => rowsOf(3));
    expect(await rowsWritten(3, () => callsOf(3).deliver(onward, null))).toBe(
      documented('a batch received and passed on, not within a second of another'),
    );
  });

  it('by a batch that wakes the node: nothing more', async () => {
    await callsOf(11).deliver(deliveries(1, { from: 11, to: 10 }), null);
    await evictDurableObject(objectOf(11));
    await rowsWritten(11, () => callsOf(11).status());
    await evictDurableObject(objectOf(11));
    const receive = () => callsOf(11).deliver(deliveries(1, { from: 11, to: 10 }), null);
    expect(await rowsWritten(11, receive)).toBe(documented('a batch received, nobody behind'));
  });

  it('by a message originated', async () => {
    await atRest(() => rowsOf(5));
    expect(await rowsWritten(5, () => broadcast(5, { a: 1 }))).toBe(
      documented('a message originated, not within a second of another'),
    );
  });

  it('by a sync round, and by expiry', async () => {
    // The first wake hands announcements on to members that came after them; that is not what is counted here.
    await rowsOfDueRound(7, 'SELECT 1');
    expect(await rowsOfDueRound(7, 'SELECT 1')).toBe(documented('a sync round'));
    await callsOf(7).deliver(deliveries(5, { from: 7, to: 6 }), null);
    await callsOf(7).deliver(deliveries(5, { from: 7, to: 6 }), null);
    const count = 'SELECT seq FROM segments';
    const segments = await runInDurableObject(
      objectOf(7),
      (_, state) => state.storage.sql.exec(count).toArray().length,
    );
    expect(segments).toBeGreaterThan(1);
    const expired = segments * documented('a segment expired') + documented('a mempool run empty');
    expect(await rowsOfDueRound(7, 'UPDATE segments SET expires_at = 1')).toBe(documented('a sync round') + expired);
  });

  it('by a segment that takes the place of an expired one', async () => {
    await runInDurableObject(bindings.NODES.get(bindings.NODES.newUniqueId()), (_, state) => {
      const store = openSqlNodeStore(openDurableSql(state.storage));
      const row = { expiresAt: 1, index: '{}', body: 'x'.repeat(5_000) };
      store.segments.append({ seq: 1, ...row });
      const before = store.rowsWritten();
      store.segments.replace(1, { seq: 2, ...row });
      expect(store.rowsWritten() - before).toBe(documented('a segment written over an expired one'));
    });
  });

  it('by peers learned', async () => {
    await runInDurableObject(bindings.NODES.get(bindings.NODES.newUniqueId()), (_, state) => {
      const store = openSqlNodeStore(openDurableSql(state.storage));
      const roster = new Roster(store.roster, TEST_CONFIG, () => undefined);
      for (let guid = 1; guid <= 100; guid++) roster.learn(member(guid), 1);
      const before = store.rowsWritten();
      roster.flush();
      expect(store.rowsWritten() - before).toBe(documented('100 peers learned'));
    });
  });

  it('by a signed request', async () => {
    await runInDurableObject(bindings.NODES.get(bindings.NODES.newUniqueId()), (_, state) => {
      const store = openSqlNodeStore(openDurableSql(state.storage));
      const nonces = new Nonces(store.nonces);
      for (let index = 0; index < 300; index++) {
        const before = store.rowsWritten();
        expect(nonces.use(7, `nonce-${index}-0123456789`, 60_000, 1_000)).toBe('fresh');
        expect(store.rowsWritten() - before).toBe(documented('a signed request'));
      }
    });
  });

  it('by a join', async () => {
    const stub = bindings.BOOT.get(bindings.BOOT.idFromName('rows'));
    await runInDurableObject(stub, (_, state) => {
      const sql = openDurableSql(state.storage);
      const store = openSqlBootStore(sql);
      endSurvey(store);
      const trust = { networkKey: keyOf(0), secret: '00'.repeat(32), recentJoins: 0 };
      const context = { now: 5_000, rng: () => 0, config: TEST_CONFIG, address: 'local:', ...trust, store };
      const joins = () =>
        store.transaction(() => {
          const draft = draftJoin(context, selfRecord(1));
          if (draft.ok) commitJoin(context, draft.value);
        });
      const before = sql.rowsWritten();
      joins();
      const after = sql.rowsWritten();
      joins();
      expect(after - before).toBe(documented('a GUID allocated'));
      expect(sql.rowsWritten() - after).toBe(documented('a join repeated'));
      raiseFloor(store, 100);
      const restored = [...Array(50).keys()].map((index) => ({ ...member(10 + index), group: 'g', joinedAt: 5_000 }));
      const begun = sql.rowsWritten();
      expect(store.transaction(() => takeBatch(store, restored, true)).ok).toBe(true);
      expect(sql.rowsWritten() - begun).toBe(50 * documented('an allocation restored'));
    });
  });
});
