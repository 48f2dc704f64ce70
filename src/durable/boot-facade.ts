// The only way to the boot object. It speaks itty-durable's protocol (arguments as JSON in a header, so they must stay small)
// and gives typed answers, so that the object behind it can be replaced.
import { proxyDurable } from 'itty-durable';
import type { Backup, Restored } from '../api/ports.ts';
import type { FieldFault } from '../protocol/allocation.ts';
import type { BackupHead } from '../protocol/backup-file.ts';
import type { JoinError, JoinRequest } from '../protocol/boot.ts';
import type { BootPhase } from '../protocol/boot-phase.ts';
import type { EntryFault, MergeCounts } from '../protocol/boot-restore.ts';
import type { Surveyed, Tenure, TenureFault } from '../protocol/boot-survey.ts';
import type { Joined } from '../protocol/effects.ts';
import type { Job } from '../protocol/job.ts';
import { BACKUP_PAGE_MAX, MEMBERS_PAGE_MAX } from '../protocol/limits.ts';
import type { Allocation } from '../protocol/store.ts';
import type { SyncAnswer, SyncRequest } from '../protocol/sync.ts';
import type { Guid, Millis, Peer, Result, SelfRecord } from '../protocol/types.ts';
import { sendJobs, type JobQueue } from '../queue/producer.ts';
import type { Env } from './env.ts';

/** Name of the one boot object of a deployment. */
const BOOT_NAME = 'boot';

/** Arguments travel in a header (PLATFORM.md 4.1); longer ones are refused here, not somewhere on the way. */
const ARGUMENT_CHARS_MAX = 8_000;

/** Paths of calls whose argument is the body of a PUT. */
export const RESTORE_HEAD = '/restore-head';
export const RESTORE_ALLOCATIONS = '/restore-allocations';

/** Joins within this time are announced together: a network that starts up would announce each node to each other one. */
const ANNOUNCE_DELAY_MS = 300;

/** Why a joiner from elsewhere is not let in; `busy`: too many call-backs are under way. */
export type AdmitError = JoinError | { readonly reason: 'busy' };

export interface Challenge {
  readonly challenge: string;
  readonly bits: number;
  readonly expiresAt: Millis;
}

interface BootCalls {
  challenge(): Promise<Challenge>;
  admit(request: JoinRequest): Promise<Result<{ ticket: number | null }, AdmitError>>;
  calledBack(ticket: number): Promise<object>;
  join(record: SelfRecord, tenure: Tenure | null): Promise<Result<Joined, JoinError>>;
  survey(limit: number): Promise<object>;
  backupHead(withKey: boolean): Promise<Omit<Backup, 'exportedAt'>>;
  allocations(after: Guid, limit: number): Promise<{ allocations: Allocation[] }>;
  raiseFloor(guid: Guid): Promise<Result<{ maxGuid: Guid }, FieldFault>>;
  depart(publicKey: string, incarnation: number): Promise<object>;
  signAnswer(nonce: string, hash: string): Promise<{ signature: string }>;
  byGuid(guid: Guid): Promise<{ peer: Peer | null }>;
  page(after: Guid, limit: number): Promise<{ peers: Peer[] }>;
  sync(request: SyncRequest): Promise<SyncAnswer>;
  status(): Promise<BootStatus>;
  leaseAnnouncement(patient: boolean): Promise<{ leased: boolean; waitMs: number | null }>;
  announcement(): Promise<{ guids: Guid[]; jobs: Job[] }>;
  announced(guids: readonly Guid[]): Promise<object>;
  countLost(count: number): Promise<object>;
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

export interface BootFacade {
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
  countLost(count: number): Promise<void>;
  /** Tells members of newcomers at once. */
  announce(queue: JobQueue): Promise<void>;
  /** The same, not soon after the last time; takes as long as that. */
  announcePatiently(queue: JobQueue): Promise<void>;
  /** The same after a short while, together with others who join meanwhile. */
  announceSoon(queue: JobQueue): Promise<void>;
}

/** The boot object of this deployment. */
export function bootFacade(env: Pick<Env, 'BOOT'>): BootFacade {
  // A stub belongs to the request that made it, and a facade may outlive its request: a new one for each call.
  const calls = () => proxyDurable(env.BOOT, { name: 'BOOT', parse: true }).get(BOOT_NAME) as BootCalls;
  return {
    ...backupFacade(env, calls),
    ...announcingFacade(calls),
    challenge: () => calls().challenge(),
    async admit(request) {
      checkSize([request]);
      return await calls().admit(request);
    },
    async calledBack(ticket) {
      await calls().calledBack(ticket);
    },
    async join(record) {
      checkSize([record]);
      return await calls().join(record, null);
    },
    async joinHosted({ record, tenure }) {
      checkSize([record, tenure]);
      return await calls().join(record, tenure);
    },
    async survey(limit) {
      await calls().survey(limit);
    },
    async depart(publicKey, incarnation) {
      await calls().depart(publicKey, incarnation);
    },
    async signAnswer(nonce, hash) {
      return (await calls().signAnswer(nonce, hash)).signature;
    },
    async byGuid(guid) {
      return (await calls().byGuid(guid)).peer;
    },
    async page(after, limit) {
      return (await calls().page(after, Math.min(limit, MEMBERS_PAGE_MAX))).peers;
    },
    async sync(request) {
      checkSize([request]);
      return await calls().sync(request);
    },
    status: () => calls().status(),
    async countLost(count) {
      await calls().countLost(count);
    },
  };
}

function announcingFacade(calls: () => BootCalls) {
  const announceAll = async (queue: JobQueue): Promise<void> => {
    for (;;) {
      const { guids, jobs } = await calls().announcement();
      if (guids.length === 0) return;
      await sendJobs(queue, jobs);
      for (let start = 0; start < guids.length; start += MEMBERS_PAGE_MAX) {
        await calls().announced(guids.slice(start, start + MEMBERS_PAGE_MAX));
      }
    }
  };
  return {
    async announce(queue) {
      if ((await calls().leaseAnnouncement(false)).leased) await announceAll(queue);
    },
    async announcePatiently(queue) {
      const { leased, waitMs } = await calls().leaseAnnouncement(true);
      if (leased) await announceAll(queue);
      if (waitMs === null) return;
      await new Promise((resolve) => setTimeout(resolve, waitMs));
      if ((await calls().leaseAnnouncement(true)).leased) await announceAll(queue);
    },
    async announceSoon(queue) {
      if (!(await calls().leaseAnnouncement(false)).leased) return;
      await new Promise((resolve) => setTimeout(resolve, ANNOUNCE_DELAY_MS));
      await announceAll(queue);
    },
  } satisfies Pick<BootFacade, 'announce' | 'announcePatiently' | 'announceSoon'>;
}

function backupFacade(env: Pick<Env, 'BOOT'>, calls: () => BootCalls) {
  return {
    backupHead: (withKey) => calls().backupHead(withKey),
    async allocations(after, limit) {
      return (await calls().allocations(after, Math.min(limit, BACKUP_PAGE_MAX))).allocations;
    },
    restoreHead: (head, isDry) => bodyCall(env, RESTORE_HEAD, { head, isDry }),
    restore: (batch, isLast) => bodyCall(env, RESTORE_ALLOCATIONS, { batch, isLast }),
    raiseFloor: (guid) => calls().raiseFloor(guid),
  } satisfies Partial<BootFacade>;
}

/** Calls whose arguments are too large for a header, or too secret. */
async function bodyCall<T>({ BOOT }: Pick<Env, 'BOOT'>, path: string, argument: unknown): Promise<T> {
  const stub = BOOT.get(BOOT.idFromName(BOOT_NAME));
  const init = { method: 'PUT', body: JSON.stringify(argument) };
  // Only the object itself answers this binding, with what the call's type says.
  return await (await stub.fetch(`https://boot${path}`, init)).json<T>();
}

function checkSize(parameters: readonly unknown[]): void {
  const size = JSON.stringify(parameters).length;
  if (size > ARGUMENT_CHARS_MAX) throw new Error(`arguments of ${size} characters are too long for the boot object`);
}
