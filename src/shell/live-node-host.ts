// What differs between the runtimes that a node at work can live in.
import type { Config } from '../config.ts';
import type { NodeStore } from '../protocol/store.ts';
import type { Member, Millis } from '../protocol/types.ts';
import type { Handle } from './handler-client.ts';
import type { LogRing } from './log-ring.ts';
import type { Log } from './log.ts';
import type { Outlets } from './node-effects.ts';

/** `Node`: a node at work, for which the ways out are made. */
export interface LiveNodeHost<Node> {
  readonly store: NodeStore;
  readonly config: Config;
  readonly log: Log;
  /** What it logged last. */
  readonly recentLogs: LogRing;
  outlets(node: Node): Outlets;
  /** How the application takes this node's messages; null: it does not. */
  readonly handle: Handle | null;
  /** Has `alarm` called at that time; null: not. */
  setAlarm(at: Millis | null): void;
  /** Alarms set so far, as the platform bills them. */
  alarmsSet(): number;
  /** A call goes on beyond what it was made for. */
  keep(call: Promise<void>): void;
  /** Whether a told member at an address of this deployment is the node there; without it none is believed to be. */
  readonly isSibling?: (member: Member) => Promise<boolean>;
  /** Messages were stored, for readers of a runtime's own. */
  readonly arrived?: () => void;
  /** Readers over WebSockets, which are a runtime's own matter. */
  readonly socketReaders?: () => number;
}
