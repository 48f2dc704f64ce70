// Every shape on the wire, in one place: what requests are checked with and what the OpenAPI document is made of.
// Keys in snake_case, times in Unix seconds as floats. Everything that a caller can make longer has a limit.
import * as z from 'zod';
import {
  ADDRESS_CHARS_MAX,
  DELIVERIES_CALL_MAX,
  DOUBTED_MAX,
  GUID_MAX,
  IDEMPOTENCY_KEY_CHARS_MAX,
  MEMBERS_PAGE_MAX,
  MESSAGE_BYTES_MAX,
  MESSAGES_PAGE_MAX,
  SYNC_INTERVALS_MAX,
  TTL_SECONDS_MAX,
  WANTED_MAX,
} from '../protocol/limits.ts';
import { readFrame, type Frame } from '../protocol/reconcile.ts';
import type { JsonValue } from '../protocol/types.ts';
import {
  ADDRESS,
  capabilityNames,
  certificate,
  guid,
  guidOrBoot,
  incarnation,
  jsonObject,
  messageId,
  node,
  nonce,
  numeral,
  peerAddress,
  position,
  publicKey,
  seconds,
  signature,
} from './shapes.ts';

const PAGE_DEFAULT = 100;
export const CURSOR_CHARS_MAX = 256;
const NETWORK_CHARS_MAX = 64;
/** An address as a connection has it, IPv6 with an embedded IPv4 address at the longest. */
const HOST_CHARS_MAX = 45;
export const EVENT_NAME_CHARS_MAX = 128;
const CHALLENGE_CHARS_MAX = 96;
const SOLUTION_CHARS_MAX = 16;
/** Hops of a message in the seed's form. */
const SEEN_BY_MAX = 4_096;

/** A page of a list that can be turned. */
export function pageQuery(limitMax: number) {
  return z.object({
    cursor: z.string().min(1).max(CURSOR_CHARS_MAX).optional().meta({ description: '`next` of the page before' }),
    limit: numeral(1, limitMax).optional().meta({ default: PAGE_DEFAULT }),
  });
}

/** Entries in a page where the caller does not say. */
export const PAGE_LIMIT_DEFAULT = PAGE_DEFAULT;

export const guidParams = z.object({ guid: numeral(1, GUID_MAX) });
export const messageParams = z.object({ id: messageId });
export const membersQuery = pageQuery(MEMBERS_PAGE_MAX);
export const messagesQuery = pageQuery(MESSAGES_PAGE_MAX);
export const idempotencyHeaders = z.object({
  'idempotency-key': z
    .string()
    .max(IDEMPOTENCY_KEY_CHARS_MAX)
    .regex(/^[\x20-\x7e]+$/, 'expected printable ASCII characters')
    .optional(),
});

export const problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  })
  .meta({ id: 'Problem' });

export const status = z
  .object({
    network: z.string(),
    protocol: z.string().meta({ examples: ['pychain/1'] }),
    version: z.string(),
    guid: guidOrBoot,
    address: z.string(),
    public_key: z.string(),
    network_key: z.string().nullable().meta({ description: 'the key of the boot node' }),
    certificate: certificate.nullable().meta({ description: 'null: the boot node, which needs none' }),
    incarnation,
    capabilities: z.array(z.string()),
    max_guid: guidOrBoot,
    time: seconds,
    peers: z.record(z.string(), z.int()).meta({ description: 'peers by state, this node not counted' }),
    messages: z.int().meta({ description: 'unexpired messages in the mempool' }),
    last_sync_at: seconds.nullable(),
    next_sync_at: seconds.nullable(),
    left_at: seconds.nullable().meta({ description: 'when it left the network; null: it is a member' }),
    observed_host: z
      .string()
      .nullable()
      .meta({ description: 'where its calls come from, as peers of three operators agree' }),
    signature: signature.optional().meta({ description: 'over the nonce and this answer, where there was a nonce' }),
  })
  .meta({ id: 'Status' });

/** What a peer must say of itself to be one; more keys are fine. */
export const peerStatus = z.looseObject({
  network: z.string(),
  protocol: z.string(),
  guid,
  public_key: publicKey,
  capabilities: capabilityNames,
  certificate: certificate.nullable().optional(),
  left_at: seconds.nullable().optional(),
});

/** After leaving or coming back. */
export const membership = z
  .object({ guid: guid.nullable(), left_at: seconds.nullable() })
  .meta({ id: 'Membership', description: 'the GUID stays the node’s, whether it is a member or not' });

export const statusQuery = z.object({ nonce: nonce.optional() });
export const proofQuery = z.object({ nonce });

export const challenge = z
  .object({
    challenge: z.string(),
    bits: z
      .int()
      .min(0)
      .meta({ description: 'zero bits that the SHA-256 of "challenge public_key address solution" begins with' }),
    expires: seconds,
    network: z.string(),
    protocol: z.string(),
    network_key: z.string(),
  })
  .meta({ id: 'Challenge' });

export const proof = z
  .object({ network: z.string(), protocol: z.string(), public_key: publicKey, signature })
  .meta({ id: 'Proof', description: 'that the node at this address has this key' });

export const capabilities = z
  .object({
    network: z.string(),
    protocol: z.string(),
    version: z.string(),
    capabilities: z.array(z.string()),
    hosted_nodes: z.int().meta({ description: 'nodes of its deployment, in slots from 1 on' }),
    limits: z.record(z.string(), z.number()),
  })
  .meta({ id: 'Capabilities' });

const memberShape = {
  guid,
  address: peerAddress,
  public_key: publicKey,
  incarnation,
  capabilities: capabilityNames,
  signature: signature.meta({ description: 'by the member, over what it says of itself' }),
  certificate,
};

/** What members tell each other of a third. */
const announcedMember = z.object(memberShape).meta({ id: 'AnnouncedMember' });

export const member = z
  .object({
    ...memberShape,
    state: z.enum(['probation', 'alive', 'suspect', 'ignored', 'left']),
    last_seen: seconds,
    failures: z.int().min(0),
  })
  .meta({ id: 'Member' });

export const memberPage = z
  .object({ members: z.array(member), next: z.string().nullable() })
  .meta({ id: 'MemberPage' });

export const address = z.string().nullable();

const interval = z
  .tuple([guid, guid])
  .refine(([first, last]) => first <= last, 'expected [first, last], first not above last');

/** A step of a reconciliation of mempools, see docs/protocol.md. */
const frame = z
  .custom<Frame>((value) => readFrame(value as JsonValue) !== null, { error: 'expected a frame of a reconciliation' })
  .meta({ type: 'object', description: 'ranges of messages with fingerprints or ids' });

/** Unknown keys are ignored: seed clients know fewer, newer ones more. `members` are believed only of callers that sign. */
export const syncRequest = z
  .object({
    guid: guidOrBoot,
    max_guid_node: node,
    have: z.array(interval).max(SYNC_INTERVALS_MAX).optional(),
    members: z.array(announcedMember).max(MEMBERS_PAGE_MAX).optional(),
    digest: z.object({ at: seconds, frame }).optional(),
    wanted: z
      .array(messageId)
      .max(WANTED_MAX)
      .optional()
      .meta({ description: 'ids of messages to send to the caller' }),
    doubted: z
      .array(z.tuple([guid, incarnation]))
      .max(DOUBTED_MAX)
      .optional()
      .meta({ description: 'peers that the caller cannot reach, and the incarnation that it knows of each' }),
  })
  .meta({ id: 'SyncRequest', description: 'what the caller knows' });

export const syncAnswer = z
  .object({
    address: z.string().max(ADDRESS_CHARS_MAX),
    guid: guidOrBoot,
    have: z.array(interval).max(SYNC_INTERVALS_MAX),
    members: z.array(announcedMember).max(MEMBERS_PAGE_MAX + 1),
    more: z.boolean(),
    frame: frame.nullable().optional(),
    caller_state: z
      .enum(['probation', 'alive', 'suspect', 'ignored', 'left', 'unknown'])
      .nullable()
      .optional()
      .meta({ description: 'what the callee thinks of the caller, this call not counted' }),
    caller_host: z
      .string()
      .max(HOST_CHARS_MAX)
      .nullable()
      .optional()
      .meta({ description: 'where the call came from, as the callee sees it' }),
    signature: signature.optional().meta({ description: 'over the nonce of the request’s signature and this answer' }),
  })
  .meta({ id: 'SyncAnswer' });

const outcome = z.enum(['new', 'duplicate', 'rejected', 'busy']);

/** Legs of a certified peer. What is in `body` is checked by the protocol, not here. */
export const deliveriesRequest = z
  .object({
    max_guid: guidOrBoot.meta({ description: 'the highest GUID that the caller knows' }),
    deliveries: z
      .array(
        z.object({
          signature: signature.meta({ description: 'by the originator, over the body' }),
          body: z.string().max(MESSAGE_BYTES_MAX).meta({ description: 'the canonical body, byte by byte' }),
          range: z
            .object({ from: position, to: position })
            .meta({ description: 'what the callee becomes responsible for' }),
          hops: z.int().min(1).max(GUID_MAX),
        }),
      )
      .min(1)
      .max(DELIVERIES_CALL_MAX),
  })
  .meta({ id: 'DeliveriesRequest', description: 'a batch of deliveries' });

export const deliveriesAnswer = z
  .object({
    outcomes: z
      .array(outcome)
      .max(DELIVERIES_CALL_MAX)
      .meta({ description: 'one a delivery; busy: send it again later' }),
    signature,
  })
  .meta({ id: 'DeliveriesAnswer' });

/**
 * One message, in the seed's form. Unstamped (`id` and `broadcast_timestamp` null) asks the node to originate it.
 * Unknown keys are ignored.
 */
export const broadcastRequest = z
  .object({
    data: jsonObject,
    id: messageId.nullable(),
    originator: node,
    broadcast_timestamp: seconds.nullable(),
    expires_at: seconds.optional().meta({ description: "without it: the network's MESSAGE_TTL after the broadcast" }),
    network: z.string().max(NETWORK_CHARS_MAX).optional(),
    nonce: z.int().min(0).optional().meta({ description: 'part of what the id is the hash of' }),
    ttl: z.number().min(-GUID_MAX).max(GUID_MAX).meta({ description: "the seed's hops to go; not used" }),
    seen_by: z.array(guidOrBoot).max(SEEN_BY_MAX).optional(),
    signature: signature.optional().meta({ description: 'by the originator; needed where the message is stamped' }),
  })
  .refine(({ id, broadcast_timestamp: at }) => (id === null) === (at === null), {
    path: ['broadcast_timestamp'],
    message: 'expected a time with an id, null without',
  })
  .refine(({ broadcast_timestamp: at, expires_at: end }) => at === null || end === undefined || lasts(at, end), {
    path: ['expires_at'],
    message: `expected a time after broadcast_timestamp, by ${TTL_SECONDS_MAX} seconds at most`,
  })
  .meta({ id: 'BroadcastRequest', description: 'the message' });

export const broadcastAnswer = z.boolean().meta({ description: 'true: new; false: dropped' });

export const messageRequest = z
  .strictObject({
    data: jsonObject.optional(),
    event: z
      .strictObject({
        name: z.string().min(1).max(EVENT_NAME_CHARS_MAX),
        args: jsonObject.optional(),
      })
      .optional(),
    ttl: z.int().min(1).max(TTL_SECONDS_MAX).optional().meta({ description: 'seconds' }),
  })
  .refine(({ data, event }) => (data === undefined) !== (event === undefined), {
    path: ['data'],
    message: 'give either data or event',
  })
  .meta({ id: 'MessageRequest', description: 'the message' });

export const messageAnswer = z.object({ id: messageId, broadcast_timestamp: seconds }).meta({ id: 'MessageAnswer' });

export const message = z
  .object({
    id: messageId,
    data: jsonObject,
    originator: node,
    broadcast_timestamp: seconds,
    expires_at: seconds,
    received_at: seconds,
    hops: z.int().min(0),
  })
  .meta({ id: 'Message' });

export const messagePage = z
  .object({
    messages: z.array(message),
    next: z.string().nullable(),
    cursor: z.string().meta({ description: 'where this page ends: to go on from, by page or by stream' }),
  })
  .meta({ id: 'MessagePage' });

export const joinRequest = z
  .object({
    public_key: publicKey,
    address: z.string().max(ADDRESS_CHARS_MAX).transform(canonicalBase).meta({ format: 'uri' }),
    incarnation,
    capabilities: capabilityNames,
    signature: signature.meta({ description: 'by the joiner, over what it says of itself' }),
    challenge: z
      .string()
      .max(CHALLENGE_CHARS_MAX)
      .optional()
      .meta({ description: 'of GET /network/challenge; members need none' }),
    solution: z.string().max(SOLUTION_CHARS_MAX).optional(),
  })
  .refine(({ challenge: given, solution }) => (given === undefined) === (solution === undefined), {
    path: ['solution'],
    message: 'expected a solution with a challenge, none without',
  })
  .meta({ id: 'JoinRequest', description: 'who joins' });

export const joinAnswer = z
  .object({
    guid,
    address: z.string(),
    incarnation,
    certificate,
    network_key: publicKey,
    max_guid: guidOrBoot,
    members: z.array(announcedMember),
    signature,
  })
  .meta({ id: 'JoinAnswer' });

export const departure = z
  .object({ incarnation: incarnation.meta({ description: 'the one that leaves: a later one stays' }) })
  .meta({ id: 'Departure', description: 'which incarnation of the signer leaves' });

/** What the seed answers to a join at a node that is not the boot node. */
export const nothing = z.object({});

export const metrics = z.string();

export const openApi = z.looseObject({ openapi: z.string() });

/**
 * A node's base URL in its one spelling, without a slash at the end: two spellings would be two members. Whether the
 * host may be called at all is decided where calls are made.
 */
function canonicalBase(text: string, context: z.RefinementCtx): string {
  const url = ADDRESS.test(text) && /^https?:\/\//i.test(text) && URL.canParse(text) ? new URL(text) : null;
  const plain = url !== null && !/[?#]/.test(text) && url.username === '' && url.password === '';
  const base = url?.href.replace(/\/$/, '') ?? '';
  if (plain && !base.endsWith('/') && base.length <= ADDRESS_CHARS_MAX) return base;
  context.addIssue('expected an http or https URL without credentials, query and fragment');
  return z.NEVER;
}

function lasts(from: number, to: number): boolean {
  return to > from && to <= from + TTL_SECONDS_MAX;
}
