// Messages: originating, receiving, and handing the legs of the broadcast tree to the queue. What must be sent is never
// stored by itself: it follows from what was received (message and range in a segment) and the roster, so a crash between
// "received" and "sent" loses nothing: after the wake, what is not settled is handed over (again).
import { backoffMs } from './backoff.ts';
import { toCanonical, utf8Length, type Canonical } from './canonical.ts';
import {
  logged,
  type Context,
  type Effect,
  type Origination,
  type OriginationError,
  type Originated,
  type Outcome,
  type Undeliverable,
} from './effects.ts';
import { packJobs, type Bundle, type JobLeg } from './job.ts';
import { HANDOVER_BYTES_MAX, MEMPOOL_MESSAGES_MAX } from './limits.ts';
import type { Arrival } from './mempool.ts';
import { composeMessage, decodeMessage, eventOf, PEER_JOINED, type Message } from './message.ts';
import type { Repair } from './repairs.ts';
import { cutRange, onlyMe, wholeRing } from './tree.ts';
import { err, ok, type Delivery, type Guid, type MessageId, type Range, type Result } from './types.ts';

/** Ignored peers that one repair is kept for; those beyond get what they missed by reconciliation when they are back. */
const IGNORED_OWED_MAX = 16;

/** Takes messages from an application: all that are sound are stored in one transaction, each gets its own answer. */
export function originate(
  context: Context,
  originations: readonly Origination[],
): Result<Originated, OriginationError>[] {
  const { state } = context;
  const guid = state.guid;
  if (guid === null) return originations.map(() => err({ reason: 'not-joined' }));
  const arrivals: Arrival[] = [];
  const keys = new Map<string, Message>();
  let bytes = 0;
  const results = originations.map((origination): Result<Originated, OriginationError> => {
    const { idempotencyKey } = origination;
    const before = idempotencyKey === null ? null : earlier(context, idempotencyKey, keys);
    if (before) {
      const same = toCanonicalOrNull(before.data) === toCanonicalOrNull(origination.data);
      return same ? ok({ id: before.id, broadcastAt: before.broadcastAt }) : err({ reason: 'key-reused' });
    }
    if (eventOf(origination.data)?.name === PEER_JOINED) {
      const message = 'PEER_JOINED is announced by the boot node alone; nobody would believe it from here';
      return err({ reason: 'bad-data', path: 'data.event.name', message });
    }
    const message = compose(context, guid, origination);
    if (!message.ok) return message;
    const size = utf8Length(message.value.body);
    if (!hasRoom(context, arrivals.length + 1, bytes + size)) {
      return err({ reason: 'mempool-full', max: MEMPOOL_MESSAGES_MAX });
    }
    bytes += size;
    arrivals.push({ message: message.value, range: wholeRing(guid), hops: 0, idempotencyKey });
    if (idempotencyKey !== null) keys.set(idempotencyKey, message.value);
    return ok({ id: message.value.id, broadcastAt: message.value.content.broadcastAt });
  });
  state.mempool.append(arrivals, context.now);
  state.counters.add('originated', arrivals.length);
  return results;
}

/** What receiving a batch led to: an outcome a delivery, and the messages that are new here. */
export interface Received {
  readonly outcomes: readonly Outcome[];
  readonly fresh: readonly Message[];
  readonly effects: readonly Effect[];
}

/** Takes deliveries from peers: new ones are stored as one batch. Never throws on what a peer sent. */
export function receive(context: Context, deliveries: readonly Delivery[]): Received {
  const { state, now } = context;
  const effects: Effect[] = [];
  const arrivals = new Map<MessageId, Arrival>();
  let bytes = 0;
  const rejected = new Map<string, number>();
  const reject = (reason: string): Outcome => {
    rejected.set(reason, (rejected.get(reason) ?? 0) + 1);
    return 'rejected';
  };
  const repeated: [id: MessageId, range: Range][] = [];
  const outcomes = deliveries.map((delivery): Outcome => {
    const decoded = decodeMessage(delivery.body, context.config.network, now);
    if (!decoded.ok) return reject(decoded.error.reason);
    const message = decoded.value;
    if (state.mempool.get(message.id) || arrivals.has(message.id)) {
      repeated.push([message.id, delivery.range]);
      return 'duplicate';
    }
    if (message.content.expiresAt <= now) return reject('expired');
    const size = utf8Length(message.body);
    if (!hasRoom(context, arrivals.size + 1, bytes + size)) return 'busy';
    bytes += size;
    arrivals.set(message.id, { message, range: delivery.range, hops: delivery.hops, idempotencyKey: null });
    return 'new';
  });
  state.mempool.append([...arrivals.values()], now);
  effects.push(...takeOnRanges(context, repeated));
  // A line a reason, not one a message: a peer must not fill our logs.
  for (const [reason, count] of rejected)
    effects.push(logged('WARNING', 'mempool', 'deliveries_rejected', { reason, count }));
  state.counters.add('deliver_calls');
  for (const outcome of outcomes) state.counters.add(`deliveries_${outcome}`);
  return { outcomes, fresh: [...arrivals.values()].map(({ message }) => message), effects };
}

/**
 * Duplicates that bring a range which this node has not taken on: a failover made it responsible for more than it was, so it
 * forwards for that range (trap 2 of DESIGN.md). One repair a range, however many messages.
 */
function takeOnRanges(context: Context, repeated: readonly [id: MessageId, range: Range][]): Effect[] {
  const { mempool } = context.state;
  const owed = new Map<string, { range: Range; ids: MessageId[] }>();
  for (const [id, range] of repeated) {
    const entry = mempool.get(id);
    if (!entry || mempool.isCovered(entry, range)) continue;
    mempool.takeOn(entry, range);
    const key = `${range.from} ${range.to}`;
    const group = owed.get(key) ?? { range, ids: [] };
    owed.set(key, group);
    group.ids.push(id);
  }
  return [...owed.values()].flatMap(({ range, ids }) =>
    oweRepair(context, { dueAt: context.now, attempt: 0, range, ids }),
  );
}

/**
 * Hands what is owed to the queue: segments after the settled one, and repairs that are due. One handover at a time, so that
 * what arrives meanwhile goes together with the next.
 */
export function handOver(context: Context): Effect[] {
  const { state, now } = context;
  const guid = state.guid;
  if (guid === null || state.handover !== null || state.catchingUp !== null) return [];
  if ((state.timers.get('outbox')?.at ?? 0) > now) return [];
  const bundles = new Map<string, { bodies: Canonical[]; legs: JobLeg[]; hops: number; attempt: number }>();
  const add = (range: Range, hops: number, attempt: number, bodies: () => readonly Canonical[]) => {
    const key = `${range.from} ${range.to} ${hops} ${attempt}`;
    const bundle = bundles.get(key) ?? { bodies: [], legs: legsOf(context, guid, range), hops: hops + 1, attempt };
    bundles.set(key, bundle);
    if (bundle.legs.length > 0) bundle.bodies.push(...bodies());
  };
  const throughSeq = collectSegments(context, add);
  const repairs = state.repairs.due(now);
  for (const [, repair] of repairs) {
    for (const [hops, bodies] of bodiesOf(context, repair)) add(repair.range, hops, repair.attempt, () => bodies);
  }
  const rows = repairs.map(([row]) => row);
  const full = [...bundles.values()].filter((bundle) => bundle.bodies.length > 0);
  if (full.length === 0) {
    // Nobody to send to: a leaf of the tree. That is settled without a row.
    state.settle(throughSeq, false);
    return closeRepairs(context, rows);
  }
  const jobs = packJobs(context.config.network, { guid, address: context.self.address, maxGuid: state.maxGuid }, full);
  state.counters.add('jobs', jobs.length);
  // Whoever answers must say for which: a handover that outlived a reload must not settle the next one.
  const id = Math.floor(context.rng() * 2 ** 53);
  state.handover = { id, throughSeq, repairs: rows, legs: countLegs(jobs) };
  return [{ type: 'hand-over', id, jobs }];
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
  state.settle(handover.throughSeq, true);
  state.counters.add('legs_handed_over', handover.legs);
  return closeRepairs(context, handover.repairs);
}

/** The queue did not take the jobs: all of it stays owed, and is tried again after a pause. */
export function handoverFailed(context: Context, id: number, reason: string): Effect[] {
  const { state, now } = context;
  if (state.handover?.id !== id) return [];
  state.handover = null;
  const pause = backoffMs(state.handoverFailures++, context.rng);
  state.timers.set('outbox', now + pause, now);
  state.counters.add('handovers_failed');
  return [logged('ERROR', 'mempool', 'handover_failed', { reason, retry_in: pause / 1000 })];
}

/** The queue gave legs up: the target has failed, and its range is owed again after a pause, as long as messages live. */
export function undeliverable(context: Context, legs: readonly Undeliverable[], reason: string): Effect[] {
  const { state, now } = context;
  const effects: Effect[] = [];
  for (const leg of merged(legs)) {
    const peerState = state.roster.failed(leg.to, now);
    const ids = leg.ids.filter((id) => (state.mempool.get(id)?.expiresAt ?? 0) > now);
    state.counters.add('legs_undeliverable', ids.length);
    state.counters.add('legs_expired', leg.ids.length - ids.length);
    const fields = { to: leg.to, state: peerState, messages: ids.length, expired: leg.ids.length - ids.length, reason };
    effects.push(logged('WARNING', 'mempool', 'undeliverable', fields));
    if (ids.length === 0) continue;
    const dueAt = now + backoffMs(leg.attempt, context.rng);
    effects.push(...oweRepair(context, { dueAt, attempt: leg.attempt + 1, range: leg.range, ids }));
  }
  return effects;
}

/** Legs to the same target for the same range as one: a repair each would crowd out older ones. */
function merged(legs: readonly Undeliverable[]): Undeliverable[] {
  const groups = new Map<string, Undeliverable>();
  for (const leg of legs) {
    const key = `${leg.to} ${leg.range.from} ${leg.range.to} ${leg.attempt}`;
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
  const ids = repair.ids.filter((id) => (state.mempool.get(id)?.expiresAt ?? 0) > now);
  if (ids.length === 0) return [];
  const attempt = repair.attempt + 1;
  return state.roster
    .ignoredIn(repair.range)
    .slice(0, IGNORED_OWED_MAX)
    .flatMap((guid) => {
      const dueAt = now + backoffMs(attempt, context.rng);
      return oweRepair(context, { dueAt, attempt, range: onlyMe(guid), ids });
    });
}

/** Drops what has expired. */
export function expire(context: Context): Effect[] {
  const dropped = context.state.mempool.expire(context.now);
  context.state.counters.add('messages_expired', dropped);
  return dropped > 0 ? [logged('DEBUG', 'mempool', 'expired', { messages: dropped })] : [];
}

/** Whether messages fit, what has expired out of the way. */
function hasRoom(context: Context, count: number, bytes: number): boolean {
  if (context.state.mempool.hasRoom(count, bytes)) return true;
  expire(context);
  return context.state.mempool.hasRoom(count, bytes);
}

function oweRepair(context: Context, repair: Repair): Effect[] {
  const dropped = context.state.repairs.add(repair);
  if (!dropped) return [];
  context.state.counters.add('legs_dropped', dropped.ids.length);
  return [logged('ERROR', 'mempool', 'repair_dropped', { messages: dropped.ids.length, reason: 'too many repairs' })];
}

type Add = (range: Range, hops: number, attempt: number, bodies: () => readonly Canonical[]) => void;

/** Adds what unsettled segments owe, up to the size of a handover. Returns the last segment that is in it. */
function collectSegments(context: Context, add: Add): number {
  const { state, now } = context;
  let bytes = 0;
  let throughSeq = state.settled;
  for (const seq of state.mempool.seqsAfter(state.settled)) {
    if (bytes > HANDOVER_BYTES_MAX) return throughSeq;
    for (const entry of state.mempool.entriesOf(seq)) {
      if (entry.expiresAt <= now) continue;
      add(entry.range, entry.hops, 0, () => {
        const body = state.mempool.bodyOf(entry);
        bytes += body?.length ?? 0;
        return body === null ? [] : [body];
      });
    }
    throughSeq = seq;
  }
  return throughSeq;
}

function legsOf(context: Context, guid: Guid, range: Range): JobLeg[] {
  const { roster } = context.state;
  return cutRange(range, guid, roster.candidates(context.now), context.config.fanout).map((leg) => ({
    to: leg.to,
    address: roster.get(leg.to)?.address ?? '',
    range: leg.range,
  }));
}

/** Bodies of a repair's unexpired messages by the hops that they have made. */
function bodiesOf(context: Context, repair: Repair): Map<number, Canonical[]> {
  const { mempool } = context.state;
  const byHops = new Map<number, Canonical[]>();
  for (const id of repair.ids) {
    const entry = mempool.get(id);
    const body = entry && entry.expiresAt > context.now ? mempool.bodyOf(entry) : null;
    if (entry && body !== null) byHops.set(entry.hops, [...(byHops.get(entry.hops) ?? []), body]);
  }
  return byHops;
}

function countLegs(jobs: readonly { readonly bundles: readonly Bundle[] }[]): number {
  let legs = 0;
  for (const job of jobs) for (const bundle of job.bundles) legs += bundle.legs.length * bundle.bodies.length;
  return legs;
}

function compose(context: Context, guid: Guid, origination: Origination) {
  const { config, now } = context;
  const ttlMs = origination.ttlSeconds === null ? config.messageTtlMs : origination.ttlSeconds * 1000;
  const content = {
    network: config.network,
    data: origination.data,
    originator: { guid, address: context.self.address },
    broadcastAt: now,
    expiresAt: now + ttlMs,
  };
  return composeMessage(content, Math.floor(context.rng() * 2 ** 53));
}

/** The message that was originated under a key before, in this batch or stored. */
function earlier(context: Context, key: string, batch: ReadonlyMap<string, Message>) {
  const sibling = batch.get(key);
  if (sibling) return { id: sibling.id, ...sibling.content };
  const entry = context.state.mempool.byKey(key);
  return entry && context.state.mempool.read(entry);
}

function toCanonicalOrNull(data: Origination['data']): Canonical | null {
  try {
    return toCanonical(data);
  } catch {
    return null;
  }
}
