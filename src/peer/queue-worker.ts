// Works off one lane of the queue: some batches at once, so that a peer that hangs holds up the batch that it is in and no other.
import type { QueueMessage } from '../queue/consumer.ts';
import type { Millis } from '../protocol/types.ts';
import { reasonOf } from '../protocol/reason.ts';
import type { JobTable, Lane, Waiting } from './job-table.ts';

/** As the queues of wrangler.toml have it for peers outside. */
const BATCH_MAX = 20;

const BATCHES_AT_ONCE = 4;

/** Pause before a job that could not be settled comes again, as wrangler.toml has it. */
const RETRY_MS = 5_000;

/** Longest wait for a job that is due later: clocks are set, and machines sleep. */
const LOOK_AGAIN_MS = 30_000;

export interface WorkerOptions {
  readonly table: JobTable;
  readonly lane: Lane;
  /** Handles a batch: acknowledges or retries each message of it. */
  readonly handle: (messages: readonly QueueMessage[]) => Promise<void>;
  readonly failed: (reason: string) => void;
  readonly now: () => Millis;
}

export class QueueWorker {
  readonly #options: WorkerOptions;
  readonly #inHand = new Set<number>();
  readonly #batches = new Set<Promise<void>>();
  #timer: ReturnType<typeof setTimeout> | null = null;
  #isHalted = false;

  constructor(options: WorkerOptions) {
    this.#options = options;
  }

  /** Looks for jobs that are due. Call it whenever there may be new ones. */
  look(): void {
    const { table, lane, now } = this.#options;
    while (!this.#isHalted && this.#batches.size < BATCHES_AT_ONCE) {
      const jobs = table.due(lane, now(), this.#inHand, BATCH_MAX);
      if (jobs.length === 0) break;
      this.#begin(jobs);
    }
    this.#arm();
  }

  /** Begins no batch any more, and leaves those under way as a crash would: their jobs come again. */
  halt(): void {
    this.#isHalted = true;
    if (this.#timer) clearTimeout(this.#timer);
  }

  #begin(jobs: readonly Waiting[]): void {
    for (const { id } of jobs) this.#inHand.add(id);
    const batch = this.#run(jobs)
      .catch((cause: unknown) => {
        if (!this.#isHalted) this.#options.failed(reasonOf(cause));
      })
      .finally(() => {
        for (const { id } of jobs) this.#inHand.delete(id);
        this.#batches.delete(batch);
        this.look();
      });
    this.#batches.add(batch);
  }

  async #run(jobs: readonly Waiting[]): Promise<void> {
    const { handle, now } = this.#options;
    const done = new Set<Waiting>();
    const again = new Map<Waiting, Millis>();
    const messages = jobs.map((job): QueueMessage => ({
      body: job.body,
      ack: () => void done.add(job),
      retry: ({ delaySeconds } = {}) =>
        void again.set(job, now() + (delaySeconds === undefined ? RETRY_MS : delaySeconds * 1000)),
    }));
    try {
      await handle(messages);
    } finally {
      if (!this.#isHalted) this.#settle(jobs, done, again);
    }
  }

  #settle(jobs: readonly Waiting[], done: ReadonlySet<Waiting>, again: ReadonlyMap<Waiting, Millis>): void {
    const { table, now } = this.#options;
    // What nobody said anything of comes again too, later: a bug must not become a loop without a pause.
    const rest = jobs.filter((job) => !done.has(job));
    table.settle(
      [...done],
      rest.map((job) => ({ job, dueAt: again.get(job) ?? now() + RETRY_MS })),
    );
  }

  #arm(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#isHalted || this.#batches.size >= BATCHES_AT_ONCE) return;
    const { table, lane, now } = this.#options;
    const next = table.nextDue(lane, this.#inHand);
    if (next === null) return;
    this.#timer = setTimeout(() => this.look(), Math.min(Math.max(1, next - now()), LOOK_AGAIN_MS));
  }
}
