// How the boot object asks the nodes of its deployment what they hold. A node that never ran makes its storage and key by it, which its
// first tick would have it do anyway.
import type { Surveyed } from '../protocol/boot-survey.ts';
import { reasonOf } from '../protocol/reason.ts';
import { runPool } from '../queue/pool.ts';
import type { Env } from './env.ts';
import { nodeStub } from './stubs.ts';
import type { Answers } from '../shell/boot-recovery.ts';
import { withTimeout } from '../shell/timeout.ts';

/** As for a delivery: a node that takes longer is not well, and is asked again. */
const ANSWER_TIMEOUT_MS = 5_000;

const PARALLEL_CALLS_MAX = 16;

/** Asks each of these nodes. */
export async function askNodes(env: Env, slots: readonly number[]): Promise<Answers> {
  const answers = new Map<number, Surveyed>();
  let fault: string | null = null;
  await runPool(slots, PARALLEL_CALLS_MAX, async (slot) => {
    try {
      answers.set(slot, await withTimeout(nodeStub(env, slot).tenure(), ANSWER_TIMEOUT_MS, 'node'));
    } catch (cause) {
      fault ??= `node ${slot}: ${reasonOf(cause)}`;
    }
  });
  return { answers, fault };
}
