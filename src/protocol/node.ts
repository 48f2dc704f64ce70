// The node machine: what a node does, as a function of what it knows and what comes in. Synchronous, total, no IO: what a peer
// sends never makes it throw; a bug of ours asserts, and the driver rolls the transaction back. The rules are in the files
// that it composes; they do not know each other.
import { admitCall } from './calls.ts';
import { ID_CHARS_LOGGED } from './log-events.ts';
import {
  logged,
  type Context,
  type Effect,
  type Input,
  type Outcome,
  type Reply,
  type SignedOrigination,
} from './effects.ts';
import { onEvents } from './events.ts';
import { expire } from './expiry.ts';
import { handedOver, handOver, handoverFailed, settle, undeliverable } from './forwarding.ts';
import { callHandler, handled, handlerFailed } from './handling.ts';
import { comeBack, leave, leftRound } from './leaving.ts';
import {
  catchUp,
  joinAccepted,
  joinFailed,
  lookUpAt,
  startJoin,
  syncAnswered,
  syncAsked,
  syncFailed,
  syncRound,
} from './membership.ts';
import type { Message } from './message.ts';
import { originate } from './originating.ts';
import { probeAnswered, probeFailed, probeRefused, reached } from './probing.ts';
import { receive } from './receiving.ts';
import type { TimerKind } from './store.ts';

/** An alarm that is later than this is a sign that the node itself is not well (guess). */
const LATE_MS = 10_000;

/** Ids in a log line. */
const LOGGED_IDS_MAX = 8;

export interface Handled {
  readonly reply: Reply;
  readonly effects: readonly Effect[];
}

/** One step of a node, inside one transaction of its store. */
export function handle(context: Context, input: Input): Handled {
  const { state } = context;
  const lost =
    state.rosterDamaged && state.leftAt === null && input.type !== 'join-accepted' && state.timers.get('join') === null;
  const repair = lost ? startJoin(context) : [];
  const reacted = react(context, input);
  const effects = [
    ...state.damage.splice(0),
    ...repair,
    ...reacted.effects,
    ...handOver(context),
    ...callHandler(context),
  ];
  armRepairTimer(context);
  state.roster.flush();
  state.flushSeen();
  return { reply: reacted.reply, effects };
}

function react(context: Context, input: Input): Handled {
  const { state } = context;
  switch (input.type) {
    case 'wake':
      return silently(wake(context));
    case 'alarm':
      if (context.now - (state.timers.earliest() ?? context.now) > LATE_MS) state.health.failed();
      return silently(
        state.timers.due(context.now).flatMap((kind) => (isDue(context, kind) ? onTimer(context, kind) : [])),
      );
    case 'join-accepted':
      return silently(joinAccepted(context, input.joined));
    case 'join-failed':
      return silently(joinFailed(context, input.reason));
    case 'originate':
      return take(context, input.originations);
    case 'leave': {
      const { result, effects } = leave(context, input.farewell);
      return { reply: { type: 'left', result }, effects };
    }
    case 'return':
      return silently(comeBack(context));
    case 'deliver':
      return deliver(context, input);
    case 'sync-asked': {
      const { answer, effects } = syncAsked(context, input.request, input.caller);
      return { reply: { type: 'sync', answer }, effects };
    }
    case 'sync-answered':
      return silently(syncAnswered(context, input.guid, input.answer));
    case 'sync-failed':
      return silently(syncFailed(context, input.guid, input.reason));
    case 'call': {
      const { verdict, effects } = admitCall(context, input.call);
      return { reply: { type: 'call', verdict }, effects };
    }
    case 'probe-answered':
      return silently(probeAnswered(context, input.guid, input.capabilities, input.certificate));
    case 'probe-failed':
      return silently(probeFailed(context, input.guid, input.reason));
    case 'probe-refused':
      return silently(probeRefused(context, input.guid, input.fault));
    case 'reached':
      return silently(reached(context, input.guid));
    case 'handed-over':
      return silently(handedOver(context, input.id));
    case 'settle':
      return silently(settle(context, input.isLast));
    case 'lingered':
      state.lingers = false;
      return silently([]);
    case 'handover-failed':
      return silently(handoverFailed(context, input.id, input.reason));
    case 'handled':
      return silently(handled(context, input.through));
    case 'handler-failed':
      return silently(handlerFailed(context, input.through, input.reason));
    case 'undeliverable':
      return silently(undeliverable(context, input.legs, input.reason));
  }
}

function deliver(context: Context, input: Extract<Input, { type: 'deliver' }>): Handled {
  // Not answered: whoever sent it turns to the next.
  if (context.state.leftAt !== null) return silently([]);
  const { outcomes, fresh, repeated, effects } = receive(context, input.deliveries, input.bringer);
  // Before the legs are computed: a delegate must know the members that the message tells of.
  const events = onEvents(context, fresh);
  const lookUp = input.bringer?.checks.includes('unknown-originator') ? lookUpAt(context, input.bringer.guid) : [];
  const sync = [...(input.newest ? catchUp(context, input.newest) : []), ...lookUp];
  return {
    reply: { type: 'delivered', outcomes, repeated },
    effects: [...effects, ...events, ...sync, summary(outcomes, fresh)],
  };
}

/** A member without a sync timer would never speak again: whatever lost it, a wake brings it back. */
function wake(context: Context): Effect[] {
  const { state, now } = context;
  const joining = startJoin(context);
  if (state.guid === null || (state.leftAt !== null && state.mempool.size === 0)) return joining;
  if (!state.timers.get('sync')) state.timers.set('sync', now, now);
  return joining;
}

/** Whether a timer is still due: another one that rang with it may have done its work, and set it anew. */
function isDue({ state, now }: Context, kind: TimerKind): boolean {
  return (state.timers.get(kind)?.at ?? Infinity) <= now;
}

function onTimer(context: Context, kind: TimerKind): Effect[] {
  const { state } = context;
  switch (kind) {
    case 'join':
      // Whatever was under way took too long.
      state.timers.clear('join');
      state.joining = false;
      return startJoin(context);
    case 'sync':
      if (state.leftAt !== null) return leftRound(context);
      // Expiry rides on the sync rounds: a timer of its own would cost rows, and being late costs nothing.
      return [...expire(context), ...startJoin(context), ...syncRound(context)];
    case 'outbox':
    case 'repair':
    case 'handler':
    case 'aside':
      // handle() hands over what is due after every input.
      state.timers.clear(kind);
      return [];
  }
}

function armRepairTimer(context: Context): void {
  const { state, now } = context;
  // While a handover or a catch-up is under way, or a retry waits for its timer, what is due goes with what comes of that.
  if (state.handover !== null || state.catchingUp !== null || state.timers.get('outbox')) return;
  const next = state.repairs.nextDue();
  if (next !== null) state.timers.setBy('repair', next, now);
}

function take(context: Context, originations: readonly SignedOrigination[]): Handled {
  const taken = originate(context, originations);
  const effects = taken.ok ? [logged('originated', { ids: shortIds(taken.value.map(({ id }) => id)) })] : [];
  return { reply: { type: 'originated', taken }, effects };
}

/** One line a batch, not one a message: the first few ids make it possible to follow a message. */
function summary(outcomes: readonly Outcome[], fresh: readonly Message[]): Effect {
  const counts = { new: 0, duplicate: 0, rejected: 0, busy: 0 };
  for (const outcome of outcomes) counts[outcome]++;
  const ids = shortIds(fresh.map(({ id }) => id));
  return logged(counts.busy > 0 ? 'received_busy' : 'received', { ...counts, ids });
}

function shortIds(ids: readonly string[]): string[] {
  return ids.slice(0, LOGGED_IDS_MAX).map((id) => id.slice(0, ID_CHARS_LOGGED));
}

function silently(effects: readonly Effect[]): Handled {
  return { reply: { type: 'none' }, effects };
}
