// A message that comes alone is brought to this deployment's nodes by its originator itself: a passage through the queue takes longer than all
// calls (docs/decisions/0033-first-attempt.md). What is not taken in time goes into the queue, as everything does under load.
import type { Outcome } from '../protocol/effects.ts';
import type { Job } from '../protocol/job.ts';
import { FIRST_ATTEMPT_MS } from '../protocol/limits.ts';
import { attempt, INSIDE, type ConsumerPorts } from './consumer.ts';

/**
 * Delivers jobs at once. Resolves when a crash cannot lose them any more: each leg was taken, or is in the queue, or its sender was told.
 * Rejects where the queue does not take what is left: then all of it is to be sent again.
 */
export async function firstAttempt(jobs: readonly Job[], ports: ConsumerPorts): Promise<void> {
  let stop = (): void => undefined;
  const over = new Promise<null>((resolve) => {
    const timer = setTimeout(() => resolve(null), FIRST_ATTEMPT_MS);
    stop = () => clearTimeout(timer);
  });
  try {
    await attempt(jobs, INSIDE, {
      ...ports,
      // A node that takes longer has not failed: the queue has the patience to find that out, and nobody else waits for it there.
      deliver: (...call): Promise<readonly Outcome[] | null> => Promise.race([ports.deliver(...call), over]),
    });
  } finally {
    stop();
  }
}
