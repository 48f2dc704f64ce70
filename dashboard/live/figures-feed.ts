// Counters of the hosted nodes, and what the beacon says of the last hour.
import { countUp, readMetrics, type Counters } from '../state/figures.ts';
import type { Store } from '../state/store.ts';
import { askAt, metricsOf } from './api.ts';
import { overall } from './beacon.ts';
import { rest, visible } from './waiting.ts';

const POLL_MS = 15_000;
/** Nodes that are asked: more would cost more than they tell. */
const ASKED_MAX = 64;
const AT_ONCE = 4;

export async function watchFigures(store: Store, wake: EventTarget, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await visible(signal);
    const hosted = [...store.state.nodes.values()].flatMap(({ slot }) => slot ?? []);
    const [counters, hour] = await Promise.all([readAll(hosted.slice(0, ASKED_MAX)), readHour(store, signal)]);
    if (signal.aborted) return;
    store.dispatch({ type: 'figures', figures: { hour, counted: countUp(counters, hosted.length) } });
    await rest(hosted.length === 0 ? 1_000 : POLL_MS, wake, signal);
  }
}

async function readAll(slots: readonly number[]): Promise<Counters[]> {
  const all: Counters[] = [];
  const queue = slots.values();
  const ask = async () => {
    for (const slot of queue) {
      // One that does not answer is left out, and not counted among those that were asked.
      const text = await metricsOf(slot).catch(() => null);
      if (text !== null) all.push(readMetrics(text));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, ask));
  return all;
}

async function readHour(store: Store, signal: AbortSignal) {
  if (store.state.source !== 'beacon') return null;
  try {
    const { hour } = await askAt(null, '/beacon/summary', overall, { signal });
    return hour;
  } catch {
    // The line shows that it is away.
    return store.state.figures?.hour ?? null;
  }
}
