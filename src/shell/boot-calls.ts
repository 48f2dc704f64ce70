// What is asked of the boot node by the process that it runs in: calls of its object in a deployment, plain ones on a server.
import type { Backup, LogPage, LogQuery, Restored } from '../api/ports.ts';
import type { FieldFault } from '../protocol/allocation.ts';
import type { BackupHead } from '../protocol/backup-file.ts';
import type { JoinError, JoinRequest } from '../protocol/boot.ts';
import type { BootPhase } from '../protocol/boot-phase.ts';
import type { EntryFault, MergeCounts } from '../protocol/boot-restore.ts';
import type { Surveyed, TenureFault } from '../protocol/boot-survey.ts';
import type { Joined } from '../protocol/effects.ts';
import type { Allocation } from '../protocol/store.ts';
import type { SyncAnswer, SyncRequest } from '../protocol/sync.ts';
import type { Guid, Millis, Peer, Result, SelfRecord } from '../protocol/types.ts';
import type { JobQueue } from '../queue/producer.ts';

/** Why a joiner from elsewhere is not let in; `busy`: too many call-backs are under way. */
export type AdmitError = JoinError | { readonly reason: 'busy' };

export interface Challenge {
  readonly challenge: string;
  readonly bits: number;
  readonly expiresAt: Millis;
}

export interface BootStatus {
  /** No GUID up to this one is given again. */
  readonly maxGuid: Guid;
  /** Highest GUID whose allocation is here. */
  readonly allocated: Guid;
  readonly phase: BootPhase;
  /** The key that the object signs with. */
  readonly publicKey: string;
  /** The network's: another than that where the object's storage was lost. */
  readonly networkKey: string;
  /** Join calls since the object woke. */
  readonly joins: number;
  /** Joiners from elsewhere that were not let in, since the object woke. */
  readonly refused: number;
  /** Call-backs under way. */
  readonly callBacks: number;
  /** Joiners from elsewhere lately, as the price of joining counts them. */
  readonly recentJoins: number;
  /** Unreadable jobs since the object woke. */
  readonly lost: number;
}

export interface BootService {
  challenge(): Promise<Challenge>;
  /** Whether a joiner from elsewhere may go on; with a ticket, its address must be called back first. */
  admit(request: JoinRequest): Promise<Result<{ readonly ticket: number | null }, AdmitError>>;
  /** A call-back has ended, however. */
  calledBack(ticket: number): Promise<void>;
  /** Allocates and certifies. The caller has checked who joins. */
  join(record: SelfRecord): Promise<Result<Joined, JoinError>>;
  /** The same for a node of this deployment, which is believed what it holds. */
  joinHosted(node: Surveyed): Promise<Result<Joined, JoinError | TenureFault>>;
  /** Has an object that has just begun ask `limit` more of its nodes what they hold. */
  survey(limit: number): Promise<void>;
  /** The first part of a backup; `withKey`: with the secret half of the key. */
  backupHead(withKey: boolean): Promise<Omit<Backup, 'exportedAt'>>;
  /** All allocations above `after`, those of the dead too, ascending, at most BACKUP_PAGE_MAX. */
  allocations(after: Guid, limit: number): Promise<readonly Allocation[]>;
  /** Takes the first part of a backup, and its key where this object has not the network's; `isDry`: only checks it. */
  restoreHead(head: BackupHead, isDry: boolean): Promise<Result<Restored, FieldFault>>;
  /** Takes allocations of a backup, all of them or none; at most BACKUP_PAGE_MAX. `isLast`: there are no more. */
  restore(batch: readonly Allocation[], isLast: boolean): Promise<Result<MergeCounts, EntryFault>>;
  /** Gives no GUID up to this one from now on, and waits for no node any more. */
  raiseFloor(guid: Guid): Promise<Result<{ readonly maxGuid: Guid }, FieldFault>>;
  /** A node of this deployment has left: newcomers are not told of it any more. */
  depart(publicKey: string, incarnation: number): Promise<void>;
  /** Signature of an answer by the network's key. */
  signAnswer(nonce: string, hash: string): Promise<string>;
  byGuid(guid: Guid): Promise<Peer | null>;
  /** Members above `after`, ascending, at most MEMBERS_PAGE_MAX. */
  page(after: Guid, limit: number): Promise<readonly Peer[]>;
  sync(request: SyncRequest): Promise<SyncAnswer>;
  status(): Promise<BootStatus>;
  /** What it logged last; a cursor that is not ours gives null. */
  logs(query: LogQuery): Promise<LogPage | null>;
  countLost(count: number): Promise<void>;
}

export interface BootFacade extends BootService {
  /** Tells members of newcomers at once. */
  announce(queue: JobQueue): Promise<void>;
  /** The same, not soon after the last time; takes as long as that. */
  announcePatiently(queue: JobQueue): Promise<void>;
  /** The same after a short while, together with others who join meanwhile. */
  announceSoon(queue: JobQueue): Promise<void>;
}
