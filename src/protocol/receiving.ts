// Receiving messages: new ones are stored as one batch, and with each comes the range that this node passes it on in.
import { logged, type Bringer, type Context, type DeliveryCheck, type Effect, type Outcome } from './effects.ts';
import { hasRoom, keep } from './expiry.ts';
import { oweRepair } from './forwarding.ts';
import { stir } from './idle.ts';
import { CLOCK_SKEW_MS_MAX, HOPS_MAX } from './limits.ts';
import type { Arrival } from './mempool.ts';
import { decodeMessage, type Message, type Rejection } from './message.ts';
import { DEMERITS } from './standing.ts';
import type { Delivery, Guid, MessageId, Millis, Range } from './types.ts';

/** Refusals that are nobody's fault: it came too late, or its originator is gone. */
const BLAMELESS = ['expired', 'unknown-originator'];

/** What receiving a batch led to: an outcome a delivery, and the messages that are new here. */
export interface Received {
  readonly outcomes: readonly Outcome[];
  readonly fresh: readonly Message[];
  /** Ids of the duplicates, each as often as it came. */
  readonly repeated: readonly MessageId[];
  readonly effects: readonly Effect[];
}

/** Takes deliveries from peers: new ones are stored as one batch. Never throws on what a peer sent. */
export function receive(context: Context, deliveries: readonly Delivery[], bringer: Bringer | null): Received {
  const { state, now } = context;
  const arrivals = new Map<MessageId, Arrival>();
  let bytes = 0;
  const rejected = new Map<string, number>();
  const reject = (reason: string): Outcome => {
    rejected.set(reason, (rejected.get(reason) ?? 0) + 1);
    return 'rejected';
  };
  const repeated: [id: MessageId, range: Range][] = [];
  const outcomes = deliveries.map((delivery, index): Outcome => {
    if (bringer && !state.standings.takeMessage(bringer.guid, now)) return 'busy';
    const check = bringer === null ? 'sound' : (bringer.checks[index] ?? 'forged');
    const refusal = refusalOf(delivery, check);
    if (refusal) return reject(refusal);
    const decoded = decodeMessage(delivery.body, context.config.network, now);
    // The clock of who took it before us may be ahead of ours: it is sent again until ours has caught up.
    if (!decoded.ok && isNearFuture(decoded.error, now)) return 'busy';
    if (!decoded.ok) return reject(decoded.error.reason);
    const message = decoded.value;
    if (state.mempool.get(message.id) || arrivals.has(message.id)) {
      repeated.push([message.id, delivery.range]);
      return 'duplicate';
    }
    if (message.content.expiresAt <= now) return reject('expired');
    // Not refused: its originator is looked up at the bringer, and by the next try it may be known.
    if (check === 'unknown-originator') {
      return state.unverified.isWantedLater(message.id, message.content.originator.guid)
        ? 'busy'
        : reject('unknown-originator');
    }
    if (!hasRoom(context, arrivals.size + 1, bytes + message.bytes)) return 'busy';
    if (bringer && !state.standings.takeOriginated(message.content.originator.guid, now)) return 'busy';
    bytes += message.bytes;
    const { range, hops } = delivery;
    const from = bringer?.guid ?? delivery.from ?? null;
    arrivals.set(message.id, { message, range, hops, idempotencyKey: null, from });
    return 'new';
  });
  keep(context, [...arrivals.values()]);
  if (arrivals.size > 0) stir(context);
  if (arrivals.size > 0) state.pace.noteBrought(arrivals.size >= context.config.busyMessages, now);
  const effects = takeOnRanges(context, repeated);
  // A line a reason, not one a message: a peer must not fill our logs.
  for (const [reason, count] of rejected) {
    const fields = bringer ? { reason, count, guid: bringer.guid } : { reason, count };
    effects.push(logged('deliveries_rejected', fields));
    if (bringer && !BLAMELESS.includes(reason)) effects.push(...blame(context, bringer.guid, count * DEMERITS.invalid));
  }
  state.counters.add('deliver_calls');
  for (const [outcome, count] of countsOf(outcomes)) state.counters.add(`deliveries_${outcome}`, count);
  const fresh = [...arrivals.values()].map(({ message }) => message);
  return { outcomes, fresh, repeated: repeated.map(([id]) => id), effects };
}

function countsOf(outcomes: readonly Outcome[]): Map<Outcome, number> {
  const counts = new Map<Outcome, number>();
  for (const outcome of outcomes) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  return counts;
}

/** Whether a message is from no further ahead than two tolerated clocks are apart. */
function isNearFuture(rejection: Rejection, now: Millis): boolean {
  return rejection.reason === 'from-the-future' && rejection.broadcastAt <= now + 2 * CLOCK_SKEW_MS_MAX;
}

/** Why a delivery is refused before it is decoded; null where it is not. */
function refusalOf(delivery: Delivery, check: DeliveryCheck): string | null {
  if (check === 'forged') return 'forged';
  const { range, hops } = delivery;
  if (hops > HOPS_MAX) return 'too-many-hops';
  return range.from === range.to ? 'bad-range' : null;
}

/** Counts against a caller what no honest node sends. */
function blame(context: Context, guid: Guid, demerits: number): Effect[] {
  const isShutOut = context.state.standings.blame(guid, demerits, context.now);
  return isShutOut ? [logged('caller_shut_out', { guid })] : [];
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
    if (!mempool.takeOn(entry, range)) continue;
    const key = `${range.from} ${range.to}`;
    const group = owed.get(key) ?? { range, ids: [] };
    owed.set(key, group);
    group.ids.push(id);
  }
  return [...owed.values()].flatMap(({ range, ids }) =>
    oweRepair(context, { dueAt: context.now, attempt: 0, range, without: [], ids }),
  );
}
