// Known bugs, put around the code under test: the simulator is worth what it finds of them. Each is made anew for each seed.
import type { Effect, Input } from '../src/protocol/effects.ts';
import { decodeStored, DEAD_PEER, eventOf, isGuid, PEER_LEAVING } from '../src/protocol/message.ts';
import type { NodeState } from '../src/protocol/node-state.ts';
import type { NodeStore, TextTable } from '../src/protocol/store.ts';
import type { Guid } from '../src/protocol/types.ts';
import { onlyMe } from '../src/protocol/tree.ts';
import { createMemoryBootStore } from '../src/store/memory-store.ts';
import type { Hooks } from './hooks.ts';
import type { Random } from './random.ts';

export interface Mutation {
  readonly name: string;
  readonly hooks: () => Hooks;
}

/** Mutations of which one time in so many goes wrong. */
const SELDOM = 0.2;

/** A store that does not write what it is told to write to one table. */
function withTable(table: 'repairs' | 'roster', wrap: (rows: TextTable) => TextTable): Hooks {
  return { store: (store) => ({ ...store, [table]: wrap(store[table]) }) };
}

const forgets = (rows: TextTable): TextTable => ({
  all: () => rows.all(),
  put: () => undefined,
  delete: (id) => rows.delete(id),
});

/** The message is known by memory alone: after a restart it is new again. */
function dropsSegments(store: NodeStore, random: Random): NodeStore {
  const { segments } = store;
  return {
    ...store,
    segments: {
      index: () => segments.index(),
      body: (seq) => segments.body(seq),
      append: (row) => (random.chance(SELDOM) ? undefined : segments.append(row)),
      replace: (seq, row) => {
        segments.delete(seq);
        if (!random.chance(SELDOM)) segments.append(row);
      },
      delete: (seq) => segments.delete(seq),
    },
  };
}

function forgetsTimers(store: NodeStore): NodeStore {
  const { timers } = store;
  return { ...store, timers: { all: () => timers.all(), set: () => undefined, delete: (kind) => timers.delete(kind) } };
}

/** Writes stay where a transaction throws. */
function neverRollsBack(store: NodeStore): NodeStore {
  return {
    ...store,
    transaction(body, note) {
      let failure: { readonly cause: unknown } | null = null;
      const result = store.transaction(() => {
        try {
          return body();
        } catch (cause) {
          failure = { cause };
          return null;
        }
      }, note);
      if (failure !== null) throw (failure as { readonly cause: unknown }).cause;
      return result as ReturnType<typeof body>;
    },
  };
}

/** A note tells of the message that it comes with. */
function notesTooMuch(store: NodeStore): NodeStore {
  const raised = (note: string) => {
    const { settled, ...counters } = JSON.parse(note) as { readonly settled: number };
    return JSON.stringify({ ...counters, settled: settled + 1 });
  };
  return { ...store, notes: () => store.notes().map(raised) };
}

/** What waits for more counts as handed over. */
function forgetsToWait(_input: Input, state: NodeState): void {
  if (state.lingers) state.settle(state.mempool.lastSeq);
}

function dropsTheDead(input: Input, state: NodeState): void {
  for (const guid of named(DEAD_PEER, input)) state.roster.drop(guid);
}

function letsGo(input: Input, state: NodeState): void {
  for (const guid of named(PEER_LEAVING, input)) state.roster.left(guid, Number.MAX_SAFE_INTEGER, 0);
}

/** Of whom the deliveries' events of this name tell. */
function named(name: string, input: Input): Guid[] {
  if (input.type !== 'deliver') return [];
  return input.deliveries.flatMap(({ body }) => {
    const event = eventOf(decodeStored(body)?.data ?? {});
    const guid = event?.name === name ? event.args['guid'] : null;
    return isGuid(guid) ? [guid] : [];
  });
}

function forgetsDebts(_input: Input, state: NodeState): void {
  if (state.leftAt === null) return;
  state.settle(state.mempool.lastSeq);
  state.noteSettled();
  for (const [row] of state.repairs.due(Infinity)) state.repairs.remove(row);
}

/** The first time that it matters: after that all is as it should be. */
function once<T>(isIt: (value: T) => boolean): (value: T) => boolean {
  let isDone = false;
  return (value) => {
    if (isDone || !isIt(value)) return false;
    isDone = true;
    return true;
  };
}

function losesAnAlarm(): Hooks {
  const isLost = once((at: number | null) => at !== null);
  return { noCron: true, alarm: (at, random) => random.chance(1 - SELDOM) || !isLost(at) };
}

function losesAHandover(): Hooks {
  const isLost = once((effect: Effect) => effect.type === 'hand-over');
  return { effect: (effect, random) => (random.chance(SELDOM) && isLost(effect) ? null : effect) };
}

export const MUTATIONS: readonly Mutation[] = [
  { name: 'the store forgets repairs', hooks: () => withTable('repairs', forgets) },
  { name: 'the store forgets peers', hooks: () => withTable('roster', forgets) },
  { name: 'the store forgets timers', hooks: () => ({ store: forgetsTimers }) },
  { name: 'a message is noted as seen before it is stored', hooks: () => ({ store: dropsSegments }) },
  { name: 'a failed transaction is not rolled back', hooks: () => ({ store: neverRollsBack }) },
  { name: 'a handover is lost without a word', hooks: losesAHandover },
  { name: 'an alarm is lost, and nobody looks after it', hooks: losesAnAlarm },
  {
    name: 'the queue is believed to have jobs that it refused',
    hooks: () => ({
      input: (input) => (input.type === 'handover-failed' ? { type: 'handed-over', id: input.id } : input),
    }),
  },
  { name: 'the boot node forgets allocations on a restart', hooks: () => ({ bootReopened: createMemoryBootStore }) },
  { name: 'DEAD_PEER is believed', hooks: () => ({ handled: dropsTheDead }) },
  { name: 'the consumer acknowledges before it delivers', hooks: () => ({ acksFirst: true }) },
  { name: 'what a first attempt left is forgotten', hooks: () => ({ forgetsLeft: true }) },
  { name: 'a first attempt counts as done when it begins', hooks: () => ({ settlesFirst: true }) },
  { name: 'a message counts as handed over when it is stored', hooks: () => ({ store: notesTooMuch }) },
  { name: 'what lingers counts as handed over', hooks: () => ({ handled: forgetsToWait }) },
  {
    name: 'a failover forgets the range',
    hooks: () => ({ told: (legs) => legs.map((leg) => ({ ...leg, range: onlyMe(leg.to) })) }),
  },
  {
    name: 'a sender is not told of what was not delivered',
    hooks: () => ({ input: (input) => (input.type === 'undeliverable' ? { ...input, legs: [] } : input) }),
  },
  { name: 'PEER_LEAVING is believed of anybody', hooks: () => ({ handled: letsGo }) },
  { name: 'a leaver forgets what it owes', hooks: () => ({ handled: forgetsDebts }) },
  { name: 'signatures are not looked at', hooks: () => ({ believesAll: true }) },
];
