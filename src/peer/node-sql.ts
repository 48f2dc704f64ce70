// node:sqlite behind the port that the stores use.
import { DatabaseSync } from 'node:sqlite';
import type { Sql, SqlRow } from '../store/sql.ts';

/** Opens a database file (`:memory:` for none). WAL and synchronous=FULL: what is committed survives a crash of the machine. */
export function openNodeSql(path: string): Sql & { close(): void } {
  const database = new DatabaseSync(path);
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
  const prepared = new Map<string, ReturnType<DatabaseSync['prepare']>>();
  let rows = 0;
  return {
    all(statement, ...parameters) {
      const known = prepared.get(statement) ?? database.prepare(statement);
      prepared.set(statement, known);
      if (/^\s*SELECT/i.test(statement)) return known.all(...parameters) as SqlRow[];
      rows += Number(known.run(...parameters).changes);
      return [];
    },
    transaction(body) {
      database.exec('BEGIN IMMEDIATE');
      try {
        const result = body();
        database.exec('COMMIT');
        return result;
      } catch (cause) {
        database.exec('ROLLBACK');
        throw cause;
      }
    },
    rowsWritten: () => rows,
    close: () => database.close(),
  };
}
