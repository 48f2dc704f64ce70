// Delivers what the node has handed over: works off its queue with the rules of queue/consumer.ts, in the node's name.
import type { PeerClient } from '../api/peer-client.ts';
import type { Job } from '../protocol/job.ts';
import { IMPATIENT_MS, PATIENT_MS } from '../protocol/limits.ts';
import { consume, OUTSIDE, type ConsumerPorts } from '../queue/consumer.ts';
import { reportDeadLetters } from '../queue/dead-letters.ts';
import { sendJobs, type JobQueue } from '../queue/producer.ts';
import type { LiveNode } from '../shell/live-node.ts';
import type { Log } from '../shell/log.ts';
import type { JobTable, Lane } from './job-table.ts';
import { QueueWorker } from './queue-worker.ts';

/** As many calls at once as an originator with the default fan-out has legs: no platform counts connections here. */
const LANE = { ...OUTSIDE, callsMax: 64 };

export interface DelivererOptions {
  readonly table: JobTable;
  readonly node: LiveNode;
  readonly client: PeerClient;
  readonly log: Log;
}

export class Deliverer {
  readonly #workers: Readonly<Record<Lane, QueueWorker>>;
  readonly #queue: JobQueue;
  #isHalted = false;

  constructor({ table, node, client, log }: DelivererOptions) {
    const now = () => Date.now();
    const look = (lane: Lane) => this.#workers[lane].look();
    const sender = (lane: Lane, isLimited: boolean) => table.sender(lane, isLimited, now, () => look(lane));
    this.#queue = sender('outbound', true);
    const [again, buried] = [sender('outbound', false), sender('dead-letters', false)];
    const ports: ConsumerPorts = {
      async deliver({ to, address, outside }, deliveries, newest) {
        const from = node.caller();
        if (!outside || !from) throw new Error('there is no certificate to deliver with');
        const timeoutMs = outside.isTrusted ? PATIENT_MS : IMPATIENT_MS;
        const peer = { guid: to, address, publicKey: outside.publicKey };
        const outcomes = await client.deliver(peer, deliveries, newest.maxGuid, from, timeoutMs);
        await node.reached([to]);
        return outcomes;
      },
      resend: (jobs, delaySeconds) => sendJobs(again, jobs, delaySeconds),
      report: (_sender, legs) => node.undeliverable(legs, 'no answer'),
      bury: (jobs) => sendJobs(buried, jobs),
      // Nobody but this node writes to the file: what can't be read is damaged, and was logged.
      unreadable: async () => undefined,
      now,
      log: (level, event, fields) => {
        if (!this.#isHalted) log(level, 'mempool', event, fields);
      },
    };
    const failed = (reason: string) => log('CRITICAL', 'mempool', 'batch_failed', { reason });
    this.#workers = {
      'outbound': new QueueWorker({
        table,
        lane: 'outbound',
        handle: (messages) => consume(messages, LANE, ports),
        failed,
        now,
      }),
      'dead-letters': new QueueWorker({
        table,
        lane: 'dead-letters',
        handle: (messages) => reportDeadLetters(messages, ports),
        failed,
        now,
      }),
    };
  }

  /** Takes jobs; resolves when they are in the file. Rejects where it holds too many. */
  async take(jobs: readonly Job[]): Promise<void> {
    await sendJobs(this.#queue, jobs);
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
}
