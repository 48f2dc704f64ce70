// The only way to the boot object. It speaks itty-durable's protocol (arguments as JSON in a header, so they must stay small)
// and gives typed answers, so that the object behind it can be replaced.
import { proxyDurable } from 'itty-durable';
import type { JoinError, JoinRequest } from '../protocol/boot.ts';
import type { Joined } from '../protocol/effects.ts';
import type { Job } from '../protocol/job.ts';
import { MEMBERS_PAGE_MAX } from '../protocol/limits.ts';
import type { SyncAnswer, SyncRequest } from '../protocol/sync.ts';
import type { Guid, Millis, Peer, Result, SelfRecord } from '../protocol/types.ts';
import { sendJobs, type JobQueue } from '../queue/producer.ts';
import type { Env } from './env.ts';

/** Name of the one boot object of a deployment. */
const BOOT_NAME = 'boot';

/** Arguments travel in a header (PLATFORM.md 4.1); longer ones are refused here, not somewhere on the way. */
const ARGUMENT_CHARS_MAX = 8_000;

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
  join(record: SelfRecord): Promise<Result<Joined, JoinError>>;
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
  readonly maxGuid: Guid;
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
      return await calls().join(record);
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
  };
}

function checkSize(parameters: readonly unknown[]): void {
  const size = JSON.stringify(parameters).length;
  if (size > ARGUMENT_CHARS_MAX) throw new Error(`arguments of ${size} characters are too long for the boot object`);
}
