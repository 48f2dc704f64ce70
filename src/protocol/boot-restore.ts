// Restoring a backup into a boot node. It never goes back: what is there and newer stays, no GUID gets another key and no key another GUID,
// and the floor of allocation is raised before the first allocation comes, so that nothing is given meanwhile. All of it may be done
// again, and changes nothing then.
import type { FieldFault } from './allocation.ts';
import type { BackupHead } from './backup-file.ts';
import type { BootContext } from './boot.ts';
import { endSurvey, isLost, pinnedKey, setRestoring } from './boot-phase.ts';
import { highWater, raiseFloor } from './guid-floor.ts';
import { FLOOR_RISE_MAX } from './limits.ts';
import type { Allocation, BootStore } from './store.ts';
import { err, ok, type Guid, type Result } from './types.ts';

/** Where allocations are looked up: a boot node's store, or what was read of one. */
export type Lookup = Pick<BootStore, 'byGuid' | 'byKey'>;

/** What an allocation of a backup is to those that are there. `kept`: the same, or older. */
export type Merge = { readonly type: 'new' | 'newer'; readonly allocation: Allocation } | { readonly type: 'kept' };

/** How many allocations of a batch were what. */
export interface MergeCounts {
  readonly new: number;
  readonly newer: number;
  readonly kept: number;
}

/** An allocation that contradicts what is there. `index` in its batch. */
export interface EntryFault extends FieldFault {
  readonly index: number;
}

/**
 * Checks the first part of a restore. `changesKey`: the key of the backup takes the place of this object's, once the shell has seen that its
 * halves belong together.
 */
export function checkHead(context: BootContext, head: BackupHead): Result<{ changesKey: boolean }, FieldFault> {
  const { store, config, networkKey } = context;
  if (head.network !== config.network) return fault('network', `of ${head.network}; this is ${config.network}`);
  const rise = checkRise(store, head.maxGuid);
  if (!rise.ok) return rise;
  if (head.networkKey === networkKey) return ok({ changesKey: false });
  const pinned = pinnedKey(store);
  const wanted = config.networkKey ?? pinned;
  if (wanted !== null && wanted !== head.networkKey) {
    return fault('network_key', `of another network: the nodes of this deployment are of that with the key ${wanted}`);
  }
  // Members whom it certified with its own key would be nobody's.
  if (!isLost(context) && store.maxGuid() > 0) {
    return fault('network_key', `of another network: this boot node has members under its own key, ${networkKey}`);
  }
  if (head.privateKey === null) {
    return fault('private_key', `missing: this boot node has another key, and needs that of a backup made --with-key`);
  }
  return ok({ changesKey: true });
}

/** Takes the first part of a restore: from here on nothing up to its highest GUID is given, and nothing at all until the rest is there. */
export function takeHead({ store }: BootContext, head: BackupHead): void {
  raiseFloor(store, head.maxGuid);
  setRestoring(store, true);
}

/**
 * The operator says up to where GUIDs are taken: nodes that do not answer are not waited for any more, nor the rest of a restore that was
 * broken off.
 */
export function takeFloor({ store }: BootContext, guid: Guid): Result<null, FieldFault> {
  const rise = checkRise(store, guid);
  if (!rise.ok) return rise;
  raiseFloor(store, guid);
  endSurvey(store);
  setRestoring(store, false);
  return ok(null);
}

/** Takes a batch of allocations, all of it or nothing. Inside a transaction. `isLast`: with it the restore ends. */
export function takeBatch(
  store: BootStore,
  batch: readonly Allocation[],
  isLast: boolean,
): Result<MergeCounts, EntryFault> {
  const water = highWater(store);
  const guids = new Set<Guid>();
  const keys = new Set<string>();
  const merges: Merge[] = [];
  for (const [index, allocation] of batch.entries()) {
    const { guid, publicKey } = allocation;
    const refuse = (field: string, message: string) => err({ index, field, message });
    if (guid > water) return refuse('guid', `${guid} is above max_guid ${water}: restore the header first`);
    if (guids.has(guid)) return refuse('guid', `${guid} is twice in the batch`);
    if (keys.has(publicKey)) return refuse('public_key', 'is twice in the batch');
    guids.add(guid);
    keys.add(publicKey);
    const merged = mergeAllocation(store, allocation);
    if (!merged.ok) return refuse(merged.error.field, merged.error.message);
    merges.push(merged.value);
  }
  const counts = { new: 0, newer: 0, kept: 0 };
  for (const merge of merges) {
    counts[merge.type]++;
    if (merge.type === 'new') store.insert(merge.allocation);
    if (merge.type === 'newer') store.update(merge.allocation);
  }
  if (isLast) setRestoring(store, false);
  return ok(counts);
}

/** What an allocation changes, given those that are there. The later record wins, and the later certificate. */
export function mergeAllocation(there: Lookup, told: Allocation): Result<Merge, FieldFault> {
  const { guid, publicKey } = told;
  const known = there.byGuid(guid);
  if (known && known.publicKey !== publicKey) {
    return fault('public_key', `GUID ${guid} is given to another key, ${known.publicKey}`);
  }
  if (!known) {
    const holder = there.byKey(publicKey);
    if (holder) return fault('guid', `the key of GUID ${guid} has GUID ${holder.guid} here`);
    return ok({ type: 'new', allocation: told });
  }
  const isLater = told.incarnation > known.incarnation;
  const isRenewed = told.certificate.issuedAt > known.certificate.issuedAt;
  if (!isLater && !isRenewed) return ok({ type: 'kept' });
  const certificate = isRenewed ? told.certificate : known.certificate;
  return ok({ type: 'newer', allocation: { ...(isLater ? told : known), certificate } });
}

function checkRise(store: BootStore, guid: Guid): Result<null, FieldFault> {
  const most = highWater(store) + FLOOR_RISE_MAX;
  if (guid <= most) return ok(null);
  return fault('max_guid', `must be ${most} at most: one call raises it by ${FLOOR_RISE_MAX} at most`);
}

function fault(field: string, message: string): Result<never, FieldFault> {
  return err({ field, message });
}
