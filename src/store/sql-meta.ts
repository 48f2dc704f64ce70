// The table of small strings that both kinds of stores have.
import type { MetaTable } from '../protocol/store.ts';
import type { Sql } from './sql.ts';

/** Meta table over SQL. */
export function metaTable(sql: Sql): MetaTable {
  return {
    get(key) {
      const row = sql.all('SELECT value FROM meta WHERE key = ?', key)[0];
      return row ? String(row['value']) : null;
    },
    set(key, value) {
      sql.all(
        'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
        key,
        value,
      );
    },
  };
}
