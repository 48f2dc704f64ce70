// Schemas as append-only lists of steps. A store runs the steps that it lacks, in one transaction, when it is opened; never
// change a step that was released: add one. docs/storage.md tells what the tables hold and what each write costs.
import type { Sql } from './sql.ts';

/** Tables without a rowid write one row a row: a rowid table with a text key would write two (PLATFORM.md section 2). */
export const NODE_MIGRATIONS: readonly string[] = [
  `CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
   CREATE TABLE roster (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
   CREATE TABLE segments (seq INTEGER PRIMARY KEY, expires_at INTEGER NOT NULL, idx TEXT NOT NULL, body TEXT NOT NULL);
   CREATE TABLE repairs (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
   CREATE TABLE timers (kind TEXT PRIMARY KEY, at INTEGER NOT NULL, set_at INTEGER NOT NULL) WITHOUT ROWID;`,
  // Records without signatures prove nothing: they are asked for again when the node joins anew for its certificate.
  `CREATE TABLE nonces (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
   DELETE FROM roster;`,
  // What a node has counted, beside what it writes anyway.
  `ALTER TABLE segments ADD COLUMN note TEXT;
   ALTER TABLE meta ADD COLUMN note TEXT;
   ALTER TABLE timers ADD COLUMN note TEXT;`,
];

export const BOOT_MIGRATIONS: readonly string[] = [
  `CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
   CREATE TABLE allocations (guid INTEGER PRIMARY KEY, public_key TEXT NOT NULL UNIQUE, address TEXT NOT NULL,
     incarnation INTEGER NOT NULL, joined_at INTEGER NOT NULL);`,
  // A row from before has a certificate that has run out: its member is not told of until it asks for a new one.
  `ALTER TABLE allocations ADD COLUMN capabilities TEXT NOT NULL DEFAULT '[]';
   ALTER TABLE allocations ADD COLUMN signature TEXT NOT NULL DEFAULT '';
   ALTER TABLE allocations ADD COLUMN issued_at INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE allocations ADD COLUMN expires_at INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE allocations ADD COLUMN certificate TEXT NOT NULL DEFAULT '';
   ALTER TABLE allocations ADD COLUMN address_group TEXT NOT NULL DEFAULT '';
   CREATE INDEX allocations_by_group ON allocations (address_group, expires_at);`,
];

export const BEACON_MIGRATIONS: readonly string[] = [
  `CREATE TABLE state (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
   CREATE TABLE blocks (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
   CREATE TABLE hours (id INTEGER PRIMARY KEY, body TEXT NOT NULL);`,
];

/**
 * Brings a store to the newest schema. Costs one read where it is there already.
 * @throws where the store was written by a newer version: going on could damage it.
 */
export function migrate(sql: Sql, migrations: readonly string[]): void {
  sql.transaction(() => {
    const tables = sql.all(`SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'migrations'`);
    if (tables.length === 0) sql.all('CREATE TABLE migrations (version INTEGER PRIMARY KEY)');
    const version = Number(sql.all('SELECT COALESCE(MAX(version), 0) AS version FROM migrations')[0]?.['version'] ?? 0);
    if (version > migrations.length) {
      throw new Error(
        `the store has schema ${version}, this version knows ${migrations.length}: deploy a newer version`,
      );
    }
    for (const [index, step] of migrations.entries()) {
      if (index < version) continue;
      for (const statement of step.split(';')) if (statement.trim() !== '') sql.all(statement);
      sql.all('INSERT INTO migrations (version) VALUES (?)', index + 1);
    }
  });
}
