// The API's view of the beacon of this deployment, and how its nodes reach the one that they are to tell.
import type { BeaconGateway, Gateways } from '../api/ports.ts';
import type { Config } from '../config.ts';
import { verifyCertificate } from '../crypto/signatures.ts';
import type { TellBeacon } from '../shell/beacon-reporter.ts';
import { beaconElsewhere } from '../shell/beacon-elsewhere.ts';
import type { LiveNode } from '../shell/live-node.ts';
import type { Env } from './env.ts';
import { askStream } from './stream-calls.ts';
import { beaconStub } from './stubs.ts';

/** The beacon; null where BEACON is off, or that of a deployment elsewhere. */
export function beaconGateway(env: Env, config: Config, gateways: Omit<Gateways, 'beacon'>): BeaconGateway | null {
  if (config.beacon !== 'here') return null;
  const networkKey = networkKeyOf(config, gateways);
  return {
    messages: (cursor, limit, originator) => beaconStub(env).messages(cursor, limit, originator),
    message: (id) => beaconStub(env).message(id),
    summary: () => beaconStub(env).summary(),
    samples: () => beaconStub(env).samples(),
    stream: (request) => askStream(beaconStub(env), request),
    async admit({ credential, publicKey }) {
      const key = await networkKey();
      if (key === null) return 'not-joined';
      if (credential === null) return 'unproven';
      const authority = { network: config.protocol.network, networkKey: key };
      const { guid, certificate } = credential;
      return (await verifyCertificate(authority, guid, publicKey, certificate, Date.now())) ? 'ok' : 'unproven';
    },
    hear: (report) => beaconStub(env).hear(report, false),
  };
}

/** The key of the network, asked for once: it is for ever. */
function networkKeyOf(config: Config, { boot, node }: Omit<Gateways, 'beacon'>): () => Promise<string | null> {
  let known = config.protocol.networkKey;
  return async () => {
    known ??= (await (boot ?? node(1))?.status())?.networkKey ?? null;
    return known;
  };
}

/** How a node of this deployment tells the beacon; null: nobody is told. */
export function tellBeacon(node: LiveNode, env: Env, config: Config): TellBeacon | null {
  const { beacon } = config;
  if (beacon === 'off') return null;
  if (beacon !== 'here') return beaconElsewhere(node, beacon.url, (request, init) => fetch(request, init));
  return async (report) => {
    const heard = await beaconStub(env).hear(report, true);
    if (heard === null) throw new Error('assertion failed: a node of this deployment is heard');
    return heard;
  };
}
