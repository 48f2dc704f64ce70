// A large simulated network that is there from the start: the same nodes, calls and queue as in the simulator of faults, without what draws
// faults. It counts what messages cost, and how they spread.
import type { Effect, Input, Reply, SignedOrigination } from '../src/protocol/effects.ts';
import { sealMessage, type Draft } from '../src/protocol/message.ts';
import { draft } from '../src/protocol/originating.ts';
import type { MessageId, Millis } from '../src/protocol/types.ts';
import { Ledger } from './ledger.ts';
import { SimNode } from './node.ts';
import { SimQueue } from './queue.ts';
import { KnownNetwork } from './scale-store.ts';
import { Shell } from './shell.ts';
import { sign } from './signing.ts';
import type { Sim } from './sim.ts';
import { HOSTED_PREFIX } from './plan.ts';
import { Spread } from './spread.ts';
import { Wire } from './wire.ts';

/** Places of the two halves' queues. */
const QUEUES = [{ slot: -1 }, { slot: -2 }] as const;
type Half = 0 | 1;

export interface Counts {
  /** Messages times legs that were handed to the queue. */
  sends: number;
  /** Deliveries that arrived, by what became of them. */
  new: number;
  duplicate: number;
  rejected: number;
  busy: number;
  syncs: number;
  syncsFailed: number;
}

export class ScaleNetwork {
  readonly sim: Sim;
  readonly nodes: readonly SimNode[];
  readonly spreads: Spread[] = [];
  readonly counts: Counts = { sends: 0, new: 0, duplicate: 0, rejected: 0, busy: 0, syncs: 0, syncsFailed: 0 };
  readonly #wire: Wire;
  readonly #shell: Shell;
  readonly #ledger: Ledger;
  readonly #queues: readonly [SimQueue, SimQueue];
  readonly #halves: Uint8Array;
  readonly #byAddress = new Map<string, SimNode>();
  readonly #byBody = new Map<string, Spread>();
  #live: number;

  constructor(sim: Sim) {
    this.sim = sim;
    const { plan, random } = sim;
    const { nodes, config } = plan;
    this.#live = nodes;
    this.#halves = Uint8Array.from({ length: nodes + 1 }, () => Number(random.chance(0.5)));
    this.#wire = new Wire(sim);
    this.#ledger = new Ledger((body) => this.#idOf(body));
    this.#queues = [this.#queue(0), this.#queue(1)];
    // Everybody knows everybody, and nobody's certificate runs out: whoever asks the boot node shows that this is not so.
    const boot = {
      join: () => {
        sim.violate('nobody needs the boot node', 'a node asked to join');
        return null;
      },
      certified: () => true,
    };
    this.#shell = new Shell(sim, {
      wire: this.#wire,
      boot,
      at: (address) => this.#byAddress.get(address) ?? null,
      liarAt: () => null,
      queueOf: ({ slot }) => this.#queues[this.#halfOf(slot)],
    });
    const known = new KnownNetwork(nodes, { ...config, hostedPrefix: HOSTED_PREFIX }, sim.now);
    const round = config.syncIntervalMs + config.syncJitterMs / 2;
    const ports = {
      perform: (node: SimNode, effect: Effect) => this.#perform(node, effect),
      committed: (_: SimNode, input: Input, reply: Reply) => this.#committed(input, reply),
      sign: (node: SimNode, drafted: Draft) => this.#signed(node, drafted),
      storeOf: (slot: number) => known.storeOf(slot, sim.now + Math.round(random.next() * round)),
      readBlock: known.readBlock,
    };
    this.nodes = Array.from({ length: nodes }, (_, index) => new SimNode(sim, index + 1, true, ports));
    for (const node of this.nodes) {
      this.#byAddress.set(node.self.address, node);
      node.start();
    }
  }

  /** Nodes that answer. */
  get live(): number {
    return this.#live;
  }

  /** Whether every message is everywhere. */
  get isDone(): boolean {
    return this.spreads.every((spread) => spread.isDone);
  }

  /** Legs that the queue still has. */
  get openLegs(): number {
    return this.#ledger.size;
  }

  /** This share of the nodes never answers again, and nobody is told. */
  kill(share: number): void {
    for (let left = Math.round(share * this.#live); left > 0; left--) {
      this.pick().isPaused = true;
      this.#live--;
    }
  }

  /** Nothing comes from one half of the nodes to the other, for a time. */
  cut(forMs: Millis): void {
    const side = new Set(this.nodes.map(({ slot }) => slot).filter((slot) => this.#halves[slot] === 1));
    this.#wire.cut(side.add(QUEUES[1].slot), false, forMs);
  }

  /** A node that answers, of one half or of any, drawn. */
  pick(half: Half | null = null): SimNode {
    for (;;) {
      const node = this.sim.random.pick(this.nodes);
      if (node && !node.isPaused && (half === null || this.#halfOf(node.slot) === half)) return node;
    }
  }

  /** An application gives a node a message. */
  originate(node: SimNode): void {
    const { driver } = node;
    const wish = { data: { n: this.spreads.length }, ttlSeconds: null, idempotencyKey: null };
    const drafted = driver && draft(driver.context(), wish);
    if (!drafted?.ok) return this.sim.violate('messages are taken', drafted?.error.reason ?? 'the node is down');
    const { message } = this.#signed(node, drafted.value);
    const spread = new Spread(message.id, this.sim.now, this.#live - 1);
    this.spreads.push(spread);
    this.#byBody.set(message.sealed, spread);
    const reply = node.submit({ type: 'originate', originations: [{ ...wish, message }] });
    if (reply?.type !== 'originated') this.sim.violate('messages are taken', `the reply is ${reply?.type}`);
  }

  /** Most hops that a copy made which a node has. */
  hopsMax(): number {
    let most = 0;
    for (const { driver } of this.nodes) {
      for (const { id } of this.spreads) most = Math.max(most, driver?.state.mempool.get(id)?.hops ?? 0);
    }
    return most;
  }

  #signed({ self }: SimNode, drafted: Draft): SignedOrigination {
    const message = sealMessage(drafted, sign(self.publicKey, drafted.body));
    return { data: message.content.data, ttlSeconds: null, idempotencyKey: null, message };
  }

  #halfOf(slot: number): Half {
    return this.#halves[slot] === 1 ? 1 : 0;
  }

  #queue(half: Half): SimQueue {
    const place = QUEUES[half];
    return new SimQueue(this.sim, {
      ledger: this.#ledger,
      idOf: (body) => this.#idOf(body),
      deliver: (leg, deliveries, from, done) => this.#shell.deliver(place, leg, deliveries, from, done),
      report: (from, legs, done) => this.#shell.report(place, from, legs, done),
    });
  }

  #perform(node: SimNode, effect: Effect): void {
    if (effect.type === 'sync') this.counts.syncs++;
    if (effect.type === 'hand-over') {
      for (const { bundles } of effect.jobs) {
        for (const { bodies, legs } of bundles) this.counts.sends += bodies.length * legs.length;
      }
    }
    this.#shell.perform(node, effect);
  }

  #committed(input: Input, reply: Reply): void {
    if (input.type === 'sync-failed') this.counts.syncsFailed++;
    if (input.type !== 'deliver' || reply.type !== 'delivered') return;
    for (const [index, outcome] of reply.outcomes.entries()) {
      this.counts[outcome]++;
      const body = input.deliveries[index]?.body;
      if (outcome === 'new' && body !== undefined) this.#byBody.get(body)?.reach(this.sim.now);
    }
  }

  #idOf(body: string): MessageId {
    const spread = this.#byBody.get(body);
    if (!spread) throw new Error('assertion failed: all messages are of this run');
    return spread.id;
  }
}
