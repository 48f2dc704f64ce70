// All that is ever logged: one table of events. Who logs names an event of it, and gives its fields; level, and the log that a line goes to, are
// the event's. docs/operations.md has the same table, and a test holds one against the other.
/** Ascending; LOG_LEVEL is one of them. */
export const LEVELS = ['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'] as const;
export type Level = (typeof LEVELS)[number];

/** Which log a line belongs to (the original's files). */
export const LOG_NAMES = ['api', 'network_sync', 'mempool'] as const;
export type LogName = (typeof LOG_NAMES)[number];

/** Characters of a message's id in a line: enough to follow it from node to node. */
export const ID_CHARS_LOGGED = 12;

/** What a field holds. A `?` after it: null, or left out, where that is not known. */
export type Kind = 'text' | 'number' | 'flag' | 'texts' | 'numbers' | 'text?' | 'number?';

export interface EventSpec {
  readonly level: Level;
  readonly fields: Readonly<Record<string, Kind>>;
  /** For an operator who reads it: what has happened, and what to do where something is to be done. */
  readonly meaning: string;
}

const listed = { guids: 'numbers', count: 'number' } as const;
const slots = { slots: 'numbers', count: 'number' } as const;
const failedRequest = { request_id: 'text', method: 'text', path: 'text', error: 'text' } as const;
const because = { reason: 'text' } as const;
const job = { from: 'number', legs: 'number', tries: 'number' } as const;

/**
 * The vocabulary. At INFO and above nothing is told for each message, request or delivery. Names stay: people search for them. GUIDs are numbers, times
 * Unix seconds, `retry_in` seconds, ids of messages their first twelve characters, which is enough to follow one from node to node.
 */
export const LOG_EVENTS = {
  api: {
    request: {
      level: 'DEBUG',
      fields: { request_id: 'text', method: 'text', path: 'text', status: 'number', message: 'text?' },
      meaning: 'a request was answered; request_id is its X-Request-Id, message what it originated',
    },
    request_unauthenticated: {
      level: 'WARNING',
      fields: { request_id: 'text', path: 'text', reason: 'text' },
      meaning: 'a signed request proved nothing: an attempt, or a clock that is off',
    },
    request_unavailable: {
      level: 'WARNING',
      fields: failedRequest,
      meaning: 'a node or the boot node did not answer the Worker; the caller got 503',
    },
    request_overdue: {
      level: 'WARNING',
      fields: failedRequest,
      meaning: 'the answer took more than ten seconds; the caller got 503, and what it asked for may have been done',
    },
    request_failed: {
      level: 'ERROR',
      fields: failedRequest,
      meaning: 'a bug: the caller got 500; report it with this line',
    },
    key_conflict: {
      level: 'CRITICAL',
      fields: { guid: 'number', public_key: 'text', known_key: 'text?', at: 'number' },
      meaning: 'two keys are certified for one GUID: the boot node lost its storage, or its key was stolen',
    },
    caller_shut_out: {
      level: 'WARNING',
      fields: { guid: 'number' },
      meaning: 'a member sent too much that is invalid, and is not heard for a while',
    },
    network_key_exported: {
      level: 'WARNING',
      fields: { network_key: 'text' },
      meaning: "an operator exported the network's private key",
    },
  },
  network_sync: {
    joined: {
      level: 'INFO',
      fields: { guid: 'number', address: 'text', max_guid: 'number', certificate_expires: 'number' },
      meaning: 'the node is a member, at this address',
    },
    certificate_renewed: {
      level: 'DEBUG',
      fields: { guid: 'number', address: 'text', max_guid: 'number', certificate_expires: 'number' },
      meaning: 'the boot node gave a member its GUID again, with a new certificate',
    },
    join_failed: {
      level: 'WARNING',
      fields: { reason: 'text', retry_in: 'number' },
      meaning: 'the boot node did not let the node in, or did not answer; it tries again',
    },
    membership_conflict: {
      level: 'CRITICAL',
      fields: { guid: 'number?', offered: 'number', network_key: 'text', offered_key: 'text' },
      meaning:
        'BOOT_NODE is of another network, or has lost its storage; the node keeps the GUID and network that it has',
    },
    left: {
      level: 'INFO',
      fields: { guid: 'number?' },
      meaning: 'the node left, as an operator told it to',
    },
    returned: { level: 'INFO', fields: { guid: 'number?' }, meaning: 'it comes back' },
    leave_failed: {
      level: 'ERROR',
      fields: because,
      meaning: 'the node could not say that it leaves when it was stopped; others find out by themselves',
    },
    boot_not_told: {
      level: 'WARNING',
      fields: because,
      meaning: 'the boot node was not told that the node left; newcomers find out by themselves',
    },
    not_said: {
      level: 'WARNING',
      fields: because,
      meaning: 'an event of the node itself was not broadcast; others find out what it says by themselves',
    },
    refuted: {
      level: 'WARNING',
      fields: { from: 'number', opinion: 'text' },
      meaning: 'a member believed the node dead, and is told that it is not: look at the way between the two',
    },
    peers_added: {
      level: 'INFO',
      fields: { ...listed, max_guid: 'number' },
      meaning: 'members became known (the first 16 of them are named)',
    },
    peer_proved: {
      level: 'INFO',
      fields: { guid: 'number', state: 'text' },
      meaning: 'a peer outside proved its key',
    },
    peer_left: {
      level: 'INFO',
      fields: { guid: 'number' },
      meaning: 'a member said that it leaves',
    },
    peers_deleted: {
      level: 'INFO',
      fields: listed,
      meaning: 'members gave no sign for GUID_TIMEOUT and are forgotten',
    },
    peer_refused: {
      level: 'WARNING',
      fields: { guid: 'number', address: 'text?', reason: 'text' },
      meaning: "something at a member's address is no peer of this network",
    },
    roster_full: {
      level: 'ERROR',
      fields: { guid: 'number' },
      meaning: 'the roster holds no more members: this one is not known here',
    },
    event_refused: {
      level: 'WARNING',
      fields: { name: 'text', guid: 'number' },
      meaning: 'a member said of others what only they can say',
    },
    suspicion: {
      level: 'DEBUG',
      fields: { guid: 'number', from: 'number' },
      meaning: 'a member believes another one dead; the node looks for itself',
    },
    sync_round: {
      level: 'DEBUG',
      fields: { peers: 'numbers', max_guid: 'number', interval: 'number' },
      meaning: 'a round of network sync began, with these peers',
    },
    sync_failed: {
      level: 'WARNING',
      fields: { guid: 'number', state: 'text?', reason: 'text' },
      meaning: 'a peer did not answer at network sync',
    },
    probe_failed: {
      level: 'DEBUG',
      fields: { guid: 'number', state: 'text?', reason: 'text' },
      meaning: 'a peer outside did not say who it is',
    },
    sibling_silent: {
      level: 'WARNING',
      fields: { address: 'text', reason: 'text' },
      meaning: 'another node of this deployment did not answer',
    },
    input_failed: {
      level: 'CRITICAL',
      fields: because,
      meaning: 'a bug, or storage that cannot be written: what was under way is rolled back and comes again',
    },
    alarm_failed: {
      level: 'CRITICAL',
      fields: because,
      meaning: 'the same, in what was due; tried again after 30 s',
    },
    alarm_not_set: {
      level: 'CRITICAL',
      fields: because,
      meaning: 'the platform did not take an alarm; cron sets it again',
    },
    tick: {
      level: 'DEBUG',
      fields: { first: 'number', last: 'number', failures: 'number' },
      meaning: 'cron looked after these slots',
    },
    wake_failed: {
      level: 'ERROR',
      fields: { slot: 'number', reason: 'text' },
      meaning: 'cron could not wake a node; it tries again within ten minutes',
    },
    boot_unreachable: {
      level: 'ERROR',
      fields: because,
      meaning: 'the boot object did not answer cron: nobody joins until it does',
    },
    boot_storage_lost: {
      level: 'CRITICAL',
      fields: { network_key: 'text?', own_key: 'text', max_guid: 'number' },
      meaning: "the boot node has not the key of its nodes' network: take its backup back",
    },
    survey_incomplete: {
      level: 'ERROR',
      fields: { ...slots, reason: 'text?' },
      meaning:
        'nodes did not tell the boot node what GUIDs they have: nobody new gets one until they do, or until `boot floor`',
    },
    guid_contested: {
      level: 'CRITICAL',
      fields: slots,
      meaning: 'nodes in these slots hold GUIDs that others have: their storage was copied, or restored from before',
    },
    restore_begun: {
      level: 'WARNING',
      fields: { max_guid: 'number', key_replaced: 'flag' },
      meaning: 'a backup is taken in: nobody gets a GUID until it is done',
    },
    restore_ended: {
      level: 'WARNING',
      fields: { allocations: 'number' },
      meaning: 'it is done',
    },
    guid_floor_raised: {
      level: 'WARNING',
      fields: { guid: 'number' },
      meaning: 'an operator had the boot node give no GUID up to this one',
    },
    announcement_failed: {
      level: 'ERROR',
      fields: because,
      meaning: 'members were not told of newcomers; it is tried again within a minute',
    },
    announcement_lost: {
      level: 'WARNING',
      fields: { legs: 'number' },
      meaning: 'members did not take an announcement; they hear of newcomers at network sync',
    },
    seed_client_gone: {
      level: 'INFO',
      fields: { client: 'text' },
      meaning: 'a client of the original gave no sign for GUID_TIMEOUT, and its node leaves',
    },
    seed_client_not_ended: {
      level: 'ERROR',
      fields: { client: 'text', reason: 'text' },
      meaning: 'the node of a client of the original did not stop in order',
    },
  },
  mempool: {
    originated: {
      level: 'DEBUG',
      fields: { ids: 'texts' },
      meaning: 'messages were taken from an application',
    },
    received: {
      level: 'DEBUG',
      fields: { new: 'number', duplicate: 'number', rejected: 'number', busy: 'number', ids: 'texts' },
      meaning: 'a call brought deliveries; ids are of the first new ones',
    },
    received_busy: {
      level: 'WARNING',
      fields: { new: 'number', duplicate: 'number', rejected: 'number', busy: 'number', ids: 'texts' },
      meaning: 'the same, and some were put off: the mempool is full, or an originator sends too much',
    },
    deliveries_rejected: {
      level: 'WARNING',
      fields: { reason: 'text', count: 'number', guid: 'number?' },
      meaning: 'a member brought what is not valid',
    },
    expired: {
      level: 'DEBUG',
      fields: { messages: 'number' },
      meaning: 'messages were dropped after their time',
    },
    event_passed_on: {
      level: 'DEBUG',
      fields: { name: 'text', guid: 'number' },
      meaning: 'an event that is not the network’s own came, for the application',
    },
    row_damaged: {
      level: 'ERROR',
      fields: { table: 'text', row: 'number' },
      meaning: 'a stored row could not be read and is left out; what it held comes again at network sync',
    },
    handover_failed: {
      level: 'ERROR',
      fields: { reason: 'text', retry_in: 'number' },
      meaning: 'the queue took no jobs: deliveries are late, none is lost',
    },
    delivery_failed: {
      level: 'WARNING',
      fields: { address: 'text', messages: 'number', reason: 'text' },
      meaning: 'a node did not take deliveries; others take its range over',
    },
    undeliverable: {
      level: 'WARNING',
      fields: { to: 'number', state: 'text?', messages: 'number', expired: 'number', reason: 'text' },
      meaning: 'the sender heard of that; the node itself gets its copies later',
    },
    left_to_sync: {
      level: 'WARNING',
      fields: { to: 'number', messages: 'number' },
      meaning: 'a node was busy for long: it has to ask for these messages at network sync',
    },
    repair_dropped: {
      level: 'ERROR',
      fields: { messages: 'number', reason: 'text' },
      meaning: 'too much is owed to nodes that fail: these messages reach them at network sync alone',
    },
    job_retried: { level: 'DEBUG', fields: job, meaning: 'a job goes back into the queue, with a pause' },
    job_given_up: {
      level: 'WARNING',
      fields: job,
      meaning: 'a job became a dead letter, of which its sender hears later',
    },
    job_unreadable: {
      level: 'ERROR',
      fields: because,
      meaning: 'something in the queue is no job: something else writes to it, or an older version does',
    },
    job_not_settled: {
      level: 'ERROR',
      fields: because,
      meaning: 'what is left of a job could not be put anywhere; the job comes again',
    },
    sender_not_told: {
      level: 'WARNING',
      fields: { from: 'number', reason: 'text' },
      meaning: 'the sender of a failed delivery did not answer; it hears of it later',
    },
    sender_gone: {
      level: 'ERROR',
      fields: { address: 'text', legs: 'number' },
      meaning:
        'the sender of a failed delivery is no node of this deployment any more: nobody repairs it but network sync',
    },
    batch_failed: {
      level: 'CRITICAL',
      fields: because,
      meaning: 'a bug, or a queue file that cannot be read; tried again',
    },
    beacon_silent: {
      level: 'WARNING',
      fields: because,
      meaning: 'the beacon was not told what came: its figures are behind until it answers; delivery is as it was',
    },
    beacon_still_silent: {
      level: 'DEBUG',
      fields: because,
      meaning: 'it still does not answer',
    },
    beacon_not_stored: {
      level: 'ERROR',
      fields: because,
      meaning:
        'the beacon could not store its figures; it tries again, and a crash meanwhile costs what nodes tell it again',
    },
    handler_failed: {
      level: 'WARNING',
      fields: { reason: 'text', failures: 'number', retry_in: 'number' },
      meaning: "the application's handler did not take a batch",
    },
    handler_set_aside: {
      level: 'WARNING',
      fields: { id: 'text', failures: 'number' },
      meaning: 'it does not take this message: it gets others, and this one once a minute',
    },
    handler_well_again: {
      level: 'INFO',
      fields: { failures: 'number' },
      meaning: 'it took one after so many failures',
    },
    handler_missed: {
      level: 'ERROR',
      fields: { messages: 'number', failures: 'number' },
      meaning: 'messages expired before the handler took them: the application never sees them',
    },
  },
} as const satisfies Readonly<Record<LogName, Readonly<Record<string, EventSpec>>>>;
