// A network of node machines in memory with virtual time: the real driver, stores and consumer rules' effects, no platform.
import { announced, announcement, commitJoin, draftJoin, joined } from '../../src/protocol/boot.ts';
import { announcementJobs } from '../../src/protocol/boot-announcing.ts';
import type { ProtocolConfig } from '../../src/protocol/config.ts';
import { Driver } from '../../src/protocol/driver.ts';
import type { Effect, Origination, Reply, SignedOrigination } from '../../src/protocol/effects.ts';
import { logEntry, type LogEntry } from '../../src/protocol/log-line.ts';
import { draft, draftOwn } from '../../src/protocol/originating.ts';
import type { Job } from '../../src/protocol/job.ts';
import { BUSY_MESSAGES } from '../../src/protocol/limits.ts';
import { sealMessage } from '../../src/protocol/message.ts';
import { readPage } from '../../src/protocol/reading.ts';
import { seal } from '../../src/protocol/seal.ts';
import type { BootStore, NodeStore } from '../../src/protocol/store.ts';
import { err, type JsonObject, type Millis } from '../../src/protocol/types.ts';
import { createMemoryBootStore, createMemoryNodeStore } from '../../src/store/memory-store.ts';
import { keyOf, NO_SIGNATURE, selfRecord } from './signed.ts';

export const TEST_CONFIG: ProtocolConfig = {
  network: 'test',
  fanout: 4,
  messageTtlMs: 600_000,
  maxFailures: 3,
  probationMs: 60_000,
  guidTimeoutMs: 3_600_000,
  newcomerCertificateMs: 3_600_000,
  powBits: 0,
  groupMembersMax: 64,
  networkKey: null,
  localPeers: false,
  syncIntervalMs: 60_000,
  syncJitterMs: 30_000,
  hostedPrefix: 'local:/n/',
  hasHandler: false,
  busyMessages: BUSY_MESSAGES,
};

/** Deterministic numbers in [0, 1) (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface TestNode {
  readonly slot: number;
  readonly store: NodeStore;
  driver: Driver;
  /** Deliveries to it and calls of it fail. */
  down: boolean;
  alarm: Millis | null;
}

export class TestNetwork {
  readonly nodes: TestNode[] = [];
  readonly boot: BootStore = createMemoryBootStore();
  readonly config: ProtocolConfig;
  readonly logs: LogEntry[] = [];
  /** Deliveries by message body: how many arrived where. */
  readonly arrivals = new Map<string, Map<number, number>>();
  readonly jobs: Job[] = [];
  /** Joins that were asked for, those that were lost included. */
  joins = 0;
  /** Handovers that the queue refuses, and crashes right after a commit, when set. */
  queueRefuses = false;
  losesEffectsOf = new Set<number>();
  /** Slots whose deliveries are lost, and taken for delivered. */
  losesDeliveriesTo = new Set<number>();
  /** What nodes say of themselves: the shell raises it where their address has changed. Set it before nodes are added. */
  incarnation = 0;
  now: Millis = 1_700_000_000_000;
  /** Joins are not answered. */
  bootIsAway = false;
  readonly #renewals = new Map<number, number>();
  readonly #random: () => number;
  #events: { at: Millis; run: () => void }[] = [];

  constructor(size: number, config: Partial<ProtocolConfig> = {}, seed = 1) {
    this.config = { ...TEST_CONFIG, ...config };
    this.#random = seededRandom(seed);
    for (let slot = 1; slot <= size; slot++) this.addNode();
  }

  addNode(): TestNode {
    const slot = this.nodes.length + 1;
    const store = createMemoryNodeStore();
    const node: TestNode = { slot, store, driver: this.#createDriver(slot, store), down: false, alarm: null };
    this.nodes.push(node);
    return node;
  }

  node(slot: number): TestNode {
    const node = this.nodes[slot - 1];
    if (!node) throw new Error(`no node ${slot}`);
    return node;
  }

  /** Eviction, crash, restart: memory is gone, storage stays. */
  restart(slot: number): void {
    const node = this.node(slot);
    node.driver = this.#createDriver(slot, node.store);
  }

  /** Everybody joins and everybody hears of everybody. */
  start(): void {
    for (const node of this.nodes) node.driver.submit({ type: 'wake' });
    this.announce();
    this.settle();
  }

  announce(): void {
    const context = this.#bootContext();
    const found = this.boot.transaction(() => announcement(context));
    if (!found) return;
    const sealed = found.bodies.map((body) => seal(body, NO_SIGNATURE));
    for (const job of announcementJobs(context, sealed)) this.#deliver(job);
    this.boot.transaction(() => announced(this.boot, found.guids));
  }

  #bootContext() {
    const trust = { networkKey: keyOf(0), secret: '00'.repeat(32), recentJoins: 0 };
    const { config, boot: store, now } = this;
    return { now, rng: this.#random, config, address: 'local:', ...trust, store };
  }

  originate(slot: number, data: JsonObject, options: Partial<Origination> = {}): Reply {
    return this.originateAll(slot, [{ data, ttlSeconds: null, idempotencyKey: null, ...options }]);
  }

  /** As LiveNode does it. */
  originateAll(slot: number, wishes: readonly Origination[]): Reply {
    const { driver } = this.node(slot);
    const originations: SignedOrigination[] = [];
    for (const [index, wish] of wishes.entries()) {
      const drafted = draft(driver.context(), wish);
      if (!drafted.ok) return { type: 'originated', taken: err({ index, error: drafted.error }) };
      originations.push({ ...wish, message: sealMessage(drafted.value, NO_SIGNATURE) });
    }
    return driver.submit({ type: 'originate', originations });
  }

  /** Runs what is under way, without letting timers fire. */
  settle(): void {
    for (let step = 0; step < 1_000_000; step++) {
      const event = this.#events.shift();
      if (!event) return;
      event.run();
    }
    throw new Error('the network does not come to rest');
  }

  /** Lets time pass: alarms fire in order. */
  advance(ms: Millis): void {
    const end = this.now + ms;
    this.settle();
    for (;;) {
      const next = this.nodes
        .filter((node) => node.alarm !== null && node.alarm <= end && !node.down)
        .sort((a, b) => (a.alarm ?? 0) - (b.alarm ?? 0))[0];
      if (!next) break;
      this.now = Math.max(this.now, next.alarm ?? 0);
      next.alarm = null;
      next.driver.alarmRang();
      this.settle();
    }
    this.now = end;
  }

  #later(run: () => void): void {
    this.#events.push({ at: this.now, run });
  }

  /** The shell has signed what a node says of itself anew. */
  renew(slot: number): void {
    this.#renewals.set(slot, (this.#renewals.get(slot) ?? 0) + 1);
    this.node(slot).driver.rename(this.#selfOf(slot));
  }

  #selfOf(slot: number) {
    const incarnation = this.incarnation + (this.#renewals.get(slot) ?? 0);
    return selfRecord(slot, { address: `${this.config.hostedPrefix}${slot}`, incarnation });
  }

  #createDriver(slot: number, store: NodeStore): Driver {
    return new Driver({
      store,
      config: this.config,
      self: this.#selfOf(slot),
      host: {
        now: () => this.now,
        random: this.#random,
        setAlarm: (at) => {
          this.node(slot).alarm = at;
        },
        perform: (effect) => this.#perform(slot, effect),
      },
    });
  }

  #perform(slot: number, effect: Effect): void {
    if (effect.type === 'join') this.joins++;
    if (this.losesEffectsOf.has(slot)) return;
    const { driver } = this.node(slot);
    switch (effect.type) {
      case 'log':
        this.logs.push(logEntry(effect.line));
        return;
      case 'renew-self':
        return this.#later(() => {
          this.renew(slot);
          driver.submit({ type: 'wake' });
        });
      case 'say':
        return this.#later(() => {
          const drafted = draftOwn(driver.context(), effect.data);
          if (!drafted.ok) throw new Error(drafted.error.reason);
          const message = sealMessage(drafted.value, NO_SIGNATURE);
          const own = { data: effect.data, ttlSeconds: null, idempotencyKey: null, message };
          driver.submit({ type: 'originate', originations: [own] });
        });
      case 'join': {
        if (this.bootIsAway) {
          return this.#later(() => driver.submit({ type: 'join-failed', reason: 'away' }));
        }
        const context = this.#bootContext();
        const record = this.#selfOf(slot);
        const joining = this.boot.transaction(() => draftJoin(context, record));
        if (!joining.ok) return this.#later(() => driver.submit({ type: 'join-failed', reason: joining.error.reason }));
        const allocation = { ...joining.value.allocation };
        allocation.certificate = { ...allocation.certificate, signature: NO_SIGNATURE };
        this.boot.transaction(() => commitJoin(context, { ...joining.value, allocation }));
        const answer = joined(context, allocation);
        return this.#later(() => driver.submit({ type: 'join-accepted', joined: answer }));
      }
      case 'sync':
        this.#later(() =>
          // Nobody is outside of this network: not those either who have moved.
          effect.to.outside
            ? driver.submit({ type: 'sync-failed', guid: effect.to.guid, reason: 'outside' })
            : this.#sync(driver, effect),
        );
        return;
      case 'probe':
        // Nobody is outside of this network.
        this.#later(() => driver.submit({ type: 'probe-failed', guid: effect.to.guid, reason: 'outside' }));
        return;
      case 'handle':
        throw new Error('these nodes have no handler');
      case 'settle-later':
        return this.#later(() => void driver.submit({ type: 'settle', isLast: false }));
      case 'linger':
        return this.#later(() => void driver.submit({ type: 'lingered' }));
      case 'hand-over':
        this.#later(() => {
          if (this.queueRefuses) return driver.submit({ type: 'handover-failed', id: effect.id, reason: 'refused' });
          for (const job of effect.jobs) this.#deliver(job);
          return driver.submit({ type: 'handed-over', id: effect.id });
        });
        return;
    }
  }

  #sync(driver: Driver, effect: Extract<Effect, { type: 'sync' }>): void {
    const callee = this.#at(effect.to.address);
    const reply = callee.down
      ? null
      : callee.driver.submit({ type: 'sync-asked', request: effect.request, caller: effect.request.guid });
    if (reply?.type === 'sync' && reply.answer) {
      driver.submit({ type: 'sync-answered', guid: effect.to.guid, answer: reply.answer });
    } else driver.submit({ type: 'sync-failed', guid: effect.to.guid, reason: 'down' });
  }

  #deliver(job: Job): void {
    this.jobs.push(job);
    for (const bundle of job.bundles) {
      for (const leg of bundle.legs) this.#later(() => this.#deliverLeg(job, bundle, leg));
    }
  }

  #deliverLeg(job: Job, bundle: Job['bundles'][number], leg: Job['bundles'][number]['legs'][number]): void {
    const target = this.#at(leg.address);
    if (this.losesDeliveriesTo.has(target.slot)) return;
    if (target.down || target.driver.state.leftAt !== null) {
      const ids = bundle.bodies.map((body) => this.idOf(job, body));
      const legs = [
        { to: leg.to, range: leg.range, attempt: bundle.attempt, without: bundle.without, answered: false, ids },
      ];
      const sender = this.nodes.find((node) => node.driver.state.guid === job.from.guid);
      sender?.driver.submit({ type: 'undeliverable', legs, reason: 'down' });
      return;
    }
    for (const body of bundle.bodies) {
      const counts = this.arrivals.get(body) ?? new Map<number, number>();
      this.arrivals.set(body, counts.set(target.slot, (counts.get(target.slot) ?? 0) + 1));
    }
    const deliveries = bundle.bodies.map((body) => ({ body, range: leg.range, hops: bundle.hops }));
    target.driver.submit({ type: 'deliver', deliveries, newest: job.from, bringer: null });
  }

  /** Id of a body that its sender still has. */
  idOf(job: Job, body: string): string {
    const sender = this.nodes.find((node) => node.driver.state.guid === job.from.guid);
    const page = sender?.driver.state.mempool;
    for (const seq of page?.seqsAfter(0) ?? []) {
      const position = page?.bodiesOf(seq).indexOf(body as never) ?? -1;
      const entry = page?.entriesOf(seq)[position];
      if (entry) return entry.id;
    }
    throw new Error('the sender does not have the message');
  }

  #at(address: string): TestNode {
    return this.node(Number(address.slice(this.config.hostedPrefix.length)));
  }

  /** Application messages in a node's mempool, announcements left out, in their order. */
  messagesAt(slot: number): { id: string; data: JsonObject; hops: number }[] {
    const { mempool } = this.node(slot).driver.state;
    const found = [];
    let cursor: string | null = null;
    do {
      const page = readPage(mempool, cursor, 500, this.now);
      if (!page) throw new Error('bad cursor');
      found.push(...page.messages.filter((message) => message.originator.guid !== 0));
      cursor = page.next;
    } while (cursor !== null);
    return found;
  }
}
