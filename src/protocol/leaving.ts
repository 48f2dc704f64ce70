// Leaving and coming back. A node that leaves says so, once, and stays until what it owes is handed over; others hand it nothing more, and
// what still comes is not answered, so that whoever sent it turns to the next. It keeps its GUID and its key, and may come back.
import { backoffMs } from './backoff.ts';
import { logged, type Context, type Effect, type OriginationError, type SignedOrigination } from './effects.ts';
import { expire } from './expiry.ts';
import { oweRepair } from './forwarding.ts';
import { REPAIRS_MAX, WANTED_MAX } from './limits.ts';
import { startJoin } from './membership.ts';
import { PEER_LEAVING, type Draft } from './message.ts';
import { draftOwn, originate } from './originating.ts';
import { onlyMe } from './tree.ts';
import { err, ok, type JsonObject, type Result } from './types.ts';
import { keepers } from './whom.ts';

/** Longest pause before the first sync of who came back: at once, but not all together. */
const RETURN_SYNC_MS_MAX = 1_000;

/** Members that get a copy of what a leaver accepted: more than liars among them are likely (guess). */
const COPIES_MAX = 4;

/** Messages that are copied, the latest: what came before was compared with peers in several rounds (guess). */
const COPIED_MAX = 5_000;

/** Peers in trouble that a leaver keeps trying. */
const TROUBLED_MAX = 16;

/** What a leaver says: the incarnation that leaves, so that a later one may come back. */
export function farewellOf({ state, self }: Context): JsonObject {
  return { event: { name: PEER_LEAVING, args: { guid: state.guid, incarnation: self.incarnation } } };
}

/** The farewell, for the shell to sign. */
export function draftFarewell(context: Context): Result<Draft, OriginationError> {
  return context.state.leftAt === null ? draftOwn(context, farewellOf(context)) : err({ reason: 'left' });
}

/** Leaves: the farewell is stored, and handed over like any message, in the transaction that makes the node leave. */
export function leave(
  context: Context,
  farewell: SignedOrigination,
): { result: Result<null, OriginationError>; effects: Effect[] } {
  const { state, now } = context;
  if (state.leftAt !== null) return { result: err({ reason: 'left' }), effects: [] };
  const said = originate(context, [farewell]);
  if (!said.ok) return { result: err(said.error.error), effects: [] };
  state.setLeftAt(now);
  state.timers.clear('join');
  state.joining = false;
  // Nobody who is asked now would be waited for: it might not answer, and what is owed must go.
  state.catchingUp = null;
  state.counters.add('leaves');
  return {
    result: ok(null),
    effects: [...leaveCopies(context), logged('left', { guid: state.guid })],
  };
}

/**
 * Nobody will compare mempools with this node any more, so what it accepted goes once more, past the tree: to some who are there, for others
 * to find it at, whatever the tree's delegates did with it, and to those who are not there now, or were not just now.
 */
function leaveCopies(context: Context): Effect[] {
  const { state, config, now } = context;
  const ids = state.mempool.originated(now).slice(-COPIED_MAX).reverse();
  const troubled = state.roster.troubled().slice(0, TROUBLED_MAX);
  const targets = [...keepers(state.roster, config.hostedPrefix, COPIES_MAX), ...troubled];
  const effects: Effect[] = [];
  for (let start = 0; start < ids.length; start += WANTED_MAX) {
    const some = ids.slice(start, start + WANTED_MAX);
    for (const guid of targets) {
      // What is owed already is owed to somebody who has not got it.
      if (state.repairs.size >= REPAIRS_MAX) return effects;
      effects.push(...oweRepair(context, { dueAt: now, attempt: 0, range: onlyMe(guid), without: [], ids: some }));
    }
  }
  return effects;
}

/** Comes back, with the incarnation that the shell has raised: the boot node tells the others, and sync brings what was missed. */
export function comeBack(context: Context): Effect[] {
  const { state, now, rng } = context;
  if (state.leftAt === null) return [];
  state.setLeftAt(null);
  state.timers.set('sync', now + Math.round(rng() * RETURN_SYNC_MS_MAX), now);
  state.counters.add('returns');
  return [logged('returned', { guid: state.guid }), ...startJoin(context)];
}

/** In place of a sync round while a node has left: messages run out, and then there is nothing more to wake for. */
export function leftRound(context: Context): Effect[] {
  const { state, config, now } = context;
  const expired = expire(context);
  if (state.mempool.size === 0) state.timers.clear('sync');
  else state.timers.set('sync', now + Math.max(config.syncIntervalMs, backoffMs(0, context.rng)), now);
  return expired;
}
