// What a node answers, as applications see it. Keys are those of the wire, times Unix seconds as floats. Nodes of later versions may tell more.

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

/** Who a node is, and how it fares. */
export interface NodeStatus {
  readonly network: string;
  /** Such as `pychain/1`. */
  readonly protocol: string;
  readonly version: string;
  /** 0 is the boot node. */
  readonly guid: number;
  readonly address: string;
  readonly public_key: string;
  /** Key of the boot node; null before the node knows it. */
  readonly network_key: string | null;
  readonly capabilities: readonly string[];
  readonly max_guid: number;
  /** The node's clock. */
  readonly time: number;
  /** Peers by state, the node itself not counted. */
  readonly peers: Readonly<Record<string, number>>;
  /** Unexpired messages in its mempool. */
  readonly messages: number;
  readonly last_sync_at: number | null;
  readonly next_sync_at: number | null;
  /** When it left the network; null: it is a member. */
  readonly left_at: number | null;
}

/** A member, and what the node thinks of it. */
export interface Member {
  readonly guid: number;
  readonly address: string;
  readonly public_key: string;
  readonly incarnation: number;
  readonly capabilities: readonly string[];
  /** `probation`, `alive`, `suspect`, `ignored` or `left`; versions to come may have others. */
  readonly state: string;
  readonly last_seen: number;
  /** Failures in a row. */
  readonly failures: number;
}

/** A message in a node's mempool. */
export interface Message {
  /** The same at every node: what duplicates are known by. */
  readonly id: string;
  readonly data: JsonObject;
  readonly originator: { readonly guid: number; readonly address: string };
  readonly broadcast_timestamp: number;
  readonly expires_at: number;
  /** When it came to this node. */
  readonly received_at: number;
  /** Hops that this node's copy made. */
  readonly hops: number;
}

export interface MessagePage {
  readonly messages: readonly Message[];
  /** Cursor of the next page; null: there is none yet. */
  readonly next: string | null;
  /** Where this page ends: a stream, or a page later on, goes on from here. */
  readonly cursor: string;
}

/** A message that a node has accepted: all will have it. */
export interface Accepted {
  readonly id: string;
  readonly broadcast_timestamp: number;
}

/** An event: a message with a name, which readers can ask for. */
export interface NamedEvent {
  readonly event: { readonly name: string; readonly args?: JsonObject };
}

/** What a node says over its stream, see docs/protocol.md. */
export type StreamFrame =
  | { readonly type: 'hello'; readonly guid: number | null; readonly cursor: string }
  | { readonly type: 'messages'; readonly messages: readonly Message[]; readonly cursor: string }
  | { readonly type: 'gap'; readonly missed: number | null }
  | { readonly type: 'end'; readonly reason: string };
