// The queue's consumer: delivers the legs of whole batches of jobs, one call a target. What was delivered is acknowledged. Of a target that
// does not answer the sender is told at once, so that others take its range over; a target that is busy is tried again with growing pauses.
// A sender that can't be told is told by way of the dead letters.
import { utf8Length } from '../protocol/canonical.ts';
import type { Outcome, Undeliverable } from '../protocol/effects.ts';
import { decodeJob, packJobs, type Bundle, type Job, type JobLeg, type Sender } from '../protocol/job.ts';
import {
  BACKOFF_MS_MAX,
  BACKOFF_MS_MIN,
  BODY_BYTES_MAX,
  DELIVERIES_CALL_MAX,
  DELIVERIES_MAX,
} from '../protocol/limits.ts';
import type { LogLine } from '../protocol/log-line.ts';
import { BOOT_GUID, type Delivery, type Millis } from '../protocol/types.ts';
import { reasonOf } from '../protocol/reason.ts';
import { runPool } from './pool.ts';
import { undelivered } from './undelivered.ts';

/** Why a leg is not done, from harmless to bad: there was no time, the target asked for a later time, it did not answer. */
const MISSES = ['postponed', 'busy', 'silent'] as const;
type Miss = (typeof MISSES)[number];

/** Times that a leg is tried whose target is busy, before its sender hears of it (guess: about seven seconds in all). */
const BUSY_TRIES_MAX = 4;

/** Times that a leg of the boot node's is tried. */
const BOOT_TRIES_MAX = 4;

/** Rest per time worked. As long as it worked made 0.053 rows a delivery at 200 messages/s among 64 nodes (`npm run soak`); 0.05 is the aim. */
const REST_PER_WORK = 1.5;

/** Jobs of a full batch: `max_batch_size` in wrangler.toml, the most that the platform has. */
export const BATCH_JOBS_MAX = 100;

/** How one queue is worked off. */
export interface Lane {
  /** Calls under way at once. */
  readonly callsMax: number;
  /** Bytes of all calls under way: each holds a copy of its messages. */
  readonly underWayBytesMax: number;
  /** Bytes of one call's messages, escaped as JSON has them where they are sent in JSON. */
  readonly callBytesMax: number;
  readonly callDeliveriesMax: number;
  /** When a batch stops to begin calls: what is left is put back. Null: never. */
  readonly budgetMs: Millis | null;
  /** The most that a batch of several jobs and the rest after it take together; a batch that takes as long by itself has none. */
  readonly periodMsMax: Millis;
}

/**
 * Nodes of this deployment, by RPC. Durable Object calls do not count to the six connections, and whoever is called later has the message later:
 * all are called at once, as far as the isolate's 128 MB allow.
 */
export const INSIDE: Lane = {
  callsMax: 1_024,
  underWayBytesMax: 16_000_000,
  callBytesMax: 4_000_000,
  callDeliveriesMax: DELIVERIES_MAX,
  budgetMs: null,
  periodMsMax: 400,
};

/** Peers outside, by HTTP. Six connections at once (PLATFORM.md 1.5). However many hang, a batch ends within the platform's 15 minutes. */
export const OUTSIDE: Lane = {
  callsMax: 6,
  underWayBytesMax: 6 * BODY_BYTES_MAX,
  callBytesMax: BODY_BYTES_MAX - 8_192,
  callDeliveriesMax: DELIVERIES_CALL_MAX,
  budgetMs: 60_000,
  periodMsMax: 0,
};

/** Pause before jobs that a batch had no time for are looked at again. */
const POSTPONED_SECONDS = 1;

/** Deliveries in hand at once: measured at about 130 bytes of heap each beside the bodies, so some 7 MB. */
const SLICE_DELIVERIES_MAX = 50_000;

/** The part of a queue message that the consumer uses. */
export interface QueueMessage {
  readonly body: unknown;
  ack(): void;
  retry(options?: { delaySeconds?: number }): void;
}

export interface ConsumerPorts {
  /** Delivers to one node; throws where it can't be reached. Null: nobody waited for it to the end, and nothing is to be held against it. */
  deliver(target: JobLeg, deliveries: readonly Delivery[], newest: Sender): Promise<readonly Outcome[] | null>;
  /** Puts jobs back with a pause. */
  resend(jobs: readonly Job[], delaySeconds: number): Promise<void>;
  /** Tells a node what could not be delivered; throws where it cannot be told. */
  report(sender: Sender, legs: readonly Undeliverable[]): Promise<void>;
  /** Gives jobs up: their senders are told later. */
  bury(jobs: readonly Job[]): Promise<void>;
  /** A message that is no job: counted, never delivered. */
  unreadable(reason: string): Promise<void>;
  now(): Millis;
  rest(ms: Millis): Promise<void>;
  log(...line: LogLine): void;
}

/** One body of one leg of one job. */
interface Item {
  readonly job: JobInHand;
  readonly bundle: Bundle;
  readonly leg: JobLeg;
  readonly delivery: Delivery;
}

interface JobInHand {
  readonly job: Job;
  readonly failed: Map<Bundle, Map<JobLeg, Set<string>>>;
  /** Why legs are not done, the worst of it: of two calls one may have got an answer. */
  readonly misses: Map<JobLeg, Miss>;
}

/** Handles a batch. Each message of it is acknowledged or retried by its own. */
export async function consume(messages: readonly QueueMessage[], lane: Lane, ports: ConsumerPorts): Promise<void> {
  const began = ports.now();
  const until = lane.budgetMs === null ? Infinity : began + lane.budgetMs;
  const received = new Map<JobInHand, QueueMessage>();
  for (const message of messages) {
    const decoded = decodeJob(message.body);
    if (decoded.ok) {
      received.set(inHand(decoded.value), message);
      continue;
    }
    ports.log('job_unreadable', { reason: decoded.error });
    await settle(message, () => ports.unreadable(decoded.error), ports);
  }
  for (const slice of slices([...received.keys()])) {
    await callAll(slice, until, lane, ports);
    for (const hand of slice) {
      const message = received.get(hand);
      if (message) await settle(message, () => passOn(hand, ports), ports);
    }
  }
  if (messages.length < BATCH_JOBS_MAX && !isOneMessage([...received.keys()])) await rest(began, lane, ports);
}

/**
 * Jobs that never were in the queue: one attempt by their sender itself. What it leaves is in the queue, or the sender has heard of it, when this
 * resolves; where it rejects, all of it is to be sent again.
 */
export async function attempt(jobs: readonly Job[], lane: Lane, ports: ConsumerPorts): Promise<void> {
  for (const slice of slices(jobs.map(inHand))) {
    await callAll(slice, Infinity, lane, ports);
    for (const hand of slice) await passOn(hand, ports);
  }
}

function inHand(job: Job): JobInHand {
  return { job, failed: new Map(), misses: new Map() };
}

/** Makes the calls of jobs, one a target, until there is no time to begin more. */
async function callAll(hands: readonly JobInHand[], until: Millis, lane: Lane, ports: ConsumerPorts): Promise<void> {
  const calls = [...groupByTarget(hands).values()].flatMap((items) => splitCalls(items, lane)).sort(trustedFirst);
  await runPool(calls, atOnce(calls, lane), async ({ items }) => {
    if (ports.now() < until) await deliver(items, ports);
    else for (const item of items) markMissed(item, 'postponed');
  });
}

/** Whether a batch is one message; with many targets it is several jobs. */
function isOneMessage(hands: readonly JobInHand[]): boolean {
  const first = hands[0]?.job.bundles[0]?.bodies[0];
  return hands.every(({ job }) => job.bundles.every((bundle) => bundle.bodies.every((body) => body === first)));
}

/**
 * Under load the consumer rests for half as long again as it has worked: what comes meanwhile goes with the next batch, and a batch costs each node
 * one call, one transaction and one row, however many messages are in it. One message alone makes nobody wait, and a backlog waits for nothing: nor
 * does what came while a batch took long, as where all nodes write their logs back at once.
 */
async function rest(began: Millis, lane: Lane, ports: ConsumerPorts): Promise<void> {
  const worked = ports.now() - began;
  const ms = Math.min(REST_PER_WORK * worked, lane.periodMsMax - worked);
  if (ms > 0) await ports.rest(ms);
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
          const from = job.job.from.guid;
          items.push({ job, bundle, leg, delivery: { body, range: leg.range, hops: bundle.hops, from } });
        }
      }
    }
  }
  return byTarget;
}

/** What one target gets at once. */
interface Call {
  readonly items: Item[];
  bytes: number;
}

/** Cuts what one target gets into calls of bounded size. */
function splitCalls(items: readonly Item[], lane: Lane): Call[] {
  const calls: Call[] = [];
  for (const item of items) {
    const size = callBytes(item);
    const call = calls.at(-1);
    if (call && call.bytes + size <= lane.callBytesMax && call.items.length < lane.callDeliveriesMax) {
      call.items.push(item);
      call.bytes += size;
    } else calls.push({ items: [item], bytes: size });
  }
  return calls;
}

/** How many of these calls may be under way at once; they are of about one size, since most messages go to everybody. */
function atOnce(calls: readonly Call[], lane: Lane): number {
  const largest = calls.reduce((most, { bytes }) => Math.max(most, bytes), 1);
  return Math.min(lane.callsMax, Math.max(1, Math.floor(lane.underWayBytesMax / largest)));
}

/** What a delivery takes in a call: outside it is JSON in JSON, with what is around it. */
function callBytes({ leg, delivery }: Item): number {
  return leg.outside === null ? delivery.body.length : utf8Length(JSON.stringify(delivery.body)) + 160;
}

/** Those that never proved to be there come last: they may all be gone, and others must not wait for that. */
function trustedFirst(a: Call, b: Call): number {
  const rank = ({ items }: Call) => (items[0]?.leg.outside?.isTrusted === false ? 1 : 0);
  return rank(a) - rank(b);
}

async function deliver(items: readonly Item[], ports: ConsumerPorts): Promise<void> {
  const { leg } = firstOf(items);
  const newest = items.reduce(
    (best, { job }) => (job.job.from.maxGuid > best.maxGuid ? job.job.from : best),
    firstOf(items).job.job.from,
  );
  try {
    const outcomes = await ports.deliver(
      leg,
      items.map((item) => item.delivery),
      newest,
    );
    items.forEach((item, index) => {
      if (outcomes === null) markMissed(item, 'postponed');
      else if (outcomes[index] === 'busy') markMissed(item, 'busy');
      else if (outcomes[index] === undefined) markMissed(item, 'silent');
    });
  } catch (cause) {
    for (const item of items) markMissed(item, 'silent');
    ports.log('delivery_failed', { address: leg.address, messages: items.length, reason: reasonOf(cause) });
  }
}

function firstOf(items: readonly Item[]): Item {
  const first = items[0];
  if (!first) throw new Error('assertion failed: a call has items');
  return first;
}

function markMissed({ job, bundle, leg, delivery }: Item, miss: Miss): void {
  const legs = job.failed.get(bundle) ?? new Map<JobLeg, Set<string>>();
  const bodies = legs.get(leg) ?? new Set<string>();
  job.failed.set(bundle, legs.set(leg, bodies.add(delivery.body)));
  const before = job.misses.get(leg) ?? 'postponed';
  job.misses.set(leg, MISSES.indexOf(miss) > MISSES.indexOf(before) ? miss : before);
}

/** Sees to what is left of a job. */
async function passOn(hand: JobInHand, ports: ConsumerPorts): Promise<void> {
  const left = remainder(hand);
  const of = (miss: Miss) =>
    left
      .map((bundle) => ({ ...bundle, legs: bundle.legs.filter((leg) => hand.misses.get(leg) === miss) }))
      .filter((bundle) => bundle.legs.length > 0);
  // Not counted as a try: nobody was called.
  const untried = repacked(hand, of('postponed'), hand.job.tries);
  if (untried.length > 0) await ports.resend(untried, POSTPONED_SECONDS);
  const isPatient = hand.job.tries + 1 < BUSY_TRIES_MAX;
  if (isPatient) await putBack(hand, of('busy'), ports);
  else await tell(hand, of('busy'), true, ports);
  await tell(hand, of('silent'), false, ports);
}

/** Tells the sender at once, so that others take the ranges over; where it cannot be told now, a dead letter tells it later. */
async function tell(
  hand: JobInHand,
  bundles: readonly Bundle[],
  answered: boolean,
  ports: ConsumerPorts,
): Promise<void> {
  if (bundles.length === 0) return;
  const { from, tries } = hand.job;
  const isBoot = from.guid === BOOT_GUID;
  // The boot node keeps no messages, so it can hand nothing to anybody else: its announcements are tried again here.
  if (isBoot && tries + 1 < BOOT_TRIES_MAX) return await putBack(hand, bundles, ports);
  if (isBoot) return await giveUp(hand, bundles, ports);
  try {
    await ports.report(from, undelivered(bundles, answered));
  } catch (cause) {
    ports.log('sender_not_told', { from: from.guid, reason: reasonOf(cause) });
    await giveUp(hand, bundles, ports);
  }
}

/** Puts bundles back with a pause, counting a try. */
async function putBack(hand: JobInHand, bundles: readonly Bundle[], ports: ConsumerPorts): Promise<void> {
  if (bundles.length === 0) return;
  const tries = hand.job.tries + 1;
  ports.log('job_retried', { from: hand.job.from.guid, legs: countLegs(bundles), tries });
  await ports.resend(repacked(hand, bundles, tries), pauseSeconds(tries));
}

async function giveUp(hand: JobInHand, bundles: readonly Bundle[], ports: ConsumerPorts): Promise<void> {
  const tries = hand.job.tries + 1;
  ports.log('job_given_up', { from: hand.job.from.guid, legs: countLegs(bundles), tries });
  await ports.bury(repacked(hand, bundles, tries));
}

function countLegs(bundles: readonly Bundle[]): number {
  return bundles.reduce((sum, bundle) => sum + bundle.legs.length, 0);
}

function repacked(hand: JobInHand, bundles: readonly Bundle[], tries: number): Job[] {
  return packJobs(hand.job.network, hand.job.from, bundles).map((job) => ({ ...job, tries }));
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
    ports.log('job_not_settled', { reason: reasonOf(cause) });
    // With the pause that wrangler.toml gives the queue: seconds for deliveries, minutes for dead letters.
    message.retry();
  }
}

function pauseSeconds(tries: number): number {
  return Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** (tries - 1)) / 1000;
}
