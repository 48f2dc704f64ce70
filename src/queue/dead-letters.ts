// The dead letters' consumer: tells each sender which legs could not be delivered, so that it can repair them.
import { hashOf } from '../protocol/canonical.ts';
import type { Undeliverable } from '../protocol/effects.ts';
import { decodeJob, type Job, type Sender } from '../protocol/job.ts';
import { unseal } from '../protocol/seal.ts';
import { settle, type ConsumerPorts, type QueueMessage } from './consumer.ts';

export interface DeadLetterPorts extends Pick<ConsumerPorts, 'log' | 'unreadable'> {
  /** Tells a node what could not be delivered; throws where it cannot be told. */
  report(sender: Sender, legs: readonly Undeliverable[]): Promise<void>;
}

/** Handles a batch of given-up jobs. A job leaves the queue only when its sender has heard of it. */
export async function reportDeadLetters(messages: readonly QueueMessage[], ports: DeadLetterPorts): Promise<void> {
  for (const message of messages) {
    const decoded = decodeJob(message.body);
    if (decoded.ok) {
      const job = decoded.value;
      await settle(message, () => ports.report(job.from, legsOf(job)), ports);
    } else {
      ports.log('ERROR', 'job_unreadable', { reason: decoded.error });
      await settle(message, () => ports.unreadable(decoded.error), ports);
    }
  }
}

function legsOf(job: Job): Undeliverable[] {
  return job.bundles.flatMap((bundle) => {
    const ids = bundle.bodies.map((sealed) => hashOf(unseal(sealed).body));
    return bundle.legs.map((leg) => ({ to: leg.to, range: leg.range, attempt: bundle.attempt, ids }));
  });
}
