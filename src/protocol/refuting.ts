// Refutation (SWIM: Das et al., DSN 2002): who hears that it is thought dead raises its incarnation, and the boot node, or where that is away
// its own broadcast, tells everybody. Rosters take the later record for a new start: the failures that they counted are forgotten.
import { logged, type Context, type Effect } from './effects.ts';
import { PEER_JOINED } from './message.ts';
import { writeMember } from './member.ts';
import { selfMember } from './self-member.ts';
import type { CallerState } from './sync.ts';
import type { Guid, Millis } from './types.ts';
import { isHosted } from './whom.ts';

/** First pause between two refutations, doubled each time up to the last: words are cheap, and each refutation is a broadcast (guesses). */
const REFUTE_PAUSE_MS = 60_000;
const REFUTE_PAUSE_MS_MAX = 3_600_000;

/**
 * Opinions of a callee that lead to a refutation: it would never call us again. Whoever ignores us probes us, and hears us now; after a
 * partition all who were ignored would refute at once, each to all.
 */
const DEAD_TO_THEM: readonly (CallerState | null)[] = ['left', 'unknown'];

/** Somebody said that this node is dead. */
export function refute(context: Context, from: Guid, opinion: string): Effect[] {
  const { state, self, now } = context;
  const before = state.refuted;
  if (state.guid === null || state.leftAt !== null || before.until > now) return [];
  const isSoon = now - before.until < REFUTE_PAUSE_MS_MAX;
  const pause = isSoon ? Math.min(REFUTE_PAUSE_MS_MAX, 2 * before.pause) : REFUTE_PAUSE_MS;
  // Stored: an idle node is evicted between two rounds, and would begin with short pauses again.
  state.setRefuted({ until: now + pause, pause });
  state.health.failed();
  state.counters.add('refutations');
  return [logged('refuted', { from, opinion }), { type: 'renew-self', above: self.incarnation }];
}

/** What a peer that answered a sync thinks of this node. Only the word of one that is trusted costs anything. */
export function hearOpinion(context: Context, from: Guid, opinion: CallerState | null): Effect[] {
  const { state, config } = context;
  const peer = state.roster.get(from);
  const isTrusted = peer !== null && (peer.state === 'alive' || isHosted(peer, config.hostedPrefix));
  return isTrusted && DEAD_TO_THEM.includes(opinion) ? refute(context, from, opinion ?? '') : [];
}

/**
 * The boot node cannot be told of a later record: the members are told directly, once a record. They take it from who it is about, proved by
 * its certificate and its key.
 */
export function announceSelf(context: Context): Effect[] {
  const { state, self, now } = context;
  const { membership } = state;
  const record = selfMember(state, self);
  if (!record || !membership || record.certificate.expiresAt <= now) return [];
  const isNews = membership.incarnation !== self.incarnation || membership.address !== self.address;
  if (!isNews || state.saidIncarnation === self.incarnation) return [];
  // In memory: said again after an eviction, at most once a join that failed.
  state.saidIncarnation = self.incarnation;
  return [{ type: 'say', data: { event: { name: PEER_JOINED, args: { members: [writeMember(record)] } } } }];
}

export interface Refuted {
  /** No further one before. */
  readonly until: Millis;
  readonly pause: Millis;
}
