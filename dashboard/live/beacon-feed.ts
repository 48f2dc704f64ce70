// Receipts as the beacon hears them. What is cut is taken up again where it ended; what was forgotten meanwhile is read from its list.
import type { Store } from '../state/store.ts';
import { askAt, isProblem, origin } from './api.ts';
import { overall, readBeaconFrame, summaryPage, type BeaconFrame } from './beacon.ts';
import { listen } from './connection.ts';
import { Retry } from './retry.ts';
import { rest } from './waiting.ts';

const HISTORY = 50;

/** Whether there is a beacon here. Rejects where nothing answers. */
export async function hasBeacon(signal: AbortSignal): Promise<boolean> {
  try {
    await askAt(null, '/beacon/summary', overall, { signal });
    return true;
  } catch (error) {
    if (isProblem(error, 'no-beacon', 'not-found', 'no-boot-node')) return false;
    throw error;
  }
}

/** Follows the stream until the signal. */
export async function followBeacon(store: Store, wake: EventTarget, signal: AbortSignal): Promise<void> {
  const retry = new Retry();
  let cursor: string | null = null;
  const take = (frame: BeaconFrame) => {
    if (frame.type === 'hello' || frame.type === 'receipts') {
      if (frame.type === 'hello' && cursor === null) void readHistory(store, signal);
      cursor = frame.cursor;
    }
    if (frame.type === 'receipts') store.dispatch({ type: 'receipts', messages: frame.messages.filter(isBroadcast) });
    else if (frame.type === 'members') store.dispatch({ type: 'states', states: frame.members });
    else if (frame.type === 'gap') void readHistory(store, signal);
  };
  while (!signal.aborted) {
    store.dispatch({ type: 'link', link: { status: 'connecting' } });
    // At first only what comes from now on: what was before is read from the list.
    const query = `?cursor=${encodeURIComponent(cursor ?? 'now')}`;
    // Some networks let no WebSocket through.
    const transport = retry.failures % 4 === 3 ? 'events' : 'websocket';
    const listener = {
      opened: () => {
        retry.opened(Date.now());
        store.dispatch({ type: 'link', link: { status: 'open' } });
      },
      heard: (text: string) => {
        const frame = readBeaconFrame(text);
        if (frame) take(frame);
        // What is not acknowledged the beacon keeps back.
        return frame?.type === 'receipts' ? JSON.stringify({ ack: frame.cursor }) : null;
      },
    };
    const reason = await listen(`${origin()}/api/v1/beacon/stream${query}`, transport, listener, signal);
    if (signal.aborted) return;
    const ms = retry.cut(Date.now());
    store.dispatch({ type: 'link', link: { status: 'cut', reason, retryAt: Date.now() + ms } });
    await rest(ms, wake, signal);
  }
}

async function readHistory(store: Store, signal: AbortSignal): Promise<void> {
  try {
    const { messages } = await askAt(null, `/beacon/messages?limit=${HISTORY}`, summaryPage, { signal });
    store.dispatch({ type: 'summaries', summaries: messages.filter(isBroadcast) });
  } catch {
    // The stream goes on without it; it is asked for again after the next gap.
  }
}

/** The boot node's announcements are of no interest here. */
function isBroadcast({ originator }: { readonly originator: number }): boolean {
  return originator !== 0;
}
