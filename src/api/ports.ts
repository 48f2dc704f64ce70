// What the HTTP API asks of a node and of the boot node. src/durable/gateway.ts answers from Durable Objects; a Node.js
// peer answers from its own process. Answers are plain data in the protocol's own units (milliseconds, camelCase).
import type { SignedCall } from '../crypto/http-signature.ts';
import type { FieldFault } from '../protocol/allocation.ts';
import type { Aggregate } from '../protocol/beacon-aggregates.ts';
import type { Coverage, Holder } from '../protocol/beacon-message.ts';
import type { Heard, Report } from '../protocol/beacon-report.ts';
import type { BackupHead } from '../protocol/backup-file.ts';
import type { JoinError, JoinRequest } from '../protocol/boot.ts';
import type { EntryFault, MergeCounts } from '../protocol/boot-restore.ts';
import type { CallVerdict, Joined, Origination, OriginationError, Outcome, Taken } from '../protocol/effects.ts';
import type { Level, LogName } from '../protocol/log-events.ts';
import type {
  Certificate,
  Delivery,
  Guid,
  JsonObject,
  JsonValue,
  MessageId,
  Millis,
  Peer,
  Result,
  StoredMessage,
} from '../protocol/types.ts';
import type { Allocation } from '../protocol/store.ts';
import type { SyncAnswer, SyncRequest } from '../protocol/sync.ts';

/** Who a node is, and how it fares. */
export interface NodeStatus {
  readonly network: string;
  /** Null while the node has not joined. */
  readonly guid: Guid | null;
  readonly address: string;
  readonly publicKey: string;
  /** Key of the boot node; null before it is known. */
  readonly networkKey: string | null;
  /** Null before it has joined, and for the boot node, which needs none. */
  readonly certificate: Certificate | null;
  readonly incarnation: number;
  readonly capabilities: readonly string[];
  readonly maxGuid: Guid;
  readonly time: Millis;
  /** Peers by state, this node not counted. */
  readonly peers: Readonly<Record<string, number>>;
  /** Unexpired messages in the mempool. */
  readonly messages: number;
  readonly lastSyncAt: Millis | null;
  readonly nextSyncAt: Millis | null;
  /** When it left the network; null for a member. */
  readonly leftAt: Millis | null;
  /** Nodes of its deployment, in slots from 1 on. */
  readonly hostedNodes: number;
  /** Where its calls come from, as several peers agree that they see; null where they do not. */
  readonly observedHost: string | null;
}

export interface MemberPage {
  readonly members: readonly Peer[];
  /** Pass it back for what follows; null at the end. */
  readonly next: string | null;
}

export interface MessagePage {
  readonly messages: readonly StoredMessage[];
  readonly next: string | null;
  /** Where it ends: to go on from, also where there is no next page yet. */
  readonly cursor: string;
}

/** What a reader of the stream asks for. */
export interface StreamRequest {
  readonly transport: 'websocket' | 'events';
  /** `now`: only what comes from now on; null: from the oldest on. */
  readonly cursor: string | null;
  /** Names of events; none: everything. */
  readonly events: readonly string[];
  /** Whose readers are counted together; null where the platform does not say who calls. */
  readonly network: string | null;
}

/** `not-here`: this kind of node has no stream of this kind. */
export type StreamRefusal = 'unknown-cursor' | 'too-many-readers' | 'not-here';

/** One number for /metrics. */
export interface Sample {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A line of a log, and what else its event has for fields. */
export interface LogRecord {
  readonly [field: string]: JsonValue;
  /** Unix seconds. */
  readonly time: number;
  readonly level: Level;
  readonly node: string;
  readonly log: LogName;
  readonly event: string;
}

/** `cursor` null: from the oldest on that there is; `level`: the lowest. */
export interface LogQuery {
  readonly cursor: string | null;
  readonly limit: number;
  readonly level: Level;
}

export interface LogPage {
  readonly logs: readonly LogRecord[];
  readonly next: string | null;
  /** Where it ends: to go on from, also where there is no next page yet. */
  readonly cursor: string;
  /** Lines after the given cursor are gone. */
  readonly isMissed: boolean;
}

/** Whether a signed call may be answered; `unproven`: its certificate does not prove who calls. */
export type Admission = CallVerdict | 'unproven';

/** A member that proved to call, and the key that it proved it with. */
export interface ProvenCaller {
  readonly guid: Guid;
  readonly publicKey: string;
}

/** Why a joiner was not let in; `busy`: too many are being looked at; `unanswered`: its address did not prove its key. */
export type JoinRefusal =
  | JoinError
  | { readonly reason: 'busy' }
  | { readonly reason: 'bad-record' }
  | { readonly reason: 'unanswered'; readonly detail: string };

/** What a newcomer must solve. */
export interface Challenge {
  readonly challenge: string;
  readonly bits: number;
  readonly expiresAt: Millis;
  readonly networkKey: string;
}

/** Signs an answer to the question with this nonce; base64url. */
export type SignAnswer = (nonce: string, answer: JsonObject) => Promise<string>;

export interface NodeGateway {
  status(): Promise<NodeStatus>;
  /** Address of a member, or null. */
  lookup(guid: Guid): Promise<string | null>;
  member(guid: Guid): Promise<Peer | null>;
  /** Members in ascending order of GUID; `cursor` null for the first page. A cursor that is not ours gives null. */
  members(cursor: string | null, limit: number): Promise<MemberPage | null>;
  readonly signAnswer: SignAnswer;
  /** Whether a caller is heard: certificate, standing, nonce. Uses the nonce up. */
  admit(call: SignedCall): Promise<Admission>;
  /** `caller`: who proved to ask; null: anybody. */
  sync(request: SyncRequest, caller: Guid | null): Promise<SyncAnswer | null>;
  /** Deliveries that a caller brings; `maxGuid` is the highest GUID that it says it knows. */
  deliver(caller: ProvenCaller, maxGuid: Guid, deliveries: readonly Delivery[]): Promise<readonly Outcome[]>;
  /** Takes messages that were given together: all of them, or none. */
  originate(originations: readonly Origination[]): Promise<Taken>;
  /** Has the node leave the network, and come back. */
  leave(): Promise<Result<null, OriginationError>>;
  return(): Promise<void>;
  /** Oldest first; `cursor` null for the first page. A cursor that is not ours gives null. */
  messages(cursor: string | null, limit: number): Promise<MessagePage | null>;
  message(id: MessageId): Promise<StoredMessage | null>;
  /** Opens a stream: its answer is for the caller as it is. */
  stream(request: StreamRequest): Promise<Response | StreamRefusal>;
  samples(): Promise<readonly Sample[]>;
  /** What it logged last, oldest first. A cursor that is not ours gives null. */
  logs(query: LogQuery): Promise<LogPage | null>;
}

/** The first part of a backup of the boot node. */
export interface Backup extends BackupHead {
  /** Allocations, those of members that are gone too. */
  readonly count: number;
  readonly exportedAt: Millis;
}

export interface AllocationPage {
  readonly allocations: readonly Allocation[];
  readonly next: string | null;
}

/** What the first part of a restore did. */
export interface Restored {
  /** No GUID up to this one is given from now on. */
  readonly maxGuid: Guid;
  readonly keyReplaced: boolean;
}

export interface BootGateway {
  status(): Promise<NodeStatus>;
  readonly signAnswer: SignAnswer;
  challenge(): Promise<Challenge>;
  /** Lets in who passes, calling its address back; the same key has the same GUID for ever. The request was signed with the key. */
  join(request: JoinRequest): Promise<Result<Joined, JoinRefusal>>;
  /** The member with this key has left, in this incarnation. The request was signed with the key. */
  depart(publicKey: string, incarnation: number): Promise<void>;
  lookup(guid: Guid): Promise<string | null>;
  member(guid: Guid): Promise<Peer | null>;
  members(cursor: string | null, limit: number): Promise<MemberPage | null>;
  sync(request: SyncRequest, caller: Guid | null): Promise<SyncAnswer | null>;
  samples(): Promise<readonly Sample[]>;
  logs(query: LogQuery): Promise<LogPage | null>;
  /** `withKey`: with the secret half of the network's key. */
  backup(withKey: boolean): Promise<Backup>;
  /** Ascending; `cursor` null for the first page. A cursor that is not ours gives null. */
  allocations(cursor: string | null, limit: number): Promise<AllocationPage | null>;
  /** Takes the first part of a backup, or only checks it: no GUID is given then until the last allocations are there. */
  beginRestore(head: BackupHead, isDry: boolean): Promise<Result<Restored, FieldFault>>;
  /** Takes allocations, at most BACKUP_PAGE_MAX: all of them or none. `isLast`: there are no more. */
  restore(batch: readonly Allocation[], isLast: boolean): Promise<Result<MergeCounts, EntryFault>>;
  /** Gives no GUID up to this one from now on. */
  raiseFloor(guid: Guid): Promise<Result<{ readonly maxGuid: Guid }, FieldFault>>;
}

/** Messages as the beacon sees them, newest first. */
export interface CoveragePage {
  readonly messages: readonly Coverage[];
  readonly next: string | null;
}

/** A message with who has it, first those who had it first, and who has not: BEACON_SHOWN_MAX of each at most. */
export interface CoverageDetail extends Coverage {
  readonly receipts: readonly Omit<Holder, 'stamp'>[];
  readonly missing: readonly Guid[];
}

export interface BeaconSummary {
  readonly time: Millis;
  readonly network: string;
  /** Live members, as it was told last. */
  readonly members: number;
  readonly hour: Aggregate;
  readonly day: Aggregate;
  /** Messages that are kept, and when the oldest was broadcast. */
  readonly kept: { readonly messages: number; readonly oldest: Millis | null };
}

export interface BeaconGateway {
  /** A cursor that is not ours gives null. */
  messages(cursor: string | null, limit: number, originator: Guid | null): Promise<CoveragePage | null>;
  message(id: MessageId): Promise<CoverageDetail | null>;
  summary(): Promise<BeaconSummary>;
  samples(): Promise<readonly Sample[]>;
  stream(request: StreamRequest): Promise<Response | StreamRefusal>;
  /** Whether a caller's certificate proves who it is. */
  admit(call: SignedCall): Promise<Admission>;
  /** Takes what a member elsewhere reports of itself; null: it comes too often. */
  hear(report: Report): Promise<Heard | null>;
}

/** Everything that the API serves. */
export interface Gateways {
  /** Null where this deployment has no beacon. */
  readonly beacon: BeaconGateway | null;
  /** Null where this deployment hosts no boot node. */
  readonly boot: BootGateway | null;
  /** The hosted node of a slot; null where the slot is outside 1..NODE_COUNT. */
  node(slot: number): NodeGateway | null;
}
