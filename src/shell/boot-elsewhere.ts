// How nodes of this deployment join a boot node elsewhere.
import { JoinClient } from '../api/join-client.ts';
import type { Config } from '../config.ts';
import type { Member } from '../protocol/types.ts';
import type { LiveNode } from './live-node.ts';
import type { Outlets } from './node-effects.ts';

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

/** What a node asks of a boot node elsewhere, which sees to announcements by itself. */
export function bootElsewhere(
  node: LiveNode,
  { protocol }: Config,
  client: JoinClient,
): Pick<Outlets, 'join' | 'depart'> {
  return {
    async join() {
      const { signer, self: record } = node.identity;
      const { membership } = node.running().state;
      const networkKey = protocol.networkKey ?? membership?.networkKey ?? null;
      return await client.join({ signer, record, isMember: membership !== null, networkKey });
    },
    depart: () => client.depart(node.identity.signer, node.identity.self.incarnation),
  };
}
