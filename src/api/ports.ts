// What the HTTP API asks of a node and of the boot node. src/durable/gateway.ts answers from Durable Objects; a Node.js
// peer answers from its own process. Answers are plain data in the protocol's own units (milliseconds, camelCase).
import type { JoinError } from '../protocol/boot.ts';
import type { Joined, Originated, Origination, OriginationError, Outcome } from '../protocol/effects.ts';
import type { Guid, JsonObject, MessageId, Millis, Peer, Result, StoredMessage } from '../protocol/types.ts';
import type { SyncAnswer, SyncRequest } from '../protocol/sync.ts';

/** Who a node is, and how it fares. */
export interface NodeStatus {
  readonly network: string;
  /** Null while the node has not joined. */
  readonly guid: Guid | null;
  readonly address: string;
  /** Null for the boot node, which has no key yet. */
  readonly publicKey: string | null;
  readonly capabilities: readonly string[];
  readonly maxGuid: Guid;
  readonly time: Millis;
  /** Peers by state, this node not counted. */
  readonly peers: Readonly<Record<string, number>>;
  /** Unexpired messages in the mempool. */
  readonly messages: number;
  readonly lastSyncAt: Millis | null;
  readonly nextSyncAt: Millis | null;
}

/** What became of a message that a peer sent. `busy`: not taken now, to be sent again. */
export type Verdict = Outcome;

export interface MemberPage {
  readonly members: readonly Peer[];
  /** Pass it back for what follows; null at the end. */
  readonly next: string | null;
}

export interface MessagePage {
  readonly messages: readonly StoredMessage[];
  readonly next: string | null;
}

/** One number for /metrics. */
export interface Sample {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A message in the seed's form: what `PUT /broadcast` carries when it is stamped. */
export interface SeedMessage {
  readonly id: MessageId;
  readonly data: JsonObject;
  readonly originator: { readonly guid: Guid; readonly address: string };
  readonly broadcastAt: Millis;
  readonly expiresAt: Millis;
  readonly network: string;
  readonly nonce: number;
}

export interface NodeGateway {
  status(): Promise<NodeStatus>;
  /** Address of a member, or null. */
  lookup(guid: Guid): Promise<string | null>;
  member(guid: Guid): Promise<Peer | null>;
  /** Members in ascending order of GUID; `cursor` null for the first page. A cursor that is not ours gives null. */
  members(cursor: string | null, limit: number): Promise<MemberPage | null>;
  sync(request: SyncRequest): Promise<SyncAnswer | null>;
  originate(origination: Origination): Promise<Result<Originated, OriginationError>>;
  /** A stamped message from elsewhere; this node becomes responsible for itself only. */
  receive(message: SeedMessage): Promise<Verdict>;
  /** Oldest first; `cursor` null for the first page. A cursor that is not ours gives null. */
  messages(cursor: string | null, limit: number): Promise<MessagePage | null>;
  message(id: MessageId): Promise<StoredMessage | null>;
  samples(): Promise<readonly Sample[]>;
}

export interface BootGateway {
  status(): Promise<NodeStatus>;
  /** Allocates, or finds what the key has; the same key has the same GUID for ever. */
  join(publicKey: string, address: string): Promise<Result<Joined, JoinError>>;
  lookup(guid: Guid): Promise<string | null>;
  member(guid: Guid): Promise<Peer | null>;
  members(cursor: string | null, limit: number): Promise<MemberPage | null>;
  sync(request: SyncRequest): Promise<SyncAnswer | null>;
  samples(): Promise<readonly Sample[]>;
}

/** Everything that the API serves. */
export interface Gateways {
  /** Null where this deployment hosts no boot node. */
  readonly boot: BootGateway | null;
  /** The hosted node of a slot; null where the slot is outside 1..NODE_COUNT. */
  node(slot: number): NodeGateway | null;
}
