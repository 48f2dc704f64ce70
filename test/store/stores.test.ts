import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openNodeSql } from '../../src/peer/node-sql.ts';
import { createMemoryBeaconStore, createMemoryBootStore, createMemoryNodeStore } from '../../src/store/memory-store.ts';
import { BEACON_MIGRATIONS, BOOT_MIGRATIONS, migrate, NODE_MIGRATIONS } from '../../src/store/migrations.ts';
import { openSqlBeaconStore } from '../../src/store/sql-beacon-store.ts';
import { openSqlBootStore } from '../../src/store/sql-boot-store.ts';
import { openSqlNodeStore } from '../../src/store/sql-node-store.ts';
import { describeBeaconStore, describeBootStore, describeNodeStore } from './contract.ts';

describeNodeStore('memory', async (use) => use(createMemoryNodeStore()), null);
describeBeaconStore('memory', async (use) => use(createMemoryBeaconStore()));
describeBootStore('memory', async (use) => use(createMemoryBootStore()));

async function withDatabase(use: (path: string) => void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'pychain-store-'));
  try {
    use(join(folder, 'node.sqlite'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function opened<T>(path: string, use: (sql: ReturnType<typeof openNodeSql>) => T): T {
  const sql = openNodeSql(path);
  try {
    return use(sql);
  } finally {
    sql.close();
  }
}

describeNodeStore(
  'node:sqlite',
  (use) => withDatabase((path) => opened(path, (sql) => use(openSqlNodeStore(sql)))),
  (first, then) =>
    withDatabase((path) => {
      opened(path, (sql) => first(openSqlNodeStore(sql)));
      opened(path, (sql) => then(openSqlNodeStore(sql)));
    }),
);
describeBeaconStore('node:sqlite', (use) =>
  withDatabase((path) => opened(path, (sql) => use(openSqlBeaconStore(sql)))),
);
describeBootStore('node:sqlite', (use) => withDatabase((path) => opened(path, (sql) => use(openSqlBootStore(sql)))));

describe('migrations', () => {
  it.each([
    ['node', NODE_MIGRATIONS],
    ['boot', BOOT_MIGRATIONS],
    ['beacon', BEACON_MIGRATIONS],
  ])('the %s schema is this one: a step was added if it changed, never edited', (_, migrations) => {
    opened(':memory:', (sql) => {
      migrate(sql, migrations);
      const schema = sql
        .all('SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name')
        .map((row) => row['sql']);
      expect(schema.map((text) => String(text).replaceAll(/\s+/g, ' '))).toMatchSnapshot();
      expect(sql.all('SELECT version FROM migrations').map((row) => row['version'])).toEqual(
        migrations.map((__, index) => index + 1),
      );
    });
  });

  it('a node’s store of schema 1 keeps its identity, messages, repairs and timers, and forgets records that prove nothing', () => {
    opened(':memory:', (sql) => {
      migrate(sql, NODE_MIGRATIONS.slice(0, 1));
      sql.all(`INSERT INTO meta (key, value) VALUES ('guid', '7'), ('key', 'x')`);
      sql.all(`INSERT INTO roster (id, body) VALUES (0, '[{"guid":1}]'), (1, '[{"guid":65}]')`);
      sql.all(`INSERT INTO segments (seq, expires_at, idx, body) VALUES (3, 9, 'i3', 'b3'), (4, 10, 'i4', 'b4')`);
      sql.all(`INSERT INTO repairs (id, body) VALUES (5, 'owed')`);
      sql.all(`INSERT INTO timers (kind, at, set_at) VALUES ('sync', 5, 1)`);
      const store = openSqlNodeStore(sql);
      expect([store.meta.get('guid'), store.meta.get('key')]).toEqual(['7', 'x']);
      expect([...store.segments.index()]).toEqual([
        { seq: 3, expiresAt: 9, index: 'i3' },
        { seq: 4, expiresAt: 10, index: 'i4' },
      ]);
      expect([store.segments.body(3), store.segments.body(4)]).toEqual(['b3', 'b4']);
      expect([...store.repairs.all()]).toEqual([{ id: 5, body: 'owed' }]);
      expect([...store.timers.all()]).toEqual([{ kind: 'sync', at: 5, setAt: 1 }]);
      expect([...store.roster.all()]).toEqual([]);
      expect([...store.nonces.all()]).toEqual([]);
      // And once: what is learned from then on is not forgotten when it is opened again.
      store.roster.put(0, 'signed');
      store.nonces.put(1, 'used');
      const again = openSqlNodeStore(sql);
      expect([...again.roster.all()]).toEqual([{ id: 0, body: 'signed' }]);
      expect([...again.nonces.all()]).toEqual([{ id: 1, body: 'used' }]);
    });
  });

  it('a node’s store of schema 2 has no notes, and takes some', () => {
    opened(':memory:', (sql) => {
      migrate(sql, NODE_MIGRATIONS.slice(0, 2));
      sql.all(`INSERT INTO meta (key, value) VALUES ('settled', '3')`);
      sql.all(`INSERT INTO segments (seq, expires_at, idx, body) VALUES (3, 9, 'i3', 'b3')`);
      sql.all(`INSERT INTO timers (kind, at, set_at) VALUES ('sync', 5, 1)`);
      const store = openSqlNodeStore(sql);
      expect(store.notes()).toEqual([]);
      expect([...store.segments.index()]).toEqual([{ seq: 3, expiresAt: 9, index: 'i3' }]);
      const row = { seq: 4, expiresAt: 10, index: 'i4', body: 'b4' };
      store.transaction(
        () => store.segments.append(row),
        () => 'counted',
      );
      const again = openSqlNodeStore(sql);
      expect([again.notes(), again.meta.get('settled')]).toEqual([['counted'], '3']);
      expect([...again.timers.all()]).toEqual([{ kind: 'sync', at: 5, setAt: 1 }]);
    });
  });

  it('a boot node’s store of schema 1 keeps every GUID and key; members are told of when they have renewed', () => {
    opened(':memory:', (sql) => {
      migrate(sql, BOOT_MIGRATIONS.slice(0, 1));
      sql.all(`INSERT INTO meta (key, value) VALUES ('unannounced', '[2]')`);
      sql.all(`INSERT INTO allocations (guid, public_key, address, incarnation, joined_at)
        VALUES (1, 'key1', 'local:/n/1', 0, 1700000000001), (2, 'key2', 'local:/n/2', 3, 1700000000002)`);
      const store = openSqlBootStore(sql);
      expect(store.meta.get('unannounced')).toBe('[2]');
      expect(store.maxGuid()).toBe(2);
      const second = {
        guid: 2,
        publicKey: 'key2',
        address: 'local:/n/2',
        incarnation: 3,
        capabilities: [],
        signature: '',
        certificate: { issuedAt: 0, expiresAt: 0, signature: '' },
        group: '',
        joinedAt: 1_700_000_000_002,
      };
      expect(store.byKey('key2')).toEqual(second);
      expect(store.byGuid(1)?.publicKey).toBe('key1');
      expect(store.joinTimes(9)).toEqual([1_700_000_000_002, 1_700_000_000_001]);
      const now = 1_700_000_100_000;
      expect([store.page(0, 9, now), store.newest(9, now), store.groupSize('', now)]).toEqual([[], [], 0]);

      const certificate = { issuedAt: now, expiresAt: now + 1, signature: 'c' };
      const renewed = { ...second, capabilities: ['sync'], signature: 's', certificate, group: 'local:' };
      store.update(renewed);
      const again = openSqlBootStore(sql);
      expect(again.page(0, 9, now)).toEqual([renewed]);
      expect(again.groupSize('local:', now)).toBe(1);
      expect(() => again.insert({ ...renewed, guid: 3 })).toThrow(/UNIQUE/);
      again.insert({ ...renewed, guid: 3, publicKey: 'key3' });
      expect(again.maxGuid()).toBe(3);
    });
  });

  it('runs only the steps that a store lacks', () => {
    opened(':memory:', (sql) => {
      migrate(sql, NODE_MIGRATIONS);
      sql.all(`INSERT INTO meta (key, value) VALUES ('guid', '7')`);
      const next = [...NODE_MIGRATIONS, `CREATE TABLE later (id INTEGER PRIMARY KEY); UPDATE meta SET value = '8'`];
      migrate(sql, next);
      migrate(sql, next);
      expect(sql.all('SELECT value FROM meta')).toEqual([{ value: '8' }]);
      expect(sql.all('SELECT id FROM later')).toEqual([]);
    });
  });

  it('a step that fails leaves the store at the version before', () => {
    opened(':memory:', (sql) => {
      migrate(sql, NODE_MIGRATIONS);
      const bad = [...NODE_MIGRATIONS, 'CREATE TABLE half (id INTEGER PRIMARY KEY); INSERT INTO nowhere VALUES (1)'];
      expect(() => migrate(sql, bad)).toThrow(/nowhere/);
      expect(sql.all(`SELECT name FROM sqlite_master WHERE name = 'half'`)).toEqual([]);
      expect(sql.all('SELECT MAX(version) AS version FROM migrations')).toEqual([{ version: NODE_MIGRATIONS.length }]);
    });
  });

  it('refuses a store of a newer version', () => {
    opened(':memory:', (sql) => {
      migrate(sql, [...NODE_MIGRATIONS, 'CREATE TABLE later (id INTEGER PRIMARY KEY)']);
      expect(() => migrate(sql, NODE_MIGRATIONS)).toThrow(/newer version/);
    });
  });
});
