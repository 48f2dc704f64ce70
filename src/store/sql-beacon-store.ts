// The beacon's store in SQLite.
import type { BeaconStore } from '../protocol/store.ts';
import { BEACON_MIGRATIONS, migrate } from './migrations.ts';
import type { Sql } from './sql.ts';
import { textTable } from './sql-text.ts';

/** Opens the store, migrating it first. */
export function openSqlBeaconStore(sql: Sql): BeaconStore {
  migrate(sql, BEACON_MIGRATIONS);
  return {
    state: textTable(sql, 'state'),
    blocks: textTable(sql, 'blocks'),
    hours: textTable(sql, 'hours'),
    transaction: (body) => sql.transaction(body),
    rowsWritten: () => sql.rowsWritten(),
  };
}
