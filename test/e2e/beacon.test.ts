// The beacon over a network with failures: its figures are those of the nodes themselves, and whatever becomes of it changes no delivery.
import { expect, it } from 'vitest';
import { startDeployments } from '../../bench/deployments.ts';
import { startFaulty } from '../../bench/faults.ts';
import {
  basesOf,
  broadcast,
  broadcastAt,
  eventually,
  getJson,
  inParallel,
  messagesAt,
  type Hosted,
} from '../../bench/network.ts';
import { Peers } from '../../bench/peers.ts';
import { allTrust, placesOf } from '../../bench/places.ts';

interface Detail {
  readonly members: number;
  readonly received: number;
  readonly duplicates: number;
  readonly hops_max: number;
  readonly receipts: readonly { readonly guid: number; readonly after: number; readonly hops: number }[];
  readonly missing_guids: readonly number[];
}

const detailOf = async (network: Hosted, id: string) =>
  (await getJson(`${network.url}/api/v1/beacon/messages/${id}`)) as Detail;

/** Waits until the beacon has heard of these messages from so many nodes. */
async function heardBy(network: Hosted, ids: readonly string[], count: number): Promise<Detail[]> {
  return await eventually(`${count} receipts of each`, async () => {
    const details = await inParallel(ids, (id) => detailOf(network, id));
    return details.every(({ receipts }) => receipts?.length === count) && details;
  });
}

/** Sum of a metric over nodes. */
async function total(bases: readonly string[], name: string): Promise<number> {
  const values = await inParallel(bases, async (base) => {
    const text = await (await fetch(`${base}/api/v1/metrics`)).text();
    return Number(text.split('\n').find((line) => line.startsWith(`${name} `))?.split(' ')[1] ?? 0); // prettier-ignore
  });
  return values.reduce((sum, value) => sum + value, 0);
}

/** What each node shows of each message, as the beacon should have it. */
async function shownBy(bases: readonly string[], id: string) {
  const shown = await inParallel(bases, async (base) => {
    const message = (await getJson(`${base}/api/v1/messages/${id}`)) as Record<string, number>;
    const { guid } = (await getJson(`${base}/api/v1/status`)) as { guid: number };
    const { hops = NaN, received_at: receivedAt = NaN, broadcast_timestamp: sentAt = NaN } = message;
    return { guid, hops, after: hops === 0 ? 0 : Math.max(0, Math.round((receivedAt - sentAt) * 1000)) / 1000 };
  });
  return shown.toSorted((a, b) => a.guid - b.guid);
}

const comparable = ({ receipts }: Detail) =>
  receipts.map(({ guid, hops, after }) => ({ guid, hops, after })).toSorted((a, b) => a.guid - b.guid);

it('has the nodes’ own figures after one was down, and delivers nothing less while the beacon hangs or fails', async () => {
  const network = await startFaulty(6, {
    NETWORK_SYNC_INTERVAL: '3600',
    NETWORK_SYNC_JITTER: '0',
    FANOUT: '2',
    BEACON: 'on',
  });
  const bases = basesOf(network);
  try {
    // One is down, and gets its copies later.
    await network.fault(4, 'fail');
    const missed = await inParallel([1, 2, 3], (slot) => broadcast(network, slot, { slot }));
    await heardBy(network, missed, 5);
    expect((await detailOf(network, missed[0] ?? '')).missing_guids).toHaveLength(1);
    await network.fault(4, 'off');
    const details = await heardBy(network, missed, 6);
    for (const [index, detail] of details.entries()) {
      expect(detail).toMatchObject({ members: 6, received: 6, missing_guids: [] });
      expect(comparable(detail)).toEqual(await shownBy(bases, missed[index] ?? ''));
    }

    // The beacon itself: nobody waits for it, and it hears all of it later.
    const later: string[] = [];
    for (const fault of ['hang', 'fail'] as const) {
      const before = await total(bases, 'pychain_deliveries_total{result="new"}');
      await network.fault('beacon', fault);
      const ids = await inParallel([1, 4, 6], (slot) => broadcast(network, slot, { fault }));
      await eventually('all are everywhere', async () => {
        const all = await inParallel(bases, messagesAt);
        return all.every((messages) => ids.every((id) => messages.some((message) => message.id === id)));
      });
      expect((await total(bases, 'pychain_deliveries_total{result="new"}')) - before).toBe(3 * 5);
      await eventually('nodes notice', async () => (await total(bases, 'pychain_beacon_reports_failed_total')) > 0);
      await network.fault('beacon', 'off');
      later.push(...ids);
    }
    for (const detail of await heardBy(network, later, 6)) expect(detail).toMatchObject({ members: 6, received: 6 });
    const { messages } = (await getJson(`${network.url}/api/v1/beacon/messages?limit=500`)) as { messages: Detail[] };
    const duplicates = messages.reduce((sum, message) => sum + message.duplicates, 0);
    expect(duplicates).toBe(await total(bases, 'pychain_deliveries_total{result="duplicate"}'));
  } finally {
    await network.dispose();
  }
});

it('hears from members elsewhere too, of another deployment and on servers of their own; the other deployment has none', async () => {
  const deployments = await startDeployments(2, 2, { BEACON: 'on' });
  const [first, second] = deployments;
  if (!first || !second) throw new Error('assertion failed: two deployments');
  const peers = await Peers.start(1, first.url, { BEACON: 'on' });
  try {
    const places = placesOf(deployments, peers.urls);
    await allTrust(places);
    const ids = await inParallel(places, ({ base }) => broadcastAt(base, { base }));
    for (const [index, detail] of (await heardBy(first, ids, 5)).entries()) {
      expect(detail).toMatchObject({ members: 5, received: 5 });
      expect(comparable(detail)).toEqual(await shownBy(places.map(({ base }) => base), ids[index] ?? '')); // prettier-ignore
    }
    expect((await fetch(`${second.url}/api/v1/beacon/summary`)).status).toBe(404);
  } finally {
    await peers.stop();
    await Promise.all(deployments.map((deployment) => deployment.dispose()));
  }
});
