// The boot node's store in SQLite.
import type { Allocation, BootStore } from '../protocol/store.ts';
import { BOOT_MIGRATIONS, migrate } from './migrations.ts';
import { metaTable } from './sql-meta.ts';
import type { Sql, SqlRow } from './sql.ts';

const COLUMNS = 'guid, public_key, address, incarnation, joined_at';

/** Opens the store, migrating it first. */
export function openSqlBootStore(sql: Sql): BootStore {
  migrate(sql, BOOT_MIGRATIONS);
  const one = (rows: readonly SqlRow[]): Allocation | null => (rows[0] ? readAllocation(rows[0]) : null);
  return {
    meta: metaTable(sql),
    byKey: (publicKey) => one(sql.all(`SELECT ${COLUMNS} FROM allocations WHERE public_key = ?`, publicKey)),
    byGuid: (guid) => one(sql.all(`SELECT ${COLUMNS} FROM allocations WHERE guid = ?`, guid)),
    page(after, limit) {
      return sql
        .all(`SELECT ${COLUMNS} FROM allocations WHERE guid > ? ORDER BY guid LIMIT ?`, after, limit)
        .map(readAllocation);
    },
    maxGuid: () => Number(sql.all('SELECT COALESCE(MAX(guid), 0) AS guid FROM allocations')[0]?.['guid'] ?? 0),
    insert({ guid, publicKey, address, incarnation, joinedAt }) {
      const statement = `INSERT INTO allocations (${COLUMNS}) VALUES (?, ?, ?, ?, ?)`;
      sql.all(statement, guid, publicKey, address, incarnation, joinedAt);
    },
    setAddress(guid, address, incarnation) {
      sql.all('UPDATE allocations SET address = ?, incarnation = ? WHERE guid = ?', address, incarnation, guid);
    },
    transaction: (body) => sql.transaction(body),
  };
}

function readAllocation(row: SqlRow): Allocation {
  return {
    guid: Number(row['guid']),
    publicKey: String(row['public_key']),
    address: String(row['address']),
    incarnation: Number(row['incarnation']),
    joinedAt: Number(row['joined_at']),
  };
}
