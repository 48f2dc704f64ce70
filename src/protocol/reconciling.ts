// Reconciliation of mempools at network sync: who asks learns what it lacks, and asks for it. Everybody asks in its own rounds, so a node that was
// down, or unknown to its parent in a tree, gets every unexpired message; where nothing differs it is one fingerprint. What is asked
// for comes as deliveries, through the queue.
import type { Context, Effect } from './effects.ts';
import { oweRepair } from './forwarding.ts';
import { stir } from './idle.ts';
import {
  CLOCK_SKEW_MS_MAX,
  FRAME_BYTES_MAX,
  RECONCILE_ROUNDS_MAX,
  RECONCILE_STEP_MS,
  WANTED_BYTES_MAX,
  WANTED_MAX,
} from './limits.ts';
import type { Asked } from './node-state.ts';
import { reconcile, startReconciliation, type Frame } from './reconcile.ts';
import type { Digest } from './sync.ts';
import { onlyMe } from './tree.ts';
import type { Guid, MessageId, Millis } from './types.ts';
import { isHosted } from './whom.ts';

/** A message that a peer was asked for is not asked of another before this has passed (guess: longer than the queue takes). */
const WANTED_AGAIN_MS = 30_000;

/** What to ask next in an exchange. */
export interface Next {
  readonly digest: Digest | null;
  readonly wanted: readonly MessageId[];
}

/** The first frame of an exchange: what this node has. */
export function openDigest({ state, now }: Context): Digest {
  const at = Math.floor(now / RECONCILE_STEP_MS) * RECONCILE_STEP_MS;
  return { at, frame: startReconciliation(state.mempool.comparedAt(at)) };
}

/** The callee's frame, null where the moment is not one that both can know, and whether the two have not the same. */
export function answerDigest(context: Context, { at, frame }: Digest): { reply: Frame | null; differs: boolean } {
  const { state, now } = context;
  // Each moment is a look at the whole mempool: callers that keep to the steps share it.
  const isMoment = at % RECONCILE_STEP_MS === 0 && Math.abs(at - now) <= 2 * CLOCK_SKEW_MS_MAX;
  if (!isMoment) return { reply: null, differs: false };
  const items = state.mempool.comparedAt(at);
  const { reply } = reconcile(items, frame, FRAME_BYTES_MAX, 'responder');
  // Whoever of the two lacks something, it is no time to sleep: this node may learn in its own rounds alone what it lacks.
  const bothEmpty = items.size === 0 && frame.ranges.every(([, payload]) => payload?.length === 0);
  const differs = reply !== null && reply.ranges.length > 0 && !bothEmpty;
  if (differs) stir(context);
  return { reply, differs };
}

/**
 * Whether to ask a caller whose mempool differs in its turn: it learns what it lacks, and the callee would learn it in its own rounds alone,
 * whose peers may all be away, or liars. Not again before both had time to get what they asked for.
 */
export function asksBack({ state, now }: Context, caller: Guid): boolean {
  if (now - (state.askedBackAt.get(caller) ?? -Infinity) < WANTED_AGAIN_MS) return false;
  forgetOld(state.askedBackAt, now);
  state.askedBackAt.set(caller, now);
  return true;
}

/** What the callee's frame leads to: the next frame, and messages to ask for. Null where there is nothing more to ask. */
export function nextDigest(context: Context, asked: Asked, frame: Frame | null): Next | null {
  const { state, now } = context;
  const at = asked.comparedAt;
  if (at === null || frame === null) return null;
  const { reply, need } = reconcile(state.mempool.comparedAt(at), frame, FRAME_BYTES_MAX, 'initiator');
  forgetOld(state.wanted, now);
  const isKnown = (guid: Guid) => state.roster.get(guid) !== null;
  const wanted = need
    .filter((id) => !state.mempool.get(id) && !state.wanted.has(id) && !state.unverified.wasRefused(id, isKnown))
    .slice(0, WANTED_MAX);
  for (const id of wanted) state.wanted.set(id, now);
  state.counters.add('messages_wanted', wanted.length);
  if (wanted.length > 0) stir(context);
  // What does not fit is asked for in later rounds; a peer that never comes to an end must not keep this one busy.
  const digest = reply && asked.rounds < RECONCILE_ROUNDS_MAX ? { at, frame: reply } : null;
  return digest || wanted.length > 0 ? { digest, wanted } : null;
}

/** A caller lacks messages that this node has: they are owed to it, as far as its rate and the size of an answer go. */
export function serveWanted(context: Context, caller: Guid, wanted: readonly MessageId[]): Effect[] {
  const { state, config, now } = context;
  const peer = state.roster.get(caller);
  if (!peer || wanted.length === 0) return [];
  const isOwn = isHosted(peer, config.hostedPrefix);
  const ids: MessageId[] = [];
  let bytes = 0;
  for (const id of wanted.slice(0, WANTED_MAX)) {
    const entry = state.mempool.get(id);
    if (!entry || entry.expiresAt <= now || bytes > WANTED_BYTES_MAX) continue;
    if (!isOwn && !state.standings.takeMessage(caller, now)) break;
    bytes += state.mempool.bodyOf(entry)?.length ?? 0;
    ids.push(id);
  }
  state.counters.add('messages_served', ids.length);
  if (ids.length === 0) return [];
  return oweRepair(context, { dueAt: now, attempt: 0, range: onlyMe(caller), without: [], ids });
}

function forgetOld<K>(asked: Map<K, Millis>, now: Millis): void {
  for (const [key, at] of asked) {
    // In the order in which they were asked for, which is that of time.
    if (now - at < WANTED_AGAIN_MS) return;
    asked.delete(key);
  }
}
