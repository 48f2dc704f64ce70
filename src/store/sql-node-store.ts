// A node's store in SQLite, over whichever SQLite the host has.
import type { NodeStore, TimerKind } from '../protocol/store.ts';
import { migrate, NODE_MIGRATIONS } from './migrations.ts';
import { metaTable } from './sql-meta.ts';
import type { Sql } from './sql.ts';
import { textTable } from './sql-text.ts';

/** Opens the store, migrating it first. */
export function openSqlNodeStore(sql: Sql): NodeStore {
  migrate(sql, NODE_MIGRATIONS);
  return {
    meta: metaTable(sql),
    roster: textTable(sql, 'roster'),
    segments: {
      *index() {
        for (const row of sql.all('SELECT seq, expires_at, idx FROM segments ORDER BY seq')) {
          yield { seq: Number(row['seq']), expiresAt: Number(row['expires_at']), index: String(row['idx']) };
        }
      },
      body(seq) {
        const row = sql.all('SELECT body FROM segments WHERE seq = ?', seq)[0];
        return row ? String(row['body']) : null;
      },
      append({ seq, expiresAt, index, body }) {
        sql.all('INSERT INTO segments (seq, expires_at, idx, body) VALUES (?, ?, ?, ?)', seq, expiresAt, index, body);
      },
      replace(before, { seq, expiresAt, index, body }) {
        const update = 'UPDATE segments SET seq = ?, expires_at = ?, idx = ?, body = ? WHERE seq = ?';
        const rows = sql.rowsWritten();
        sql.all(update, seq, expiresAt, index, body, before);
        if (sql.rowsWritten() === rows) throw new Error(`segment ${before} does not exist`);
      },
      delete(seq) {
        sql.all('DELETE FROM segments WHERE seq = ?', seq);
      },
    },
    repairs: textTable(sql, 'repairs'),
    nonces: textTable(sql, 'nonces'),
    timers: {
      *all() {
        for (const row of sql.all('SELECT kind, at, set_at FROM timers ORDER BY kind')) {
          yield { kind: String(row['kind']) as TimerKind, at: Number(row['at']), setAt: Number(row['set_at']) };
        }
      },
      set({ kind, at, setAt }) {
        const upsert = 'ON CONFLICT (kind) DO UPDATE SET at = excluded.at, set_at = excluded.set_at';
        sql.all(`INSERT INTO timers (kind, at, set_at) VALUES (?, ?, ?) ${upsert}`, kind, at, setAt);
      },
      delete(kind) {
        sql.all('DELETE FROM timers WHERE kind = ?', kind);
      },
    },
    transaction: (body) => sql.transaction(body),
    rowsWritten: () => sql.rowsWritten(),
  };
}
