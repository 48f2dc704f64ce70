// What a boot object that has just begun asks of the nodes of its deployment, before it gives its first GUID: what they hold, and have seen.
// It takes back what they hold and starts above all that they have seen. They are believed, since they have the same operator; nobody
// else is asked, and nobody else's word counts (docs/decisions/0017).
import { addressGroup } from './address.ts';
import { retire, type BootContext } from './boot.ts';
import { notePinned, readSurvey, setSurvey } from './boot-phase.ts';
import { raiseFloor } from './guid-floor.ts';
import { isGuid } from './message.ts';
import type { Allocation, BootStore } from './store.ts';
import { err, ok, type Certificate, type Guid, type Millis, type Result, type SelfRecord } from './types.ts';

/** What a node of this deployment holds of its membership, and has seen. */
export interface Tenure {
  readonly guid: Guid;
  /** Highest GUID that it has ever known to be given. */
  readonly seenGuid: Guid;
  /** The network's key as it was pinned at the first join. */
  readonly networkKey: string | null;
  readonly certificate: Certificate | null;
}

/** A node's answer. `tenure` null: it was never a member. */
export interface Surveyed {
  readonly record: SelfRecord;
  readonly tenure: Tenure | null;
}

/** Another key has the GUID here. */
export interface TenureFault {
  readonly reason: 'guid-taken';
  readonly guid: Guid;
}

/** Slots to ask next, `limit` at most: those that were not asked yet, then those that did not answer. */
export function surveySlots(store: BootStore, nodeCount: number, limit: number): number[] {
  const { next, missed, isDone } = readSurvey(store);
  if (isDone) return [];
  const count = Math.min(limit, Math.max(0, nodeCount - next + 1));
  return count > 0 ? Array.from({ length: count }, (_, index) => next + index) : missed.slice(0, limit);
}

/**
 * Takes in the answers of the nodes that were asked, by slot; who did not answer is asked again. Returns the slots whose GUID is another
 * key's here.
 */
export function surveyed(
  context: BootContext,
  nodeCount: number,
  slots: readonly number[],
  answers: ReadonlyMap<number, Surveyed>,
): number[] {
  const { store } = context;
  const before = readSurvey(store);
  const contested: number[] = [];
  for (const [slot, { record, tenure }] of [...answers].toSorted(([a], [b]) => a - b)) {
    if (tenure && !takeBack(context, record, tenure).ok) contested.push(slot);
  }
  const missed = new Set(before.missed);
  for (const slot of slots) {
    if (answers.has(slot)) missed.delete(slot);
    else missed.add(slot);
  }
  const next = Math.max(before.next, ...slots.map((slot) => slot + 1));
  setSurvey(store, { next, missed: [...missed], isDone: next > nodeCount && missed.size === 0 });
  return contested;
}

/**
 * A node of this deployment tells what it holds. Its GUID stays its own, also where this store has never heard of it, and nobody gets one
 * that it has seen.
 */
export function takeBack(context: BootContext, record: SelfRecord, tenure: Tenure): Result<null, TenureFault> {
  const { store } = context;
  const { guid, seenGuid, networkKey } = tenure;
  notePinned(context, networkKey);
  raiseFloor(store, Math.max(guid, isGuid(seenGuid) ? seenGuid : 0));
  if (store.byKey(record.publicKey)) return ok(null);
  if (store.byGuid(guid)) return err({ reason: 'guid-taken', guid });
  retire(context, record.address);
  store.insert(allocationOf(context, record, tenure));
  return ok(null);
}

function allocationOf({ config, now }: BootContext, record: SelfRecord, { guid, certificate }: Tenure): Allocation {
  const { address, publicKey, incarnation, capabilities, signature } = record;
  return {
    guid,
    publicKey,
    address,
    incarnation,
    capabilities,
    signature,
    certificate: certificate ?? { issuedAt: 0, expiresAt: 0, signature: '' },
    group: addressGroup(address),
    joinedAt: certificate === null ? now : joinedBy(certificate, config.newcomerCertificateMs),
  };
}

/** When a member joined, as far as its certificate tells: it lives as long as its holder has been one, see certificate.ts. */
function joinedBy({ issuedAt, expiresAt }: Certificate, newcomerMs: Millis): Millis {
  const lifetime = expiresAt - issuedAt;
  return lifetime > newcomerMs ? issuedAt - lifetime : issuedAt;
}
