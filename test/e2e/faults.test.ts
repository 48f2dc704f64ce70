// Single nodes hang or fail while others broadcast: by a switch that only tests have.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Arrivals } from '../../bench/arrivals.ts';
import { startFaulty, type FaultyNetwork } from '../../bench/faults.ts';
import {
  baseOf,
  basesOf,
  broadcast,
  eventually,
  getJson,
  inParallel,
  messagesOf,
  TOKEN,
  type Message,
} from '../../bench/network.ts';
import { measureUnreachable } from '../../bench/unreachable.ts';
import { bundleWorker } from '../../src/cli/local-network.ts';
import { ALONE_PER_SECOND, RECONCILE_AFTER_MS, RECONCILE_STEP_MS } from '../../src/protocol/limits.ts';
import { seededRandom } from '../support/network.ts';

const NODES = 8;
const SLOTS = Array.from({ length: NODES }, (_, index) => index + 1);
/** Longer than messages must be old to be compared, so that each round compares all that was sent before the one before it. */
const SYNC = { NETWORK_SYNC_INTERVAL: '20', NETWORK_SYNC_JITTER: '4' };
const TWO_SYNC_INTERVALS_MS = 48_000;

/** Broadcasts from the nodes in turn until it is told to stop, and gives what was answered with 202. Who hangs holds no client up. */
async function broadcastUntil(stop: AbortSignal, network: FaultyNetwork, slots: readonly number[]): Promise<string[]> {
  const ids: string[] = [];
  for (let index = 0; !stop.aborted; index++) {
    const slot = slots[index % slots.length] ?? 1;
    const accepted = broadcast(network, slot, { index }).then(
      (id) => void ids.push(id),
      // Its node was made to fail.
      () => undefined,
    );
    await Promise.race([accepted, sleep(200)]);
  }
  return ids;
}

interface Status {
  readonly peers: Readonly<Record<string, number>>;
  /** Unix seconds. */
  readonly last_sync_at: number;
}

async function statusOf(network: FaultyNetwork, slot: number): Promise<Status> {
  return (await getJson(`${network.url}/n/${slot}/api/v1/status`)) as Status;
}

async function metric(network: FaultyNetwork, slot: number, name: string): Promise<number> {
  const text = await (await fetch(`${network.url}/n/${slot}/api/v1/metrics`)).text();
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
  return Number(line?.split(' ')[1] ?? NaN);
}

describe('nodes that hang or fail', () => {
  it('one after the other, while all broadcast: what was accepted is everywhere within two sync intervals', async () => {
    const network = await startFaulty(NODES, { ...SYNC, FANOUT: '2' });
    const random = seededRandom(11);
    const stop = new AbortController();
    const clients = [0, 3, 6].map((first) =>
      broadcastUntil(stop.signal, network, [...SLOTS.slice(first), ...SLOTS.slice(0, first)]),
    );
    try {
      for (let fault = 0; fault < 6; fault++) {
        const slot = 1 + Math.floor(random() * NODES);
        await network.fault(slot, fault % 2 === 0 ? 'hang' : 'fail');
        await sleep(500 + random() * 1_500);
        await network.fault(slot, 'off');
      }
      stop.abort();
      const ids = (await Promise.all(clients)).flat();
      expect(ids.length).toBeGreaterThan(50);
      const arrivals = new Arrivals(basesOf(network));
      const all = async () => {
        await arrivals.read();
        return arrivals.missing(ids) === 0;
      };
      await eventually('all accepted messages everywhere', all, TWO_SYNC_INTERVALS_MS);
    } finally {
      stop.abort();
      await network.dispose();
    }
  });

  it('one that was down gets every unexpired message at its next sync, though nobody owes it any', async () => {
    const network = await startFaulty(NODES, { ...SYNC, MAX_FAILURES: '1' });
    const [down, others] = [5, SLOTS.filter((slot) => slot !== 5)];
    try {
      await network.fault(down, 'hang');
      // A node that hangs keeps the cron tick from nothing: it ends while the node still does.
      const tick = network.cron().then(() => true as const);
      const expired = await inParallel(others, (slot) => broadcast(network, slot, { slot }, 1));
      await eventually('the others ignore it', async () => {
        const all = await inParallel(others, (slot) => statusOf(network, slot));
        return all.every(({ peers }) => peers['ignored'] === 1);
      });
      const ids = await inParallel([...others, ...others], (slot) => broadcast(network, slot, { slot }));
      const reachable = new Arrivals(others.map((slot) => baseOf(network, slot)));
      await eventually('the others have all', async () => {
        await reachable.read();
        return reachable.missing(ids) === 0;
      });
      // Old enough to be compared.
      await sleep(RECONCILE_AFTER_MS + RECONCILE_STEP_MS);
      expect(await eventually('the tick ends', () => Promise.race([tick, sleep(100, false)]))).toBe(true);
      const backAt = Date.now() / 1_000;
      await network.fault(down, 'off');
      const back = new Arrivals([baseOf(network, down)]);
      await eventually('it has all', async () => {
        await back.read();
        return back.missing(ids) === 0;
      });
      // Rounds are further apart than that: it was the first, which was overdue.
      const { last_sync_at: lastSync } = await statusOf(network, down);
      expect(lastSync - backAt).toBeLessThan(Number(SYNC.NETWORK_SYNC_INTERVAL));
      // And what the boot node had announced before this one was there to hear it, where not all joined at once.
      const { messages } = (await getJson(`${baseOf(network, down)}/api/v1/messages?limit=500`)) as {
        messages: Message[];
      };
      const late = messages.filter((message) => message.originator.guid === 0 && message.received_at >= backAt).length;
      const wanted = await metric(network, down, 'pychain_messages_reconciled_total{direction="wanted"}');
      expect(wanted).toBe(ids.length + late);
      expect(back.missing(expired)).toBe(expired.length);
      const own = await broadcast(network, down, { after: 'the absence' });
      await eventually('its own next message is everywhere', async () => {
        await reachable.read();
        return reachable.missing([own]) === 0;
      });
    } finally {
      await network.dispose();
    }
  });
});

it('a message that is alone gets to all who answer at once, and to one that hangs when it does not any more', async () => {
  // No sync rounds: what arrives, arrives by the queue.
  const network = await startFaulty(4, { NETWORK_SYNC_INTERVAL: '3600' });
  const at = async (slots: readonly number[], id: string) => {
    const arrivals = new Arrivals(slots.map((slot) => baseOf(network, slot)));
    await eventually(`at ${slots.join()}`, async () => {
      await arrivals.read();
      return arrivals.missing([id]) === 0;
    });
  };
  try {
    await network.fault(3, 'hang');
    // What the boot node announced at the start was a message, too.
    await sleep(4_000 / ALONE_PER_SECOND);
    const id = await broadcast(network, 1, { it: 'is alone' });
    await at([1, 2, 4], id);
    await network.fault(3, 'off');
    await at([3], id);
    expect(await messagesOf(network, 3)).toHaveLength(1);
  } finally {
    await network.dispose();
  }
});

it('nodes that fail right before a broadcast keep it from nobody else; small, `npm run unreachable` measures it', async () => {
  const options = { nodes: 12, unreachable: 3, fanout: 2, maxFailures: 1, fault: 'fail', messages: 3 } as const;
  const report = await measureUnreachable(options, seededRandom(3));
  // It ends with an error where a message does not get to all others.
  expect(report.drawn).toHaveLength(3);
  expect(report.first).toBeGreaterThan(0);
});

it('whoever asks one that hangs is told so, and may ask again: with its Idempotency-Key a message comes once', async () => {
  const network = await startFaulty(2, { NETWORK_SYNC_INTERVAL: '3600' });
  const give = () =>
    fetch(`${baseOf(network, 1)}/api/v1/messages`, {
      method: 'POST',
      headers: {
        'authorization': `Bearer ${TOKEN}`,
        'content-type': 'application/json',
        'idempotency-key': 'the same',
      },
      body: JSON.stringify({ data: { given: 'again' } }),
    });
  try {
    await network.fault(1, 'hang');
    const overdue = await give();
    expect(overdue.status).toBe(503);
    expect(await overdue.json()).toMatchObject({ type: 'urn:pychain:problem:overdue' });
    await network.fault(1, 'off');
    const again = await Promise.all([give(), give()]);
    expect(again.map(({ status }) => status)).toEqual([202, 202]);
    await eventually('it comes', async () => (await messagesOf(network, 2)).length > 0);
    expect(await messagesOf(network, 1)).toHaveLength(1);
    expect(await messagesOf(network, 2)).toHaveLength(1);
  } finally {
    await network.dispose();
  }
});

it('no deployment has the switch', async () => {
  const [product, faulty] = [await bundleWorker(), await bundleWorker(undefined, 'test/worker/faulty-worker.ts')];
  const words = /switched to (fail|hang)|\/fault\//g;
  expect(new Set(faulty.match(words)).size).toBe(2);
  expect(product.match(words)).toBeNull();
});
