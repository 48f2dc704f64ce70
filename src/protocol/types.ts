// The nouns that every other file of the protocol uses.
import type { Sealed } from './seal.ts';

/** Allocated by the boot node, 1, 2, 3 …; 0 is the boot node itself, which is not in the ring. */
export type Guid = number;

/** Lower-case hex SHA-256 of a message's canonical body. */
export type MessageId = string;

/** Milliseconds since the Unix epoch. On the wire times are seconds as floats, as the seed's are. */
export type Millis = number;

/** `guid` of the boot node. */
export const BOOT_GUID: Guid = 0;

/**
 * What a node thinks of a peer. `probation`: receives, but nobody's subtree hangs on it; `suspect`: failed lately;
 * `ignored`: failed MAX_FAILURES times, not sent to; `left`: said good-bye.
 */
export type PeerState = 'probation' | 'alive' | 'suspect' | 'ignored' | 'left';

/** The boot node's word that a GUID belongs to a key, for a time. See certificate.ts. */
export interface Certificate {
  readonly issuedAt: Millis;
  readonly expiresAt: Millis;
  /** base64url, by the network's key. */
  readonly signature: string;
}

/** What a node says of itself, signed with its own key: nobody else can change where it is found. */
export interface SelfRecord {
  /** Base URL of the node: `${address}/api/v1/status` answers. */
  readonly address: string;
  /** Ed25519 public key, base64url of its 32 bytes. */
  readonly publicKey: string;
  /** Raised by the member itself when it changes or refutes; the higher one wins. */
  readonly incarnation: number;
  /** What the member can do, see {@link CAPABILITIES}. */
  readonly capabilities: readonly string[];
  /** base64url, by the member's key. */
  readonly signature: string;
}

/** What is told to others about a member: no opinion in it, so two nodes' copies can be compared, and nothing unsigned. */
export interface Member extends SelfRecord {
  readonly guid: Guid;
  readonly certificate: Certificate;
}

/** A member and this node's own opinion of it. */
export interface Peer extends Member {
  readonly state: PeerState;
  /** Last authenticated sign of life, or when it was first heard of. */
  readonly lastSeen: Millis;
  /** Failures in a row. */
  readonly failures: number;
  /** When the failures in a row began, or when it left; null while it is well. */
  readonly troubledSince: Millis | null;
  /** Whether it told this node who it is, proving its key, and that it is a peer of this network. */
  readonly proved: boolean;
  /** When this node first heard of it; probation is counted from here. */
  readonly since: Millis;
}

/** Half-open arc of the ring, walked downwards from `from` (in it) to `to` (not in it). See tree.ts. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** A message on its way: the bytes that its originator signed, and what a hop adds. */
export interface Delivery {
  readonly body: Sealed;
  /** What the receiver becomes responsible for. */
  readonly range: Range;
  /** Hops that this copy has made when it arrives: 1 from the originator. */
  readonly hops: number;
  /** Who sends it, by the word of this deployment's own queue. From outside it is who brings it. */
  readonly from?: Guid;
}

/** What a message's canonical body says, decoded. */
export interface MessageContent {
  readonly network: string;
  readonly data: JsonObject;
  readonly originator: { readonly guid: Guid; readonly address: string };
  readonly broadcastAt: Millis;
  readonly expiresAt: Millis;
}

/** A message as a node's mempool holds it. */
export interface StoredMessage extends MessageContent {
  readonly id: MessageId;
  readonly receivedAt: Millis;
  readonly hops: number;
}

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

export type Result<T, E> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: E };

/** Wraps a success. */
export function ok<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value };
}

/** Wraps a failure. */
export function err<E>(error: E): { readonly ok: false; readonly error: E } {
  return { ok: false, error };
}

/** Our own bug if it does not hold: throws, so that the driver rolls the transaction back. */
export function assert(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${what}`);
}
