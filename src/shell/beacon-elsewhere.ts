// How a node tells a beacon in another deployment.
import { tellBeaconAt } from '../api/beacon-client.ts';
import type { PeerClientOptions } from '../api/peer-client.ts';
import type { TellBeacon } from './beacon-reporter.ts';
import type { LiveNode } from './live-node.ts';

/** Tells the beacon of the deployment at `url`, in the name of a node. */
export function beaconElsewhere(node: LiveNode, url: string, call: PeerClientOptions['fetch']): TellBeacon {
  return async (report) => {
    const from = node.caller();
    if (!from) throw new Error('without a certificate of its own');
    return await tellBeaconAt(url, report, from, call);
  };
}
