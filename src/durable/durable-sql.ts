// A Durable Object's SQLite behind the port that the stores use. rowsWritten counts as the platform bills.
import type { Sql, SqlRow } from '../store/sql.ts';

/** Statements run in one implicit transaction until the next await; `transaction` adds the rollback. */
export function openDurableSql(storage: DurableObjectStorage): Sql {
  let rows = 0;
  return {
    all(statement, ...parameters) {
      const cursor = storage.sql.exec<SqlRow & Record<string, SqlStorageValue>>(statement, ...parameters);
      const found = cursor.toArray();
      rows += cursor.rowsWritten;
      return found;
    },
    transaction: (body) => storage.transactionSync(body),
    rowsWritten: () => rows,
  };
}
