// The queue's consumer: delivers the legs of whole batches of jobs, one call a target. What was delivered is acknowledged; what was
// not goes back with a pause; after TRIES_MAX it goes to the dead letters, whose consumer tells the sender.
import type { Outcome } from '../protocol/effects.ts';
import { decodeJob, packJobs, type Bundle, type Job, type JobLeg, type Sender } from '../protocol/job.ts';
import { BACKOFF_MS_MAX, BACKOFF_MS_MIN, DELIVERIES_MAX } from '../protocol/limits.ts';
import type { Delivery, JsonValue } from '../protocol/types.ts';
import { reasonOf } from '../protocol/reason.ts';
import { runPool } from './pool.ts';

/** Times that a leg is tried before its sender hears of it (guess: about seven seconds in all). */
export const TRIES_MAX = 4;

/** Calls under way at once. Durable Object calls do not count to the limit of six connections; HTTP calls will have their own. */
const CALLS_MAX = 64;

/** Deliveries in hand at once: measured at about 130 bytes of heap each beside the bodies, so some 7 MB. */
const SLICE_DELIVERIES_MAX = 50_000;

/** Bytes of bodies in one call; RPC takes 32 MiB. */
const CALL_CHARS_MAX = 4_000_000;

/** The part of a queue message that the consumer uses. */
export interface QueueMessage {
  readonly body: unknown;
  ack(): void;
  retry(options?: { delaySeconds?: number }): void;
}

export interface ConsumerPorts {
  /** Delivers to one node; throws where it can't be reached. */
  deliver(address: string, deliveries: readonly Delivery[], newest: Sender): Promise<readonly Outcome[]>;
  /** Puts jobs back with a pause. */
  resend(jobs: readonly Job[], delaySeconds: number): Promise<void>;
  /** Gives jobs up. */
  bury(jobs: readonly Job[]): Promise<void>;
  /** A message that is no job: counted, never delivered. */
  unreadable(reason: string): Promise<void>;
  log(level: 'DEBUG' | 'WARNING' | 'ERROR', event: string, fields: Readonly<Record<string, JsonValue>>): void;
}

/** One body of one leg of one job. */
interface Item {
  readonly job: JobInHand;
  readonly bundle: Bundle;
  readonly leg: JobLeg;
  readonly delivery: Delivery;
}

interface JobInHand {
  readonly message: QueueMessage;
  readonly job: Job;
  readonly failed: Map<Bundle, Map<JobLeg, Set<string>>>;
}

/** Handles a batch. Each message of it is acknowledged or retried by its own. */
export async function consume(messages: readonly QueueMessage[], ports: ConsumerPorts): Promise<void> {
  const jobs: JobInHand[] = [];
  for (const message of messages) {
    const decoded = decodeJob(message.body);
    if (decoded.ok) {
      jobs.push({ message, job: decoded.value, failed: new Map() });
      continue;
    }
    ports.log('ERROR', 'job_unreadable', { reason: decoded.error });
    await settle(message, () => ports.unreadable(decoded.error), ports);
  }
  for (const slice of slices(jobs)) {
    const calls = [...groupByTarget(slice)].flatMap(([address, items]) =>
      splitCalls(items).map((part) => ({ address, part })),
    );
    await runPool(calls, CALLS_MAX, ({ address, part }) => deliver(address, part, ports));
    for (const hand of slice) await settle(hand.message, () => passOn(hand, ports), ports);
  }
}

/** Cuts a batch of jobs so that the deliveries in hand at once fit the memory of an isolate. A job is never cut. */
function slices(jobs: readonly JobInHand[]): JobInHand[][] {
  const cut: JobInHand[][] = [];
  let deliveries = Infinity;
  for (const hand of jobs) {
    const size = hand.job.bundles.reduce((sum, { legs, bodies }) => sum + legs.length * bodies.length, 0);
    deliveries += size;
    const slice = cut.at(-1);
    if (slice && deliveries <= SLICE_DELIVERIES_MAX) slice.push(hand);
    else {
      cut.push([hand]);
      deliveries = size;
    }
  }
  return cut;
}

function groupByTarget(jobs: readonly JobInHand[]): Map<string, Item[]> {
  const byTarget = new Map<string, Item[]>();
  for (const job of jobs) {
    for (const bundle of job.job.bundles) {
      for (const leg of bundle.legs) {
        const items = byTarget.get(leg.address) ?? [];
        byTarget.set(leg.address, items);
        for (const body of bundle.bodies) {
          items.push({ job, bundle, leg, delivery: { body, range: leg.range, hops: bundle.hops } });
        }
      }
    }
  }
  return byTarget;
}

/** Cuts what one target gets into calls of bounded size. */
function splitCalls(items: readonly Item[]): Item[][] {
  const calls: Item[][] = [];
  let chars = Infinity;
  for (const item of items) {
    chars += item.delivery.body.length;
    const call = calls.at(-1);
    if (call && chars <= CALL_CHARS_MAX && call.length < DELIVERIES_MAX) call.push(item);
    else {
      calls.push([item]);
      chars = item.delivery.body.length;
    }
  }
  return calls;
}

async function deliver(address: string, items: readonly Item[], ports: ConsumerPorts): Promise<void> {
  const newest = items.reduce(
    (best, { job }) => (job.job.from.maxGuid > best.maxGuid ? job.job.from : best),
    firstSender(items),
  );
  try {
    const outcomes = await ports.deliver(
      address,
      items.map((item) => item.delivery),
      newest,
    );
    items.forEach((item, index) => {
      if (outcomes[index] === 'busy' || outcomes[index] === undefined) markFailed(item);
    });
  } catch (cause) {
    items.forEach(markFailed);
    ports.log('WARNING', 'delivery_failed', { address, messages: items.length, reason: reasonOf(cause) });
  }
}

function firstSender(items: readonly Item[]): Sender {
  const first = items[0];
  if (!first) throw new Error('assertion failed: a call has items');
  return first.job.job.from;
}

function markFailed({ job, bundle, leg, delivery }: Item): void {
  const legs = job.failed.get(bundle) ?? new Map<JobLeg, Set<string>>();
  const bodies = legs.get(leg) ?? new Set<string>();
  job.failed.set(bundle, legs.set(leg, bodies.add(delivery.body)));
}

/** Sees to what is left of a job. */
async function passOn(hand: JobInHand, ports: ConsumerPorts): Promise<void> {
  const left = remainder(hand);
  if (left.length === 0) return;
  const tries = hand.job.tries + 1;
  const jobs = packJobs(hand.job.network, hand.job.from, left).map((job) => ({ ...job, tries }));
  const legs = left.reduce((sum, bundle) => sum + bundle.legs.length, 0);
  if (tries >= TRIES_MAX) {
    ports.log('WARNING', 'job_given_up', { from: hand.job.from.guid, legs, tries });
    await ports.bury(jobs);
  } else {
    ports.log('DEBUG', 'job_retried', { from: hand.job.from.guid, legs, tries });
    await ports.resend(jobs, pauseSeconds(tries));
  }
}

/** The bundles of a job that are still to be delivered: legs that failed for the same messages stay together. */
function remainder(hand: JobInHand): Bundle[] {
  const left: Bundle[] = [];
  for (const [bundle, legs] of hand.failed) {
    const whole = [...legs].filter(([, bodies]) => bodies.size === bundle.bodies.length).map(([leg]) => leg);
    if (whole.length > 0) left.push({ ...bundle, legs: whole });
    for (const [leg, bodies] of legs) {
      if (whole.includes(leg)) continue;
      left.push({ ...bundle, legs: [leg], bodies: bundle.bodies.filter((body) => bodies.has(body)) });
    }
  }
  return left;
}

/** Acknowledges a message once `work` is done; where that fails, the message itself comes again. */
export async function settle(
  message: QueueMessage,
  work: () => Promise<void>,
  ports: Pick<ConsumerPorts, 'log'>,
): Promise<void> {
  try {
    await work();
    message.ack();
  } catch (cause) {
    ports.log('ERROR', 'job_not_settled', { reason: reasonOf(cause) });
    // With the pause that wrangler.toml gives the queue: seconds for deliveries, minutes for dead letters.
    message.retry();
  }
}

function pauseSeconds(tries: number): number {
  return Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** (tries - 1)) / 1000;
}
