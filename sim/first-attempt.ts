// A node's own attempt at a message that is alone, by the rules of src/queue/first-attempt.ts: calls to all at once, cut off after a while. It ends
// with the life of the node: what it had not brought by then nobody knows of but the node's own store.
import type { Undeliverable } from '../src/protocol/effects.ts';
import type { Job } from '../src/protocol/job.ts';
import { FIRST_ATTEMPT_MS } from '../src/protocol/limits.ts';
import type { SimNode } from './node.ts';
import { callsOf, type Item, type QueuePorts, type SimQueue } from './queue.ts';
import type { Sim } from './sim.ts';

/** `done`: whether each leg was taken, or is in the queue, or the node was told of it. */
export function firstAttempt(
  sim: Sim,
  node: SimNode,
  jobs: readonly Job[],
  ports: { readonly queue: SimQueue; readonly deliver: QueuePorts['deliver'] },
  done: (isDone: boolean) => void,
): void {
  const { life } = node;
  const tell = (legs: readonly Undeliverable[]) =>
    node.submit({ type: 'undeliverable', legs, reason: 'no answer' }) !== null;
  const hands = jobs.map((job) => new Hand(job));
  let left = hands.reduce((sum, hand) => sum + hand.calls.length, 0);
  let isOver = false;
  const end = () => {
    if (isOver || node.life !== life) return;
    isOver = true;
    // A pause of the whole process holds up this, too.
    node.accept(
      () => done(hands.every((hand) => node.life === life && ports.queue.takeLeft(hand.ended(), tell))),
      () => undefined,
    );
  };
  sim.later(FIRST_ATTEMPT_MS, end);
  for (const hand of hands) {
    for (const items of hand.calls) {
      const [first] = items;
      if (!first) continue;
      const deliveries = items.map(({ bundle, leg, body }) => ({ body, range: leg.range, hops: bundle.hops }));
      ports.deliver(first.leg, deliveries, hand.job.from, (outcomes) => {
        if (isOver) return;
        for (const [index, item] of items.entries()) hand.note(item, outcomes?.[index] ?? null);
        if (--left === 0) end();
      });
    }
  }
}

/** One job, and what became of its items so far. */
class Hand {
  readonly job: Job;
  readonly calls: readonly Item[][];
  readonly #taken: Item[] = [];
  readonly #busy: Item[] = [];
  readonly #silent: Item[] = [];
  readonly #late: Set<Item>;

  constructor(job: Job) {
    this.job = job;
    this.calls = callsOf(job);
    this.#late = new Set(this.calls.flat());
  }

  note(item: Item, outcome: string | null): void {
    this.#late.delete(item);
    (outcome === null ? this.#silent : outcome === 'busy' ? this.#busy : this.#taken).push(item);
  }

  ended() {
    const { job } = this;
    return { job, taken: this.#taken, busy: this.#busy, silent: this.#silent, late: [...this.#late] };
  }
}
