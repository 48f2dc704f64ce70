// A hosted node's way to the boot node of its network: by RPC where this deployment hosts it, over HTTP where it is elsewhere.
import type { JoinClient, JoinFault } from '../api/join-client.ts';
import type { Config } from '../config.ts';
import type { Surveyed } from '../protocol/boot-survey.ts';
import type { Driver } from '../protocol/driver.ts';
import type { Joined } from '../protocol/effects.ts';
import { err, type Member, type Result } from '../protocol/types.ts';
import { joinClient } from '../shell/boot-elsewhere.ts';
import type { Identity } from '../shell/identity.ts';
import { withTimeout } from '../shell/timeout.ts';
import { bootFacade } from './boot-facade.ts';
import type { Env } from './env.ts';

const JOIN_TIMEOUT_MS = 10_000;

/** What is asked of the node that joins. */
export interface JoiningNode {
  readonly env: Env;
  readonly config: Config;
  own(): Identity;
  running(): Driver;
  /** What it holds of its membership, for a boot object that may have lost its own. */
  tenure(): Promise<Surveyed>;
  /** Whether a told member at an address of this deployment is the node that is there. */
  isSibling(member: Member): Promise<boolean>;
}

export interface BootAccess {
  /** One attempt to join, or to join again. */
  join(): Promise<Result<Joined, JoinFault>>;
  /** Has members told of who joined; nothing to do where the boot node elsewhere sees to that. */
  announce(): Promise<void>;
  /** Says that the node leaves, so that newcomers are not told of it. */
  depart(): Promise<void>;
}

/** The way that the configuration wants. */
export function bootAccess(node: JoiningNode): BootAccess {
  const client = joinClient(node.config, (member) => node.isSibling(member));
  return client ? elsewhere(node, client) : hosted(node);
}

function hosted({ env, own, tenure }: JoiningNode): BootAccess {
  return {
    async join() {
      const joined = await withTimeout(bootFacade(env).joinHosted(await tenure()), JOIN_TIMEOUT_MS, 'join');
      if (joined.ok) return joined;
      const { reason } = joined.error;
      return err({ reason, above: reason === 'stale-record' ? joined.error.incarnation : null });
    },
    announce: () => bootFacade(env).announceSoon(env.DELIVERIES),
    depart: () => bootFacade(env).depart(own().self.publicKey, own().self.incarnation),
  };
}

function elsewhere({ config, own, running }: JoiningNode, client: JoinClient): BootAccess {
  return {
    async join() {
      const { signer, self: record } = own();
      const { membership } = running().state;
      const networkKey = config.protocol.networkKey ?? membership?.networkKey ?? null;
      return await client.join({ signer, record, isMember: membership !== null, networkKey });
    },
    announce: async () => undefined,
    depart: () => client.depart(own().signer, own().self.incarnation),
  };
}
