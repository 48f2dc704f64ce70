// The dead letters' consumer: tells each sender which legs could not be delivered, so that it can repair them.
import { decodeJob } from '../protocol/job.ts';
import { settle, type ConsumerPorts, type QueueMessage } from './consumer.ts';
import { undelivered } from './undelivered.ts';

export type DeadLetterPorts = Pick<ConsumerPorts, 'log' | 'unreadable' | 'report'>;

/** Handles a batch of given-up jobs. A job leaves the queue only when its sender has heard of it. */
export async function reportDeadLetters(messages: readonly QueueMessage[], ports: DeadLetterPorts): Promise<void> {
  for (const message of messages) {
    const decoded = decodeJob(message.body);
    if (decoded.ok) {
      const job = decoded.value;
      await settle(message, () => ports.report(job.from, undelivered(job.bundles, false)), ports);
    } else {
      ports.log('job_unreadable', { reason: decoded.error });
      await settle(message, () => ports.unreadable(decoded.error), ports);
    }
  }
}
