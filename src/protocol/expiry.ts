// What happens when messages have expired: they go, and whoever still waited for them is told.
import { logged, type Context, type Effect } from './effects.ts';
import { isMissed, missed } from './handling.ts';
import type { Arrival } from './mempool.ts';

/** Drops what has expired. */
export function expire(context: Context): Effect[] {
  let unhandled = 0;
  const dropped = context.state.mempool.expire(context.now, (entry) => {
    if (isMissed(context, entry)) unhandled++;
  });
  context.state.counters.add('messages_expired', dropped);
  const told = dropped > 0 ? [logged('expired', { messages: dropped })] : [];
  return [...told, ...missed(context, unhandled)];
}

/** Stores messages, where they can in the rows of some that have expired. */
export function keep(context: Context, arrivals: readonly Arrival[]): void {
  const { state, now } = context;
  let expired = 0;
  let unhandled = 0;
  state.mempool.append(arrivals, now, (entry) => {
    expired++;
    if (isMissed(context, entry)) unhandled++;
  });
  state.pace.note(arrivals.length, now);
  state.counters.add('messages_expired', expired);
  // Told at the end of this input, with what was found damaged.
  state.damage.push(...missed(context, unhandled));
}

/** Whether messages fit, what has expired out of the way. */
export function hasRoom(context: Context, count: number, bytes: number): boolean {
  if (context.state.mempool.hasRoom(count, bytes)) return true;
  context.state.damage.push(...expire(context));
  return context.state.mempool.hasRoom(count, bytes);
}
