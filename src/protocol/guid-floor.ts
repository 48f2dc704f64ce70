// The floor of allocation: GUIDs up to it are never given, whether or not this store knows whose they are. It only rises. What a boot
// object that lost its storage learns from its nodes, from a backup and from its operator goes in here.
import type { BootStore } from './store.ts';
import type { Guid } from './types.ts';

/** Meta key: the floor, where it is above the highest allocation. */
const FLOOR_KEY = 'guid_floor';

/** Highest GUID that was given, or may have been: the next one is above it. */
export function highWater(store: BootStore): Guid {
  return Math.max(store.maxGuid(), Number(store.meta.get(FLOOR_KEY) ?? 0));
}

/** Gives no GUID up to this one from now on. Lower ones change nothing. */
export function raiseFloor(store: BootStore, guid: Guid): void {
  if (guid > highWater(store)) store.meta.set(FLOOR_KEY, String(guid));
}
