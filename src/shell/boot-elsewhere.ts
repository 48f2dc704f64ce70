// How nodes of this deployment join a boot node elsewhere.
import { JoinClient } from '../api/join-client.ts';
import type { Config } from '../config.ts';
import type { Member } from '../protocol/types.ts';

/** A node's way to the boot node of BOOT_NODE; null where this deployment hosts its own. One a node: it keeps the work that is under way. */
export function joinClient(config: Config, isOwn: (member: Member) => Promise<boolean>): JoinClient | null {
  const { bootNode, joinToken } = config;
  if (bootNode === null) return null;
  const { network, localPeers, hostedPrefix } = config.protocol;
  return new JoinClient({
    boot: bootNode,
    network,
    policy: { localPeers, hostedPrefix },
    joinToken,
    isOwn,
    fetch: (request, init) => fetch(request, init),
    now: () => Date.now(),
  });
}
