// What a hosted node shows of itself. Reads only, and nothing that is not in its state already.
import type { MessagePage, NodeStatus, Sample } from '../api/ports.ts';
import type { Config } from '../config.ts';
import type { CounterName } from '../protocol/counters.ts';
import type { Driver } from '../protocol/driver.ts';
import { CAPABILITIES, PROTOCOL } from '../protocol/limits.ts';
import { VERSION } from '../api/version.ts';
import { readPage } from '../protocol/reading.ts';
import { selfMember } from '../protocol/self-member.ts';
import type { Self } from '../protocol/node-state.ts';
import type { NodeStore } from '../protocol/store.ts';
import type { Guid, MessageId, Peer, StoredMessage } from '../protocol/types.ts';

/** [counter, metric, labels, help] */
const COUNTERS: readonly (readonly [CounterName, string, Readonly<Record<string, string>>, string])[] = [
  ['deliveries_new', 'deliveries_total', { result: 'new' }, 'Deliveries received'],
  ['deliveries_duplicate', 'deliveries_total', { result: 'duplicate' }, 'Deliveries received'],
  ['deliveries_rejected', 'deliveries_total', { result: 'rejected' }, 'Deliveries received'],
  ['deliveries_busy', 'deliveries_total', { result: 'busy' }, 'Deliveries received'],
  ['deliver_calls', 'deliver_calls_total', {}, 'Calls that brought deliveries'],
  ['originated', 'messages_originated_total', {}, 'Messages taken from applications'],
  ['legs_handed_over', 'legs_total', { result: 'handed_over' }, 'Messages times targets'],
  ['legs_undeliverable', 'legs_total', { result: 'undeliverable' }, 'Messages times targets'],
  ['failovers', 'failovers_total', {}, 'Messages whose range went to the next delegate at once'],
  ['legs_expired', 'legs_total', { result: 'expired' }, 'Messages times targets'],
  ['legs_dropped', 'legs_total', { result: 'dropped' }, 'Messages times targets'],
  ['jobs', 'queue_jobs_total', {}, 'Jobs put into the queue'],
  ['handovers_failed', 'handovers_failed_total', {}, 'Handovers that the queue did not take'],
  ['sync_rounds', 'sync_rounds_total', {}, 'Rounds of network sync'],
  ['sync_answered', 'syncs_total', { result: 'answered' }, 'Peers asked at network sync'],
  ['sync_failed', 'syncs_total', { result: 'failed' }, 'Peers asked at network sync'],
  ['sync_asked', 'syncs_asked_total', {}, 'Syncs that peers asked for'],
  ['reconcile_frames', 'reconcile_frames_total', {}, 'Frames sent to compare mempools'],
  ['messages_wanted', 'messages_reconciled_total', { direction: 'wanted' }, 'Messages that were found missing'],
  ['messages_served', 'messages_reconciled_total', { direction: 'served' }, 'Messages that were found missing'],
  [
    'stirred',
    'sync_rounds_brought_forward_total',
    {},
    'Times that something happened while network sync had backed off',
  ],
  ['refutations', 'refutations_total', {}, 'Times that the node told others that it lives'],
  ['leaves', 'leaves_total', {}, 'Times that the node left the network'],
  ['returns', 'returns_total', {}, 'Times that it came back'],
  ['joins', 'joins_total', { result: 'accepted' }, 'Answers of the boot node'],
  ['joins_failed', 'joins_total', { result: 'failed' }, 'Answers of the boot node'],
  ['rows_damaged', 'rows_damaged_total', {}, 'Stored rows that could not be read'],
  ['messages_expired', 'messages_expired_total', {}, 'Messages dropped from the mempool after their time'],
  ...(['ok', 'replayed', 'busy', 'limited', 'shut-out', 'other-key', 'not-joined', 'unproven'] as const).map(
    (result) => [`calls_${result}`, 'calls_total', { result }, 'Signed calls from outside'] as const,
  ),
  ['signatures_made', 'signatures_total', { kind: 'made' }, 'Ed25519 signatures'],
  ['signatures_checked', 'signatures_total', { kind: 'checked' }, 'Ed25519 signatures'],
  ['probes', 'probes_total', {}, 'Peers outside asked who they are'],
  ['probes_answered', 'probes_ended_total', { result: 'answered' }, 'Probes that ended'],
  ['probes_failed', 'probes_ended_total', { result: 'failed' }, 'Probes that ended'],
  ...(['not-pychain', 'other-network', 'other-protocol', 'other-guid', 'key-unproven'] as const).map(
    (reason) =>
      [`peers_refused_${reason}`, 'peers_refused_total', { reason }, 'Peers not kept, since they are none'] as const,
  ),
  ['beacon_reports', 'beacon_reports_total', {}, 'Reports sent to the beacon'],
  ['beacon_failures', 'beacon_reports_failed_total', {}, 'Reports that the beacon did not answer'],
  ['handler_batches', 'handler_batches_total', { result: 'taken' }, 'Batches of messages given to the application'],
  ['handler_failures', 'handler_batches_total', { result: 'failed' }, 'Batches of messages given to the application'],
  ['handler_missed', 'handler_missed_total', {}, 'Messages that expired before the application took them'],
  ['stream_frames', 'stream_frames_total', {}, 'Frames sent to readers of the stream'],
  ['stream_cut_slow', 'stream_cuts_total', { reason: 'slow' }, 'Readers of the stream that the node cut'],
  ['stream_cut_bad', 'stream_cuts_total', { reason: 'bad' }, 'Readers of the stream that the node cut'],
];

/** A delivery through the platform's queue: one write, one read, one delete (PLATFORM.md section 2). */
const OPERATIONS_PER_JOB = 3;

const ROWS_HELP = 'Rows written, alarms set included, as the platform bills them';

/** What the object counts itself. */
export interface ShellCounts {
  alarmsSet(): number;
  streamReaders(): Readonly<Record<'websocket' | 'events', number>>;
}

export class NodeReader {
  readonly #driver: Driver;
  readonly #store: NodeStore;
  readonly #config: Config;
  readonly #self: Self;
  readonly #shell: ShellCounts;

  constructor(driver: Driver, store: NodeStore, config: Config, self: Self, shell: ShellCounts) {
    this.#driver = driver;
    this.#store = store;
    this.#config = config;
    this.#self = self;
    this.#shell = shell;
  }

  status(): NodeStatus {
    const { state } = this.#driver;
    const times = state.syncTimes();
    return {
      network: this.#config.protocol.network,
      guid: state.guid,
      address: this.#self.address,
      publicKey: this.#self.publicKey,
      networkKey: state.membership?.networkKey ?? null,
      certificate: state.membership?.certificate ?? null,
      incarnation: this.#self.incarnation,
      capabilities: CAPABILITIES,
      maxGuid: state.maxGuid,
      time: Date.now(),
      peers: state.roster.counts(),
      messages: state.mempool.size,
      lastSyncAt: times.last,
      nextSyncAt: times.next,
      leftAt: state.leftAt,
      hostedNodes: this.#config.nodeCount,
      observedHost: state.observed.agreed(Date.now()),
    };
  }

  /** A peer, or this node itself, which is always alive to itself. */
  member(guid: Guid): Peer | null {
    const { state } = this.#driver;
    if (guid !== state.guid) return state.roster.get(guid);
    const now = Date.now();
    const record = selfMember(state, this.#self);
    const well = { state: 'alive', failures: 0, troubledSince: null, proved: true } as const;
    return record && { ...record, ...well, lastSeen: now, since: now };
  }

  members(cursor: string | null, limit: number): { members: Peer[]; next: string | null } | null {
    if (cursor !== null && !/^\d{1,10}$/.test(cursor)) return null;
    const { state } = this.#driver;
    const after = Number(cursor ?? 0);
    const self = state.guid === null ? null : this.member(state.guid);
    const all = [...state.roster.sorted(), ...(self ? [self] : [])].sort((a, b) => a.guid - b.guid);
    const rest = all.filter((peer) => peer.guid > after);
    const members = rest.slice(0, limit);
    return { members, next: rest.length > limit ? String(members.at(-1)?.guid ?? 0) : null };
  }

  messages(cursor: string | null, limit: number): MessagePage | null {
    return readPage(this.#driver.state.mempool, cursor, limit, Date.now());
  }

  message(id: MessageId): StoredMessage | null {
    const { mempool } = this.#driver.state;
    const entry = mempool.get(id);
    return entry && entry.expiresAt > Date.now() ? mempool.read(entry) : null;
  }

  samples(): Sample[] {
    const { state } = this.#driver;
    const { counters, roster, mempool } = state;
    const samples = COUNTERS.map(([name, metric, labels, help]): Sample =>
      counter(metric, labels, help, counters.told(name)),
    );
    const waited = counters.get('untrusted_wait_ms') / 1000;
    samples.push(
      counter(
        'untrusted_wait_seconds_total',
        {},
        'Time in which peers that are not trusted kept the node waiting',
        waited,
      ),
    );
    samples.push(...this.#standing());
    // An alarm is noted a moment before it is set.
    const others = Math.max(0, this.#store.rowsWritten() + this.#shell.alarmsSet() - counters.rowsNoted);
    samples.push(
      counter('rows_written_total', { count: 'lasting' }, ROWS_HELP, counters.told('rows_noted')),
      counter('rows_written_total', { count: 'awake' }, ROWS_HELP, others),
    );
    const operations = counters.told('jobs') * OPERATIONS_PER_JOB;
    samples.push(
      counter('queue_operations_total', {}, 'Queue operations of the jobs sent, retries not counted', operations),
    );
    for (const [peerState, count] of Object.entries(roster.counts())) {
      samples.push(gauge('peers', { state: peerState }, 'Peers in the roster', count));
    }
    samples.push(gauge('mempool_messages', {}, 'Messages in the mempool', mempool.size));
    samples.push(gauge('mempool_bytes', {}, 'Bytes of messages in the mempool', mempool.bytes));
    samples.push(gauge('max_guid', {}, 'Highest GUID known', state.maxGuid));
    samples.push(
      gauge('callers_shut_out', {}, 'Callers that are not heard for a while', state.standings.shutOut(Date.now())),
    );
    samples.push(
      gauge(
        'local_health',
        {},
        'Signs that this node itself is not well, 0 to 8; peers get as many more tries',
        state.health.score,
      ),
    );
    samples.push(gauge('nonces', {}, 'Nonces of signed calls that are remembered', state.nonces.size));
    for (const [transport, count] of Object.entries(this.#shell.streamReaders())) {
      samples.push(gauge('stream_readers', { transport }, 'Readers of the stream', count));
    }
    samples.push(gauge('repairs', {}, 'Ranges owed after a failure', state.repairs.size));
    return samples;
  }

  /** What it is, and since when what holds. */
  #standing(): Sample[] {
    const { state } = this.#driver;
    const { network } = this.#config.protocol;
    return [
      gauge('build_info', { version: VERSION, protocol: PROTOCOL, network }, 'Always 1', 1),
      gauge(
        'member',
        {},
        '1 while the node is a member of its network',
        Number(state.guid !== null && state.leftAt === null),
      ),
      ...inSeconds('last_sync_timestamp_seconds', 'When the last round of network sync began', state.syncTimes().last),
      ...inSeconds(
        'certificate_expires_timestamp_seconds',
        'When the certificate of membership runs out; it is renewed at half of its life',
        state.membership?.certificate?.expiresAt ?? null,
      ),
    ];
  }
}

function inSeconds(name: string, help: string, at: number | null): Sample[] {
  return at === null ? [] : [gauge(name, {}, help, at / 1000)];
}

function counter(name: string, labels: Sample['labels'], help: string, value: number): Sample {
  return { name: `pychain_${name}`, help, type: 'counter', labels, value };
}

function gauge(name: string, labels: Sample['labels'], help: string, value: number): Sample {
  return { name: `pychain_${name}`, help, type: 'gauge', labels, value };
}
