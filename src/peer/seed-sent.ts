// What a client of the original was sent last, in the table of clients: it outlives the process, so that what was under way goes again under its number.
import type { MessageId } from '../protocol/types.ts';
import type { NodeSql } from './node-sql.ts';

/** What was sent to a client last. */
export interface Sent {
  readonly message: MessageId | null;
  readonly number: number;
  readonly isTaken: boolean;
}

export function readSent(sql: NodeSql, ip: string): Sent {
  const [row] = sql.all('SELECT message, number, taken FROM clients WHERE ip = ?', ip);
  const message = row?.['message'];
  return {
    message: typeof message === 'string' ? message : null,
    number: Number(row?.['number'] ?? 0),
    isTaken: row?.['taken'] !== 0,
  };
}

export function noteSent(sql: NodeSql, ip: string, { message, number, isTaken }: Sent): void {
  const statement = 'UPDATE clients SET message = ?, number = ?, taken = ? WHERE ip = ?';
  sql.all(statement, message, number, Number(isTaken), ip);
}
