// Whom a node sends to, synchronises with and probes, given what its roster says of them. Capabilities are asked here: nothing is used
// with a peer that does not say that it can.
import { CAN_DELIVER, CAN_SYNC, IMPATIENT_MS, PATIENT_MS, PROBES_MAX } from './limits.ts';
import { backupPeers, primaryPeers } from './ring.ts';
import { isLive, type Roster } from './roster.ts';
import { down, type Candidate } from './tree.ts';
import type { Guid, Millis, Peer, Range } from './types.ts';

/** Rounds between two probes of a peer in trouble, in the mean, at most (guess: ten minutes with the defaults). */
const PROBE_ROUNDS_MAX = 8;

/** Somebody that messages are sent to. */
export interface Recipient extends Candidate {
  /** A node of this deployment. */
  readonly inside: boolean;
}

/** Whether a peer is a node of this deployment: it is called by RPC, and its operator is ours. */
export function isHosted(peer: { readonly address: string }, hostedPrefix: string): boolean {
  return peer.address.startsWith(hostedPrefix);
}

/**
 * Peers that messages are sent to, those on an arc in ring order, or all. Nobody's subtree hangs on one that is not alive and past
 * probation. `ignored`: those who are ignored, too, by a node that has left and calls nobody who could tell it that they are back.
 */
export function candidates(
  roster: Roster,
  hostedPrefix: string,
  range: Range | null = null,
  ignored = false,
): Recipient[] {
  const found: Recipient[] = [];
  for (const peer of range ? roster.peersOn(range) : roster.peers()) {
    if (!isLive(peer.state) && !(ignored && peer.state === 'ignored')) continue;
    if (!canDeliver(peer, hostedPrefix)) continue;
    found.push({ guid: peer.guid, trusted: peer.state === 'alive', inside: isHosted(peer, hostedPrefix) });
  }
  return found;
}

/** Whether there is anybody that messages are sent to. */
export function hasCandidate(roster: Roster, hostedPrefix: string): boolean {
  for (const peer of roster.peers()) if (isLive(peer.state) && canDeliver(peer, hostedPrefix)) return true;
  return false;
}

/** Trusted members to leave something with, those of this deployment first, those of longest standing before others. */
export function keepers(roster: Roster, hostedPrefix: string, max: number): Guid[] {
  const trusted = roster.sorted().filter((peer) => peer.state === 'alive' && canDeliver(peer, hostedPrefix));
  const [own, others] = [true, false].map((wanted) =>
    trusted.filter((peer) => isHosted(peer, hostedPrefix) === wanted),
  );
  return [...(own ?? []), ...(others ?? [])].slice(0, max).map(({ guid }) => guid);
}

function canDeliver(peer: Peer, hostedPrefix: string): boolean {
  return isHosted(peer, hostedPrefix) || peer.capabilities.includes(CAN_DELIVER);
}

/** Whether a node synchronises with a peer: it is there, as far as we know, and it can. */
export function canSync(peer: Peer | null, hostedPrefix: string): peer is Peer {
  if (!peer || !isLive(peer.state)) return false;
  return isHosted(peer, hostedPrefix) || (peer.proved && peer.capabilities.includes(CAN_SYNC));
}

/** Whether of all who are there this node stands next before a GUID in the ring, so that it is the one to tell of it. */
export function standsNext(roster: Roster, self: Guid, gone: Guid): boolean {
  for (const peer of roster.peers()) {
    if (peer.state === 'alive' && down(peer.guid, gone) < down(self, gone)) return false;
  }
  return true;
}

/** How long a peer may keep us waiting. */
export function patience(peer: Peer): Millis {
  return peer.state === 'alive' ? PATIENT_MS : IMPATIENT_MS;
}

/** Primary peers by the ring rules; where one cannot be asked, the first of its backups that can. */
export function syncPeers(roster: Roster, hostedPrefix: string, guid: Guid, maxGuid: Guid): Peer[] {
  const primaries = primaryPeers(guid, maxGuid);
  const chosen = new Map<Guid, Peer>();
  for (const [index, primary] of primaries.entries()) {
    const next = primaries[index + 1] ?? primary;
    const isThere = canSync(roster.get(primary), hostedPrefix);
    for (const candidate of isThere ? [primary] : backupPeers(guid, primary, next, maxGuid)) {
      const peer = roster.get(candidate);
      if (!canSync(peer, hostedPrefix)) continue;
      chosen.set(peer.guid, peer);
      break;
    }
  }
  return [...chosen.values()];
}

/**
 * Peers to probe in this round, drawn anew each time: those that never proved to be there, those whose probation is over, and those in
 * trouble, the longer in trouble the seldomer, within limits. Few, and all at once: however many there are, a round waits for them as long as for one.
 */
export function probePeers(
  roster: Roster,
  round: readonly Peer[],
  probationMs: Millis,
  now: Millis,
  rng: () => number,
): Peer[] {
  const asked = new Set(round.map((peer) => peer.guid));
  const due = [...roster.restless()].filter((peer) => {
    if (asked.has(peer.guid) || peer.state === 'left') return false;
    if (!peer.proved && peer.failures === 0) return true;
    if (peer.state === 'probation' && peer.failures === 0) return now - peer.since >= probationMs;
    const isTroubled = peer.state === 'suspect' || peer.state === 'ignored' || !peer.proved;
    return isTroubled && rng() < 1 / Math.min(PROBE_ROUNDS_MAX, Math.max(1, peer.failures));
  });
  // The first of a shuffle, without shuffling all.
  for (let index = 0; index < Math.min(PROBES_MAX, due.length); index++) {
    const other = index + Math.floor(rng() * (due.length - index));
    const [a, b] = [due[index], due[other]];
    if (a && b) [due[index], due[other]] = [b, a];
  }
  return due.slice(0, PROBES_MAX);
}
