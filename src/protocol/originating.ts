// Originating: messages that applications give to a node. The message is drafted, the shell signs it, and it is taken: stored before
// anybody is told that it was.
import { toCanonical, type Canonical } from './canonical.ts';
import type { Context, Originated, Origination, OriginationError, SignedOrigination, Taken } from './effects.ts';
import { hasRoom, keep } from './expiry.ts';
import { stir } from './idle.ts';
import { MEMPOOL_MESSAGES_MAX } from './limits.ts';
import type { Arrival } from './mempool.ts';
import { composeMessage, eventOf, PEER_JOINED, PEER_LEAVING, type Draft, type Message } from './message.ts';
import { wholeRing } from './tree.ts';
import { err, ok, type Guid, type JsonObject, type Result } from './types.ts';

/** Events with which no application speaks, and why. */
const RESERVED: ReadonlyMap<string, string> = new Map([
  [PEER_JOINED, 'PEER_JOINED is announced by the boot node alone; nobody would believe it from here'],
  [PEER_LEAVING, 'PEER_LEAVING is what this node says when it leaves (POST /network/leave); all would believe it'],
]);

/**
 * Makes the message of an origination, for the shell to sign: the first half of originating. Nothing is stored, so what comes between
 * the halves loses nothing that was promised.
 */
export function draft(context: Context, origination: Origination): Result<Draft, OriginationError> {
  const { guid } = context.state;
  if (guid === null) return err({ reason: 'not-joined' });
  const message = RESERVED.get(eventOf(origination.data)?.name ?? '');
  if (message !== undefined) return err({ reason: 'bad-data', path: 'data.event.name', message });
  if (context.state.leftAt !== null) return err({ reason: 'left' });
  return compose(context, guid, origination);
}

/** An event of the node's own, with which no application speaks, for the shell to sign. */
export function draftOwn(context: Context, data: JsonObject): Result<Draft, OriginationError> {
  const { guid } = context.state;
  if (guid === null) return err({ reason: 'not-joined' });
  return compose(context, guid, { data, ttlSeconds: null, idempotencyKey: null });
}

/** Takes signed messages that an application gave together: all of them in one transaction, or none. */
export function originate(context: Context, originations: readonly SignedOrigination[]): Taken {
  const { state } = context;
  const guid = state.guid;
  if (guid === null) return err({ index: 0, error: { reason: 'not-joined' } });
  if (state.leftAt !== null) return err({ index: 0, error: { reason: 'left' } });
  const arrivals: Arrival[] = [];
  const keys = new Map<string, Message>();
  let bytes = 0;
  const take = (origination: SignedOrigination): Result<Originated, OriginationError> => {
    const { idempotencyKey, message } = origination;
    const before = idempotencyKey === null ? null : earlier(context, idempotencyKey, keys);
    if (before) {
      const same = toCanonicalOrNull(before.data) === toCanonicalOrNull(origination.data);
      return same ? ok({ id: before.id, broadcastAt: before.broadcastAt }) : err({ reason: 'key-reused' });
    }
    if (!hasRoom(context, arrivals.length + 1, bytes + message.bytes)) {
      return err({ reason: 'mempool-full', max: MEMPOOL_MESSAGES_MAX });
    }
    bytes += message.bytes;
    arrivals.push({ message, range: wholeRing(guid), hops: 0, idempotencyKey, from: null });
    if (idempotencyKey !== null) keys.set(idempotencyKey, message);
    return ok({ id: message.id, broadcastAt: message.content.broadcastAt });
  };
  const taken: Originated[] = [];
  for (const [index, origination] of originations.entries()) {
    const result = take(origination);
    if (!result.ok) return err({ index, error: result.error });
    taken.push(result.value);
  }
  keep(context, arrivals);
  if (arrivals.length > 0) stir(context);
  state.counters.add('originated', arrivals.length);
  return ok(taken);
}

function compose(context: Context, guid: Guid, origination: Origination): Result<Draft, OriginationError> {
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
