// Membership: joining, renewing the certificate, and network sync.
import { addressGroup } from './address.ts';
import { backoffMs } from './backoff.ts';
import { isRenewalDue } from './certificate.ts';
import { logged, type Context, type Effect, type Joined } from './effects.ts';
import { CAN_RECONCILE, DOUBTED_MAX, MEMBERS_PAGE_MAX } from './limits.ts';
import { DEAD_PEER } from './message.ts';
import type { Asked } from './node-state.ts';
import { isBackedOff, nextSyncAt, stir } from './idle.ts';
import { beginWait, endWait, heard, noAnswer, probe, startProbes } from './probing.ts';
import { announceSelf, hearOpinion } from './refuting.ts';
import { answerDigest, asksBack, nextDigest, openDigest, serveWanted, type Next } from './reconciling.ts';
import { selfMember } from './self-member.ts';
import type { CallerState, Interval, SyncAnswer, SyncRequest } from './sync.ts';
import { BOOT_GUID, type Guid, type Member, type Peer } from './types.ts';
import { canSync, hasCandidate, isHosted, patience, standsNext, syncPeers } from './whom.ts';

/** In place of the moment when the first sync timer was set: the others tell when the last round was. */
const NO_ROUND_YET = 0;

/** Longest pause between having joined and the first sync: at once, but not all together. */
const FIRST_SYNC_MS_MAX = 1_000;

/** Pause before a boot node that offered another GUID or key is asked again: a person has to look at it first. */
const CONFLICT_RETRY_MS = 3_600_000;

/** Pause between two catch-ups with one peer outside. */
const CATCH_UP_PAUSE_MS = 60_000;

/** Where there was nothing to compare. */
const NOT_COMPARED = { reply: null, differs: false } as const;

/** Deaths that one round tells of: what is beyond, others find out by themselves. */
const OBITUARIES_MAX = 8;

/** How often messages that a peer was asked for are asked of it again where no answer came (guess: a lost one is not the peer's fault). */
const WANTED_REPEATS_MAX = 2;

/** How long a join may take before it is tried again: the call may have been lost with a crash. */
const JOIN_RETRY_MS = 15_000;

/**
 * Asks the boot node for a GUID, tells it a new address, gets a new certificate or a lost roster from it, unless that is under
 * way.
 */
export function startJoin(context: Context): Effect[] {
  const { state, now } = context;
  if (state.joining || state.leftAt !== null || isWellKnown(context)) return [];
  // A join that failed waits for its timer, whoever asks meanwhile.
  if ((state.timers.get('join')?.at ?? 0) > now) return [];
  state.joining = true;
  state.timers.set('join', now + JOIN_RETRY_MS, now);
  return [{ type: 'join' }];
}

/** Whether the boot node knows where we are, we can prove who we are, and we know where others are. */
function isWellKnown({ state, self, config, now }: Context): boolean {
  const { membership } = state;
  if (membership?.address !== self.address || membership.incarnation !== self.incarnation) return false;
  if (membership.certificate === null || isRenewalDue(membership.certificate, now)) return false;
  // The operator has taken a new key of the network for good, see boot-phase.ts.
  if (config.networkKey !== null && config.networkKey !== membership.networkKey) return false;
  if (state.rosterDamaged) return false;
  // Nobody whom we know can be reached: the whole network may have moved while we slept.
  return state.roster.size === 0 || hasCandidate(state.roster, config.hostedPrefix);
}

/** The boot node gave a GUID: for ever, whatever comes later. */
export function joinAccepted(context: Context, joined: Joined): Effect[] {
  const { state, config, now } = context;
  state.joining = false;
  state.timers.clear('join');
  const { guid, address, incarnation, certificate, networkKey } = joined;
  const before = state.membership;
  const pinned = config.networkKey ?? before?.networkKey ?? networkKey;
  if ((before !== null && before.guid !== guid) || networkKey !== pinned) {
    // The boot node forgot us, or it is another one. Taking the new GUID would let two nodes have been one.
    state.rosterDamaged = false;
    state.timers.set('join', now + CONFLICT_RETRY_MS, now);
    const offered = { guid: before?.guid ?? null, offered: guid, network_key: pinned, offered_key: networkKey };
    return [logged('membership_conflict', offered)];
  }
  state.setMembership({ guid, address, incarnation, certificate, networkKey });
  state.noteSeen(joined.maxGuid);
  state.rosterDamaged = false;
  state.joinFailures = 0;
  state.counters.add('joins');
  const learned = learnAll(context, joined.members);
  const isMove = before?.address !== address;
  if (isMove) state.timers.set('sync', now + Math.round(context.rng() * FIRST_SYNC_MS_MAX), NO_ROUND_YET);
  const fields = { guid, address, max_guid: joined.maxGuid, certificate_expires: certificate.expiresAt / 1000 };
  // It refuted while the boot node was answering: whoever believes it dead must not wait for its next round.
  const again = incarnation === context.self.incarnation ? [] : startJoin(context);
  return [logged(isMove ? 'joined' : 'certificate_renewed', fields), ...learned.effects, ...again];
}

export function joinFailed(context: Context, reason: string): Effect[] {
  const { state, now } = context;
  state.joining = false;
  state.counters.add('joins_failed');
  // It has left meanwhile: it joins when it comes back.
  if (state.leftAt !== null) return [];
  const pause = backoffMs(state.joinFailures++, context.rng);
  state.timers.set('join', now + pause, now);
  const failed = logged('join_failed', { reason, retry_in: pause / 1000 });
  return [failed, ...announceSelf(context)];
}

/** The sync timer rang: ask the primary peers of the ring, probe a few others, and draw the moment of the next round. */
export function syncRound(context: Context): Effect[] {
  const { state, config, now } = context;
  if (state.guid === null) return [];
  state.timers.set('sync', nextSyncAt(context), now);
  state.counters.add('sync_rounds');
  const gone = state.roster.prune(now);
  const primaries = syncPeers(state.roster, config.hostedPrefix, state.guid, state.maxGuid);
  // Where nothing happens one of them, drawn anew each time, will do: what differs anywhere brings both of them back to the full pace.
  const peers = isBackedOff(context) ? drawOne(primaries, context.rng) : primaries;
  const effects = [...peers.flatMap((peer) => askPeer(context, peer, [])), ...startProbes(context, peers, askPeer)];
  const fields = {
    peers: peers.map((peer) => peer.guid),
    max_guid: state.maxGuid,
    interval: config.syncIntervalMs / 1000,
  };
  const told = gone.length === 0 ? [] : [logged('peers_deleted', listed(gone.map(({ guid }) => guid)))];
  return [logged('sync_round', fields), ...told, ...obituaries(context, gone), ...effects];
}

/** Those who died are told of, each by the member that stands next to it in the ring: others need not say it again. */
function obituaries(context: Context, gone: readonly Peer[]): Effect[] {
  const { state } = context;
  const self = state.guid ?? 0;
  return gone
    .filter((peer) => peer.proved && peer.state === 'ignored' && standsNext(state.roster, self, peer.guid))
    .slice(0, OBITUARIES_MAX)
    .map(({ guid }) => ({ type: 'say', data: { event: { name: DEAD_PEER, args: { guid } } } }));
}

function drawOne<T>(list: readonly T[], rng: () => number): readonly T[] {
  return list.slice(Math.floor(rng() * list.length)).slice(0, 1);
}

/** Asks one peer, unless it is being asked already. */
export function askPeer(
  context: Context,
  peer: { readonly guid: Guid; readonly address: string },
  members: readonly Member[],
  next: (Next & { readonly rounds: number; readonly repeats?: number }) | null = null,
): Effect[] {
  const { state, config } = context;
  if (state.guid === null || state.leftAt !== null) return [];
  if (peer.guid === state.guid || state.syncing.has(peer.guid)) return [];
  const own = isHosted(peer, config.hostedPrefix);
  const known = state.roster.get(peer.guid);
  if (!own && !canSync(known, config.hostedPrefix)) return [];
  const isTrusted = own || known?.state === 'alive';
  const canCompare = own || known?.capabilities.includes(CAN_RECONCILE) === true;
  const digest = next ? next.digest : canCompare ? openDigest(context) : null;
  if (digest) state.counters.add('reconcile_frames');
  const rounds = (next?.rounds ?? 0) + 1;
  state.syncing.set(peer.guid, {
    pushed: members.length > 0 || next !== null,
    isTrusted,
    comparedAt: digest?.at ?? null,
    rounds,
    wanted: next?.wanted ?? [],
    repeats: next?.repeats ?? 0,
    known: state.roster.size,
  });
  if (!isTrusted) beginWait(context);
  const self = selfMember(state, context.self);
  const request: SyncRequest = {
    guid: state.guid,
    maxGuidNode: highestNode(context),
    have: state.roster.intervals(state.guid),
    // Its own record goes with each request: that's how a new address spreads where the announcement was lost.
    members: self ? [...members, self] : members,
    digest,
    wanted: next?.wanted ?? [],
    doubted: next ? [] : state.roster.doubted(state.guid, DOUBTED_MAX),
  };
  const outside = own || !known ? null : { publicKey: known.publicKey, timeoutMs: patience(known) };
  return [{ type: 'sync', to: { guid: peer.guid, address: peer.address, outside }, request }];
}

/**
 * A peer asks: tell what it lacks. Only a caller that proved to be `caller` is believed anything, and only what members and the
 * boot node have signed.
 */
export function syncAsked(
  context: Context,
  request: SyncRequest,
  caller: Guid | null,
): { answer: SyncAnswer | null; effects: Effect[] } {
  const { state, now } = context;
  if (state.guid === null || state.leftAt !== null) return { answer: null, effects: [] };
  state.counters.add('sync_asked');
  const effects: Effect[] = [];
  let callerState: CallerState | null = null;
  if (caller !== null) {
    effects.push(...learnAll(context, request.members).effects);
    // With the record that it brought, if that was later, and before the call itself counts as a sign of life.
    callerState = state.roster.get(caller)?.state ?? 'unknown';
    effects.push(...heard(context, caller), ...serveWanted(context, caller, request.wanted));
  }
  const compared = caller !== null && request.digest ? answerDigest(context, request.digest) : NOT_COMPARED;
  if (compared.differs && caller !== null) effects.push(...askBack(context, caller));
  const later = state.roster.laterThan(request.doubted.slice(0, DOUBTED_MAX), now);
  const room = MEMBERS_PAGE_MAX - later.length;
  const missing =
    request.have === null ? { members: [], more: false } : state.roster.missingFrom(request.have, now, room);
  const members = request.have === null ? [] : [...later, ...missing.members, ...selfIfMissing(context, request.have)];
  const answer = {
    maxGuidNode: highestNode(context),
    have: state.roster.intervals(state.guid),
    members,
    more: missing.more,
    callerState,
    // The shell knows, where it answers over HTTP.
    callerHost: null,
    frame: compared.reply,
  };
  return { answer, effects };
}

/** Where this node's call came from, by the word of a trusted peer. */
function noteHost({ state, now }: Context, guid: Guid, host: string | null): void {
  const peer = state.roster.get(guid);
  if (host !== null && peer?.state === 'alive') state.observed.note(addressGroup(peer.address), host, now);
}

/** Asks a caller whose mempool differs, if it is one that is trusted. */
function askBack(context: Context, caller: Guid): Effect[] {
  const { state, config } = context;
  const peer = state.roster.get(caller);
  if (!peer || (peer.state !== 'alive' && !isHosted(peer, config.hostedPrefix))) return [];
  return asksBack(context, caller) ? askPeer(context, peer, []) : [];
}

/** A peer answered: learn from it, go on where it has more, give it what it lacks. */
export function syncAnswered(context: Context, guid: Guid, answer: SyncAnswer): Effect[] {
  const { state, now } = context;
  const asked = state.syncing.get(guid) ?? null;
  const pushed = asked?.pushed ?? true;
  endSync(context, guid);
  state.counters.add('sync_answered');
  state.health.ok();
  const opinion = hearOpinion(context, guid, answer.callerState);
  noteHost(context, guid, answer.callerHost);
  state.roster.seen(guid, now);
  const learned = learnAll(context, answer.members);
  const lacks = state.roster.missingFrom(answer.have, now);
  const peer = state.roster.get(guid);
  const effects = [...opinion, ...learned.effects];
  // A push once an exchange, a further page only after something new: two nodes must not keep each other busy.
  const push = pushed ? [] : lacks.members.filter((member) => member.guid !== guid);
  const next = asked && nextDigest(context, asked, answer.frame);
  if (peer && (push.length > 0 || next || (answer.more && learned.added > 0))) {
    const nothing = { digest: null, wanted: [] };
    effects.push(...askPeer(context, peer, push, { ...(next ?? nothing), rounds: asked?.rounds ?? 0 }));
  } else if (asked?.isTrusted && answer.more && state.roster.size > asked.known) {
    noteMore(context, guid, answer.have);
  }
  effects.push(...askForMore(context));
  if (!state.syncing.has(guid)) caughtUp(context, guid);
  return effects;
}

/**
 * Several peers are asked at once, and tell of the same members: one is gone on with. It may know less than the others (all that start
 * together know little), so that of them which knows most comes after it.
 */
function noteMore({ state }: Context, guid: Guid, have: readonly Interval[]): void {
  const known = have.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  if (known > (state.hasMore?.known ?? 0)) state.hasMore = { guid, known };
}

function askForMore(context: Context): Effect[] {
  const { state } = context;
  const { hasMore } = state;
  if (!hasMore || state.syncing.size > 0) return [];
  state.hasMore = null;
  const peer = state.roster.get(hasMore.guid);
  return peer ? askPeer(context, peer, [], { digest: null, wanted: [], rounds: 0 }) : [];
}

export function syncFailed(context: Context, guid: Guid, reason: string): Effect[] {
  const { state } = context;
  const asked = state.syncing.get(guid);
  endSync(context, guid);
  if (state.catchingUp?.guid === guid) state.catchingUp = null;
  state.counters.add('sync_failed');
  const again = asked ? askAgain(context, guid, asked) : [];
  // One failure an exchange: a peer is not given up for one lost request and its repeats.
  const peerState = again.length > 0 ? (state.roster.get(guid)?.state ?? null) : noAnswer(context, guid);
  return [logged('sync_failed', { guid, state: peerState, reason }), ...again, ...askForMore(context)];
}

/** What was asked for and did not come is asked for again at once: nobody else is asked for it in this round. */
function askAgain(context: Context, guid: Guid, { wanted, repeats, rounds }: Asked): Effect[] {
  const peer = context.state.roster.get(guid);
  const missing = wanted.filter((id) => !context.state.mempool.get(id));
  if (!peer || missing.length === 0 || repeats >= WANTED_REPEATS_MAX) return [];
  return askPeer(context, peer, [], { digest: null, wanted: missing, rounds, repeats: repeats + 1 });
}

function endSync(context: Context, guid: Guid): void {
  const ended = context.state.syncing.get(guid);
  context.state.syncing.delete(guid);
  if (ended && !ended.isTrusted) endWait(context);
}

/**
 * A delivery's sender knows a higher GUID than this node: ask it for the difference before anything is forwarded, or the
 * newcomers in the range that it handed over would get nothing. A peer outside is waited for only where it is trusted.
 */
export function catchUp(context: Context, sender: { guid: Guid; address: string; maxGuid: Guid }): Effect[] {
  const { state, config, now } = context;
  if (sender.guid === BOOT_GUID || state.catchingUp !== null) return [];
  if (sender.maxGuid <= Math.max(state.maxGuid, state.caughtUpTo)) return [];
  const isOwn = isHosted(sender, config.hostedPrefix);
  // A number proves nothing, and may be of members that this node has dropped: nobody outside holds it up twice a minute with one.
  if (!isOwn && now - (state.caughtUpAt.get(sender.guid) ?? -Infinity) < CATCH_UP_PAUSE_MS) return [];
  const effects = askPeer(context, sender, []);
  const isTrusted = isOwn || state.roster.get(sender.guid)?.state === 'alive';
  if (!isTrusted || !state.syncing.has(sender.guid)) return effects;
  state.catchingUp = { guid: sender.guid, claim: sender.maxGuid };
  if (!isOwn) state.caughtUpAt.set(sender.guid, now);
  return effects;
}

/** A peer outside brought a message whose originator is not known here: whom it knows is asked of it, at most once a minute. */
export function lookUpAt(context: Context, guid: Guid): Effect[] {
  const { state, now } = context;
  const peer = state.roster.get(guid);
  if (!peer || now - (state.caughtUpAt.get(guid) ?? -Infinity) < CATCH_UP_PAUSE_MS) return [];
  const effects = askPeer(context, peer, []);
  if (effects.length > 0) state.caughtUpAt.set(guid, now);
  return effects;
}

/** Ends a catch-up. What a node of this deployment knows beyond is what this one has dropped: it need not ask for that again. */
function caughtUp(context: Context, guid: Guid): void {
  const { state, config } = context;
  const ended = state.catchingUp;
  if (ended?.guid !== guid) return;
  state.catchingUp = null;
  const peer = state.roster.get(guid);
  if (peer && isHosted(peer, config.hostedPrefix)) state.caughtUpTo = Math.max(state.caughtUpTo, ended.claim);
}

/** Takes in member records whose signatures were checked, or that came from who is believed. */
export function learnAll(context: Context, members: readonly Member[]): { added: number; effects: Effect[] } {
  const { state } = context;
  const added: Guid[] = [];
  const effects: Effect[] = [];
  for (const member of members) {
    // Itself, which an announcement may tell of before the join's answer does.
    if (member.guid === state.guid || member.publicKey === context.self.publicKey) continue;
    const wasThere = state.roster.get(member.guid);
    const result = state.roster.learn(member, context.now);
    if (result === 'full') effects.push(logged('roster_full', { guid: member.guid }));
    if (result !== 'added' && result !== 'updated') continue;
    if (wasThere?.incarnation !== member.incarnation) added.push(member.guid);
  }
  if (added.length > 0) {
    stir(context);
    const fields = { ...listed(added), max_guid: state.maxGuid };
    effects.push(logged('peers_added', fields));
  }
  return { added: added.length, effects };
}

/** A suspicion, or a word from a peer in trouble: looked into, never believed. */
export function lookInto(context: Context, guid: Guid): Effect[] {
  return probe(context, guid, askPeer);
}

/** This node's own record, where another one does not know it. */
function selfIfMissing(context: Context, have: readonly Interval[]): Member[] {
  const { guid } = context.state;
  const known = guid === null || have.some(([first, last]) => first <= guid && guid <= last);
  const self = known ? null : selfMember(context.state, context.self);
  return self ? [self] : [];
}

function highestNode(context: Context): { guid: Guid; address: string } {
  const { roster, guid, maxGuid } = context.state;
  const peer = maxGuid === guid ? null : roster.get(maxGuid);
  return { guid: maxGuid, address: peer?.address ?? context.self.address };
}

function listed(guids: readonly Guid[]) {
  return { guids: guids.slice(0, 16), count: guids.length };
}
