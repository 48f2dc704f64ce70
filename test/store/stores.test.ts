import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openNodeSql } from '../../src/peer/node-sql.ts';
import { createMemoryBootStore, createMemoryNodeStore } from '../../src/store/memory-store.ts';
import { BOOT_MIGRATIONS, migrate, NODE_MIGRATIONS } from '../../src/store/migrations.ts';
import { openSqlBootStore } from '../../src/store/sql-boot-store.ts';
import { openSqlNodeStore } from '../../src/store/sql-node-store.ts';
import { describeBootStore, describeNodeStore } from './contract.ts';

describeNodeStore('memory', async (use) => use(createMemoryNodeStore()), null);
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
describeBootStore('node:sqlite', (use) => withDatabase((path) => opened(path, (sql) => use(openSqlBootStore(sql)))));

describe('migrations', () => {
  it.each([
    ['node', NODE_MIGRATIONS],
    ['boot', BOOT_MIGRATIONS],
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
