// Ring rules of the original pychain (SEED.md section 3): the GUIDs 1..m in descending order from oneself, wrapping.
// They choose whom a node synchronises with; tree.ts cuts the same ring for broadcasts.
import type { Guid } from './types.ts';

/**
 * All GUIDs of a network in descending order, starting at `guid`: g=5, m=9 gives 5 4 3 2 1 9 8 7 6.
 * @throws RangeError where `guid` is outside 1..maxGuid.
 */
export function ringFrom(guid: Guid, maxGuid: Guid): Guid[] {
  checkGuid(guid, maxGuid);
  return Array.from({ length: maxGuid }, (_, distance) => atDistance(guid, maxGuid, distance));
}

/**
 * Peers at distance 1, 2, 4, 8 … below `maxGuid`: g=9, m=9 gives 8 7 5 1. O(log m).
 * @throws RangeError where `guid` is outside 1..maxGuid.
 */
export function primaryPeers(guid: Guid, maxGuid: Guid): Guid[] {
  checkGuid(guid, maxGuid);
  const peers: Guid[] = [];
  for (let distance = 1; distance < maxGuid; distance *= 2) peers.push(atDistance(guid, maxGuid, distance));
  return peers;
}

/**
 * Who stands in for a primary peer: the ring's entries strictly between two peers; where `second` does not come later
 * than `first`, all after `first`. g=6 (2, 8), m=9 gives 1 9. Given one by one: a large network has thousands.
 * @throws RangeError where a GUID is outside 1..maxGuid.
 */
export function backupPeers(guid: Guid, first: Guid, second: Guid, maxGuid: Guid): Iterable<Guid> {
  checkGuid(first, maxGuid);
  checkGuid(second, maxGuid);
  const start = distanceOf(guid, first, maxGuid);
  const end = distanceOf(guid, second, maxGuid);
  return between(guid, start, end > start ? end : maxGuid, maxGuid);
}

function* between(guid: Guid, start: number, end: number, maxGuid: Guid): Generator<Guid> {
  for (let distance = start + 1; distance < end; distance++) yield atDistance(guid, maxGuid, distance);
}

function atDistance(guid: Guid, maxGuid: Guid, distance: number): Guid {
  return guid > distance ? guid - distance : guid - distance + maxGuid;
}

function distanceOf(guid: Guid, other: Guid, maxGuid: Guid): number {
  return other <= guid ? guid - other : guid - other + maxGuid;
}

function checkGuid(guid: Guid, maxGuid: Guid): void {
  if (!Number.isInteger(guid) || guid < 1 || guid > maxGuid) {
    throw new RangeError(`GUID ${guid} is outside 1..${maxGuid}`);
  }
}
