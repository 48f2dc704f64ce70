// The only way to the boot object. It speaks itty-durable's protocol (arguments as JSON in a header, so they must stay small)
// and gives typed answers, so that the object behind it can be replaced.
import { proxyDurable } from 'itty-durable';
import type { JoinError } from '../protocol/boot.ts';
import type { Joined } from '../protocol/effects.ts';
import type { Job } from '../protocol/job.ts';
import { MEMBERS_PAGE_MAX } from '../protocol/limits.ts';
import type { SyncAnswer, SyncRequest } from '../protocol/sync.ts';
import type { Guid, Peer, Result } from '../protocol/types.ts';
import { sendJobs, type JobQueue } from '../queue/producer.ts';
import type { Env } from './env.ts';

/** Name of the one boot object of a deployment. */
const BOOT_NAME = 'boot';

/** Arguments travel in a header (PLATFORM.md 4.1); longer ones are refused here, not somewhere on the way. */
const ARGUMENT_CHARS_MAX = 8_000;

/** Joins within this time are announced together: a network that starts up would announce each node to each other one. */
const ANNOUNCE_DELAY_MS = 300;

interface BootCalls {
  join(publicKey: string, address: string): Promise<Result<Joined, JoinError>>;
  byGuid(guid: Guid): Promise<{ peer: Peer | null }>;
  page(after: Guid, limit: number): Promise<{ peers: Peer[] }>;
  sync(request: SyncRequest): Promise<SyncAnswer>;
  status(): Promise<BootStatus>;
  leaseAnnouncement(): Promise<{ leased: boolean }>;
  announcement(): Promise<{ guids: Guid[]; jobs: Job[] }>;
  announced(guids: readonly Guid[]): Promise<object>;
  countLost(count: number): Promise<object>;
}

export interface BootStatus {
  readonly maxGuid: Guid;
  /** Join calls since the object woke. */
  readonly joins: number;
  /** Unreadable jobs since the object woke. */
  readonly lost: number;
}

export interface BootFacade {
  join(publicKey: string, address: string): Promise<Result<Joined, JoinError>>;
  byGuid(guid: Guid): Promise<Peer | null>;
  /** Members above `after`, ascending, at most MEMBERS_PAGE_MAX. */
  page(after: Guid, limit: number): Promise<readonly Peer[]>;
  sync(request: SyncRequest): Promise<SyncAnswer>;
  status(): Promise<BootStatus>;
  countLost(count: number): Promise<void>;
  /** Tells members of newcomers at once. */
  announce(queue: JobQueue): Promise<void>;
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
    async join(publicKey, address) {
      checkSize([publicKey, address]);
      return await calls().join(publicKey, address);
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
      if ((await calls().leaseAnnouncement()).leased) await announceAll(queue);
    },
    async announceSoon(queue) {
      if (!(await calls().leaseAnnouncement()).leased) return;
      await new Promise((resolve) => setTimeout(resolve, ANNOUNCE_DELAY_MS));
      await announceAll(queue);
    },
  };
}

function checkSize(parameters: readonly unknown[]): void {
  const size = JSON.stringify(parameters).length;
  if (size > ARGUMENT_CHARS_MAX) throw new Error(`arguments of ${size} characters are too long for the boot object`);
}
