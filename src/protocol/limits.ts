// A limit on everything that a peer, a user or time can grow. Relations between them are checked at the end of the file.

/** Wire protocol that this code speaks. */
export const PROTOCOL = 'pychain/1';

/** What a node of this version can do; told in status, kept on the peer record. */
export const CAPABILITIES: readonly string[] = ['broadcast', 'members', 'messages', 'sync'];

/** Highest GUID; keeps ring arithmetic inside 32-bit integers. */
export const GUID_MAX = 2 ** 31 - 1;

/** Positions on the ring's circle, 0 (nobody) included. */
export const RING_SIZE = GUID_MAX + 1;

/** Canonical body of a message, UTF-8 bytes. With legs it must fit into one queue message (guess: roomy for events). */
export const MESSAGE_BYTES_MAX = 65_536;

/** Nested arrays and objects in a message's `data` (guess; far below any stack). */
export const JSON_DEPTH_MAX = 64;

/** Longest HTTP body that is read at all, bytes: a message plus its wrapping, doubled for escapes. */
export const BODY_BYTES_MAX = 262_144;

/** Longest address, characters. */
export const ADDRESS_CHARS_MAX = 256;

/** Longest `Idempotency-Key`, characters. */
export const IDEMPOTENCY_KEY_CHARS_MAX = 128;

/** Capabilities on a peer record. */
export const CAPABILITIES_MAX = 16;

/** Members a node keeps. Its records take about 250 bytes each (guess for the limit). */
export const ROSTER_MEMBERS_MAX = 100_000;

/** Members in one sync answer, join answer, announcement or page. */
export const MEMBERS_PAGE_MAX = 256;

/** Messages in one API page. */
export const MESSAGES_PAGE_MAX = 500;

/** Intervals of known GUIDs in one sync request; a roster with more holes is described up to the last that fits. */
export const SYNC_INTERVALS_MAX = 128;

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

/** Legs in one job: bounds the calls that one queue message can cause. */
export const JOB_LEGS_MAX = 512;

/** Bytes of legs in one job. */
export const JOB_LEGS_BYTES_MAX = 50_000;

/** Bytes of bodies in one handover, unless a single segment has more; what is left goes with the next. */
export const HANDOVER_BYTES_MAX = 2_000_000;

/** Open repairs (ranges owed after a failure) a node keeps; the oldest message's repair is dropped first, with a log line. */
export const REPAIRS_MAX = 1_000;

/** Message lifetime that an originator may ask for, seconds. Mempools hold a message that long. */
export const TTL_SECONDS_MAX = 86_400;

/** How far in the future a message may say it was broadcast: tolerated clock difference. */
export const CLOCK_SKEW_MS_MAX = 60_000;

/** First pause after a failed join, handover or repair, doubled each time up to the maximum. */
export const BACKOFF_MS_MIN = 1_000;
export const BACKOFF_MS_MAX = 60_000;

if (MESSAGE_BYTES_MAX + JOB_LEGS_BYTES_MAX + 1_024 > JOB_BYTES_MAX)
  throw new Error('limits: a message and its legs must fit one job');
if (MESSAGE_BYTES_MAX * 2 > BODY_BYTES_MAX) throw new Error('limits: a message must fit a request body');
if (MESSAGE_BYTES_MAX * 2 > SEGMENT_BYTES_MAX) throw new Error('limits: a message must fit a segment');
