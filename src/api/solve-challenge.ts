// A newcomer's proof of work, in turns between which others run: whoever joins must answer the boot node's call-back meanwhile, and a
// Worker has a limit on the processor time of one event (30 s, PLATFORM.md 1.3), which 24 bits exceed once in six times.
import { solveWork, type Solution } from '../protocol/admission.ts';
import type { Millis } from '../protocol/types.ts';

/** Tries between two looks at what else there is to do: about four milliseconds. */
const TRIES_A_TURN = 4_000;

/** Tries in one go: about five seconds of a core, twice as much of a slow one. What is left goes on at the next. */
const TRIES_MAX = 5_000_000;

/** And by the clock, where the processor has others to serve: a join must end before it is taken for lost (JOIN_RETRY_MS). */
const WORK_MS_MAX = 5_000;

/** Work on one challenge for one key at one address. `next`: where to go on; `solution` null: not found yet. */
export interface Work {
  readonly challenge: string;
  readonly publicKey: string;
  readonly address: string;
  readonly beganAt: Millis;
  next: number;
  solution: Solution | null;
}

/** Goes on with work, for a while. */
export async function goOn(work: Work, now: () => Millis): Promise<void> {
  const { challenge, publicKey, address } = work;
  const [end, deadline] = [work.next + TRIES_MAX, now() + WORK_MS_MAX];
  while (work.solution === null && work.next < end && now() < deadline) {
    const solution = solveWork(challenge, publicKey, address, work.next, TRIES_A_TURN);
    work.next += TRIES_A_TURN;
    if (solution === null) await new Promise((resolve) => setTimeout(resolve, 0));
    else work.solution = { challenge, solution };
  }
}
