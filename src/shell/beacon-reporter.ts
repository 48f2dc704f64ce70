// How a node tells the beacon what it has, in any runtime: with a timer in memory, in its own time. Delivery waits for none of it: a beacon that is slow,
// or gone, costs the node a call with a time limit now and then.
import { NoBeaconError } from '../api/beacon-client.ts';
import type { Counters } from '../protocol/counters.ts';
import { Reporting, type Heard, type Report } from '../protocol/beacon-report.ts';
import { BEACON_TIMEOUT_MS, BEACON_WAIT_MS_MAX } from '../protocol/limits.ts';
import type { NodeState } from '../protocol/node-state.ts';
import { reasonOf } from '../protocol/reason.ts';
import type { MessageId } from '../protocol/types.ts';
import type { Log } from './log.ts';
import { withTimeout } from './timeout.ts';

/** Takes a report to the beacon. Rejects where there is no answer. */
export type TellBeacon = (report: Report) => Promise<Heard>;

export interface ReporterHost {
  readonly tell: TellBeacon;
  readonly log: Log;
  state(): NodeState;
  /** A call goes on beyond what it was made for. */
  keep(call: Promise<void>): void;
}

export class BeaconReporter {
  readonly #host: ReporterHost;
  readonly #reporting: Reporting;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #isClosed = false;

  constructor(host: ReporterHost) {
    this.#host = host;
    this.#reporting = new Reporting(crypto.randomUUID(), host.state().mempool);
  }

  /** Messages were stored. */
  arrived(): void {
    this.#arm();
  }

  /** Messages came again, one id for each time. */
  repeated(ids: readonly MessageId[]): void {
    if (ids.length === 0) return;
    this.#reporting.repeated(ids);
    this.#arm();
  }

  /** The node is at its round of network sync. */
  look(): void {
    this.#reporting.look(this.#host.state());
    this.#arm();
  }

  /** Tells nothing more. */
  close(): void {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  /** Has the next report sent when it is due. One that is due much later does not keep the node awake: the next occasion takes it along. */
  #arm(): void {
    if (this.#timer !== null || this.#isClosed) return;
    const now = Date.now();
    const dueAt = this.#reporting.dueAt(this.#host.state(), now, Math.random);
    if (dueAt === null || dueAt - now > BEACON_WAIT_MS_MAX) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#host.keep(this.#tell());
    }, dueAt - now);
  }

  /** Never rejects. */
  async #tell(): Promise<void> {
    if (this.#isClosed) return;
    try {
      const report = this.#reporting.next(this.#host.state(), Date.now());
      this.#counters.add('beacon_reports');
      const heard = await withTimeout(this.#host.tell(report), BEACON_TIMEOUT_MS, 'beacon');
      this.#reporting.answered(heard, Date.now(), Math.random);
    } catch (cause) {
      this.#reporting.failed(Date.now(), Math.random);
      if (this.#isClosed) return;
      this.#counters.add('beacon_failures');
      // Once until it is well again: it is nobody's trouble but that of who looks at its figures.
      const isNews = this.#reporting.failures === 1 && !(cause instanceof NoBeaconError);
      const event = isNews ? 'beacon_silent' : 'beacon_still_silent';
      this.#host.log(event, { reason: reasonOf(cause) });
    }
    this.#arm();
  }

  get #counters(): Counters {
    return this.#host.state().counters;
  }
}
