// The queue of one deployment and its consumer, by the rules of src/queue/consumer.ts: at least once, sometimes late, out of order. A target that
// gives no answer is its sender's business at once; a busy one is tried again; a sender that cannot be told hears by way of dead letters.
import type { Outcome, Undeliverable } from '../src/protocol/effects.ts';
import { decodeJob, encodeJob, type Bundle, type Job, type JobLeg, type Sender } from '../src/protocol/job.ts';
import { BACKOFF_MS_MIN, DELIVERIES_CALL_MAX } from '../src/protocol/limits.ts';
import { BOOT_GUID, type Delivery } from '../src/protocol/types.ts';
import type { Ledger } from './ledger.ts';
import type { Sim } from './sim.ts';

const TRIES_MAX = 4;
/** Pause before a message that was not acknowledged comes again. */
const RETRY_MS = 5_000;
const POSTPONED_MS = 1_000;
const LATE_MS_MAX = 180_000;
const DEAD_LETTER_RETRY_MS = 60_000;

export interface QueuePorts {
  readonly ledger: Ledger;
  idOf(body: string): string;
  /** Null: no answer. */
  deliver(
    leg: JobLeg,
    deliveries: readonly Delivery[],
    from: Sender,
    done: (o: readonly Outcome[] | null) => void,
  ): void;
  report(from: Sender, legs: readonly Undeliverable[], done: (isTold: boolean) => void): void;
}

interface Queued {
  readonly number: number;
  readonly text: string;
}

export interface Item {
  readonly bundle: Bundle;
  readonly leg: JobLeg;
  readonly body: Bundle['bodies'][number];
}

/** How the calls of a job ended that its sender made itself. */
export interface Attempt {
  readonly job: Job;
  readonly taken: readonly Item[];
  readonly busy: readonly Item[];
  /** There was no more time to wait. */
  readonly late: readonly Item[];
  readonly silent: readonly Item[];
}

export class SimQueue {
  readonly #sim: Sim;
  readonly #ports: QueuePorts;
  #numbers = 0;

  constructor(sim: Sim, ports: QueuePorts) {
    this.#sim = sim;
    this.#ports = ports;
  }

  /** Takes all jobs, or, refusing, some of them and says that it took none. */
  send(jobs: readonly Job[]): boolean {
    const refuses = this.#sim.hits(this.#sim.plan.queueRefuses);
    if (refuses) this.#sim.stats.refusals++;
    const taken = refuses ? jobs.slice(0, this.#sim.random.between(0, jobs.length)) : jobs;
    for (const job of taken) {
      const number = this.#numbers++;
      this.#ports.ledger.open(number, job);
      this.#put({ number, text: encodeJob(job) });
    }
    return !refuses;
  }

  /**
   * Takes what a sender's own attempt left; false where it does not. From here on each leg is accounted for. `tell`: the sender itself, false
   * where it could not note it.
   */
  takeLeft({ job, taken, busy, late, silent }: Attempt, tell: (legs: readonly Undeliverable[]) => boolean): boolean {
    const isEmpty = busy.length + late.length + silent.length === 0;
    if (!isEmpty && this.#sim.hits(this.#sim.plan.queueRefuses)) return false;
    const number = this.#numbers++;
    this.#ports.ledger.open(number, job);
    for (const { bundle, leg, body } of taken) this.#ports.ledger.answered(number, bundle, leg, body);
    if (this.#sim.hooks.forgetsLeft) return true;
    if (late.length > 0) this.#put({ number, text: encodeJob({ ...job, bundles: oneMessage(late) }) }, POSTPONED_MS);
    this.#putBack(number, job, oneMessage(busy), job.tries + 1);
    const failed = bundlesOf(silent);
    if (failed.length === 0) return true;
    if (tell(this.#undelivered(failed, false))) this.#wasTold(number, failed);
    else this.#bury(number, job.from, failed);
    return true;
  }

  #put(queued: Queued, delayMs = 0): void {
    const { sim, plan } = { sim: this.#sim, plan: this.#sim.plan };
    const late = sim.hits(plan.queueLate) ? sim.random.between(1_000, LATE_MS_MAX) : 0;
    sim.later(delayMs + sim.latency() + late, () => this.#consume(queued));
    if (sim.hits(plan.queueTwice)) {
      sim.later(delayMs + sim.random.between(0, 30_000), () => this.#consume(queued));
    }
  }

  #consume(queued: Queued): void {
    const decoded = decodeJob(queued.text);
    if (!decoded.ok) return this.#sim.violate('every job can be read', decoded.error);
    const job = decoded.value;
    const dies = this.#sim.hits(this.#sim.plan.consumerCrashes);
    // The message was not acknowledged: it comes again, though calls were made.
    const comesAgain = () => this.#sim.hooks.acksFirst || this.#put(queued, RETRY_MS);
    if (dies && this.#sim.random.chance(0.5)) return void comesAgain();
    const missed = new Map<Item, 'busy' | 'silent'>();
    const calls = callsOf(job);
    let left = calls.length;
    const isDone = () => {
      if (--left > 0) return;
      if (dies) comesAgain();
      else if (!this.#passOn(queued.number, job, missed)) comesAgain();
    };
    for (const items of calls) this.#call(queued.number, job, items, missed, isDone);
  }

  #call(
    number: number,
    job: Job,
    items: readonly Item[],
    missed: Map<Item, 'busy' | 'silent'>,
    done: () => void,
  ): void {
    const [first] = items;
    if (!first) return done();
    const deliveries = items.map(({ bundle, leg, body }) => ({ body, range: leg.range, hops: bundle.hops }));
    this.#ports.deliver(first.leg, deliveries, job.from, (outcomes) => {
      for (const [index, item] of items.entries()) {
        const outcome = outcomes?.[index];
        if (outcome === undefined) missed.set(item, 'silent');
        else if (outcome === 'busy') missed.set(item, 'busy');
        else this.#ports.ledger.answered(number, item.bundle, item.leg, item.body);
      }
      done();
    });
  }

  /** Sees to what is left of a job; false where the queue refused, and the whole message must come again. */
  #passOn(number: number, job: Job, missed: ReadonlyMap<Item, 'busy' | 'silent'>): boolean {
    const of = (why: 'busy' | 'silent') =>
      bundlesOf([...missed].filter(([, miss]) => miss === why).map(([item]) => item));
    const busy = of('busy');
    const silent = of('silent');
    if (this.#sim.hits(this.#sim.plan.queueRefuses) && busy.length + silent.length > 0) return false;
    const tries = job.tries + 1;
    if (tries < TRIES_MAX) this.#putBack(number, job, busy, tries);
    else this.#tell(number, job, busy, true);
    this.#tell(number, job, silent, false);
    return true;
  }

  /** Tells the sender; the boot node keeps no messages, so what it sends is tried again, and given up after a while. */
  #tell(number: number, job: Job, bundles: readonly Bundle[], answered: boolean): void {
    if (bundles.length === 0) return;
    const tries = job.tries + 1;
    if (job.from.guid === BOOT_GUID) {
      if (tries < TRIES_MAX) this.#putBack(number, job, bundles, tries);
      return;
    }
    this.#ports.report(job.from, this.#undelivered(bundles, answered), (isTold) => {
      if (isTold) this.#wasTold(number, bundles);
      else this.#bury(number, job.from, bundles);
    });
  }

  #putBack(number: number, job: Job, bundles: readonly Bundle[], tries: number): void {
    if (bundles.length === 0) return;
    const text = encodeJob({ ...job, bundles, tries });
    this.#put({ number, text }, BACKOFF_MS_MIN * 2 ** (tries - 1));
  }

  #bury(number: number, from: Sender, bundles: readonly Bundle[]): void {
    const sim = this.#sim;
    sim.later(sim.latency() + (sim.hits(sim.plan.queueLate) ? LATE_MS_MAX : 0), () =>
      this.#ports.report(from, this.#undelivered(bundles, false), (isTold) => {
        if (isTold) this.#wasTold(number, bundles);
        else sim.later(sim.faulty ? DEAD_LETTER_RETRY_MS : RETRY_MS, () => this.#bury(number, from, bundles));
      }),
    );
  }

  #undelivered(bundles: readonly Bundle[], answered: boolean): readonly Undeliverable[] {
    const legs = bundles.flatMap(({ bodies, legs: missing, attempt, without }) => {
      const ids = bodies.map((body) => this.#ports.idOf(body));
      return missing.map((leg) => ({ to: leg.to, range: leg.range, attempt, without, answered, ids }));
    });
    return this.#sim.hooks.told?.(legs) ?? legs;
  }

  #wasTold(number: number, bundles: readonly Bundle[]): void {
    for (const { to, range, attempt, ids } of this.#undelivered(bundles, false)) {
      this.#ports.ledger.told(number, to, range, attempt, ids);
    }
  }
}

/** One call a target, of bounded size. */
export function callsOf(job: Job): Item[][] {
  const byTarget = new Map<string, Item[]>();
  for (const bundle of job.bundles) {
    for (const leg of bundle.legs) {
      const items = byTarget.get(leg.address) ?? [];
      byTarget.set(leg.address, items);
      for (const body of bundle.bodies) items.push({ bundle, leg, body });
    }
  }
  const calls: Item[][] = [];
  for (const items of byTarget.values()) {
    for (let start = 0; start < items.length; start += DELIVERIES_CALL_MAX) {
      calls.push(items.slice(start, start + DELIVERIES_CALL_MAX));
    }
  }
  return calls;
}

/** Items of one message as a bundle again. */
function oneMessage([first, ...others]: readonly Item[]): Bundle[] {
  if (!first) return [];
  return [{ ...first.bundle, legs: [first.leg, ...others.map(({ leg }) => leg)] }];
}

/** Items as bundles again: legs that miss the same messages are not put together, which only costs bytes. */
function bundlesOf(items: readonly Item[]): Bundle[] {
  const bundles = new Map<JobLeg, Bundle & { bodies: Item['body'][] }>();
  for (const { bundle, leg, body } of items) {
    const known = bundles.get(leg) ?? { ...bundle, legs: [leg], bodies: [] };
    bundles.set(leg, known);
    known.bodies.push(body);
  }
  return [...bundles.values()];
}
