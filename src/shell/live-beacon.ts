// The beacon at work, whatever it runs in: it stores what it heard when it is time, and tells readers of its stream. Throwing it away at any time loses nothing that
// nodes would not tell again.
import type {
  BeaconSummary,
  CoverageDetail,
  CoveragePage,
  Sample,
  StreamRefusal,
  StreamRequest,
} from '../api/ports.ts';
import { Beacon } from '../protocol/beacon.ts';
import type { Heard, Report } from '../protocol/beacon-report.ts';
import { BEACON_FRAME_MS, BEACON_SHOWN_MAX } from '../protocol/limits.ts';
import { reasonOf } from '../protocol/reason.ts';
import { Standings } from '../protocol/standing.ts';
import type { BeaconStore } from '../protocol/store.ts';
import type { Guid, MessageId } from '../protocol/types.ts';
import { EventReaders } from './event-readers.ts';
import type { Log } from './log.ts';
import { beaconFeed } from './stream-feed.ts';

export interface LiveBeaconHost {
  readonly store: BeaconStore;
  readonly network: string;
  readonly log: Log;
  /** Readers over WebSockets, which are a runtime's own matter, and what tells them that something was heard. */
  socketReaders(): number;
  arrived(): void;
}

export class LiveBeacon {
  readonly #host: LiveBeaconHost;
  #beacon: Beacon | null = null;
  /** Of members elsewhere. */
  readonly #standings = new Standings();
  #flushTimer: ReturnType<typeof setTimeout> | null = null;
  #reports = 0;
  readonly #events: EventReaders;
  #newsTimer: ReturnType<typeof setTimeout> | null = null;

  constructor(host: LiveBeaconHost) {
    this.#host = host;
    this.#events = new EventReaders(beaconFeed(() => this.state, host.network));
  }

  /** For reading only. */
  get state(): Beacon {
    this.#beacon ??= new Beacon(this.#host.store, (table, row) => this.#host.log('row_damaged', { table, row }));
    return this.#beacon;
  }

  /** Takes a report. Null: this member comes too often, or with too much; it may come again. */
  hear(report: Report, isInside: boolean): Heard | null {
    const now = Date.now();
    if (!isInside && !this.#isWelcome(report, now)) return null;
    this.#reports++;
    const before = this.state.lastStamp;
    const heard = this.state.hear(report, isInside, now);
    if (this.state.lastStamp > before) this.#tellReaders();
    this.#arm(now);
    return heard;
  }

  messages(cursor: string | null, limit: number, originator: Guid | null): CoveragePage | null {
    const page = this.state.page(cursor, limit, originator);
    return page && { messages: page.messages.map(({ coverage }) => coverage), next: page.next };
  }

  message(id: MessageId): CoverageDetail | null {
    const message = this.state.message(id);
    if (!message) return null;
    const receipts = message.sorted().slice(0, BEACON_SHOWN_MAX);
    return {
      ...message.coverage,
      receipts: receipts.map(({ guid, after, hops, from }) => ({ guid, after, hops, from })),
      missing: message.missing(BEACON_SHOWN_MAX),
    };
  }

  summary(): BeaconSummary {
    const time = Date.now();
    const { members, hour, day, messages, oldest } = this.state.summary(time);
    return { time, network: this.#host.network, members, hour, day, kept: { messages, oldest } };
  }

  samples(): Sample[] {
    const sample = (name: string, help: string, value: number): Sample => {
      const type = name.endsWith('_total') ? 'counter' : 'gauge';
      return { name: `pychain_beacon_${name}`, help, type, labels: {}, value };
    };
    return [
      sample('reports_heard_total', 'Reports that the beacon took', this.#reports),
      sample(
        'rows_written_total',
        'Rows written by the beacon, as the platform bills them',
        this.#host.store.rowsWritten(),
      ),
      sample('messages', 'Messages that the beacon keeps', this.state.size),
      sample('receipts', 'Receipts that the beacon keeps', this.state.holders),
    ];
  }

  /** A stream of events. One over a WebSocket is a runtime's own matter. */
  async stream(request: StreamRequest): Promise<Response | StreamRefusal> {
    return request.transport === 'websocket' ? 'not-here' : this.#events.open(request);
  }

  /** A few frames a second at most; without readers the beacon does not stay awake for it. */
  #tellReaders(): void {
    if (this.#newsTimer !== null || this.#host.socketReaders() + this.#events.size === 0) return;
    this.#newsTimer = setTimeout(() => this.#tellNow(), BEACON_FRAME_MS);
  }

  #tellNow(): void {
    if (this.#newsTimer !== null) clearTimeout(this.#newsTimer);
    this.#newsTimer = null;
    this.#host.arrived();
    this.#events.arrived();
  }

  #isWelcome({ guid, receipts }: Report, now: number): boolean {
    // A report that is refused takes nothing: it comes again whole.
    return this.#standings.admit(guid, now) === 'ok' && this.#standings.takeMessage(guid, now, receipts.length);
  }

  /** Stores now, or when the rest is there: a timer in memory, since an alarm is a row. */
  #arm(now: number): void {
    const at = this.state.flushAt;
    if (this.#flushTimer !== null) clearTimeout(this.#flushTimer);
    this.#flushTimer = null;
    if (at === null) return;
    if (at <= now) return this.#flush();
    this.#flushTimer = setTimeout(() => {
      this.#flushTimer = null;
      this.#flush();
    }, at - now);
  }

  #flush(): void {
    // What is stored forgets when each receipt was heard: whoever was told a part of a message would get all of it again.
    if (this.#newsTimer !== null) this.#tellNow();
    try {
      this.state.flush(Date.now());
    } catch (cause) {
      // What was not stored nodes tell again: they are told what was.
      this.#beacon = null;
      this.#host.log('beacon_not_stored', { reason: reasonOf(cause) });
    }
  }
}
