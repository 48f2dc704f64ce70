// A hosted node's way to the boot node of its network: by RPC where this deployment hosts it, over HTTP where it is elsewhere.
import type { Config } from '../config.ts';
import { err, type Member } from '../protocol/types.ts';
import { bootElsewhere, joinClient } from '../shell/boot-elsewhere.ts';
import type { LiveNode } from '../shell/live-node.ts';
import type { Outlets } from '../shell/node-effects.ts';
import { withTimeout } from '../shell/timeout.ts';
import { bootFacade } from './boot-facade.ts';
import type { Env } from './env.ts';

const JOIN_TIMEOUT_MS = 10_000;

/** What a node asks of its boot node. */
export type BootAccess = Pick<Outlets, 'join' | 'announce' | 'depart'>;

/** The way that the configuration wants. `isSibling`: see LiveNodeHost. */
export function bootAccess(
  node: LiveNode,
  env: Env,
  config: Config,
  isSibling: (member: Member) => Promise<boolean>,
): BootAccess {
  const client = joinClient(config, isSibling);
  return client ? bootElsewhere(node, config, client) : hosted(node, env);
}

function hosted(node: LiveNode, env: Env): BootAccess {
  return {
    async join() {
      const joined = await withTimeout(bootFacade(env).joinHosted(await node.tenure()), JOIN_TIMEOUT_MS, 'join');
      if (joined.ok) return joined;
      const { reason } = joined.error;
      return err({ reason, above: reason === 'stale-record' ? joined.error.incarnation : null });
    },
    announce: () => bootFacade(env).announceSoon(env.DELIVERIES),
    depart: () => bootFacade(env).depart(node.identity.self.publicKey, node.identity.self.incarnation),
  };
}
