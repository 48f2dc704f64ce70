// The API's view of this deployment: gateways over Durable Object calls.
import { waitUntil } from 'cloudflare:workers';
import type { Gateways } from '../api/ports.ts';
import type { Config } from '../config.ts';
import { bootGateway } from '../shell/boot-gateway.ts';
import { nodeGateway } from '../shell/node-calls.ts';
import { peerClient } from '../shell/outside.ts';
import { beaconGateway } from './beacon-gateway.ts';
import { bootFacade } from './boot-facade.ts';
import type { Env } from './env.ts';
import { askStream } from './stream-calls.ts';
import { nodeStub } from './stubs.ts';

/** Gateways to the nodes of this deployment. */
export function createGateways(env: Env, config: Config): Gateways {
  const boot = bootFacade(env);
  const gateways = {
    boot:
      config.bootNode === null
        ? bootGateway({
            boot,
            config,
            client: peerClient(config),
            hasBeacon: config.beacon === 'here',
            // Where it is lost, cron does it.
            announce: () => waitUntil(boot.announcePatiently(env.DELIVERIES).catch(() => undefined)),
          })
        : null,
    node: (slot: number) => {
      if (!Number.isInteger(slot) || slot < 1 || slot > config.nodeCount) return null;
      const stub = nodeStub(env, slot);
      return nodeGateway(stub, (request) => askStream(stub, request));
    },
  };
  return { ...gateways, beacon: beaconGateway(env, config, gateways) };
}
