// What the tests of the beacon share.
import { bindings, call, eventually, serve } from './support.ts';

export interface Detail {
  readonly members: number;
  readonly received: number;
  readonly missing: number;
  readonly duplicates: number;
  readonly hops_max: number;
  readonly t100: number | null;
  readonly receipts: readonly { guid: number; after: number; hops: number; from: number | null }[];
  readonly missing_guids: readonly number[];
}

export const beaconObject = () => bindings.BEACONS.get(bindings.BEACONS.idFromName('beacon'));

/** What the beacon knows of a message; null: nothing. */
export async function coverageOf(id: string): Promise<Detail | null> {
  const { status, body } = await call(`/api/v1/beacon/messages/${id}`);
  return status === 200 ? (body as Detail) : null;
}

/** Waits until the beacon has heard of a message from so many nodes. */
export async function heardBy(id: string, count: number): Promise<Detail> {
  return await eventually(`${count} receipts at the beacon`, async () => {
    const found = await coverageOf(id);
    return found?.receipts.length === count ? found : null;
  });
}

/** A figure of the beacon's own metrics. */
export async function beaconMetric(name: string): Promise<number> {
  const text = await (await serve('/api/v1/beacon/metrics')).text();
  return Number(new RegExp(`^pychain_beacon_${name} (\\S+)$`, 'm').exec(text)?.[1] ?? NaN);
}
