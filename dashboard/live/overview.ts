// Who is there: the roster of one hosted node, asked again and again while somebody looks.
import type { Member, NodeStatus } from '../../src/client/client.ts';
import type { Store } from '../state/store.ts';
import { clientOf, isProblem, reasonOf } from './api.ts';
import { paceOf } from './pace.ts';
import { rest, visible } from './waiting.ts';

/** Pause between two questions, milliseconds, and the same where a roster has many pages. */
const POLL_MS = 4_000;
const POLL_LARGE_MS = 15_000;
const LARGE = 128;
/** Until anything has answered. */
const POLL_LOST_MS = 2_000;
/** Slots that are tried before the page says that nobody answers. */
const SLOTS_TRIED = 4;

export async function watchRoster(store: Store, wake: EventTarget, signal: AbortSignal): Promise<void> {
  let last = 1;
  while (!signal.aborted) {
    await visible(signal);
    const found = await readRoster(last, signal);
    if (signal.aborted) return;
    if (found.ok) {
      const { slot, status, members } = found;
      last = slot ?? last;
      store.dispatch({ type: 'roster', status, prefix: prefixOf(status, slot), members });
    } else store.dispatch({ type: 'roster-failed', fault: found.fault });
    const size = store.state.nodes.size;
    const usual = !found.ok || size === 0 ? POLL_LOST_MS : size > LARGE ? POLL_LARGE_MS : POLL_MS;
    await rest(paceOf(location.search, usual), wake, signal);
  }
}

type Found =
  | {
      readonly ok: true;
      readonly slot: number | null;
      readonly status: NodeStatus;
      readonly members: readonly Member[];
    }
  | { readonly ok: false; readonly fault: string };

/** Asks the node that answered the last time, then the first ones; where none has joined, or none is hosted here, the boot node. */
async function readRoster(last: number, signal: AbortSignal): Promise<Found> {
  let fault = 'No node answers.';
  const slots = new Set<number | null>([last, ...Array.from({ length: SLOTS_TRIED }, (_, index) => index + 1), null]);
  for (const slot of slots) {
    const client = clientOf(slot);
    try {
      const status = await client.status({ signal });
      const members: Member[] = [];
      for await (const member of client.members({ signal })) members.push(asItIs(member, status));
      return { ok: true, slot, status, members };
    } catch (error) {
      if (signal.aborted) return { ok: false, fault };
      // That there is no such node, or none yet, says less than what another one answers.
      if (!isProblem(error, 'no-such-slot', 'no-boot-node')) fault = reasonOf(error);
    }
  }
  return { ok: false, fault };
}

/** A node is always alive to itself, even when it has left. */
function asItIs(member: Member, { guid, left_at: leftAt }: NodeStatus): Member {
  return member.guid === guid && leftAt !== null ? { ...member, state: 'left' } : member;
}

/** What the addresses of this deployment's nodes begin with, as the node says. */
function prefixOf({ address }: NodeStatus, slot: number | null): string | null {
  const end = `/${slot}`;
  return slot !== null && address.endsWith(end) ? address.slice(0, -end.length + 1) : null;
}
