// A limit on everything that a peer, a user or time can grow. Relations between them are checked at the end of the file.

/** Wire protocol that this code speaks. */
export const PROTOCOL = 'pychain/1';

/** Takes batches of legs at POST /deliveries. Without it a peer is sent no messages. */
export const CAN_DELIVER = 'deliveries';

/** Answers signed requests at POST /sync. Without it a peer is only probed. */
export const CAN_SYNC = 'sync';

/** Compares mempools at POST /sync. Without it a peer is told of members only. */
export const CAN_RECONCILE = 'reconcile';

/** Of a boot node: members may tell the beacon of its deployment what they have. */
export const HAS_BEACON = 'beacon';

/** What a node of this version can do; told in status, kept on the peer record, asked before a feature is used with a peer. */
export const CAPABILITIES: readonly string[] = [
  'broadcast',
  CAN_DELIVER,
  'members',
  'messages',
  CAN_RECONCILE,
  CAN_SYNC,
];

/** Highest GUID; keeps ring arithmetic inside 32-bit integers. */
export const GUID_MAX = 2 ** 31 - 1;

/** Positions on the ring's circle, 0 (nobody) included. */
export const RING_SIZE = GUID_MAX + 1;

/** Canonical body of a message, UTF-8 bytes. With legs it must fit into one queue message (guess: roomy for events). */
export const MESSAGE_BYTES_MAX = 65_536;

/** Characters of the messages that an isolate keeps decoded (guess: more than a thousand usual ones, as a second of load brings; decoded a twentieth of its memory). */
export const DECODED_CHARS_MAX = 2_000_000;

/** Characters of the member records that an isolate keeps for its nodes to share (guess: some six thousand; a thirtieth of its memory). */
export const RECORDS_CHARS_MAX = 4_000_000;

/** What a node keeps of its log to be read over HTTP: lines, and characters of them as JSON. */
export const LOG_RING_LINES_MAX = 500;
export const LOG_RING_CHARS_MAX = 262_144;

/** Nested arrays and objects in a message's `data` (guess; far below any stack). */
export const JSON_DEPTH_MAX = 64;

/** Longest HTTP body that is read at all, bytes: a message plus its wrapping, doubled for escapes. */
export const BODY_BYTES_MAX = 262_144;

/** Longest address, characters. */
export const ADDRESS_CHARS_MAX = 256;

/** Longest `Idempotency-Key`, characters; messages that an application gives with one request (guess: BODY_BYTES_MAX is for all of them). */
export const IDEMPOTENCY_KEY_CHARS_MAX = 128;
export const ORIGINATIONS_MAX = 100;

/** Capabilities on a peer record, and characters of one. */
export const CAPABILITIES_MAX = 16;
export const CAPABILITY_CHARS_MAX = 32;

/** Members a node keeps. Its records take about 600 bytes each, signatures included (guess for the limit). */
export const ROSTER_MEMBERS_MAX = 100_000;

/** Longest JSON of one member, bytes: address, capabilities, key and two signatures at their longest. */
export const MEMBER_BYTES_MAX = 1_400;

/** Members in one sync answer, join answer or page: as many as fit a request body at their longest. */
export const MEMBERS_PAGE_MAX = 128;

/** Members in one announcement: as many as fit a message at their longest. */
export const ANNOUNCED_MEMBERS_MAX = 40;

/** Messages in one API page. */
export const MESSAGES_PAGE_MAX = 500;

/** Stored messages that are looked at in one go, for a page or a reader of the stream: those that are not wanted count too. */
export const MESSAGES_SCANNED_MAX = 10_000;
export const SCANNED_CHARS_MAX = 2_000_000;

/** Messages that the application is given at once, and characters of their bodies unless a single one has more. */
export const HANDLER_MESSAGES_MAX = 100;
export const HANDLER_CHARS_MAX = 262_144;

/**
 * Failures of the handler at one message by itself after which those behind it are given first, how many messages are set aside so, and the pause
 * before each next try of one of them, milliseconds (guesses: a handler that is down for a while takes more than a second to come back, and must
 * not find its messages in another order for that).
 */
export const ASIDE_FAILURES = 3;
export const HANDLER_ASIDE_MAX = 16;
export const ASIDE_PAUSE_MS = 60_000;

/** How long the application may take for them. The node is billed for the wait (guess). */
export const HANDLER_MS_MAX = 15_000;

/** Readers of one node's stream, and those of one network (an IPv4 address, an IPv6 /64). Idle ones are hibernating WebSockets (guess). */
export const STREAM_READERS_MAX = 1_000;
export const STREAM_NETWORK_READERS_MAX = 250;

/** Readers of one node's stream over Server-Sent Events, which keep it awake (guess). */
export const STREAM_EVENT_READERS_MAX = 100;

/** How long one answer of Server-Sent Events goes on; the reader comes back for more. A reader that is gone unnoticed must not keep a node awake. */
export const STREAM_EVENTS_MS_MAX = 300_000;

/** Silence after which a comment goes over Server-Sent Events: proxies cut what is silent, often after 30 s (guess). */
export const STREAM_COMMENT_MS = 20_000;

/** Names of events that a reader may ask for, and bytes of all of them: they are kept with the socket, where the platform has 2,048 bytes. */
export const STREAM_EVENTS_MAX = 8;
export const STREAM_EVENTS_BYTES_MAX = 1_024;

/** Messages in one frame of the stream, and characters of their bodies unless a single one has more. */
export const STREAM_FRAME_MESSAGES_MAX = 100;
export const STREAM_FRAME_CHARS_MAX = 65_536;

/** Frames, and characters of frames, that a reader may have without acknowledging any: it waits for more until it does. */
export const STREAM_WINDOW_FRAMES = 8;
export const STREAM_WINDOW_CHARS = 262_144;

/** Characters of frames that all readers of a node together have not acknowledged: they may be in memory still. The slowest is cut. */
export const STREAM_UNACKNOWLEDGED_CHARS_MAX = 16_000_000;

/** How long a reader may take to acknowledge a frame while others wait for it (guess: a bad line, a short stop of the program). */
export const STREAM_ACKNOWLEDGE_MS = 30_000;

/** Longest message of a reader, characters: an acknowledgement. */
export const STREAM_ACKNOWLEDGEMENT_CHARS_MAX = 64;

/** A reader of rare events is told how far the node has come after this, so that its cursor does not grow old. */
export const STREAM_CHECKPOINT_MS = 60_000;

/** Intervals of known GUIDs in one sync request; a roster with more holes is described up to the last that fits. */
export const SYNC_INTERVALS_MAX = 128;

/** Peers in one sync request that the caller cannot reach, and asks for later records of. */
export const DOUBTED_MAX = 32;

/** Longest pause between two sync rounds of a node where nothing happens (guess: cheap, and short against everything that runs out). */
export const IDLE_SYNC_MS_MAX = 900_000;

/** Bytes of JSON of one frame of a reconciliation: with members and wishes it must fit a request body. */
export const FRAME_BYTES_MAX = 30_000;

/** Messages that one sync request may ask for. */
export const WANTED_MAX = 500;

/** Bytes of messages that one sync request may have sent. */
export const WANTED_BYTES_MAX = 1_000_000;

/** Frames of one sync exchange; what is left is for the next round (a thousand differences take about four). */
export const RECONCILE_ROUNDS_MAX = 16;

/** How old messages are that are compared: younger ones may be under way (guess: several hops and a retry). */
export const RECONCILE_AFTER_MS = 15_000;

/** Messages that have no more than this to live are not worth comparing. */
export const RECONCILE_BEFORE_END_MS = 5_000;

/** Moments at which mempools are compared are multiples of this, so that one look serves many callers. */
export const RECONCILE_STEP_MS = 5_000;

/** Unexpired messages a node keeps; above it originators get 503 and peers are asked to retry. */
export const MEMPOOL_MESSAGES_MAX = 100_000;

/** Bytes of message bodies a node keeps. */
export const MEMPOOL_BYTES_MAX = 256 * 1024 * 1024;

/** One stored row; Durable Object rows end at 2 MB (PLATFORM.md 1.1). */
export const SEGMENT_BYTES_MAX = 1_000_000;

/** Deliveries handled in one transaction. */
export const DELIVERIES_MAX = 2_000;

/** One queue message; the platform's limit is 128,000 B less about 100 B of metadata (PLATFORM.md 1.4). */
export const JOB_BYTES_MAX = 120_000;

/**
 * Groups that a range is cut into where the operator names no number: whose members are all nodes of one deployment, and any other.
 * Inside, each hop more costs a queue passage and a row, and calls are cheap: one hop up to 1,025 nodes (measured: docs/protocol.md, Fan-out).
 * Elsewhere a leg is a signed HTTP call, six at once, so that few of them, whose targets pass messages on, are sooner done (guess).
 */
export const FANOUT_INSIDE = 1_024;
export const FANOUT_OUTSIDE = 64;

/** The most that an operator may choose. */
export const FANOUT_MAX = 1_024;

/**
 * A node that hands over more often than this notes once in so long how far it has come, instead of each time: a row and a commit less a message
 * (`npm run profile`: a tenth of what a message takes). A crash before that has it hand over again, and receivers drop the duplicates. Milliseconds.
 */
export const SETTLE_MS = 1_000;

/**
 * A busy node hands its own messages over this far apart, all that came meanwhile at once: a job for each was a fifth of what a message took, and a
 * hundred jobs are all that a batch of the queue holds. Milliseconds (guess: what the consumer rests between two batches).
 */
export const LINGER_MS = 250;

/**
 * Messages in one delivery from which a node is busy: nearly the hundred jobs that a batch of the queue holds, so that jobs, not time, are what there is
 * too little of. From 16 on, 300 messages/s among 64 nodes took 0.8 s in the median instead of 0.5, for nothing.
 */
export const BUSY_MESSAGES = 80;

/** How long it is busy after that, where nobody brings anything more: as long as a load is remembered (guess). Milliseconds. */
export const BUSY_MS = 10_000;

/**
 * Messages a second up to which each is alone, and the most that are remembered, ten seconds of them. Under load they come in batches, further apart
 * the slower all is: a node that took half a second without any for quiet brought its next one itself, and 64 of them at 200 messages/s brought the
 * time to all from 0.4 to 20 s (`npm run soak`). Both guesses; the bare fan-out of docs/speed.md does 25 a second.
 */
export const ALONE_PER_SECOND = 2;
export const ALONE_REMEMBERED_MAX = 20;

/** How long an originator's own calls may take before the queue gets what is left (guess: a node that wakes with a large mempool). Milliseconds. */
export const FIRST_ATTEMPT_MS = 1_000;

/** Legs in one job: bounds the calls that one queue message can cause. */
export const JOB_LEGS_MAX = 512;

/** Bytes of legs in one job. */
export const JOB_LEGS_BYTES_MAX = 50_000;

/** Characters of the headers of jobs that an isolate keeps as it read them (guess: nine of each of 64 nodes of one deployment). */
export const JOB_HEADERS_CHARS_MAX = 2_000_000;

/** Bytes of bodies in one handover, unless a single segment has more; what is left goes with the next. */
export const HANDOVER_BYTES_MAX = 2_000_000;

/** Open repairs (ranges owed after a failure) a node keeps; the oldest message's repair is dropped first, with a log line. */
export const REPAIRS_MAX = 1_000;

/** Message lifetime that an originator may ask for, seconds. Mempools hold a message that long. */
export const TTL_SECONDS_MAX = 86_400;

/** How far in the future a message may say it was broadcast: tolerated clock difference. */
export const CLOCK_SKEW_MS_MAX = 60_000;

/** Most hops that a copy says it made: counted no further. A tree with a fan-out of 2 over all GUIDs has 31 (guess: twice that). */
export const HOPS_MAX = 64;

/** Delegates of one range that may fail one after the other at once; then it waits for its turn (guess). */
export const FAILOVERS_MAX = 8;

/** Further ranges that one message may bring a node, in duplicates after failovers (guess). */
export const EXTRA_RANGES_MAX = 8;

/** Deliveries in one request from another deployment or process; one more than a page of bodies would hold at their longest. */
export const DELIVERIES_CALL_MAX = 256;

/** Longest answer that is read from a peer, bytes: a page of members at their longest, and room. */
export const ANSWER_BYTES_MAX = 262_144;

/** How long a signed request may be under way, seconds: its window, in which nonces are remembered (guess; RFC 9421 leaves it open). */
export const REQUEST_SECONDS_MAX = 60;

/** Characters of a nonce. */
export const NONCE_CHARS_MIN = 16;
export const NONCE_CHARS_MAX = 64;

/** Nonces that a node remembers; above it signed requests are refused for a while. At 23 bytes a nonce it is half a megabyte. */
export const NONCES_MAX = 20_000;

/** Longest life of a certificate: half of it is how long the boot node may be away from an old network (guess). */
export const CERTIFICATE_MS_MAX = 7 * 86_400_000;

/** Peers that are probed in one sync round, all at once: those not proved yet, and those in trouble (guess). */
export const PROBES_MAX = 4;

/** How long a peer that is not trusted may keep a node waiting, all of a round's together (memberlist's probe timeout; DESIGN allows a second a round). */
export const IMPATIENT_MS = 500;

/** How long a trusted peer may take (guess: a cold start on the other side, and a slow line). */
export const PATIENT_MS = 3_000;

/** Records of peers that were dropped, remembered so that nobody brings them back unchanged. */
export const DROPPED_MAX = 4_096;

/** Callers whose standing a node remembers; one at rest gives way first. About 100 bytes each. */
export const STANDINGS_MAX = 10_000;

/** What one peer may do from outside: calls and messages a second, and how much at once (guesses: far above what sync and a busy node need). */
export const CALLS_PER_SECOND = 20;
export const CALLS_BURST = 100;
export const MESSAGES_PER_SECOND = 200;
export const MESSAGES_BURST = 2_000;

/** What one originator outside may have a node take from whoever brings it. */
export const ORIGINATOR_PER_SECOND = 100;
export const ORIGINATOR_BURST = 1_000;

/** Required bits of work: at most; 24 bits are about 17 s of one core (PLATFORM.md 3.5). */
export const POW_BITS_MAX = 24;

/** Time to solve a challenge: several times what the most bits take. */
export const CHALLENGE_MS = 300_000;

/** Joins within the half-life of the join rate that cost no more than POW_BITS; each doubling costs a bit more (guess). */
export const JOINS_FREE = 64;
export const JOIN_RATE_HALF_LIFE_MS = 300_000;

/** Call-backs under way at once, in all and to one address group. */
export const CALLBACKS_MAX = 32;
export const CALLBACKS_GROUP_MAX = 4;

/** Lines of allocations in one backup of the boot node: those of the dead too, ten for each that may live. */
export const BACKUP_ALLOCATIONS_MAX = 1_000_000;

/** Longest JSON of one allocation in a backup, bytes: a member, and when it joined. */
export const BACKUP_ENTRY_BYTES_MAX = 1_500;

/** Allocations in one request to restore them, and in one page. */
export const BACKUP_PAGE_MAX = 128;

/** How far one call may raise the floor of allocation: a slip of the finger must not end a network's GUIDs (guess). */
export const FLOOR_RISE_MAX = 2 ** 24;

/** Nodes that a boot object which has just begun asks in one go: at a tick, and for a join that waits for it. */
export const SURVEY_CALLS_MAX = 2_000;
export const SURVEY_JOIN_CALLS_MAX = 128;

/** Calls a second that the beacon gets from all members together, about: each reports the more seldom the more there are. An object can take a thousand. */
export const BEACON_CALLS_PER_SECOND = 200;

/** Shortest time between two reports of a node to the beacon. */
export const BEACON_WINDOW_MS_MIN = 250;

/** Longest that a node stays awake for a report: one that is due later goes with whatever wakes the node then, its next sync round at the latest. */
export const BEACON_WAIT_MS_MAX = 10_000;

/** Longest pause between two tries to reach a beacon that does not answer. */
export const BEACON_BACKOFF_MS_MAX = 300_000;

/** How long the beacon may take. The node is billed for the wait (guess). */
export const BEACON_TIMEOUT_MS = 2_000;

/** Receipts in one report: they must fit a request body. */
export const REPORT_RECEIPTS_MAX = 500;

/** Messages in one report of which duplicates came, and in memory until then: beyond, duplicates are not counted. */
export const REPORT_DUPLICATES_MAX = 500;

/** Intervals of GUIDs of live members in one report; those beyond are left out. */
export const REPORT_INTERVALS_MAX = 1_000;

/** What the beacon keeps: messages, and receipts of all of them; beyond, the oldest block goes. About 20 bytes a receipt. */
export const BEACON_MESSAGES_MAX = 10_000;
export const BEACON_RECEIPTS_MAX = 500_000;

/** Messages, and receipts about, in one block: what is written at once. */
export const BEACON_BLOCK_MESSAGES_MAX = 64;
export const BEACON_BLOCK_RECEIPTS_MAX = 20_000;

/** Receipts that are not packed yet: beyond, the beacon stores at once, which packs them. */
export const BEACON_UNPACKED_MAX = 200_000;

/** How long the beacon waits for the rest of a message before it stores what it has, and the shortest time between two times that it stores. */
export const BEACON_FLUSH_MS = 5_000;
export const BEACON_FLUSH_MS_MIN = 2_000;

/** How far back the beacon's aggregates go. */
export const BEACON_DAY_MS = 86_400_000;

/** Receipts, and missing GUIDs, that one answer of the beacon shows. */
export const BEACON_SHOWN_MAX = 10_000;

/** How long a message may be under way before the aggregates count whom it has not reached: a node that is awake has reported by then, and been answered. */
export const BEACON_SETTLE_MS = BEACON_WAIT_MS_MAX + BEACON_TIMEOUT_MS;

/** Receipts in one frame of the beacon's stream, and frames a second. */
export const BEACON_FRAME_RECEIPTS_MAX = 1_000;
export const BEACON_FRAME_MS = 250;

/** First pause after a failed join, handover or repair, doubled each time up to the maximum. */
export const BACKOFF_MS_MIN = 1_000;
export const BACKOFF_MS_MAX = 60_000;

if (MESSAGE_BYTES_MAX + JOB_LEGS_BYTES_MAX + 1_024 > JOB_BYTES_MAX)
  throw new Error('limits: a message and its legs must fit one job');
if (MEMBERS_PAGE_MAX * MEMBER_BYTES_MAX + FRAME_BYTES_MAX + WANTED_MAX * 67 + DOUBTED_MAX * 32 > BODY_BYTES_MAX)
  throw new Error('limits: a page of members, a frame, wishes and doubts must fit a body');
if (DOUBTED_MAX > MEMBERS_PAGE_MAX) throw new Error('limits: answers to doubts must fit a page');
if (MEMBERS_PAGE_MAX * MEMBER_BYTES_MAX + FRAME_BYTES_MAX > ANSWER_BYTES_MAX)
  throw new Error('limits: a page of members must fit an answer');
if (BACKUP_PAGE_MAX * BACKUP_ENTRY_BYTES_MAX > BODY_BYTES_MAX)
  throw new Error('limits: a page of a backup must fit a body');
if (BACKUP_ENTRY_BYTES_MAX < MEMBER_BYTES_MAX + 40) throw new Error('limits: an allocation is a member and a time');
if (ANNOUNCED_MEMBERS_MAX * MEMBER_BYTES_MAX > MESSAGE_BYTES_MAX)
  throw new Error('limits: an announcement must fit a message');
if (IMPATIENT_MS >= 1_000) throw new Error('limits: peers that are not trusted may cost less than a second a round');
if (STREAM_NETWORK_READERS_MAX > STREAM_READERS_MAX) throw new Error('limits: a network may have all readers at most');
if (MESSAGE_BYTES_MAX * 2 > BODY_BYTES_MAX) throw new Error('limits: a message must fit a request body');
if (MESSAGE_BYTES_MAX * 2 > SEGMENT_BYTES_MAX) throw new Error('limits: a message must fit a segment');
