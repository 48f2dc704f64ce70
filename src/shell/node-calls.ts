// What is asked of a node by the process that it runs in: the RPC surface of a hosted node, plain calls of a Node.js node.
import type { CallingNode } from '../api/peer-client.ts';
import type {
  Admission,
  LogPage,
  LogQuery,
  MemberPage,
  MessagePage,
  NodeGateway,
  NodeStatus,
  ProvenCaller,
  Sample,
} from '../api/ports.ts';
import type { SignedCall } from '../crypto/http-signature.ts';
import type { Surveyed } from '../protocol/boot-survey.ts';
import { hashOf, toCanonical } from '../protocol/canonical.ts';
import type { Origination, OriginationError, Outcome, Taken, Undeliverable } from '../protocol/effects.ts';
import type { Sender } from '../protocol/job.ts';
import type { SyncAnswer, SyncRequest } from '../protocol/sync.ts';
import type { Delivery, Guid, MessageId, Peer, Result, StoredMessage } from '../protocol/types.ts';

/** All of it takes and gives plain data. */
export interface NodeCalls {
  wake(): Promise<Guid | null>;
  tenure(): Promise<Surveyed>;
  deliver(deliveries: readonly Delivery[], newest: Sender | null): Promise<readonly Outcome[]>;
  deliverFrom(caller: ProvenCaller, maxGuid: Guid, deliveries: readonly Delivery[]): Promise<readonly Outcome[]>;
  originate(originations: readonly Origination[]): Promise<Taken>;
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
  logs(query: LogQuery): Promise<LogPage | null>;
}

/** The API's view of a node. `stream`: how a reader gets to it, which differs between runtimes. */
export function nodeGateway(node: NodeCalls, stream: NodeGateway['stream']): NodeGateway {
  return {
    status: () => node.status(),
    async lookup(guid) {
      return (await node.member(guid))?.address ?? null;
    },
    member: (guid) => node.member(guid),
    members: (cursor, limit) => node.members(cursor, limit),
    signAnswer: (nonce, answer) => node.signAnswer(nonce, hashOf(toCanonical(answer))),
    admit: (call) => node.admit(call),
    sync: (request, caller) => (caller === null ? node.sync(request, null) : node.syncFrom(request)),
    deliver: (caller, maxGuid, deliveries) => node.deliverFrom(caller, maxGuid, deliveries),
    originate: (originations) => node.originate(originations),
    leave: () => node.leave(),
    return: () => node.return(),
    messages: (cursor, limit) => node.messages(cursor, limit),
    message: (id) => node.message(id),
    stream,
    samples: () => node.samples(),
    logs: (query) => node.logs(query),
  };
}
