// Exponential backoff with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015): retries of many
// nodes must not meet.
import { BACKOFF_MS_MAX, BACKOFF_MS_MIN } from './limits.ts';
import type { Millis } from './types.ts';

/** Pause before try `attempt` (0 for the first retry): half of it fixed, half drawn, so never near zero. */
export function backoffMs(attempt: number, rng: () => number): Millis {
  const ceiling = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(attempt, 20));
  return Math.round(ceiling / 2 + (rng() * ceiling) / 2);
}
