// What a network's operator chooses, checked and typed. src/config.ts makes it from environment variables.
import type { Millis } from './types.ts';

export interface ProtocolConfig {
  readonly network: string;
  /** Groups that a range is cut into, 2 or more. */
  readonly fanout: number;
  /** Lifetime of a message whose originator names none. */
  readonly messageTtlMs: Millis;
  /** Failures in a row after which a peer is not sent to any more. */
  readonly maxFailures: number;
  /** How long a newcomer is nobody's delegate. */
  readonly probationMs: Millis;
  readonly syncIntervalMs: Millis;
  /** At most this much is added to each interval, drawn anew each time. */
  readonly syncJitterMs: Millis;
  /** Prefix of the addresses of this deployment's own nodes, ending in "/n/". */
  readonly hostedPrefix: string;
}
