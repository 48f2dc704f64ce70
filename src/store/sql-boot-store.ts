// The boot node's store in SQLite.
import type { Allocation, BootStore } from '../protocol/store.ts';
import { BOOT_MIGRATIONS, migrate } from './migrations.ts';
import { metaTable } from './sql-meta.ts';
import type { Sql, SqlRow, SqlValue } from './sql.ts';

/** Columns but the key, in the order of {@link valuesOf}. */
const COLUMNS = [
  'address',
  'incarnation',
  'capabilities',
  'signature',
  'issued_at',
  'expires_at',
  'certificate',
  'address_group',
];
const SELECT = `SELECT guid, public_key, joined_at, ${COLUMNS.join(', ')} FROM allocations`;

/** Opens the store, migrating it first. */
export function openSqlBootStore(sql: Sql): BootStore {
  migrate(sql, BOOT_MIGRATIONS);
  const one = (rows: readonly SqlRow[]): Allocation | null => (rows[0] ? readAllocation(rows[0]) : null);
  const count = (rows: readonly SqlRow[]): number => Number(rows[0]?.['count'] ?? 0);
  return {
    meta: metaTable(sql),
    byKey: (publicKey) => one(sql.all(`${SELECT} WHERE public_key = ?`, publicKey)),
    byGuid: (guid) => one(sql.all(`${SELECT} WHERE guid = ?`, guid)),
    byAddress(address, now) {
      return sql.all(`${SELECT} WHERE address = ? AND expires_at > ? ORDER BY guid`, address, now).map(readAllocation);
    },
    page(after, limit, now) {
      return sql
        .all(`${SELECT} WHERE guid > ? AND expires_at > ? ORDER BY guid LIMIT ?`, after, now, limit)
        .map(readAllocation);
    },
    all(after, limit) {
      return sql.all(`${SELECT} WHERE guid > ? ORDER BY guid LIMIT ?`, after, limit).map(readAllocation);
    },
    count: () => count(sql.all('SELECT COUNT(*) AS count FROM allocations')),
    newest(limit, now) {
      return sql.all(`${SELECT} WHERE expires_at > ? ORDER BY guid DESC LIMIT ?`, now, limit).map(readAllocation);
    },
    groupSize(group, now) {
      const statement = 'SELECT COUNT(*) AS count FROM allocations WHERE address_group = ? AND expires_at > ?';
      return count(sql.all(statement, group, now));
    },
    countLiving: (now) => count(sql.all('SELECT COUNT(*) AS count FROM allocations WHERE expires_at > ?', now)),
    joinTimes(limit) {
      return sql
        .all('SELECT joined_at FROM allocations ORDER BY guid DESC LIMIT ?', limit)
        .map((row) => Number(row['joined_at']));
    },
    maxGuid: () => count(sql.all('SELECT COALESCE(MAX(guid), 0) AS count FROM allocations')),
    insert(allocation) {
      const { guid, publicKey, joinedAt } = allocation;
      const places = COLUMNS.map(() => '?').join(', ');
      const statement = `INSERT INTO allocations (guid, public_key, joined_at, ${COLUMNS.join(', ')})`;
      sql.all(`${statement} VALUES (?, ?, ?, ${places})`, guid, publicKey, joinedAt, ...valuesOf(allocation));
    },
    update(allocation) {
      const assignments = COLUMNS.map((column) => `${column} = ?`).join(', ');
      sql.all(`UPDATE allocations SET ${assignments} WHERE guid = ?`, ...valuesOf(allocation), allocation.guid);
    },
    transaction: (body) => sql.transaction(body),
  };
}

function valuesOf(allocation: Allocation): SqlValue[] {
  const { address, incarnation, capabilities, signature, certificate, group } = allocation;
  const { issuedAt, expiresAt } = certificate;
  const listed = JSON.stringify(capabilities);
  return [address, incarnation, listed, signature, issuedAt, expiresAt, certificate.signature, group];
}

function readAllocation(row: SqlRow): Allocation {
  return {
    guid: Number(row['guid']),
    publicKey: String(row['public_key']),
    address: String(row['address']),
    incarnation: Number(row['incarnation']),
    capabilities: JSON.parse(String(row['capabilities'])) as string[],
    signature: String(row['signature']),
    certificate: {
      issuedAt: Number(row['issued_at']),
      expiresAt: Number(row['expires_at']),
      signature: String(row['certificate']),
    },
    group: String(row['address_group']),
    joinedAt: Number(row['joined_at']),
  };
}
