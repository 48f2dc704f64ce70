// Which object a slot or an address means.
import type { Config } from '../config.ts';
import type { Env } from './env.ts';
import type { CallingNode } from '../api/peer-client.ts';
import type { Admission, MemberPage, MessagePage, NodeStatus, ProvenCaller, Sample } from '../api/ports.ts';
import type { SignedCall } from '../crypto/http-signature.ts';
import type { Surveyed } from '../protocol/boot-survey.ts';
import type { Originated, Origination, OriginationError, Outcome, Undeliverable } from '../protocol/effects.ts';
import type { Sender } from '../protocol/job.ts';
import type { SyncAnswer, SyncRequest } from '../protocol/sync.ts';
import type { Delivery, Guid, MessageId, Peer, Result, StoredMessage } from '../protocol/types.ts';

/** What this Worker calls on a hosted node. All of it takes and gives plain data. */
export interface NodeCalls {
  wake(): Promise<Guid | null>;
  tenure(): Promise<Surveyed>;
  deliver(deliveries: readonly Delivery[], newest: Sender | null): Promise<readonly Outcome[]>;
  deliverFrom(caller: ProvenCaller, maxGuid: Guid, deliveries: readonly Delivery[]): Promise<readonly Outcome[]>;
  originate(origination: Origination): Promise<Result<Originated, OriginationError>>;
  leave(): Promise<Result<null, OriginationError>>;
  return(): Promise<void>;
  sync(request: SyncRequest, caller: Guid | null): Promise<SyncAnswer | null>;
  syncFrom(request: SyncRequest): Promise<SyncAnswer | null>;
  admit(call: SignedCall): Promise<Admission>;
  signAnswer(nonce: string, hash: string): Promise<string>;
  signRequest(base: Uint8Array): Promise<Uint8Array>;
  credential(): Promise<(Pick<CallingNode, 'credential'> & { readonly publicKey: string }) | null>;
  reached(guids: readonly Guid[]): Promise<void>;
  undeliverable(legs: readonly Undeliverable[], reason: string): Promise<void>;
  status(): Promise<NodeStatus>;
  member(guid: Guid): Promise<Peer | null>;
  members(cursor: string | null, limit: number): Promise<MemberPage | null>;
  messages(cursor: string | null, limit: number): Promise<MessagePage | null>;
  message(id: MessageId): Promise<StoredMessage | null>;
  samples(): Promise<readonly Sample[]>;
  /** Only stream-calls.ts makes these. */
  fetch(request: Request): Promise<Response>;
}

/** The hosted node of a slot. */
export function nodeStub(env: Env, slot: number): NodeCalls {
  // The stub's own type rewrites every result into RPC types too deep for the compiler; plain data comes out as it went in.
  return env.NODES.get(env.NODES.idFromName(String(slot))) as unknown as NodeCalls;
}

/** Slot of one of this deployment's own addresses; null for any other. */
export function slotOf(address: string, config: Config): number | null {
  const { hostedPrefix } = config.protocol;
  const slot = address.startsWith(hostedPrefix) ? address.slice(hostedPrefix.length) : '';
  return /^[1-9]\d{0,5}$/.test(slot) && Number(slot) <= config.nodeCount ? Number(slot) : null;
}
