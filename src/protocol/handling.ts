// Handing messages to the application: every message that comes to this node, in the order of arrival, at least once. One batch is under way at a
// time; where it fails it is tried again after a growing pause, half as large each time, so that one message that the handler cannot take keeps no
// others with it. The network waits for none of this. A message that expires before it was taken is counted, and told of.
import { backoffMs } from './backoff.ts';
import { logged, type Context, type Effect } from './effects.ts';
import { HANDLER_CHARS_MAX, HANDLER_MESSAGES_MAX } from './limits.ts';
import type { Entry } from './mempool.ts';
import { endOf, formatCursor, isAfter, parseCursor, readOn, startOf, type Cursor } from './reading.ts';
import type { MetaTable } from './store.ts';

/** Meta key: what the handler has taken, and how often it failed since. */
const HANDLED_KEY = 'handled';

/** Halvings of a batch, and doublings of a pause, that make a difference. */
const FAILURES_MAX = 20;

/** The batch that the handler has now. */
interface UnderWay {
  readonly through: Cursor;
  /** Messages before its end that had expired when it was made. */
  readonly expired: number;
  /** Messages before its end that the mempool has dropped since: missed, where the handler does not take the batch. */
  dropped: number;
}

/** What is kept of a node's handler. */
export class Handling {
  readonly #meta: MetaTable;
  #cursor: Cursor | null;
  #failures: number;
  /** Forgotten by a crash: then the batch is handed over again. */
  underWay: UnderWay | null = null;

  constructor(meta: MetaTable) {
    this.#meta = meta;
    const { cursor, failures } = read(meta.get(HANDLED_KEY));
    this.#cursor = cursor;
    this.#failures = failures;
  }

  /** The handler has taken everything up to here; null: it was never given anything. */
  get cursor(): Cursor | null {
    return this.#cursor;
  }

  get failures(): number {
    return this.#failures;
  }

  /** One row. */
  note(cursor: Cursor | null, failures: number): void {
    this.#cursor = cursor;
    this.#failures = Math.min(failures, FAILURES_MAX);
    const text = cursor === null ? null : formatCursor(cursor);
    this.#meta.set(HANDLED_KEY, JSON.stringify({ cursor: text, failures: this.#failures }));
  }
}

/** At the end of each input: gives the handler what it has not taken, unless it has a batch or is to be left alone for a while. */
export function callHandler(context: Context): Effect[] {
  const { state, config, now } = context;
  const { handling, mempool } = state;
  if (!config.hasHandler || handling.underWay !== null || state.timers.get('handler')) return [];
  const after = handling.cursor ?? startOf(mempool);
  if (!isAfter(endOf(mempool), after) && !isAfter(after, endOf(mempool))) return [];
  const bounds = { messages: Math.max(1, HANDLER_MESSAGES_MAX >> handling.failures), chars: HANDLER_CHARS_MAX };
  const { messages, cursor, expired } = readOn(mempool, after, bounds, now, null);
  if (messages.length > 0) {
    handling.underWay = { through: cursor, expired, dropped: 0 };
    return [{ type: 'handle', messages, through: formatCursor(cursor) }];
  }
  // All of it has expired; what may follow is for the next input.
  handling.note(cursor, handling.failures);
  return missed(context, expired);
}

/** The handler took a batch. */
export function handled(context: Context, through: string): Effect[] {
  const { handling } = context.state;
  const { underWay, failures } = handling;
  if (!underWay || formatCursor(underWay.through) !== through) return [];
  handling.underWay = null;
  handling.note(underWay.through, 0);
  context.state.counters.add('handler_batches');
  const well = failures > 0 ? [logged('handler_well_again', { failures })] : [];
  return [...well, ...missed(context, underWay.expired)];
}

/** The handler did not take it. */
export function handlerFailed(context: Context, through: string, reason: string): Effect[] {
  const { state, now, rng } = context;
  const { handling } = state;
  const { underWay } = handling;
  if (!underWay || formatCursor(underWay.through) !== through) return [];
  handling.underWay = null;
  const pause = backoffMs(handling.failures, rng);
  handling.note(handling.cursor, handling.failures + 1);
  state.timers.set('handler', now + pause, now);
  state.counters.add('handler_failures');
  const fields = { reason, failures: handling.failures, retry_in: pause / 1000 };
  return [logged('handler_failed', fields), ...missed(context, underWay.dropped)];
}

/** A message is dropped from the mempool. Whether the handler never took it; of what it has in hand that shows later. */
export function isMissed({ config, state }: Context, entry: Entry): boolean {
  const { cursor, underWay } = state.handling;
  if (!config.hasHandler || (cursor !== null && !isAfter(entry, cursor))) return false;
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

function read(text: string | null): { readonly cursor: Cursor | null; readonly failures: number } {
  try {
    const { cursor, failures } = JSON.parse(text ?? '{}') as { readonly cursor?: string; readonly failures?: number };
    return { cursor: parseCursor(cursor ?? ''), failures: Number.isSafeInteger(failures) ? (failures ?? 0) : 0 };
  } catch {
    // Damaged: the handler gets again what is there, which it knows by the ids.
    return { cursor: null, failures: 0 };
  }
}
