// How this deployment calls peers outside.
import { createPeerClient, type PeerClient } from '../api/peer-client.ts';
import type { Config } from '../config.ts';

/** Calls to peers outside, by this deployment's rules about addresses. */
export function peerClient(config: Config): PeerClient {
  const { network, localPeers, hostedPrefix } = config.protocol;
  return createPeerClient({
    network,
    policy: { localPeers, hostedPrefix },
    fetch: (request, init) => fetch(request, init),
    now: () => Date.now(),
  });
}
