// A simulated network: nodes, their queues, the boot node, liars, applications and what goes wrong with them.
import type { Effect, Input, Origination, Reply, SignedOrigination } from '../src/protocol/effects.ts';
import { REPAIR_MINUTES, windowOf } from '../src/cron/tick.ts';
import { hashOf } from '../src/protocol/canonical.ts';
import { sealMessage, type Draft } from '../src/protocol/message.ts';
import { draft } from '../src/protocol/originating.ts';
import { unseal } from '../src/protocol/seal.ts';
import type { Guid, MessageId, Millis } from '../src/protocol/types.ts';
import { SimBoot } from './boot.ts';
import {
  Books,
  DeliveryCheck,
  GuidCheck,
  IdempotencyCheck,
  IncarnationCheck,
  LimitCheck,
  PromiseCheck,
  type Check,
} from './checks.ts';
import { Ledger } from './ledger.ts';
import { Liar } from './liar.ts';
import { SimNode } from './node.ts';
import { SimQueue } from './queue.ts';
import { Shell } from './shell.ts';
import { sign } from './signing.ts';
import type { Sim } from './sim.ts';
import { Wire } from './wire.ts';

const CRON_MS = 60_000;
const LIARS_FROM = 1_000;
const BURST_MAX = 8;

/** Between two messages of a burst that do not come together: several within LINGER_MS. */
const BURST_MS = 80;
const LIES_MAX = 40;
const APPLICATION_RETRY_MS = 5_000;
const RETURN_RETRY_MS = 60_000;
/** Four such messages do not fit one job. */
const PAD_CHARS_MAX = 40_000;
/** Longer than applications try again. */
const EARLIER_SECONDS = 600;

export class World {
  readonly sim: Sim;
  readonly nodes: SimNode[] = [];
  readonly liars: Liar[] = [];
  readonly books = new Books();
  readonly wire: Wire;
  readonly boot: SimBoot;
  readonly ledger: Ledger;
  readonly #byAddress = new Map<string, SimNode>();
  readonly #queues = new Map<number, SimQueue>();
  readonly #shell: Shell;
  #wishes = 0;
  readonly #guids: GuidCheck;
  readonly #checks: readonly Check[];

  constructor(sim: Sim) {
    this.sim = sim;
    this.wire = new Wire(sim);
    this.ledger = new Ledger((body) => this.#idOf(body));
    this.#guids = new GuidCheck(sim);
    this.#checks = [
      this.#guids,
      new DeliveryCheck(sim, this.books),
      new PromiseCheck(sim, this.books),
      new IdempotencyCheck(sim),
      new LimitCheck(sim),
      new IncarnationCheck(sim),
    ];
    this.boot = new SimBoot(sim, {
      send: (jobs) => this.#queue(null).send(jobs),
      made: (body) => this.books.genuine.add(this.#idOf(body)),
      allocated: (guid, publicKey) => this.#guids.allocated(guid, publicKey),
    });
    this.#shell = new Shell(sim, {
      wire: this.wire,
      boot: this.boot,
      at: (address) => this.#byAddress.get(address) ?? null,
      liarAt: (address) => this.liars.find((liar) => liar.address === address) ?? null,
      queueOf: (node) => this.#queue(node.isHosted ? null : node),
    });
    const { nodes, outside, liars } = sim.plan;
    for (let slot = 1; slot <= nodes; slot++) this.addNode(slot <= nodes - outside);
    for (let index = 1; index <= liars; index++) this.liars.push(new Liar(sim, LIARS_FROM + index, this.books));
    if (!sim.hooks.noCron) this.#cron();
  }

  addNode(isHosted: boolean): void {
    const node = new SimNode(this.sim, this.nodes.length + 1, isHosted, {
      perform: (performer, effect) => this.#perform(performer, effect),
      committed: (committer, input, reply) => this.#committed(committer, input, reply),
      sign: (signer, drafted) => this.#signed(signer, drafted),
    });
    this.nodes.push(node);
    this.#byAddress.set(node.self.address, node);
    node.start();
  }

  /** Nodes that have not left the network. */
  get members(): readonly SimNode[] {
    return this.nodes.filter((node) => !node.hasLeft);
  }

  readonly nodeOf = (slot: number): SimNode | null => this.nodes[slot - 1] ?? null;

  /** When a node with this GUID left; null where it is there. */
  readonly leftAtOf = (guid: Guid): Millis | null => this.nodes.find((node) => node.guid === guid)?.leftAt ?? null;

  get liarGuids(): ReadonlySet<Guid> {
    return new Set(this.liars.flatMap(({ guid }) => guid ?? []));
  }

  /** Plans what goes wrong, and what applications do meanwhile. */
  begin(): void {
    const { sim } = this;
    const { plan, random } = sim;
    sim.faulty = true;
    const sometime = (run: () => void) => sim.later(random.next() * plan.faultsMs, run);
    for (let left = plan.messages; left > 0; left--) sometime(() => this.originate());
    for (let left = plan.newcomers; left > 0; left--) {
      sometime(() => this.addNode(plan.outside === 0 || random.chance(0.5)));
    }
    for (let left = plan.pauses; left > 0; left--) {
      sometime(() => random.pick(this.nodes)?.pause(random.between(1_000, 60_000)));
    }
    for (let left = plan.partitions; left > 0; left--) sometime(() => this.#cut());
    for (let left = plan.leaves; left > 0; left--) sometime(() => this.#leave());
    for (let left = plan.moves; left > 0; left--) sometime(() => this.#move());
    for (let left = plan.bootOutages; left > 0; left--)
      sometime(() => this.boot.outage(random.between(1_000, 120_000)));
    for (const liar of this.liars) {
      for (let left = random.between(1, LIES_MAX); left > 0; left--) sometime(() => this.#lie(liar));
    }
  }

  /** Faults stop, all come back, clocks are right. */
  heal(): void {
    const { sim } = this;
    sim.faulty = false;
    sim.note('healed');
    this.wire.heal();
    this.boot.restart();
    for (const node of this.nodes) {
      node.skew = 0;
      node.resume();
      node.start();
    }
  }

  /** An application sends a message, or several, at a node that may crash between any two steps. */
  originate(): void {
    const { random } = this.sim;
    const node = random.pick(this.nodes);
    const count = random.chance(0.8) ? 1 : random.between(2, BURST_MAX);
    const wishes = Array.from({ length: count }, (): Origination => ({
      data: { from: node?.slot ?? 0, n: this.#wishes++, pad: 'x'.repeat(random.chance(0.03) ? PAD_CHARS_MAX : 8) },
      ttlSeconds: random.chance(0.15) ? random.between(1, 120) : null,
      idempotencyKey: random.chance(0.3) ? `key ${this.#wishes}` : null,
    }));
    if (!node) return;
    if (this.sim.plan.config.busyMessages > 1) return this.#send(node, wishes);
    // A busy node has them wait for each other, where they come one by one.
    for (const [index, wish] of wishes.entries()) this.sim.later(index * BURST_MS, () => this.#send(node, [wish]));
  }

  /** One at least stays, whom the leaver knows to be there; half of those who leave come back. */
  #leave(): void {
    const { sim } = this;
    const node = sim.random.pick(this.members);
    if (!node || this.members.length < 2) return;
    node.leave();
    if (!sim.random.chance(0.5)) return;
    const tryAgain = () => {
      node.comeBack();
      if (node.hasLeft) sim.later(RETURN_RETRY_MS, tryAgain);
    };
    sim.later(sim.random.between(0, 2 * RETURN_RETRY_MS), tryAgain);
  }

  #move(): void {
    const node = this.sim.random.pick(this.nodes.filter(({ isHosted }) => !isHosted));
    if (!node?.isUp) return;
    this.#byAddress.delete(node.self.address);
    node.move(`https://n${node.slot}-${this.sim.random.between(1, 1_000_000)}.example.net`);
    this.#byAddress.set(node.self.address, node);
  }

  /** A message that the node signs, in the books. */
  #signed(node: SimNode, drafted: Draft): SignedOrigination {
    const message = sealMessage(drafted, sign(node.self.publicKey, drafted.body));
    this.books.ids.set(message.sealed, message.id);
    this.books.genuine.add(message.id);
    return { data: message.content.data, ttlSeconds: null, idempotencyKey: null, message };
  }

  #send(node: SimNode, wishes: readonly Origination[]): void {
    const { sim } = this;
    const { driver, life } = node;
    // Who gets no answer asks again, where it has a key for it.
    const again = () => {
      const keyed = wishes.filter(({ idempotencyKey }) => idempotencyKey !== null);
      if (sim.faulty && keyed.length > 0) sim.later(APPLICATION_RETRY_MS, () => this.#send(node, keyed));
    };
    if (!node.isUp || !driver) return again();
    const originations: SignedOrigination[] = [];
    for (const wish of wishes) {
      const drafted = draft(driver.context(), wish);
      if (!drafted.ok) return;
      const { message } = this.#signed(node, drafted.value);
      this.books.application.add(message.id);
      originations.push({ ...wish, message });
    }
    sim.later(sim.latency(), () => {
      const reply = node.life === life && node.isUp ? node.submit({ type: 'originate', originations }) : null;
      if (reply?.type !== 'originated' || sim.hits(sim.plan.loss)) return again();
      for (const [index, { id }] of reply.taken.ok ? reply.taken.value.entries() : []) {
        const made = originations[index];
        // With a key it may be the message of an earlier try, whose answer nobody heard.
        if (made) this.#accepted(node, id, made);
      }
    });
  }

  #accepted(node: SimNode, id: MessageId, { message, ttlSeconds }: SignedOrigination): void {
    if (this.books.accepted.some((known) => known.id === id)) return;
    const { content } = message;
    // An earlier try of the same request runs out earlier.
    const expiresAt =
      id === message.id ? content.expiresAt : content.expiresAt - (ttlSeconds ?? EARLIER_SECONDS) * 1000;
    this.sim.stats.messages++;
    this.books.accepted.push({ id, slot: node.slot, at: this.sim.now, expiresAt });
  }

  #perform(node: SimNode, effect: Effect): void {
    for (const check of this.#checks) check.effect?.(node, effect);
    if (effect.type === 'hand-over') this.#countSends(effect);
    this.#shell.perform(node, effect);
  }

  #countSends(effect: Extract<Effect, { type: 'hand-over' }>): void {
    for (const job of [...effect.jobs, ...effect.outbound]) {
      for (const { bodies, legs } of job.bundles) {
        const own = bodies.filter((body) => this.books.application.has(this.#idOf(body)));
        this.sim.stats.sends += own.length * legs.length;
      }
    }
  }

  #committed(node: SimNode, input: Input, reply: Reply): void {
    for (const check of this.#checks) check.committed?.(node, input, reply);
  }

  /** The deployment's own, or that of a node elsewhere. */
  #queue(node: SimNode | null): SimQueue {
    const key = node?.slot ?? 0;
    const known = this.#queues.get(key);
    if (known) return known;
    const queue = new SimQueue(this.sim, {
      ledger: this.ledger,
      idOf: (body) => this.#idOf(body),
      deliver: (leg, deliveries, from, done) => this.#shell.deliver(node, leg, deliveries, from, done),
      report: (from, legs, done) => this.#shell.report(node, from, legs, done),
    });
    this.#queues.set(key, queue);
    return queue;
  }

  #cut(): void {
    const { random } = this.sim;
    const isHalf = random.chance(0.5);
    const slots = this.nodes.map((node) => node.slot).filter(() => !isHalf || random.chance(0.5));
    const one = random.pick(slots);
    const side = new Set(isHalf ? slots : one === null ? [] : [one]);
    const forMs: Millis = random.between(5_000, Math.round(this.sim.plan.faultsMs / 2));
    this.wire.cut(side, random.chance(0.25), forMs);
  }

  #lie(liar: Liar): void {
    const { random } = this.sim;
    if (liar.guid === null) {
      const answer = this.boot.join(liar.record);
      if (answer !== null && typeof answer !== 'string') liar.guid = answer.guid;
      return;
    }
    const { guid, publicKey } = liar;
    const target = random.pick(this.nodes);
    const { deliveries, maxGuid } = liar.next(
      guid,
      this.nodes.flatMap((node) => node.guid ?? []),
    );
    target?.accept(
      () => this.#shell.deliverFrom(target, publicKey, { guid, maxGuid }, deliveries),
      () => undefined,
    );
  }

  #cron(): void {
    const window = windowOf(this.sim.now, this.nodes.length, REPAIR_MINUTES);
    for (const node of this.nodes) {
      if (!node.isHosted || !node.isUp) continue;
      if (node.guid !== null && !window.includes(node.slot)) continue;
      node.submit({ type: 'wake' });
      node.repairAlarm();
    }
    this.boot.announce();
    this.sim.later(CRON_MS, () => this.#cron());
  }

  #idOf(body: string): string {
    const known = this.books.ids.get(body);
    if (known !== undefined) return known;
    const id = hashOf(unseal(body).body);
    this.books.ids.set(body, id);
    return id;
  }
}
