// Tables of text rows by number, which nodes and the beacon have.
import type { TextTable } from '../protocol/store.ts';
import type { Sql } from './sql.ts';

type Table = 'roster' | 'repairs' | 'nonces' | 'state' | 'blocks' | 'hours';

/** Text rows over SQL. */
export function textTable(sql: Sql, table: Table): TextTable {
  return {
    *all() {
      for (const row of sql.all(`SELECT id, body FROM ${table} ORDER BY id`)) {
        yield { id: Number(row['id']), body: String(row['body']) };
      }
    },
    put(id, body) {
      sql.all(
        `INSERT INTO ${table} (id, body) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body`,
        id,
        body,
      );
    },
    delete(id) {
      sql.all(`DELETE FROM ${table} WHERE id = ?`, id);
    },
  };
}
