// Handing messages to the application: every message that comes to this node, at least once, in the order of arrival as long as the handler takes
// them. One batch is under way at a time; where it fails it is tried again after a growing pause, half as large each time. A message that fails by
// itself again and again is set aside, and tried once a minute: it keeps no others with it. The network waits for none of this. A message that
// expires before it was taken is counted, and told of.
import { backoffMs } from './backoff.ts';
import { logged, type Context, type Effect } from './effects.ts';
import { ID_CHARS_LOGGED } from './log-events.ts';
import {
  ASIDE_FAILURES,
  ASIDE_PAUSE_MS,
  HANDLER_ASIDE_MAX,
  HANDLER_CHARS_MAX,
  HANDLER_MESSAGES_MAX,
} from './limits.ts';
import type { Entry } from './mempool.ts';
import { endOf, formatCursor, isAfter, parseCursor, readOn, startOf, type Cursor } from './reading.ts';
import type { MetaTable } from './store.ts';
import type { MessageId, Millis } from './types.ts';

/** Meta key: what the handler has taken, how often it failed since, and what was set aside. */
const HANDLED_KEY = 'handled';

/** Doublings of a pause that make a difference. */
const FAILURES_MAX = 20;

/** The batch that the handler has now. */
interface UnderWay {
  readonly through: Cursor;
  readonly messages: readonly MessageId[];
  /** It is a message that was set aside. */
  readonly isAside: boolean;
  /** Messages before its end that had expired when it was made. */
  readonly expired: number;
  /** Messages before its end that the mempool has dropped since: missed, where the handler does not take the batch. */
  dropped: number;
}

/** What is stored of a node's handler. */
interface Handled {
  /** It has taken everything up to here, but what was set aside; null: it was never given anything. */
  readonly cursor: Cursor | null;
  /** How often it failed since it took something. */
  readonly failures: number;
  /** How often it failed at the next message by itself. */
  readonly alone: number;
  /** How many messages it is given at once after a failure; null: as many as there may be. */
  readonly most: number | null;
  readonly aside: readonly MessageId[];
}

/** What is kept of a node's handler. */
export class Handling {
  readonly #meta: MetaTable;
  #handled: Handled;
  /** Forgotten by a crash: then the batch is handed over again. */
  underWay: UnderWay | null = null;

  constructor(meta: MetaTable) {
    this.#meta = meta;
    this.#handled = read(meta.get(HANDLED_KEY));
  }

  get now(): Handled {
    return this.#handled;
  }

  get failures(): number {
    return this.#handled.failures;
  }

  /** One row. */
  note(change: Partial<Handled>): void {
    this.#handled = { ...this.#handled, ...change };
    const { cursor } = this.#handled;
    this.#meta.set(HANDLED_KEY, JSON.stringify({ ...this.#handled, cursor: cursor && formatCursor(cursor) }));
  }

  /** Messages that were set aside are there no more. Not worth a row: who reads of them again finds the same. */
  forget(...ids: readonly MessageId[]): void {
    const aside = this.#handled.aside.filter((id) => !ids.includes(id));
    this.#handled = { ...this.#handled, aside };
  }
}

/** At the end of each input: gives the handler what it has not taken, unless it has a batch or is to be left alone for a while. */
export function callHandler(context: Context): Effect[] {
  const { state, config, now } = context;
  const { handling, mempool } = state;
  if (!config.hasHandler || handling.underWay !== null || state.timers.get('handler')) return [];
  const again = fromAside(context);
  if (again) return [again];
  const { cursor: known, most } = handling.now;
  const after = known ?? startOf(mempool);
  if (!isAfter(endOf(mempool), after) && !isAfter(after, endOf(mempool))) return [];
  const bounds = { messages: most ?? HANDLER_MESSAGES_MAX, chars: HANDLER_CHARS_MAX };
  const { messages, cursor, expired } = readOn(mempool, after, bounds, now, null);
  if (messages.length > 0) {
    const ids = messages.map(({ id }) => id);
    handling.underWay = { through: cursor, messages: ids, isAside: false, expired, dropped: 0 };
    return [{ type: 'handle', messages, through: formatCursor(cursor) }];
  }
  // All of it has expired; what may follow is for the next input.
  handling.note({ cursor });
  return missed(context, expired);
}

/** A message that was set aside, where it is time for one. */
function fromAside({ state, now }: Context): Effect | null {
  const { handling, mempool, timers } = state;
  if (handling.now.aside.length === 0 || timers.get('aside')) return null;
  for (const id of handling.now.aside) {
    const entry = mempool.get(id);
    // What has expired is still there until the mempool drops it, and counts it.
    const message = entry && entry.expiresAt > now ? mempool.read(entry) : null;
    if (!entry || !message) continue;
    handling.underWay = { through: entry, messages: [id], isAside: true, expired: 0, dropped: 0 };
    return { type: 'handle', messages: [message], through: formatCursor(entry) };
  }
  handling.forget(...handling.now.aside.filter((id) => !mempool.get(id)));
  return null;
}

/** The handler took a batch. */
export function handled(context: Context, through: string): Effect[] {
  const { handling } = context.state;
  const { underWay, now } = handling;
  if (!underWay || formatCursor(underWay.through) !== through) return [];
  handling.underWay = null;
  context.state.counters.add('handler_batches');
  if (underWay.isAside) {
    handling.note({ aside: now.aside.filter((id) => id !== underWay.messages[0]) });
    return [];
  }
  handling.note({ cursor: underWay.through, failures: 0, alone: 0, most: null });
  const well = now.failures > 0 ? [logged('handler_well_again', { failures: now.failures })] : [];
  return [...well, ...missed(context, underWay.expired)];
}

/** The handler did not take it. */
export function handlerFailed(context: Context, through: string, reason: string): Effect[] {
  const { state, now, rng } = context;
  const { handling } = state;
  const { underWay } = handling;
  if (!underWay || formatCursor(underWay.through) !== through) return [];
  handling.underWay = null;
  state.counters.add('handler_failures');
  const failed = (pause: Millis) =>
    logged('handler_failed', { reason, failures: handling.failures, retry_in: pause / 1000 });
  if (underWay.isAside) {
    const [id] = underWay.messages;
    // The others get their turn first.
    if (id !== undefined) handling.note({ aside: [...handling.now.aside.filter((other) => other !== id), id] });
    state.timers.set('aside', now + ASIDE_PAUSE_MS, now);
    return [failed(ASIDE_PAUSE_MS), ...missed(context, underWay.dropped)];
  }
  const before = handling.now;
  const size = underWay.messages.length;
  const alone = size === 1 ? before.alone + 1 : 0;
  const failures = Math.min(before.failures + 1, FAILURES_MAX);
  const told = missed(context, underWay.dropped);
  const [id] = underWay.messages;
  if (id !== undefined && alone >= ASIDE_FAILURES && mayBeSetAside(context, underWay.through)) {
    handling.note({ cursor: underWay.through, failures, alone: 0, most: 1, aside: [...before.aside, id] });
    state.timers.setBy('aside', now + ASIDE_PAUSE_MS, now);
    return [failed(0), logged('handler_set_aside', { id: id.slice(0, ID_CHARS_LOGGED), failures: alone }), ...told];
  }
  const pause = backoffMs(before.failures, rng);
  handling.note({ failures, alone, most: Math.max(1, size >> 1) });
  state.timers.set('handler', now + pause, now);
  return [failed(pause), ...told];
}

/** Whether there is something behind a message for whose sake it is set aside, and room for it. */
function mayBeSetAside({ state }: Context, through: Cursor): boolean {
  const { handling, mempool } = state;
  return isAfter(endOf(mempool), through) && handling.now.aside.length < HANDLER_ASIDE_MAX;
}

/** A message is dropped from the mempool. Whether the handler never took it; of what it has in hand that shows later. */
export function isMissed({ config, state }: Context, entry: Entry): boolean {
  const { handling } = state;
  const { cursor, aside } = handling.now;
  const { underWay } = handling;
  if (!config.hasHandler) return false;
  if (aside.includes(entry.id)) {
    if (!underWay?.isAside || underWay.messages[0] !== entry.id) return true;
    underWay.dropped++;
    return false;
  }
  if (cursor !== null && !isAfter(entry, cursor)) return false;
  if (!underWay || isAfter(entry, underWay.through)) return true;
  underWay.dropped++;
  return false;
}

/** Tells of messages that expired before the handler took them. */
export function missed(context: Context, messages: number): Effect[] {
  if (messages === 0) return [];
  context.state.counters.add('handler_missed', messages);
  return [logged('handler_missed', { messages, failures: context.state.handling.failures })];
}

function read(text: string | null): Handled {
  const count = (value: unknown) => (Number.isSafeInteger(value) ? (value as number) : 0);
  try {
    const { cursor, failures, alone, most, aside } = JSON.parse(text ?? '{}') as Record<string, unknown>;
    return {
      cursor: typeof cursor === 'string' ? parseCursor(cursor) : null,
      failures: count(failures),
      alone: count(alone),
      most: count(most) || null,
      aside: Array.isArray(aside) ? aside.filter((id) => typeof id === 'string') : [],
    };
  } catch {
    // Damaged: the handler gets again what is there, which it knows by the ids.
    return { cursor: null, failures: 0, alone: 0, most: null, aside: [] };
  }
}
