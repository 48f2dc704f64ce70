// node:sqlite behind the port that the stores use.
import { closeSync, openSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import type { Sql, SqlRow } from '../store/sql.ts';
import { openDatabase } from './sqlite.ts';

/** What that is committed survives: a crash of the process, or one of the machine too, which costs a wait for the disk at each commit. */
export type Durability = 'process' | 'machine';

export interface NodeSql extends Sql {
  close(): void;
}

/** The same for a file that only its owner can read, as it holds a private key: SQLite gives what it puts beside it the same mode. */
export function openPrivateSql(path: string, durability: Durability): NodeSql {
  if (path !== ':memory:') closeSync(openSync(path, 'a', 0o600));
  return openNodeSql(path, durability);
}

/** Opens a database file (`:memory:` for none). */
export function openNodeSql(path: string, durability: Durability = 'machine'): NodeSql {
  const database = openDatabase(path);
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${durability === 'machine' ? 'FULL' : 'NORMAL'}`);
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
