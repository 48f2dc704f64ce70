// What of a node's state must outlive a crash, as one text: two are equal where nothing was lost.
import type { NodeState } from '../src/protocol/node-state.ts';
import { TIMER_KINDS } from '../src/protocol/store.ts';
import type { JsonValue } from '../src/protocol/types.ts';

/** Further than any repair is due. */
const FOR_EVER = Number.MAX_SAFE_INTEGER;

export function digest(state: NodeState): string {
  const peers = state.roster
    .sorted()
    .map(({ guid, incarnation, state: opinion, proved }): JsonValue => [guid, incarnation, opinion, proved]);
  const timers = TIMER_KINDS.map((kind) => state.timers.get(kind)?.at ?? null);
  const repairs = state.repairs.due(FOR_EVER).map(([, repair]) => `${repair.range.from}-${repair.range.to}`);
  const segments = state.mempool.seqsAfter(0);
  const messages = state.mempool.size;
  const membership = state.membership === null ? null : [state.membership.guid, state.membership.incarnation];
  return JSON.stringify({ membership, peers, timers, repairs, segments, messages, nonces: state.nonces.size });
}
