// From the protocol's units (milliseconds, camelCase) to the wire's (seconds, snake_case).
import type * as z from 'zod';
import type { Joined, Originated } from '../protocol/effects.ts';
import * as limits from '../protocol/limits.ts';
import type { SyncAnswer } from '../protocol/sync.ts';
import type { Certificate, Guid, Member, Millis, Peer, StoredMessage } from '../protocol/types.ts';
import type { Challenge, LogPage, MemberPage, MessagePage, NodeStatus } from './ports.ts';
import type { logPage } from './log-schemas.ts';
import type * as schemas from './schemas.ts';
import { VERSION } from './version.ts';

type Wire<Schema extends z.ZodType> = z.output<Schema>;

/** Status of a node that has a GUID. */
export function statusView(status: NodeStatus, guid: Guid): Wire<typeof schemas.status> {
  return {
    network: status.network,
    protocol: limits.PROTOCOL,
    version: VERSION,
    guid,
    address: status.address,
    public_key: status.publicKey,
    network_key: status.networkKey,
    certificate: status.certificate && certificateView(status.certificate),
    incarnation: status.incarnation,
    capabilities: [...status.capabilities],
    max_guid: status.maxGuid,
    time: toSeconds(status.time),
    peers: { ...status.peers },
    messages: status.messages,
    last_sync_at: status.lastSyncAt === null ? null : toSeconds(status.lastSyncAt),
    next_sync_at: status.nextSyncAt === null ? null : toSeconds(status.nextSyncAt),
    left_at: status.leftAt === null ? null : toSeconds(status.leftAt),
    observed_host: status.observedHost,
  };
}

/** Whether a node is a member. */
export function membershipView({ guid, leftAt }: NodeStatus): Wire<typeof schemas.membership> {
  return { guid, left_at: leftAt === null ? null : toSeconds(leftAt) };
}

/** What a node can do, and up to where. */
export function capabilitiesView(status: NodeStatus): Wire<typeof schemas.capabilities> {
  return {
    network: status.network,
    protocol: limits.PROTOCOL,
    version: VERSION,
    capabilities: [...status.capabilities],
    hosted_nodes: status.hostedNodes,
    limits: {
      address_chars_max: limits.ADDRESS_CHARS_MAX,
      batch_messages_max: limits.ORIGINATIONS_MAX,
      body_bytes_max: limits.BODY_BYTES_MAX,
      guid_max: limits.GUID_MAX,
      idempotency_key_chars_max: limits.IDEMPOTENCY_KEY_CHARS_MAX,
      json_depth_max: limits.JSON_DEPTH_MAX,
      members_page_max: limits.MEMBERS_PAGE_MAX,
      mempool_messages_max: limits.MEMPOOL_MESSAGES_MAX,
      message_bytes_max: limits.MESSAGE_BYTES_MAX,
      messages_page_max: limits.MESSAGES_PAGE_MAX,
      sync_intervals_max: limits.SYNC_INTERVALS_MAX,
      ttl_seconds_max: limits.TTL_SECONDS_MAX,
    },
  };
}

/** A member with this node's opinion of it. */
export function peerView(peer: Peer): Wire<typeof schemas.member> {
  return {
    ...memberView(peer),
    state: peer.state,
    last_seen: toSeconds(peer.lastSeen),
    failures: peer.failures,
  };
}

export function memberPageView(page: MemberPage): Wire<typeof schemas.memberPage> {
  return { members: page.members.map(peerView), next: page.next };
}

/** The seed's two keys, then ours. */
export function syncAnswerView(answer: SyncAnswer): Wire<typeof schemas.syncAnswer> {
  return {
    address: answer.maxGuidNode.address,
    guid: answer.maxGuidNode.guid,
    have: answer.have.map(([first, last]) => [first, last]),
    members: answer.members.map(memberView),
    more: answer.more,
    frame: answer.frame,
    caller_state: answer.callerState,
    caller_host: answer.callerHost,
  };
}

export function messageView(message: StoredMessage): Wire<typeof schemas.message> {
  return {
    id: message.id,
    data: message.data,
    originator: { guid: message.originator.guid, address: message.originator.address },
    broadcast_timestamp: toSeconds(message.broadcastAt),
    expires_at: toSeconds(message.expiresAt),
    received_at: toSeconds(message.receivedAt),
    hops: message.hops,
  };
}

export function messagePageView(page: MessagePage): Wire<typeof schemas.messagePage> {
  return { messages: page.messages.map(messageView), next: page.next, cursor: page.cursor };
}

export function logPageView(page: LogPage): Wire<typeof logPage> {
  return {
    logs: [...page.logs],
    next: page.next,
    cursor: page.cursor,
    missed: page.isMissed,
  };
}

export function originatedView(originated: Originated): Wire<typeof schemas.messageAnswer> {
  return { id: originated.id, broadcast_timestamp: toSeconds(originated.broadcastAt) };
}

/** What a newcomer must solve. */
export function challengeView(challenge: Challenge, network: string): Wire<typeof schemas.challenge> {
  const { challenge: text, bits, expiresAt, networkKey } = challenge;
  const expires = toSeconds(expiresAt);
  return { challenge: text, bits, expires, network, protocol: limits.PROTOCOL, network_key: networkKey };
}

/** What a node signs to prove that it has its key. */
export function proofView(publicKey: string, network: string) {
  return { network, protocol: limits.PROTOCOL, public_key: publicKey };
}

/** The answer to a join, without its signature. */
export function joinedView(joined: Joined): Omit<Wire<typeof schemas.joinAnswer>, 'signature'> {
  return {
    guid: joined.guid,
    address: joined.address,
    incarnation: joined.incarnation,
    certificate: certificateView(joined.certificate),
    network_key: joined.networkKey,
    max_guid: joined.maxGuid,
    members: joined.members.map(memberView),
  };
}

function memberView(member: Member) {
  return {
    guid: member.guid,
    address: member.address,
    public_key: member.publicKey,
    incarnation: member.incarnation,
    capabilities: [...member.capabilities],
    signature: member.signature,
    certificate: certificateView(member.certificate),
  };
}

function certificateView({ issuedAt, expiresAt, signature }: Certificate) {
  return { issued: toSeconds(issuedAt), expires: toSeconds(expiresAt), signature };
}

function toSeconds(at: Millis): number {
  return at / 1000;
}
