// How a deployment, or a node that has a process of its own, calls peers outside.
import { createPeerClient, type PeerClient, type PeerClientOptions } from '../api/peer-client.ts';
import type { Config } from '../config.ts';

/** Calls to peers outside, by the operator's rules about addresses. */
export function peerClient(
  config: Config,
  call: PeerClientOptions['fetch'] = (request, init) => fetch(request, init),
): PeerClient {
  const { network, localPeers, hostedPrefix } = config.protocol;
  return createPeerClient({
    network,
    policy: { localPeers, hostedPrefix },
    fetch: call,
    now: () => Date.now(),
  });
}
