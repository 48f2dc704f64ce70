// What the boot node does against a loss of its storage, and after one: it asks its nodes what they hold before it gives a GUID, hands
// out backups, and takes them back. The rules are in protocol/boot-survey.ts and protocol/boot-restore.ts.
import type { Backup, Restored } from '../api/ports.ts';
import type { Config } from '../config.ts';
import type { Signer } from '../crypto/keys.ts';
import type { FieldFault } from '../protocol/allocation.ts';
import type { BackupHead } from '../protocol/backup-file.ts';
import type { BootContext } from '../protocol/boot.ts';
import { isLost, pinnedKey, readSurvey } from '../protocol/boot-phase.ts';
import {
  checkHead,
  takeBatch,
  takeFloor,
  takeHead,
  type EntryFault,
  type MergeCounts,
} from '../protocol/boot-restore.ts';
import { surveyed, surveySlots, type Surveyed } from '../protocol/boot-survey.ts';
import { highWater } from '../protocol/guid-floor.ts';
import type { Allocation, BootStore } from '../protocol/store.ts';
import { err, ok, type Guid, type Result } from '../protocol/types.ts';
import { openPair, readPrivateKey, storeKey } from './identity.ts';
import type { Log } from './log.ts';

/** Slots in a log line. */
const SLOTS_TOLD_MAX = 16;

export interface Answers {
  /** By slot; who is missing did not answer. */
  readonly answers: ReadonlyMap<number, Surveyed>;
  /** Why one that is missing did not; null where none is. */
  readonly fault: string | null;
}

/** Asks the nodes of these slots what they hold. */
export type AskNodes = (slots: readonly number[]) => Promise<Answers>;

/** What it needs of the boot node. */
export interface RecoveryHost {
  readonly ask: AskNodes;
  readonly config: Config;
  readonly store: BootStore;
  readonly log: Log;
  context(): BootContext;
  setSigner(signer: Signer): void;
}

/** What writes here is called in turn with joins, but for the survey, during which none gets a GUID. */
export class BootRecovery {
  readonly #host: RecoveryHost;
  #surveying: Promise<void> | null = null;

  constructor(host: RecoveryHost) {
    this.#host = host;
  }

  /** Asks `limit` more nodes what they hold; who comes meanwhile waits for the same answers. */
  async survey(limit: number): Promise<void> {
    this.#surveying ??= this.#surveyNext(limit).finally(() => (this.#surveying = null));
    await this.#surveying;
  }

  /** A line for who watches, where this object has not the key of its nodes' network. */
  tellIfLost(): void {
    const { store, log } = this.#host;
    const context = this.#host.context();
    if (!isLost(context)) return;
    const keys = { network_key: pinnedKey(store), own_key: context.networkKey };
    log('boot_storage_lost', { ...keys, max_guid: highWater(store) });
  }

  /** The first part of a backup. Whoever gets the key is told of in the log: with it one is the network. */
  head(withKey: boolean): Omit<Backup, 'exportedAt'> {
    const { store, config, log, context } = this.#host;
    const { networkKey } = context();
    if (withKey) log('network_key_exported', { network_key: networkKey });
    return {
      network: config.protocol.network,
      networkKey,
      privateKey: withKey ? readPrivateKey(store.meta) : null,
      maxGuid: highWater(store),
      count: store.count(),
    };
  }

  /** Takes the first part of a backup: the key, where it is the one that is missing here, and the floor. `isDry`: only checks it. */
  async restoreHead(head: BackupHead, isDry: boolean): Promise<Result<Restored, FieldFault>> {
    const { store, log, context, setSigner } = this.#host;
    const checked = checkHead(context(), head);
    if (!checked.ok) return checked;
    const pair = checked.value.changesKey ? await openPair(head.networkKey, head.privateKey ?? '') : null;
    if (checked.value.changesKey && !pair) return err({ field: 'private_key', message: 'not the half of network_key' });
    const maxGuid = Math.max(head.maxGuid, highWater(store));
    if (isDry) return ok({ maxGuid, keyReplaced: pair !== null });
    store.transaction(() => {
      takeHead(context(), head);
      if (pair) storeKey(store.meta, pair);
    });
    if (pair) setSigner(pair.signer);
    log('restore_begun', { max_guid: maxGuid, key_replaced: pair !== null });
    return ok({ maxGuid, keyReplaced: pair !== null });
  }

  /** Takes allocations of a backup, all of them or none. `isLast`: there are no more. */
  restore(batch: readonly Allocation[], isLast: boolean): Result<MergeCounts, EntryFault> {
    const { store, log } = this.#host;
    const taken = store.transaction(() => takeBatch(store, batch, isLast));
    if (taken.ok && isLast) log('restore_ended', { allocations: store.count() });
    return taken;
  }

  /** The operator says up to where GUIDs are taken: no node is waited for any more. */
  raiseFloor(guid: Guid): Result<{ maxGuid: Guid }, FieldFault> {
    const { store, log, context } = this.#host;
    const taken = store.transaction(() => takeFloor(context(), guid));
    if (!taken.ok) return taken;
    log('guid_floor_raised', { guid });
    this.tellIfLost();
    return ok({ maxGuid: highWater(store) });
  }

  async #surveyNext(limit: number): Promise<void> {
    const { ask, config, store, log, context } = this.#host;
    if (readSurvey(store).isDone) return;
    const slots = surveySlots(store, config.nodeCount, limit);
    const { answers, fault } = await ask(slots);
    const contested = store.transaction(() => surveyed(context(), config.nodeCount, slots, answers));
    const { missed } = readSurvey(store);
    const first = (all: readonly number[]) => ({ slots: all.slice(0, SLOTS_TOLD_MAX), count: all.length });
    if (contested.length > 0) log('guid_contested', first(contested));
    if (missed.length > 0) log('survey_incomplete', { ...first(missed), reason: fault });
    this.tellIfLost();
  }
}
