// What two nodes tell each other at network sync (wire: POST /sync, with the seed's keys and ours added).
import type { Frame } from './reconcile.ts';
import type { Guid, Member, MessageId, Millis, PeerState } from './types.ts';

/** Closed interval of GUIDs, both ends in it. */
export type Interval = readonly [first: Guid, last: Guid];

export interface SyncRequest {
  readonly guid: Guid;
  /** The highest node that the caller knows (seed: `max_guid_node`). */
  readonly maxGuidNode: { readonly guid: Guid; readonly address: string };
  /** GUIDs that the caller knows. Null from a seed client, which is then told only the highest node. */
  readonly have: readonly Interval[] | null;
  /** Members that the callee was found to lack. Believed only from an authenticated caller. */
  readonly members: readonly Member[];
  /** Peers that the caller cannot reach, or that have left, and the incarnation that it knows: is there a later record? */
  readonly doubted: readonly Doubt[];
  /** What the caller's mempool held at a moment, to be compared; null where there is nothing to compare. */
  readonly digest: Digest | null;
  /** Messages that the caller lacks and the callee was found to have. At most WANTED_MAX. */
  readonly wanted: readonly MessageId[];
}

/** A peer, and the incarnation at which it is known. */
export type Doubt = readonly [guid: Guid, incarnation: number];

/** A step of a reconciliation (reconcile.ts), and the moment whose mempools are compared, by the clock of who asked. */
export interface Digest {
  readonly at: Millis;
  readonly frame: Frame;
}

/** `unknown`: no such peer. */
export type CallerState = PeerState | 'unknown';

export interface SyncAnswer {
  /** The highest node that the callee knows (seed: the whole answer). */
  readonly maxGuidNode: { readonly guid: Guid; readonly address: string };
  readonly have: readonly Interval[];
  /** Members that the caller lacks, at most MEMBERS_PAGE_MAX. */
  readonly members: readonly Member[];
  /** True where there are more. */
  readonly more: boolean;
  /** What the callee thinks of the caller, but for its call: who is thought dead speaks up. Null where it does not say. */
  readonly callerState: CallerState | null;
  /** Where the caller's call came from, as the callee sees it; null where it does not say. */
  readonly callerHost: string | null;
  /** The callee's answer to the digest; null where there was none, or it does not compare. */
  readonly frame: Frame | null;
}
