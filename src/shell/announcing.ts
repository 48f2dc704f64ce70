// Telling members of who joined or moved: one of those who would do it does it for all.
import type { Job } from '../protocol/job.ts';
import { MEMBERS_PAGE_MAX } from '../protocol/limits.ts';
import type { Guid, Millis } from '../protocol/types.ts';
import { sendJobs, type JobQueue } from '../queue/producer.ts';
import type { BootFacade } from './boot-calls.ts';

/** Joins within this time are announced together: a network that starts up would announce each node to each other one. */
const ANNOUNCE_DELAY_MS = 300;

/** What announcing asks of the boot node. */
export interface AnnouncingCalls {
  /** See LiveBoot. */
  leaseAnnouncement(patient: boolean): Promise<{ leased: boolean; waitMs: number | null }>;
  announcement(): Promise<{ guids: readonly Guid[]; jobs: readonly Job[] }>;
  announced(guids: readonly Guid[]): Promise<unknown>;
}

/** The announcing half of a facade. `calls` is asked anew for each call; `pause` waits so many milliseconds. */
export function announcingFacade(
  calls: () => AnnouncingCalls,
  pause: (ms: Millis) => Promise<void> = (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
) {
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
      await pause(waitMs);
      if ((await calls().leaseAnnouncement(true)).leased) await announceAll(queue);
    },
    async announceSoon(queue) {
      if (!(await calls().leaseAnnouncement(false)).leased) return;
      await pause(ANNOUNCE_DELAY_MS);
      await announceAll(queue);
    },
  } satisfies Pick<BootFacade, 'announce' | 'announcePatiently' | 'announceSoon'>;
}
