// The vocabulary between the node machine and its shells: what comes in, what is to be done, what is answered.
import type { LogLine } from './log-line.ts';
import type { Job } from './job.ts';
import type { ProtocolConfig } from './config.ts';
import type { NodeState, Self } from './node-state.ts';
import type { SyncAnswer, SyncRequest } from './sync.ts';
import type { Message } from './message.ts';
import type {
  Certificate,
  Delivery,
  Guid,
  JsonObject,
  Member,
  MessageId,
  Millis,
  Range,
  Result,
  StoredMessage,
} from './types.ts';

/** Everything that a rule may look at. */
export interface Context {
  readonly now: Millis;
  /** Uniform in [0, 1). */
  readonly rng: () => number;
  readonly config: ProtocolConfig;
  readonly self: Self;
  readonly state: NodeState;
}

/** What the boot node answers to a join. */
export interface Joined {
  readonly guid: Guid;
  readonly address: string;
  readonly incarnation: number;
  readonly certificate: Certificate;
  /** Public key of the network: that of the boot node. */
  readonly networkKey: string;
  readonly maxGuid: Guid;
  /** Members of longest and of shortest standing, at most MEMBERS_PAGE_MAX; sync brings the rest. */
  readonly members: readonly Member[];
}

/** A request to broadcast. */
export interface Origination {
  readonly data: JsonObject;
  /** Seconds; the network's MESSAGE_TTL when null. */
  readonly ttlSeconds: number | null;
  readonly idempotencyKey: string | null;
}

/** A request to broadcast whose message is made and signed. */
export interface SignedOrigination extends Origination {
  readonly message: Message;
}

export interface Originated {
  readonly id: MessageId;
  readonly broadcastAt: Millis;
}

/** Why a node did not take a message. */
export type OriginationError =
  | { readonly reason: 'not-joined' }
  /** It has left the network, and has to return first. */
  | { readonly reason: 'left' }
  | { readonly reason: 'too-large'; readonly bytes: number; readonly max: number }
  | { readonly reason: 'mempool-full'; readonly max: number }
  | { readonly reason: 'bad-data'; readonly path: string; readonly message: string }
  | { readonly reason: 'key-reused' };

/** Why a node took none of the messages that it was given together: what is wrong with one of them, and which one that is. */
export interface RefusedOrigination {
  /** Its place, from 0 on. */
  readonly index: number;
  readonly error: OriginationError;
}

/** What became of messages that a node was given together: all of them are taken, in this order, or none is. */
export type Taken = Result<readonly Originated[], RefusedOrigination>;

/** What became of a delivery. `busy`: not taken now, to be sent again. */
export type Outcome = 'new' | 'duplicate' | 'rejected' | 'busy';

/** Legs that could not be delivered: to whom, the range that stays uncovered, and which messages. */
export interface Undeliverable {
  readonly to: Guid;
  readonly range: Range;
  readonly attempt: number;
  /** Who failed for this range just before. */
  readonly without: readonly Guid[];
  /** It answered, and asked for a later time again and again: it is there, and has not failed. */
  readonly answered: boolean;
  readonly ids: readonly MessageId[];
}

/** A signed request from outside, before it is answered. Its signature and certificate were checked. */
export interface Call {
  readonly guid: Guid;
  readonly publicKey: string;
  readonly certificate: Certificate;
  readonly nonce: string;
  /** When the request, not the certificate, runs out. */
  readonly expiresAt: Millis;
}

/** Whether a call may be answered; `other-key`: this GUID is known to be another key's. */
export type CallVerdict = 'ok' | 'replayed' | 'busy' | 'limited' | 'shut-out' | 'other-key' | 'not-joined';

/** What the shell found out about a delivery from outside. `unknown-originator`: its key is not known here, so nothing can be said yet. */
export type DeliveryCheck = 'sound' | 'forged' | 'unknown-originator';

/** Who brought deliveries, where it was not this deployment's own queue. */
export interface Bringer {
  readonly guid: Guid;
  /** One a delivery. */
  readonly checks: readonly DeliveryCheck[];
}

/** Why what answers at a peer's address is no peer. */
export type PeerFault = 'not-pychain' | 'other-network' | 'other-protocol' | 'other-guid' | 'key-unproven';

export type Input =
  /** The object was asked to be there (cron, a request): join if need be, see that timers are set. */
  | { readonly type: 'wake' }
  /** The alarm rang. */
  | { readonly type: 'alarm' }
  | { readonly type: 'join-accepted'; readonly joined: Joined }
  | { readonly type: 'join-failed'; readonly reason: string }
  | { readonly type: 'originate'; readonly originations: readonly SignedOrigination[] }
  /** An operator has the node leave; `farewell` is its PEER_LEAVING. */
  | { readonly type: 'leave'; readonly farewell: SignedOrigination }
  /** An operator has it come back. The shell has raised its incarnation. */
  | { readonly type: 'return' }
  /** `newest`: the sender that knows the highest GUID. `bringer` null: this deployment's own queue, which is believed. */
  | {
      readonly type: 'deliver';
      readonly deliveries: readonly Delivery[];
      readonly newest: Job['from'] | null;
      readonly bringer: Bringer | null;
    }
  | { readonly type: 'call'; readonly call: Call }
  /** `caller`: who proved to ask; null: anybody, who is believed nothing. */
  | { readonly type: 'sync-asked'; readonly request: SyncRequest; readonly caller: Guid | null }
  | { readonly type: 'sync-answered'; readonly guid: Guid; readonly answer: SyncAnswer }
  | { readonly type: 'sync-failed'; readonly guid: Guid; readonly reason: string }
  | {
      readonly type: 'probe-answered';
      readonly guid: Guid;
      readonly capabilities: readonly string[];
      readonly certificate: Certificate | null;
    }
  | { readonly type: 'probe-failed'; readonly guid: Guid; readonly reason: string }
  | { readonly type: 'probe-refused'; readonly guid: Guid; readonly fault: PeerFault }
  /** A peer outside took a delivery, and its answer proved its key. */
  | { readonly type: 'reached'; readonly guid: Guid }
  | { readonly type: 'handed-over'; readonly id: number }
  /** The time of a settle-later is over; `isLast`: the node ends, and nothing comes after it. */
  | { readonly type: 'settle'; readonly isLast: boolean }
  /** The time of a linger is over. */
  | { readonly type: 'lingered' }
  | { readonly type: 'handover-failed'; readonly id: number; readonly reason: string }
  /** The application took a batch, or did not; `through` is that of the effect. */
  | { readonly type: 'handled'; readonly through: string }
  | { readonly type: 'handler-failed'; readonly through: string; readonly reason: string }
  | { readonly type: 'undeliverable'; readonly legs: readonly Undeliverable[]; readonly reason: string };

export type Reply =
  | { readonly type: 'none' }
  | { readonly type: 'originated'; readonly taken: Taken }
  | { readonly type: 'left'; readonly result: Result<null, OriginationError> }
  | { readonly type: 'call'; readonly verdict: CallVerdict }
  /** `repeated`: ids of the duplicates, each as often as it came. */
  | { readonly type: 'delivered'; readonly outcomes: readonly Outcome[]; readonly repeated: readonly MessageId[] }
  | { readonly type: 'sync'; readonly answer: SyncAnswer | null };

export interface LogEffect {
  readonly type: 'log';
  readonly line: LogLine;
}

export type Effect =
  | LogEffect
  /** Ask the boot node for a GUID; answer with join-accepted or join-failed. */
  | { readonly type: 'join' }
  /** Sign what this node says of itself anew, with a higher incarnation than this, and wake it: others believe it dead. */
  | { readonly type: 'renew-self'; readonly above: number }
  /** Broadcast an event of the node's own: draft it, sign it, and originate it. */
  | { readonly type: 'say'; readonly data: JsonObject }
  /** Ask a peer; answer with sync-answered or sync-failed. */
  | { readonly type: 'sync'; readonly to: SyncTarget; readonly request: SyncRequest }
  /** Ask a peer outside who it is; answer with probe-answered, probe-failed or probe-refused. */
  | {
      readonly type: 'probe';
      readonly to: { readonly guid: Guid; readonly address: string; readonly publicKey: string };
      readonly timeoutMs: Millis;
    }
  /**
   * Put the jobs into the queues, those for peers outside into their own; answer with handed-over or handover-failed and its id. `isAlone`: call
   * the nodes of `jobs` first, for FIRST_ATTEMPT_MS at most, and put into the queue what they did not take.
   */
  | {
      readonly type: 'hand-over';
      readonly id: number;
      readonly isAlone: boolean;
      readonly jobs: readonly Job[];
      readonly outbound: readonly Job[];
    }
  /** Answer with settle after SETTLE_MS, as long as this life lasts: nothing depends on it but what a crash repeats. */
  | { readonly type: 'settle-later' }
  /** Answer with lingered after LINGER_MS, as long as this life lasts: what waits is stored, and the next life hands it over. */
  | { readonly type: 'linger' }
  /** Give the application a batch; answer with handled or handler-failed and its `through`. */
  | { readonly type: 'handle'; readonly messages: readonly StoredMessage[]; readonly through: string };

/** Whom to ask at network sync; `outside` null: a node of this deployment. */
export interface SyncTarget {
  readonly guid: Guid;
  readonly address: string;
  readonly outside: { readonly publicKey: string; readonly timeoutMs: Millis } | null;
}

/** Makes a log effect. */
export function logged(...line: LogLine): LogEffect {
  return { type: 'log', line };
}
