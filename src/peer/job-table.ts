// The queue of a Node.js node: jobs in a SQLite file of their own, so that what the node has handed over outlives the process.
import type { JobQueue } from '../queue/producer.ts';
import { migrate } from '../store/migrations.ts';
import type { Millis } from '../protocol/types.ts';
import type { NodeSql } from './node-sql.ts';

/** What the queue is worked off by: deliveries, and jobs whose senders are still to be told that they were not delivered. */
export type Lane = 'outbound' | 'dead-letters';

/** Bytes of jobs that wait: above it the node keeps what it owes itself, and tries later (guess: some thousand full handovers). */
export const WAITING_BYTES_MAX = 64 * 1024 * 1024;

/** Append-only, as those of store/migrations.ts are. */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE jobs (id INTEGER PRIMARY KEY AUTOINCREMENT, lane TEXT NOT NULL, due_at INTEGER NOT NULL, body TEXT NOT NULL);
   CREATE INDEX jobs_by_lane ON jobs (lane, due_at);`,
];

/** A job that waits. */
export interface Waiting {
  readonly id: number;
  readonly body: string;
}

export class QueueFullError extends Error {
  constructor(bytes: number) {
    super(`the queue holds ${bytes} bytes of jobs, and takes no more for the moment`);
    this.name = 'QueueFullError';
  }
}

export class JobTable {
  readonly #sql: NodeSql;
  readonly #bytesMax: number;
  #bytes: number;
  #count: number;

  constructor(sql: NodeSql, bytesMax: number = WAITING_BYTES_MAX) {
    this.#sql = sql;
    migrate(this.#sql, MIGRATIONS);
    const [sums] = this.#sql.all('SELECT COUNT(*) AS count, COALESCE(SUM(LENGTH(body)), 0) AS bytes FROM jobs');
    this.#count = Number(sums?.['count'] ?? 0);
    this.#bytes = Number(sums?.['bytes'] ?? 0);
    this.#bytesMax = bytesMax;
  }

  /** Jobs that wait, those in hand included. */
  get size(): number {
    return this.#count;
  }

  /**
   * A way into one lane. `isLimited`: it throws a QueueFullError where too much waits; what is put back takes the place of what it was, and
   * is never refused. `sent` is called after each write.
   */
  sender(lane: Lane, isLimited: boolean, now: () => Millis, sent: () => void): JobQueue {
    return {
      sendBatch: async (messages) => {
        const jobs = [...messages];
        const bytes = jobs.reduce((sum, { body }) => sum + body.length, 0);
        if (isLimited && this.#bytes + bytes > this.#bytesMax) throw new QueueFullError(this.#bytes);
        this.#sql.transaction(() => {
          for (const { body, delaySeconds = 0 } of jobs) {
            const dueAt = now() + delaySeconds * 1000;
            this.#sql.all('INSERT INTO jobs (lane, due_at, body) VALUES (?, ?, ?)', lane, dueAt, body);
          }
        });
        this.#bytes += bytes;
        this.#count += jobs.length;
        sent();
      },
    };
  }

  /** Jobs of a lane that are due, oldest first, but for those in hand. */
  due(lane: Lane, now: Millis, inHand: ReadonlySet<number>, limit: number): Waiting[] {
    // More than are wanted, since some of them may be in hand.
    const statement = 'SELECT id, body FROM jobs WHERE lane = ? AND due_at <= ? ORDER BY due_at, id LIMIT ?';
    return this.#sql
      .all(statement, lane, now, limit + inHand.size)
      .map((row) => ({ id: Number(row['id']), body: String(row['body']) }))
      .filter(({ id }) => !inHand.has(id))
      .slice(0, limit);
  }

  /** When the next job of a lane is due that is not in hand; null where none waits. */
  nextDue(lane: Lane, inHand: ReadonlySet<number>): Millis | null {
    const statement = 'SELECT id, due_at FROM jobs WHERE lane = ? ORDER BY due_at, id LIMIT ?';
    const row = this.#sql.all(statement, lane, inHand.size + 1).find(({ id }) => !inHand.has(Number(id)));
    return row ? Number(row['due_at']) : null;
  }

  /** Ends a batch: what was done is removed, what is to come again waits until then. */
  settle(done: readonly Waiting[], again: readonly { readonly job: Waiting; readonly dueAt: Millis }[]): void {
    this.#sql.transaction(() => {
      for (const { id } of done) this.#sql.all('DELETE FROM jobs WHERE id = ?', id);
      for (const { job, dueAt } of again) this.#sql.all('UPDATE jobs SET due_at = ? WHERE id = ?', dueAt, job.id);
    });
    this.#count -= done.length;
    this.#bytes -= done.reduce((sum, { body }) => sum + body.length, 0);
  }

  close(): void {
    this.#sql.close();
  }
}
