// The node that was chosen, as it sees itself.
import { PychainError } from '../../src/client/error.ts';
import type { Member } from '../../src/client/client.ts';
import type { Store } from '../state/store.ts';
import { clientOf, reasonOf } from './api.ts';
import { paceOf } from './pace.ts';
import { rest } from './waiting.ts';

const POLL_MS = 5_000;
const POLL_LARGE_MS = 20_000;
const LARGE = 128;

/** Asks it again and again, until the signal. */
export async function inspectNode(store: Store, guid: number, wake: EventTarget, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    // It may be known a moment later, from a link to it.
    const slot = store.state.nodes.get(guid)?.slot ?? null;
    if (slot !== null) await look(store, guid, slot, signal);
    const size = store.state.inspection?.roster.length ?? 0;
    await rest(paceOf(location.search, size > LARGE ? POLL_LARGE_MS : POLL_MS), wake, signal);
  }
}

async function look(store: Store, guid: number, slot: number, signal: AbortSignal): Promise<void> {
  const client = clientOf(slot);
  const before = store.state.inspection;
  try {
    const status = await client.status({ signal });
    const roster: Member[] = [];
    for await (const member of client.members({ signal })) if (member.guid !== guid) roster.push(member);
    store.dispatch({ type: 'inspection', inspection: { guid, status, roster, fault: null } });
  } catch (error) {
    if (signal.aborted) return;
    const fault = error instanceof PychainError ? reasonOf(error) : String(error);
    const { status = null, roster = [] } = before ?? {};
    store.dispatch({ type: 'inspection', inspection: { guid, status, roster, fault } });
  }
}
