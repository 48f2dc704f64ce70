// A node's store in SQLite, over whichever SQLite the host has.
import type { NodeStore, SegmentTable, TimerKind, TimerTable } from '../protocol/store.ts';
import { migrate, NODE_MIGRATIONS } from './migrations.ts';
import { metaTable } from './sql-meta.ts';
import type { Sql } from './sql.ts';
import { textTable } from './sql-text.ts';
import { keptMeta, keptTexts, Writes } from './sql-writes.ts';

/** A note stays where the row is written again without one. */
const KEEP_NOTE = 'note = COALESCE(excluded.note, note)';
const SET_META = `INSERT INTO meta (key, value, note) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value, ${KEEP_NOTE}`;
const SET_TIMER = `INSERT INTO timers (kind, at, set_at, note) VALUES (?, ?, ?, ?) ON CONFLICT (kind) DO UPDATE SET at = excluded.at, set_at = excluded.set_at, ${KEEP_NOTE}`;
/** Of one segment alone: there may be ten thousand. */
const NOTES =
  'SELECT note FROM meta UNION SELECT note FROM timers UNION SELECT note FROM segments WHERE seq = (SELECT MAX(seq) FROM segments)';

/** Opens the store, migrating it first. */
export function openSqlNodeStore(sql: Sql): NodeStore {
  migrate(sql, NODE_MIGRATIONS);
  const writes = new Writes(sql);
  return {
    meta: keptMeta(metaTable(sql), (key, value, note) => void sql.all(SET_META, key, value, note), writes),
    roster: keptTexts(textTable(sql, 'roster'), writes),
    segments: segmentTable(sql, writes),
    repairs: keptTexts(textTable(sql, 'repairs'), writes),
    nonces: keptTexts(textTable(sql, 'nonces'), writes),
    timers: timerTable(sql, writes),
    transaction: (body, note) => writes.transaction(body, note),
    notes: () => sql.all(NOTES).flatMap(({ note }) => (typeof note === 'string' ? [note] : [])),
    rowsWritten: () => sql.rowsWritten(),
  };
}

function segmentTable(sql: Sql, writes: Writes): SegmentTable {
  const rowOf = (seq: number) => `segment ${seq}`;
  return {
    *index() {
      writes.expectNone();
      for (const row of sql.all('SELECT seq, expires_at, idx FROM segments ORDER BY seq')) {
        yield { seq: Number(row['seq']), expiresAt: Number(row['expires_at']), index: String(row['idx']) };
      }
    },
    body(seq) {
      const written = writes.written(rowOf(seq));
      if (written !== undefined) return written;
      const row = sql.all('SELECT body FROM segments WHERE seq = ?', seq)[0];
      return row ? String(row['body']) : null;
    },
    append({ seq, expiresAt, index, body }) {
      const insert = 'INSERT INTO segments (seq, expires_at, idx, body, note) VALUES (?, ?, ?, ?, ?)';
      writes.write(rowOf(seq), body, (note) => void sql.all(insert, seq, expiresAt, index, body, note), true);
    },
    replace(before, { seq, expiresAt, index, body }) {
      const update = 'UPDATE segments SET seq = ?, expires_at = ?, idx = ?, body = ?, note = ? WHERE seq = ?';
      const run = (note: string | null) => {
        const rows = sql.rowsWritten();
        sql.all(update, seq, expiresAt, index, body, note, before);
        if (sql.rowsWritten() === rows) throw new Error(`segment ${before} does not exist`);
      };
      writes.write(rowOf(seq), body, run, true, rowOf(before));
    },
    delete: (seq) => writes.write(rowOf(seq), null, () => void sql.all('DELETE FROM segments WHERE seq = ?', seq)),
  };
}

function timerTable(sql: Sql, writes: Writes): TimerTable {
  return {
    *all() {
      writes.expectNone();
      for (const row of sql.all('SELECT kind, at, set_at FROM timers ORDER BY kind')) {
        yield { kind: String(row['kind']) as TimerKind, at: Number(row['at']), setAt: Number(row['set_at']) };
      }
    },
    set({ kind, at, setAt }) {
      // Other timers go when they have rung, and their notes with them.
      writes.write('', null, (note) => void sql.all(SET_TIMER, kind, at, setAt, note), kind === 'sync');
    },
    delete: (kind) => writes.write('', null, () => void sql.all('DELETE FROM timers WHERE kind = ?', kind)),
  };
}
