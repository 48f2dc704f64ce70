// The cron tick: wakes hosted nodes, which join where they have not, and set their alarm again where it was lost. A tick makes a
// bounded number of calls; in a large deployment each tick takes the next window of slots.
import type { LogLine } from '../protocol/log-line.ts';
import { reasonOf } from '../protocol/reason.ts';
import { runPool } from '../queue/pool.ts';

/** The one schedule of wrangler.toml. */
export const SYNC_CRON = '* * * * *';

/**
 * Minutes in which each node is looked at while nobody is missing. A lost alarm is the only thing that this repairs, and none was ever
 * seen to be lost but by a bug of ours; each look costs a request (docs/cost.md).
 */
export const REPAIR_MINUTES = 10;

/** Nodes woken by one tick: far below the subrequests of a paid plan, and each node is seen within NODE_COUNT/100 minutes. */
export const TICK_CALLS_MAX = 100;

const PARALLEL_CALLS_MAX = 16;
const MINUTE_MS = 60_000;

export interface TickPorts {
  readonly nodeCount: number;
  /** How many members the network has; null where this deployment hosts no boot node. */
  members(): Promise<number | null>;
  /** Gets a node to make its storage and its key, without joining. */
  prepare(slot: number): Promise<void>;
  /** Wakes a node and waits for its join where it has none. */
  wake(slot: number): Promise<void>;
  /** Tells members of newcomers that nobody has told them of. */
  announce(): Promise<void>;
  log(...line: LogLine): void;
}

/**
 * One tick. `scheduledTime` in milliseconds chooses the window.
 * @throws for a schedule that nobody handles: a line of wrangler.toml without code.
 */
export async function tick(cron: string, scheduledTime: number, ports: TickPorts): Promise<void> {
  if (cron !== SYNC_CRON) throw new Error(`no handler for the cron schedule ${JSON.stringify(cron)}`);
  const members = await ports.members().catch((cause: unknown) => {
    // Without the boot node nobody joins, but alarms are still repaired.
    ports.log('boot_unreachable', { reason: reasonOf(cause) });
    return null;
  });
  const missing = members !== null && members < ports.nodeCount;
  const slots = missing
    ? missingSlots(scheduledTime, members, ports.nodeCount)
    : windowOf(scheduledTime, ports.nodeCount, members === null ? 1 : REPAIR_MINUTES);
  let failures = 0;
  const guarded = (work: (slot: number) => Promise<void>) => async (slot: number) => {
    try {
      await work(slot);
    } catch (cause) {
      // The next tick that has this slot in its window tries again.
      failures++;
      ports.log('wake_failed', { slot, reason: reasonOf(cause) });
    }
  };
  // New objects take their time, so they are made in parallel; then they join one after the other, so that GUIDs come in the
  // order of slots, which is easier on the reader.
  if (missing)
    await runPool(
      slots,
      PARALLEL_CALLS_MAX,
      guarded((slot) => ports.prepare(slot)),
    );
  await runPool(
    slots,
    missing ? 1 : PARALLEL_CALLS_MAX,
    guarded((slot) => ports.wake(slot)),
  );
  if (members !== null) await ports.announce();
  ports.log('tick', { first: slots[0] ?? 0, last: slots.at(-1) ?? 0, failures });
}

/**
 * While members are missing: the slots after as many as there are members, which is where they are missing in a network of this deployment
 * alone. Every second tick takes the ordinary window, for networks where it is not so.
 */
function missingSlots(scheduledTime: number, members: number, nodeCount: number): number[] {
  const minute = Math.floor(scheduledTime / MINUTE_MS);
  if (minute % 2 === 1 && members > 0) return windowOf(Math.floor(minute / 2) * MINUTE_MS, nodeCount, 1);
  return Array.from({ length: Math.min(TICK_CALLS_MAX, nodeCount - members) }, (_, index) => members + index + 1);
}

/** Slots of a tick, ascending: the windows follow each other minute by minute, at least `minutes` of them; some may be empty. */
export function windowOf(scheduledTime: number, nodeCount: number, minutes: number): number[] {
  const windows = Math.max(minutes, Math.ceil(nodeCount / TICK_CALLS_MAX));
  const size = Math.ceil(nodeCount / windows);
  const start = (Math.floor(scheduledTime / MINUTE_MS) % windows) * size;
  return Array.from({ length: Math.max(0, Math.min(size, nodeCount - start)) }, (_, index) => start + index + 1);
}
