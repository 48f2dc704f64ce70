// What a network's operator chooses, checked and typed. src/config.ts makes it from environment variables.
import type { Millis } from './types.ts';

export interface ProtocolConfig {
  readonly network: string;
  /** Groups that a range is cut into, 2 or more; null: FANOUT_INSIDE or FANOUT_OUTSIDE. */
  readonly fanout: number | null;
  /** Lifetime of a message whose originator names none. */
  readonly messageTtlMs: Millis;
  /** Failures in a row after which a peer is not sent to any more. */
  readonly maxFailures: number;
  /** How long a peer may give no sign before its record is deleted. */
  readonly guidTimeoutMs: Millis;
  /** How long a newcomer's certificate lives: guidTimeoutMs, or some sync rounds where these are longer. */
  readonly newcomerCertificateMs: Millis;
  /** Bits of work that a newcomer proves while few join; 0: none ever. */
  readonly powBits: number;
  /** Living members that one address group (a registered domain) may have. */
  readonly groupMembersMax: number;
  /** The network's public key as the operator knows it; null: the boot node is believed when first asked. */
  readonly networkKey: string | null;
  /** Peers elsewhere may have http and private addresses: for networks on one machine. */
  readonly localPeers: boolean;
  /** How long a newcomer is nobody's delegate. */
  readonly probationMs: Millis;
  readonly syncIntervalMs: Millis;
  /** At most this much is added to each interval, drawn anew each time. */
  readonly syncJitterMs: Millis;
  /** Prefix of the addresses of this deployment's own nodes, ending in "/n/". */
  readonly hostedPrefix: string;
  /** Whether the application takes this node's messages. */
  readonly hasHandler: boolean;
  /** Messages in one delivery from which the node is busy: BUSY_MESSAGES, but in the simulator. */
  readonly busyMessages: number;
}
