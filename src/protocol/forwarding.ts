// Forwarding: handing the legs of the broadcast tree to the queue. What must be sent is never
// stored by itself: it follows from what was received (message and range in a segment) and the roster, so a crash between
// "received" and "sent" loses nothing: after the wake, what is not settled is handed over (again).
import { backoffMs } from './backoff.ts';
import { bodiesOf, countLegs, lane, legsOf } from './bundles.ts';
import { logged, type Context, type Effect, type Undeliverable } from './effects.ts';
import { stir } from './idle.ts';
import { packJobs, type Bundle } from './job.ts';
import { FAILOVERS_MAX, HANDOVER_BYTES_MAX, HOPS_MAX, LINGER_MS, SETTLE_MS } from './limits.ts';
import { isFirstHop } from './pace.ts';
import type { Repair } from './repairs.ts';
import type { Sealed } from './seal.ts';
import { onlyMe } from './tree.ts';
import type { Guid, MessageId } from './types.ts';
import { candidates } from './whom.ts';

/** Ignored peers that one repair is kept for; those beyond get what they missed by reconciliation when they are back. */
const IGNORED_OWED_MAX = 16;

/** How often a target that is there, and busy, is brought the same again. */
const BUSY_REPAIRS_MAX = 3;

/**
 * Hands what is owed to the queue: segments after the settled one, and repairs that are due. One handover at a time, so that
 * what arrives meanwhile goes together with the next.
 */
export function handOver(context: Context): Effect[] {
  const { state, now } = context;
  const guid = state.guid;
  if (guid === null || state.handover !== null || state.catchingUp !== null) return [];
  if ((state.timers.get('outbox')?.at ?? 0) > now) return [];
  const { full, throughSeq, rows } = collect(context, guid);
  if (full.length === 0) {
    // Nobody to send to: a leaf of the tree. That is settled without a row.
    state.settle(throughSeq);
    return closeRepairs(context, rows);
  }
  if (mayWait(context, full)) return linger(context);
  const { network } = context.config;
  const sender = { guid, address: context.self.address, maxGuid: state.maxGuid };
  const jobs = packJobs(network, sender, lane(full, false));
  // A queue of their own: peers outside may keep a caller waiting, and nobody else's deliveries must wait with it.
  const outbound = packJobs(network, sender, lane(full, true));
  const isAlone = jobs.length > 0 && state.handoverFailures === 0 && state.pace.isAlone(full);
  state.counters.add('jobs', (isAlone ? 0 : jobs.length) + outbound.length);
  // Whoever answers must say for which: a handover that outlived a reload must not settle the next one.
  const id = Math.floor(context.rng() * 2 ** 53);
  state.handover = { id, throughSeq, repairs: rows, legs: countLegs([...jobs, ...outbound]) };
  return [{ type: 'hand-over', id, isAlone, jobs, outbound }];
}

/** What is owed now, the last segment that is in it, and the rows of the repairs that are. */
function collect(context: Context, guid: Guid): { full: Bundle[]; throughSeq: number; rows: number[] } {
  const bundles = new Map<string, Bundle & { bodies: Sealed[] }>();
  const add: Add = ({ range, attempt, without }, hops, bodies) => {
    const key = `${range.from} ${range.to} ${hops} ${attempt} ${without.join()}`;
    const bundle = bundles.get(key) ?? {
      bodies: [],
      legs: legsOf(context, guid, range, without),
      hops: Math.min(hops + 1, HOPS_MAX),
      attempt,
      without,
    };
    bundles.set(key, bundle);
    if (bundle.legs.length > 0) bundle.bodies.push(...bodies());
  };
  const throughSeq = collectSegments(context, add);
  const rows = collectRepairs(context, add);
  return { full: [...bundles.values()].filter((bundle) => bundle.bodies.length > 0), throughSeq, rows };
}

/**
 * Whether what is handed over may wait for more, and go with it in one job: a busy node's own messages. What it passes on for others has waited
 * before, what has failed is late, and who has left may end any moment.
 */
function mayWait({ state, now }: Context, bundles: readonly Bundle[]): boolean {
  if (!state.pace.isBusy(now) || now - state.handedOverAt >= LINGER_MS || state.leftAt !== null) return false;
  return bundles.every(isFirstHop);
}

function linger({ state }: Context): Effect[] {
  if (state.lingers) return [];
  state.lingers = true;
  return [{ type: 'linger' }];
}

/** The queue has the jobs: it will deliver them or say that it could not. */
export function handedOver(context: Context, id: number): Effect[] {
  const { state } = context;
  const handover = state.handover;
  // Of an earlier life, when the node was loaded anew meanwhile: it hands over again, and receivers drop the duplicates.
  if (handover?.id !== id) return [];
  state.handover = null;
  state.handoverFailures = 0;
  state.timers.clear('outbox');
  state.settle(handover.throughSeq);
  state.counters.add('legs_handed_over', handover.legs);
  return [...noteOrLater(context), ...closeRepairs(context, handover.repairs)];
}

/** Notes what has been handed over: at once where that is seldom, once in a while under load. */
function noteOrLater({ state, now }: Context): Effect[] {
  const isSeldom = now - state.handedOverAt >= SETTLE_MS;
  state.handedOverAt = now;
  if (state.settlesLater) return [];
  if (!isSeldom) {
    state.settlesLater = true;
    state.takeSettledNoted();
    return [{ type: 'settle-later' }];
  }
  state.noteSettled();
  return [];
}

/** The time of a settle-later is over. As long as rows tell of it on the way, none is written for it alone. */
export function settle({ state }: Context, isLast: boolean): Effect[] {
  if (!isLast && state.settlesLater && state.takeSettledNoted()) return [{ type: 'settle-later' }];
  state.settlesLater = false;
  state.noteSettled();
  return [];
}

/** The queue did not take the jobs: all of it stays owed, and is tried again after a pause. */
export function handoverFailed(context: Context, id: number, reason: string): Effect[] {
  const { state, now } = context;
  if (state.handover?.id !== id) return [];
  state.handover = null;
  const pause = backoffMs(state.handoverFailures++, context.rng);
  state.timers.set('outbox', now + pause, now);
  state.counters.add('handovers_failed');
  return [logged('handover_failed', { reason, retry_in: pause / 1000 })];
}

/**
 * Legs could not be delivered: the target has failed. Its range goes at once to the next that is there, and the target itself is
 * owed its own copy, after a pause, as long as messages live.
 */
export function undeliverable(context: Context, legs: readonly Undeliverable[], reason: string): Effect[] {
  const { state, now } = context;
  const effects: Effect[] = [];
  if (legs.length > 0) stir(context);
  for (const leg of merged(legs)) {
    const peerState = leg.answered ? (state.roster.get(leg.to)?.state ?? null) : state.roster.failed(leg.to, now);
    const ids = leg.ids.filter((id) => (state.mempool.get(id)?.expiresAt ?? 0) > now);
    state.counters.add('legs_undeliverable', ids.length);
    state.counters.add('legs_expired', leg.ids.length - ids.length);
    const fields = { to: leg.to, state: peerState, messages: ids.length, expired: leg.ids.length - ids.length, reason };
    effects.push(logged('undeliverable', fields));
    if (ids.length > 0) effects.push(...oweRange(context, leg, ids), ...oweTarget(context, leg, ids));
  }
  return effects;
}

/** The range of a failed leg, for the others in it. */
function oweRange(context: Context, leg: Undeliverable, ids: readonly MessageId[]): Effect[] {
  const { state, config, now } = context;
  const { range, attempt } = leg;
  const without = [...leg.without, leg.to];
  const isThere = (excluded: readonly Guid[]) =>
    candidates(state.roster, config.hostedPrefix, range, state.leftAt !== null).some(
      ({ guid }) => !excluded.includes(guid) && guid !== state.guid,
    );
  if (without.length <= FAILOVERS_MAX && isThere(without)) {
    state.counters.add('failovers', ids.length);
    return oweRepair(context, { dueAt: now, attempt, range, without, ids });
  }
  // All who are there have failed just now: from the start, after a pause.
  if (!isThere([leg.to])) return [];
  const dueAt = now + backoffMs(attempt, context.rng);
  return oweRepair(context, { dueAt, attempt: attempt + 1, range, without: [leg.to], ids });
}

/** The target's own copy. Who never proved to be there is owed nothing: strangers must not crowd out repairs. */
function oweTarget(context: Context, leg: Undeliverable, ids: readonly MessageId[]): Effect[] {
  const { state, now, rng } = context;
  const { to, attempt, answered } = leg;
  const peer = state.roster.get(to);
  if (!peer?.proved || peer.state === 'left') return [];
  // It is there, and does not take them: when it can, it asks for them at sync.
  if (answered && attempt >= BUSY_REPAIRS_MAX) {
    state.counters.add('legs_dropped', ids.length);
    return [logged('left_to_sync', { to, messages: ids.length })];
  }
  const range = onlyMe(to);
  // What is being handed over may be what failed: that is heard of before the queue has said that it has it.
  const owed = state.repairs.idsOwed(range, state.handover?.repairs ?? []);
  const more = ids.filter((id) => !owed.has(id));
  if (more.length === 0) return [];
  return oweRepair(context, {
    dueAt: now + backoffMs(attempt, rng),
    attempt: attempt + 1,
    range,
    without: [],
    ids: more,
  });
}

/** Legs to the same target for the same range as one: a repair each would crowd out older ones. */
function merged(legs: readonly Undeliverable[]): Undeliverable[] {
  const groups = new Map<string, Undeliverable>();
  for (const leg of legs) {
    const key = `${leg.to} ${leg.range.from} ${leg.range.to} ${leg.attempt} ${leg.answered} ${leg.without.join()}`;
    const ids = new Set([...(groups.get(key)?.ids ?? []), ...leg.ids]);
    groups.set(key, { ...leg, ids: [...ids] });
  }
  return [...groups.values()];
}

/** Repairs that have been handed over, or had nobody to go to: what they still owe to ignored peers is kept. */
function closeRepairs(context: Context, rows: readonly number[]): Effect[] {
  const { repairs } = context.state;
  return rows.flatMap((row) => {
    const repair = repairs.get(row);
    repairs.remove(row);
    return repair ? oweIgnored(context, repair) : [];
  });
}

/**
 * Peers of a repair's range that are not sent to now: each is owed its own copy, later, as long as the messages live. A peer that
 * answers again is alive again, and then the copy goes.
 */
function oweIgnored(context: Context, repair: Repair): Effect[] {
  const { state, now } = context;
  // A node that has left sends to them like to others.
  if (state.leftAt !== null) return [];
  const ids = repair.ids.filter((id) => (state.mempool.get(id)?.expiresAt ?? 0) > now);
  if (ids.length === 0) return [];
  const attempt = repair.attempt + 1;
  return (
    state.roster
      .ignoredIn(repair.range)
      // Who failed just now is owed its copy already.
      .filter((guid) => !repair.without.includes(guid))
      .slice(0, IGNORED_OWED_MAX)
      .flatMap((guid) => {
        const dueAt = now + backoffMs(attempt, context.rng);
        return oweRepair(context, { dueAt, attempt, range: onlyMe(guid), without: [], ids });
      })
  );
}

/** Owes a repair. Where there are too many, the oldest is lost, and told of. */
export function oweRepair(context: Context, repair: Repair): Effect[] {
  const dropped = context.state.repairs.add(repair);
  if (!dropped) return [];
  context.state.counters.add('legs_dropped', dropped.ids.length);
  return [logged('repair_dropped', { messages: dropped.ids.length, reason: 'too many repairs' })];
}

/** What is owed, the hops that its messages have made, and these. */
type Add = (owed: Pick<Repair, 'range' | 'attempt' | 'without'>, hops: number, bodies: () => readonly Sealed[]) => void;

/** Adds what unsettled segments owe, up to the size of a handover. Returns the last segment that is in it. */
function collectSegments(context: Context, add: Add): number {
  const { state, now } = context;
  let bytes = 0;
  let throughSeq = state.settled;
  for (const seq of state.mempool.seqsAfter(state.settled)) {
    if (bytes > HANDOVER_BYTES_MAX) return throughSeq;
    for (const entry of state.mempool.entriesOf(seq)) {
      if (entry.expiresAt <= now) continue;
      add({ range: entry.range, attempt: 0, without: [] }, entry.hops, () => {
        const body = state.mempool.bodyOf(entry);
        bytes += body?.length ?? 0;
        return body === null ? [] : [body];
      });
    }
    throughSeq = seq;
  }
  return throughSeq;
}

/** Adds what is due of repairs, up to the size of a handover; the others go with the next. Returns the rows of those that are in it. */
function collectRepairs(context: Context, add: Add): number[] {
  const rows: number[] = [];
  let bytes = 0;
  for (const [row, repair] of context.state.repairs.due(context.now)) {
    if (bytes > HANDOVER_BYTES_MAX) break;
    for (const [hops, bodies] of bodiesOf(context, repair)) {
      for (const body of bodies) bytes += body.length;
      add(repair, hops, () => bodies);
    }
    rows.push(row);
  }
  return rows;
}
