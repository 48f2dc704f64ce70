// Membership: joining, network sync, and the events that tell of members.
import { backoffMs } from './backoff.ts';
import { logged, type Context, type Effect, type Joined } from './effects.ts';
import { CAPABILITIES } from './limits.ts';
import { eventOf, PEER_JOINED, type Message } from './message.ts';
import type { NodeState, Self } from './node-state.ts';
import { readMember } from './roster.ts';
import { backupPeers, primaryPeers } from './ring.ts';
import type { Interval, SyncAnswer, SyncRequest } from './sync.ts';
import { BOOT_GUID, type Guid, type JsonValue, type Member, type Millis, type Peer } from './types.ts';

/** In place of the moment when the first sync timer was set: the others tell when the last round was. */
const NO_ROUND_YET = 0;

/** Longest pause between having joined and the first sync: at once, but not all together. */
const FIRST_SYNC_MS_MAX = 1_000;

/** Pause before a boot node that offered another GUID is asked again: a person has to look at it first. */
const CONFLICT_RETRY_MS = 3_600_000;

/** How long a join may take before it is tried again: the call may have been lost with a crash. */
const JOIN_RETRY_MS = 15_000;

/** Asks the boot node for a GUID, tells it a new address, or gets a lost roster from it, unless that is under way. */
export function startJoin(context: Context): Effect[] {
  const { state, now } = context;
  if (state.joining || isWellKnown(context)) return [];
  // A join that failed waits for its timer, whoever asks meanwhile.
  if ((state.timers.get('join')?.at ?? 0) > now) return [];
  state.joining = true;
  state.timers.set('join', now + JOIN_RETRY_MS, now);
  return [{ type: 'join' }];
}

/** Whether the boot node knows where we are, and we know where others are. */
function isWellKnown(context: Context): boolean {
  const { state } = context;
  if (state.membership?.address !== context.self.address || state.rosterDamaged) return false;
  // Nobody whom we know can be reached: the whole network may have moved while we slept.
  return state.roster.size === 0 || state.roster.candidates(context.now).length > 0;
}

/** The boot node gave a GUID: for ever, whatever comes later. */
export function joinAccepted(context: Context, joined: Joined): Effect[] {
  const { state, now } = context;
  state.joining = false;
  state.timers.clear('join');
  const { guid, address, incarnation } = joined;
  if (state.guid !== null && state.guid !== guid) {
    // The boot node forgot us. Taking the new GUID would let two nodes have been one.
    state.rosterDamaged = false;
    state.timers.set('join', now + CONFLICT_RETRY_MS, now);
    return [logged('CRITICAL', 'network_sync', 'guid_conflict', { guid: state.guid, offered: guid })];
  }
  state.setMembership({ guid, address, incarnation });
  state.rosterDamaged = false;
  state.joinFailures = 0;
  state.counters.add('joins');
  const learned = learnAll(context, joined.members);
  state.timers.set('sync', now + Math.round(context.rng() * FIRST_SYNC_MS_MAX), NO_ROUND_YET);
  return [logged('INFO', 'network_sync', 'joined', { guid, address, max_guid: joined.maxGuid }), ...learned.effects];
}

export function joinFailed(context: Context, reason: string): Effect[] {
  const { state, now } = context;
  state.joining = false;
  state.counters.add('joins_failed');
  const pause = backoffMs(state.joinFailures++, context.rng);
  state.timers.set('join', now + pause, now);
  return [logged('WARNING', 'network_sync', 'join_failed', { reason, retry_in: pause / 1000 })];
}

/** The sync timer rang: ask the primary peers of the ring, and draw the moment of the next round. */
export function syncRound(context: Context): Effect[] {
  const { state, config, now } = context;
  if (state.guid === null) return [];
  state.timers.set('sync', now + nextInterval(context), now);
  state.counters.add('sync_rounds');
  const peers = [...syncPeers(context, state.guid), ...troubledPeer(context)];
  const effects = peers.flatMap((peer) => askPeer(context, peer, []));
  const fields = {
    peers: peers.map((peer) => peer.guid),
    max_guid: state.maxGuid,
    interval: config.syncIntervalMs / 1000,
  };
  return [logged('DEBUG', 'network_sync', 'sync_round', fields), ...effects];
}

/** Pause until the next round, so drawn that nodes do not stay in step. */
function nextInterval(context: Context): Millis {
  return context.config.syncIntervalMs + Math.round(context.rng() * context.config.syncJitterMs);
}

/** Primary peers by the ring rules; where one cannot be reached, the first of its backups that can. */
export function syncPeers(context: Context, guid: Guid): Peer[] {
  const { roster, maxGuid } = context.state;
  const primaries = primaryPeers(guid, maxGuid);
  const chosen = new Map<Guid, Peer>();
  for (const [index, primary] of primaries.entries()) {
    const next = primaries[index + 1] ?? primary;
    const peer = [primary, ...(roster.isReachable(primary) ? [] : backupPeers(guid, primary, next, maxGuid))]
      .map((candidate) => roster.get(candidate))
      .find((candidate) => candidate !== null && roster.isReachable(candidate.guid));
    if (peer) chosen.set(peer.guid, peer);
  }
  return [...chosen.values()];
}

/** One of the peers that failed, drawn anew each round: nobody waits for it, and an answer makes it alive again. */
function troubledPeer(context: Context): Peer[] {
  const troubled = context.state.roster.sorted().filter(({ state }) => state === 'ignored' || state === 'suspect');
  const drawn = troubled[Math.floor(context.rng() * troubled.length)];
  return drawn ? [drawn] : [];
}

/** Asks one peer, unless it is being asked already. */
export function askPeer(
  context: Context,
  peer: { readonly guid: Guid; readonly address: string },
  members: readonly Member[],
): Effect[] {
  const { state } = context;
  if (state.guid === null || peer.guid === state.guid || state.syncing.has(peer.guid)) return [];
  state.syncing.set(peer.guid, { pushed: members.length > 0 });
  const request: SyncRequest = {
    guid: state.guid,
    maxGuidNode: highestNode(context),
    have: state.roster.intervals(state.guid),
    // Its own record goes with each request: that's how a new address spreads where the announcement was lost.
    members: [...members, selfMember(state, context.self, state.guid)],
  };
  return [{ type: 'sync', to: { guid: peer.guid, address: peer.address }, request }];
}

/** A peer asks: tell what it lacks. Only an authenticated caller is believed anything, itself being alive included. */
export function syncAsked(
  context: Context,
  request: SyncRequest,
  authenticated: boolean,
): { answer: SyncAnswer | null; effects: Effect[] } {
  const { state, now } = context;
  if (state.guid === null) return { answer: null, effects: [] };
  state.counters.add('sync_asked');
  const effects: Effect[] = [];
  if (authenticated) {
    state.roster.seen(request.guid, now);
    effects.push(...learnAll(context, request.members).effects);
  }
  const missing = request.have === null ? { members: [], more: false } : state.roster.missingFrom(request.have);
  const members = request.have === null ? [] : [...missing.members, ...selfIfMissing(context, request.have)];
  const answer = {
    maxGuidNode: highestNode(context),
    have: state.roster.intervals(state.guid),
    members,
    more: missing.more,
  };
  return { answer, effects };
}

/** A peer answered: learn from it, go on where it has more, give it what it lacks. */
export function syncAnswered(context: Context, guid: Guid, answer: SyncAnswer): Effect[] {
  const { state, now } = context;
  const pushed = state.syncing.get(guid)?.pushed ?? true;
  state.syncing.delete(guid);
  state.counters.add('sync_answered');
  state.roster.seen(guid, now);
  const learned = learnAll(context, answer.members);
  const lacks = state.roster.missingFrom(answer.have);
  const peer = state.roster.get(guid);
  const effects = [...learned.effects];
  // A push once an exchange, a further page only after something new: two nodes must not keep each other busy.
  const push = pushed ? [] : lacks.members.filter((member) => member.guid !== guid);
  if (peer && (push.length > 0 || (answer.more && learned.added > 0))) effects.push(...askPeer(context, peer, push));
  if (state.catchingUp === guid && !state.syncing.has(guid)) state.catchingUp = null;
  return effects;
}

export function syncFailed(context: Context, guid: Guid, reason: string): Effect[] {
  const { state } = context;
  state.syncing.delete(guid);
  if (state.catchingUp === guid) state.catchingUp = null;
  state.counters.add('sync_failed');
  const peerState = state.roster.failed(guid, context.now);
  return [logged('WARNING', 'network_sync', 'sync_failed', { guid, state: peerState, reason })];
}

/**
 * A delivery's sender knows a higher GUID than this node: ask it for the difference before anything is forwarded, or the
 * newcomers in the range that it handed over would get nothing.
 */
export function catchUp(context: Context, sender: { guid: Guid; address: string; maxGuid: Guid }): Effect[] {
  const { state } = context;
  if (sender.guid === BOOT_GUID || sender.maxGuid <= state.maxGuid || state.catchingUp !== null) return [];
  const effects = askPeer(context, sender, []);
  if (state.syncing.has(sender.guid)) state.catchingUp = sender.guid;
  return effects;
}

/** Acts on the events of new messages. Unknown events are the application's: passed on, logged, never an error. */
export function onEvents(context: Context, messages: readonly Message[]): Effect[] {
  return messages.flatMap(({ content }) => {
    const event = eventOf(content.data);
    if (!event) return [];
    switch (event.name) {
      case PEER_JOINED:
        return onPeerJoined(context, content.originator.guid, event.args['members']);
      default:
        return [
          logged('DEBUG', 'mempool', 'event_passed_on', {
            name: event.name.slice(0, 64),
            guid: content.originator.guid,
          }),
        ];
    }
  });
}

/** Told by the boot node alone: anyone else's word is not believed. */
function onPeerJoined(context: Context, from: Guid, members: JsonValue | undefined): Effect[] {
  if (from !== BOOT_GUID)
    return [logged('WARNING', 'network_sync', 'event_refused', { name: PEER_JOINED, guid: from })];
  const list = Array.isArray(members) ? (members as readonly JsonValue[]).map(readMember) : [];
  return learnAll(
    context,
    list.filter((member) => member !== null),
  ).effects;
}

function learnAll(context: Context, members: readonly Member[]): { added: number; effects: Effect[] } {
  const { state } = context;
  const added: Guid[] = [];
  const effects: Effect[] = [];
  for (const member of members) {
    // Itself, which an announcement may tell of before the join's answer does.
    if (member.guid === state.guid || member.publicKey === context.self.publicKey) continue;
    const result = state.roster.learn(member, context.now);
    if (result === 'added' || result === 'updated') added.push(member.guid);
    if (result === 'full') effects.push(logged('ERROR', 'network_sync', 'roster_full', { guid: member.guid }));
  }
  if (added.length > 0) {
    const fields = { guids: added.slice(0, 16), count: added.length, max_guid: state.maxGuid };
    effects.push(logged('INFO', 'network_sync', 'peers_added', fields));
  }
  return { added: added.length, effects };
}

/** The member record of this node itself. */
export function selfMember(state: NodeState, self: Self, guid: Guid): Member {
  const { address, publicKey } = self;
  return { guid, address, publicKey, incarnation: state.membership?.incarnation ?? 0, capabilities: CAPABILITIES };
}

/** This node's own record, where another one does not know it. */
function selfIfMissing(context: Context, have: readonly Interval[]): Member[] {
  const { state, self } = context;
  const { guid } = state;
  const known = guid === null || have.some(([first, last]) => first <= guid && guid <= last);
  return known ? [] : [selfMember(state, self, guid)];
}

function highestNode(context: Context): { guid: Guid; address: string } {
  const { roster, guid, maxGuid } = context.state;
  const peer = maxGuid === guid ? null : roster.get(maxGuid);
  return { guid: maxGuid, address: peer?.address ?? context.self.address };
}
