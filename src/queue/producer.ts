// Puts jobs into the queue, in as few calls as the platform's limits allow.
import { encodeJob, type Job } from '../protocol/job.ts';
import { utf8Length } from '../protocol/canonical.ts';

/** sendBatch takes 100 messages or 256 KB (PLATFORM.md 1.4), about 100 bytes of metadata a message included. */
const BATCH_MESSAGES_MAX = 100;
const BATCH_BYTES_MAX = 240_000;

/** The part of a queue that sends. */
export interface JobQueue {
  sendBatch(messages: Iterable<{ body: string; contentType: 'text'; delaySeconds?: number }>): Promise<unknown>;
}

/**
 * Sends all jobs. Where it throws, some may have been sent: sending all again is safe, since receivers drop duplicates.
 */
export async function sendJobs(queue: JobQueue, jobs: readonly Job[], delaySeconds = 0): Promise<void> {
  let batch: { body: string; contentType: 'text'; delaySeconds: number }[] = [];
  let bytes = 0;
  for (const job of jobs) {
    const body = encodeJob(job);
    const size = utf8Length(body) + 128;
    if (batch.length === BATCH_MESSAGES_MAX || bytes + size > BATCH_BYTES_MAX) {
      await queue.sendBatch(batch);
      batch = [];
      bytes = 0;
    }
    batch.push({ body, contentType: 'text', delaySeconds });
    bytes += size;
  }
  if (batch.length > 0) await queue.sendBatch(batch);
}
