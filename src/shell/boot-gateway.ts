// The API's view of the boot node, and how it lets in joiners from elsewhere.
import type { PeerClient } from '../api/peer-client.ts';
import type { BootGateway, JoinRefusal, Sample } from '../api/ports.ts';
import type { Config } from '../config.ts';
import { verifyRecord } from '../crypto/signatures.ts';
import type { JoinRequest } from '../protocol/boot.ts';
import { hashOf, toCanonical } from '../protocol/canonical.ts';
import type { Joined } from '../protocol/effects.ts';
import { CAPABILITIES, HAS_BEACON, PATIENT_MS } from '../protocol/limits.ts';
import { BOOT_GUID, err, type Result } from '../protocol/types.ts';
import type { BootService } from './boot-calls.ts';

/** Cursors of lists in the order of GUIDs. */
const GUID_CURSOR = /^\d{1,10}$/;

export interface BootHouse {
  readonly boot: BootService;
  readonly config: Config;
  readonly client: PeerClient;
  /** Whether this deployment has a beacon, which is told with what the boot node can do. */
  readonly hasBeacon: boolean;
  /** Has members told of newcomers, when it is time. Nobody waits for that. */
  announce(): void;
}

/** The API's view of the boot node. */
export function bootGateway(house: BootHouse): BootGateway {
  const { boot, config } = house;
  return {
    async status() {
      const { maxGuid, allocated, publicKey, networkKey } = await boot.status();
      return {
        network: config.protocol.network,
        guid: BOOT_GUID,
        address: config.publicUrl ?? 'local:',
        publicKey,
        networkKey,
        certificate: null,
        incarnation: 0,
        capabilities: house.hasBeacon ? [...CAPABILITIES, HAS_BEACON] : CAPABILITIES,
        maxGuid,
        time: Date.now(),
        peers: { alive: allocated },
        messages: 0,
        lastSyncAt: null,
        nextSyncAt: null,
        leftAt: null,
        hostedNodes: config.nodeCount,
        observedHost: null,
      };
    },
    signAnswer: (nonce, answer) => boot.signAnswer(nonce, hashOf(toCanonical(answer))),
    async challenge() {
      const [challenge, { networkKey }] = [await boot.challenge(), await boot.status()];
      return { ...challenge, networkKey };
    },
    join: (request) => letIn(house, request),
    depart: (publicKey, incarnation) => boot.depart(publicKey, incarnation),
    async lookup(guid) {
      return (await boot.byGuid(guid))?.address ?? null;
    },
    member: (guid) => boot.byGuid(guid),
    async members(cursor, limit) {
      if (cursor !== null && !GUID_CURSOR.test(cursor)) return null;
      const peers = await boot.page(Number(cursor ?? 0), limit);
      return { members: peers, next: peers.length === limit ? String(peers.at(-1)?.guid ?? 0) : null };
    },
    ...backupGateway(boot),
    // What a caller tells of members is nothing to the boot node, which has certified them.
    sync: (request) => boot.sync({ ...request, members: [], digest: null, wanted: [], doubted: [] }),
    logs: (query) => boot.logs(query),
    async samples() {
      const { maxGuid, allocated, phase, joins, refused, lost, callBacks, recentJoins } = await boot.status();
      const sample = (name: string, help: string, value: number): Sample => {
        const type = name.endsWith('_total') ? 'counter' : 'gauge';
        return { name: `pychain_${name}`, help, type, labels: {}, value };
      };
      return [
        sample('guids_allocated', 'Highest GUID whose allocation is here', allocated),
        sample('max_guid', 'No GUID up to this one is given again', maxGuid),
        sample(
          'boot_surveying',
          '1 while the boot node has not heard from all of its nodes',
          Number(phase === 'surveying'),
        ),
        sample('boot_lost', '1 while the boot node has not the key of its network', Number(phase === 'lost')),
        sample('boot_restoring', '1 while a backup is taken in', Number(phase === 'restoring')),
        sample('join_calls_total', 'Joins that came through', joins),
        sample('joins_refused_total', 'Joiners that were not let in', refused),
        sample('joins_recent', 'Joiners lately, as the price of joining counts them', recentJoins),
        sample('call_backs', 'Call-backs under way', callBacks),
        sample('jobs_unreadable_total', 'Queue messages that are no jobs', lost),
      ];
    },
  };
}

/** What the API's backup routes ask. */
function backupGateway(boot: BootService) {
  return {
    async backup(withKey) {
      return { ...(await boot.backupHead(withKey)), exportedAt: Date.now() };
    },
    async allocations(cursor, limit) {
      if (cursor !== null && !GUID_CURSOR.test(cursor)) return null;
      const allocations = await boot.allocations(Number(cursor ?? 0), limit);
      return { allocations, next: allocations.length === limit ? String(allocations.at(-1)?.guid ?? 0) : null };
    },
    beginRestore: (head, isDry) => boot.restoreHead(head, isDry),
    restore: (batch, isLast) => boot.restore(batch, isLast),
    raiseFloor: (guid) => boot.raiseFloor(guid),
  } satisfies Partial<BootGateway>;
}

/**
 * Admission of a joiner from elsewhere, cheapest checks first: form, work and quotas at the boot node, then the record's signature, then
 * the call-back, then the GUID. The request itself was signed with the key.
 */
async function letIn(
  { boot, config, client, announce }: BootHouse,
  request: JoinRequest,
): Promise<Result<Joined, JoinRefusal>> {
  const { record } = request;
  const admitted = await boot.admit(request);
  if (!admitted.ok) return admitted;
  const { ticket } = admitted.value;
  try {
    if (!(await verifyRecord(record, config.protocol.network))) return err({ reason: 'bad-record' });
    const fault = ticket === null ? null : await client.prove(record.address, record.publicKey, PATIENT_MS);
    if (fault !== null) return err({ reason: 'unanswered', detail: fault });
  } finally {
    if (ticket !== null) await boot.calledBack(ticket);
  }
  const joined = await boot.join(record);
  if (joined.ok) announce();
  return joined;
}
