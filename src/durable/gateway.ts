// The API's view of this deployment: gateways over Durable Object calls.
import type { BootGateway, Gateways, NodeGateway, SeedMessage } from '../api/ports.ts';
import type { Config } from '../config.ts';
import { composeMessage } from '../protocol/message.ts';
import { CAPABILITIES } from '../protocol/limits.ts';
import { BOOT_GUID } from '../protocol/types.ts';
import { bootFacade } from './boot-facade.ts';
import type { Env } from './env.ts';
import { nodeStub } from './stubs.ts';

/** Gateways to the nodes of this deployment. */
export function createGateways(env: Env, config: Config): Gateways {
  return {
    boot: bootGateway(env, config),
    node: (slot) => (Number.isInteger(slot) && slot >= 1 && slot <= config.nodeCount ? nodeGateway(env, slot) : null),
  };
}

function nodeGateway(env: Env, slot: number): NodeGateway {
  const stub = nodeStub(env, slot);
  return {
    status: () => stub.status(),
    async lookup(guid) {
      return (await stub.member(guid))?.address ?? null;
    },
    member: (guid) => stub.member(guid),
    members: (cursor, limit) => stub.members(cursor, limit),
    sync: (request) => stub.sync(request, false),
    originate: (origination) => stub.originate(origination),
    async receive(message) {
      const body = bodyOf(message);
      return body === null ? 'rejected' : await stub.receive(body);
    },
    messages: (cursor, limit) => stub.messages(cursor, limit),
    message: (id) => stub.message(id),
    samples: () => stub.samples(),
  };
}

function bootGateway(env: Env, config: Config): BootGateway {
  const boot = bootFacade(env);
  return {
    async status() {
      const { maxGuid } = await boot.status();
      return {
        network: config.protocol.network,
        guid: BOOT_GUID,
        address: config.publicUrl ?? 'local:',
        publicKey: null,
        capabilities: CAPABILITIES,
        maxGuid,
        time: Date.now(),
        peers: { alive: maxGuid },
        messages: 0,
        lastSyncAt: null,
        nextSyncAt: null,
      };
    },
    async join(publicKey, address) {
      const joined = await boot.join(publicKey, address);
      if (joined.ok) await boot.announce(env.DELIVERIES);
      return joined;
    },
    async lookup(guid) {
      return (await boot.byGuid(guid))?.address ?? null;
    },
    member: (guid) => boot.byGuid(guid),
    async members(cursor, limit) {
      if (cursor !== null && !/^\d{1,10}$/.test(cursor)) return null;
      const peers = await boot.page(Number(cursor ?? 0), limit);
      return { members: peers, next: peers.length === limit ? String(peers.at(-1)?.guid ?? 0) : null };
    },
    sync: (request) => boot.sync(request),
    async samples() {
      const { maxGuid, joins, lost } = await boot.status();
      return [
        { name: 'pychain_guids_allocated', help: 'GUIDs allocated', type: 'gauge', labels: {}, value: maxGuid },
        { name: 'pychain_join_calls_total', help: 'Joins asked for', type: 'counter', labels: {}, value: joins },
        {
          name: 'pychain_jobs_unreadable_total',
          help: 'Queue messages that are no jobs',
          type: 'counter',
          labels: {},
          value: lost,
        },
      ];
    },
  };
}

/** Canonical body of a message in the seed's form; null where its id is not that body's hash. */
function bodyOf(message: SeedMessage): string | null {
  const { id, data, originator, broadcastAt, expiresAt, network, nonce } = message;
  const composed = composeMessage({ network, data, originator, broadcastAt, expiresAt }, nonce);
  return composed.ok && composed.value.id === id ? composed.value.body : null;
}
