// What every route of the API can count on: its settings, the log, and what middleware puts into the context.
import type { ProtocolConfig } from '../protocol/config.ts';
import type { LogLine } from '../protocol/log-line.ts';
import type { Guid } from '../protocol/types.ts';
import type { BeaconGateway, BootGateway, Gateways, NodeGateway } from './ports.ts';

/** What the API needs to know of the deployment's configuration. */
export interface ApiConfig {
  /** Null: operator calls are refused. */
  readonly adminToken: string | null;
  /** Header in which the platform says who calls; null where none is to be believed. */
  readonly clientAddressHeader: string | null;
  /** Null: joiners need none. */
  readonly joinToken: string | null;
  /** Slots 1..nodeCount exist; only told to callers, `gateways.node` decides. */
  readonly nodeCount: number;
  readonly protocol: Pick<ProtocolConfig, 'network' | 'messageTtlMs'>;
}

/** Where things go that an operator should know and a caller must not. `node`: a slot, `boot`, `worker` for the rest, `node` for a node alone. */
export type ApiLog = (node: string, ...line: LogLine) => void;

export interface ApiOptions {
  readonly gateways: Gateways;
  readonly config: ApiConfig;
  readonly log: ApiLog;
}

/** A node that has a host of its own. */
export interface NodeApiOptions {
  readonly node: NodeGateway;
  /** Path before /api/v1; empty: none. */
  readonly base: string;
  readonly config: ApiConfig;
  readonly log: ApiLog;
}

/** What a node and the boot node have in common. */
export type Directory = Pick<
  BootGateway,
  'status' | 'lookup' | 'member' | 'members' | 'sync' | 'samples' | 'logs' | 'signAnswer'
>;

/** Who called, proved by a signature. */
export interface Caller {
  readonly publicKey: string;
  /** Null: a key without a certificate, as a newcomer has. */
  readonly guid: Guid | null;
  /** Of the request's signature; the answer is signed over it. */
  readonly nonce: string;
}

export interface ApiEnv {
  Variables: {
    requestId: string;
    nodeName: string;
    /** Where the call comes from, as the platform says; null where it does not. */
    clientAddress: string | null;
    /** What was read of the body, so that it is read once. */
    bodyBytes?: Uint8Array;
    /** Set where the request was signed. */
    caller?: Caller;
  };
}

export interface CommonEnv {
  Variables: ApiEnv['Variables'] & { directory: Directory };
}

export interface NodeEnv {
  Variables: CommonEnv['Variables'] & { node: NodeGateway };
}

export interface BeaconEnv {
  Variables: ApiEnv['Variables'] & { beacon: BeaconGateway };
}

export interface BootEnv {
  Variables: CommonEnv['Variables'] & { boot: BootGateway };
}
