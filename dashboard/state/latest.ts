// Which message is shown where nobody has chosen one. Where one follows the other, the newest has always only begun: it would look as if none
// ever reached all. No DOM, no clock.
import type { Spread } from './message-book.ts';

/** How long a message may be under way before it counts as one that does not reach all, seconds (guess: sends that are tried again are in it). */
const UNDER_WAY = 2;
/** Nodes report to the beacon once in a window of members / 200 seconds, 10 at most while they are awake: docs/protocol.md, Beacon. */
const MEMBERS_A_SECOND = 200;
const WINDOW_MAX = 10;

export interface Latest {
  readonly spread: Spread;
  /** Whether it is alone, so that people see it spread: its number goes with what the ring has come to show. */
  readonly isFollowed: boolean;
}

/** The newest that has reached all, or had the time to; one that is alone at once. `newestFirst`: all that are kept; `now`: page time, seconds. */
export function latestOf(newestFirst: readonly Spread[], now: number): Latest | null {
  for (const [index, spread] of newestFirst.entries()) {
    const before = newestFirst[index + 1];
    const isFollowed = !before || spread.broadcastAt - before.broadcastAt >= underWay(spread);
    const isSettled = spread.coverage === 1 || now - spread.heardAt >= underWay(spread);
    if (isFollowed || isSettled) return { spread, isFollowed };
  }
  return null;
}

function underWay({ members }: Spread): number {
  return UNDER_WAY + Math.min(WINDOW_MAX, members / MEMBERS_A_SECOND);
}
