// Delivers what was handed over: works off a queue in a file with the rules of queue/consumer.ts.
import { setTimeout as sleep } from 'node:timers/promises';
import type { CallingNode, PeerClient } from '../api/peer-client.ts';
import type { Job } from '../protocol/job.ts';
import { IMPATIENT_MS, PATIENT_MS } from '../protocol/limits.ts';
import type { Guid } from '../protocol/types.ts';
import { consume, OUTSIDE, type ConsumerPorts } from '../queue/consumer.ts';
import { reportDeadLetters } from '../queue/dead-letters.ts';
import { sendJobs, type JobQueue } from '../queue/producer.ts';
import type { Log } from '../shell/log.ts';
import type { JobTable, Lane } from './job-table.ts';
import { QueueWorker } from './queue-worker.ts';

/** As many calls at once as an originator with the default fan-out has legs: no platform counts connections here. */
const LANE = { ...OUTSIDE, callsMax: 64 };

/** In whose name deliveries are made. */
export interface Deliverable {
  /** Null before there is a certificate. */
  caller(): Promise<CallingNode | null>;
  /** A peer took deliveries, and proved its key. */
  reached(guid: Guid): Promise<void>;
  readonly report: ConsumerPorts['report'];
  /** Jobs in the place of one that was given up; null: whose it is hears of it later. */
  passedOver(job: Job): readonly Job[] | null;
}

export interface DelivererOptions {
  readonly table: JobTable;
  readonly sender: Deliverable;
  readonly client: PeerClient;
  readonly log: Log;
}

export class Deliverer {
  /** Where jobs go in: it rejects where too many wait. */
  readonly queue: JobQueue;
  readonly #options: DelivererOptions;
  readonly #again: JobQueue;
  readonly #buried: JobQueue;
  readonly #workers: Readonly<Record<Lane, QueueWorker>>;
  #isHalted = false;

  constructor(options: DelivererOptions) {
    const { table, log } = options;
    this.#options = options;
    const now = () => Date.now();
    const way = (lane: Lane, isLimited: boolean) =>
      table.sender(lane, isLimited, now, () => this.#workers[lane].look());
    this.queue = way('outbound', true);
    this.#again = way('outbound', false);
    this.#buried = way('dead-letters', false);
    const ports = this.#ports();
    const failed = (reason: string) => log('batch_failed', { reason });
    const common = { table, failed, now };
    this.#workers = {
      'outbound': new QueueWorker({
        ...common,
        lane: 'outbound',
        handle: (messages) => consume(messages, LANE, ports),
      }),
      'dead-letters': new QueueWorker({
        ...common,
        lane: 'dead-letters',
        handle: (messages) => reportDeadLetters(messages, ports),
      }),
    };
  }

  /** Goes on with what an earlier process left. */
  start(): void {
    for (const worker of Object.values(this.#workers)) worker.look();
  }

  /** Begins nothing any more; what is under way is cut off, and comes again after the next start. */
  halt(): void {
    this.#isHalted = true;
    for (const worker of Object.values(this.#workers)) worker.halt();
  }

  #ports(): ConsumerPorts {
    const { sender, client, log } = this.#options;
    return {
      async deliver({ to, address, outside }, deliveries, newest) {
        const from = await sender.caller();
        if (!outside || !from) throw new Error('there is no certificate to deliver with');
        const timeoutMs = outside.isTrusted ? PATIENT_MS : IMPATIENT_MS;
        const peer = { guid: to, address, publicKey: outside.publicKey };
        const outcomes = await client.deliver(peer, deliveries, newest.maxGuid, from, timeoutMs);
        await sender.reached(to);
        return outcomes;
      },
      resend: (jobs, delaySeconds) => sendJobs(this.#again, jobs, delaySeconds),
      report: (from, legs) => sender.report(from, legs),
      bury: (jobs) => this.#bury(jobs),
      // Nobody but this process writes to the file: what can't be read is damaged, and was logged.
      unreadable: async () => undefined,
      now: () => Date.now(),
      rest: (ms) => sleep(ms),
      log: (...line) => {
        if (!this.#isHalted) log(...line);
      },
    };
  }

  async #bury(jobs: readonly Job[]): Promise<void> {
    for (const job of jobs) {
      const instead = this.#options.sender.passedOver(job);
      await (instead ? sendJobs(this.#again, instead) : sendJobs(this.#buried, [job]));
    }
  }
}
