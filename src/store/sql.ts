// The little of SQLite that both a Durable Object and node:sqlite offer: synchronous statements, a transaction, and the number
// of rows written, which is what the platform bills.

export type SqlValue = string | number | null;
export type SqlRow = Readonly<Record<string, SqlValue>>;

export interface Sql {
  /** Runs one statement and returns its rows. */
  all(statement: string, ...parameters: readonly SqlValue[]): readonly SqlRow[];
  transaction<T>(body: () => T): T;
  rowsWritten(): number;
}
