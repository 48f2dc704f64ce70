// The vocabulary between the node machine and its shells: what comes in, what is to be done, what is answered.
import type { Job } from './job.ts';
import type { ProtocolConfig } from './config.ts';
import type { NodeState, Self } from './node-state.ts';
import type { SyncAnswer, SyncRequest } from './sync.ts';
import type { Delivery, Guid, JsonObject, JsonValue, Member, MessageId, Millis, Range, Result } from './types.ts';

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
  readonly maxGuid: Guid;
  /** The members with the highest GUIDs below, at most MEMBERS_PAGE_MAX; sync brings the rest. */
  readonly members: readonly Member[];
}

/** A request to broadcast. */
export interface Origination {
  readonly data: JsonObject;
  /** Seconds; the network's MESSAGE_TTL when null. */
  readonly ttlSeconds: number | null;
  readonly idempotencyKey: string | null;
}

export interface Originated {
  readonly id: MessageId;
  readonly broadcastAt: Millis;
}

/** Why a node did not take a message. */
export type OriginationError =
  | { readonly reason: 'not-joined' }
  | { readonly reason: 'too-large'; readonly bytes: number; readonly max: number }
  | { readonly reason: 'mempool-full'; readonly max: number }
  | { readonly reason: 'bad-data'; readonly path: string; readonly message: string }
  | { readonly reason: 'key-reused' };

/** What became of a delivery. `busy`: not taken now, to be sent again. */
export type Outcome = 'new' | 'duplicate' | 'rejected' | 'busy';

/** Legs that could not be delivered: to whom, the range that stays uncovered, and which messages. */
export interface Undeliverable {
  readonly to: Guid;
  readonly range: Range;
  readonly attempt: number;
  readonly ids: readonly MessageId[];
}

export type Input =
  /** The object was asked to be there (cron, a request): join if need be, see that timers are set. */
  | { readonly type: 'wake' }
  /** The alarm rang. */
  | { readonly type: 'alarm' }
  | { readonly type: 'join-accepted'; readonly joined: Joined }
  | { readonly type: 'join-failed'; readonly reason: string }
  | { readonly type: 'originate'; readonly originations: readonly Origination[] }
  /** `newest`: the sender that knows the highest GUID. */
  | { readonly type: 'deliver'; readonly deliveries: readonly Delivery[]; readonly newest: Job['from'] | null }
  | { readonly type: 'sync-asked'; readonly request: SyncRequest; readonly authenticated: boolean }
  | { readonly type: 'sync-answered'; readonly guid: Guid; readonly answer: SyncAnswer }
  | { readonly type: 'sync-failed'; readonly guid: Guid; readonly reason: string }
  | { readonly type: 'handed-over'; readonly id: number }
  | { readonly type: 'handover-failed'; readonly id: number; readonly reason: string }
  | { readonly type: 'undeliverable'; readonly legs: readonly Undeliverable[]; readonly reason: string };

export type Reply =
  | { readonly type: 'none' }
  | { readonly type: 'originated'; readonly results: readonly Result<Originated, OriginationError>[] }
  | { readonly type: 'delivered'; readonly outcomes: readonly Outcome[] }
  | { readonly type: 'sync'; readonly answer: SyncAnswer | null };

export type Level = 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR' | 'CRITICAL';

/** Which log a line belongs to (the original's files). */
export type LogName = 'api' | 'network_sync' | 'mempool';

export interface LogEffect {
  readonly type: 'log';
  readonly level: Level;
  readonly log: LogName;
  readonly event: string;
  readonly fields: Readonly<Record<string, JsonValue>>;
}

export type Effect =
  | LogEffect
  /** Ask the boot node for a GUID; answer with join-accepted or join-failed. */
  | { readonly type: 'join' }
  /** Ask a peer; answer with sync-answered or sync-failed. */
  | {
      readonly type: 'sync';
      readonly to: { readonly guid: Guid; readonly address: string };
      readonly request: SyncRequest;
    }
  /** Put the jobs into the queue; answer with handed-over or handover-failed and its id. */
  | { readonly type: 'hand-over'; readonly id: number; readonly jobs: readonly Job[] };

/** Makes a log effect. */
export function logged(
  level: Level,
  log: LogName,
  event: string,
  fields: Readonly<Record<string, JsonValue>> = {},
): LogEffect {
  return { type: 'log', level, log, event, fields };
}
