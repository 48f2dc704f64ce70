// A node in the simulator: the real driver over a store that outlives it. It can crash at any commit: after the transaction, before any or
// all of what the transaction left to do; then its memory and its calls are gone.
import type { ProtocolConfig } from '../src/protocol/config.ts';
import { Driver } from '../src/protocol/driver.ts';
import type { Effect, Input, Reply, SignedOrigination } from '../src/protocol/effects.ts';
import { draftFarewell } from '../src/protocol/leaving.ts';
import { CAPABILITIES } from '../src/protocol/limits.ts';
import type { Draft } from '../src/protocol/message.ts';
import { draftOwn } from '../src/protocol/originating.ts';
import type { BlockReader } from '../src/protocol/peer-blocks.ts';
import type { NodeStore } from '../src/protocol/store.ts';
import type { Guid, JsonObject, Millis, SelfRecord } from '../src/protocol/types.ts';
import { createMemoryNodeStore } from '../src/store/memory-store.ts';
import { digest } from './digest.ts';
import { HOSTED_PREFIX } from './plan.ts';
import { keyOf, sign } from './signing.ts';
import type { Sim } from './sim.ts';

/** Effects that a crashing node may still perform. */
const LAST_EFFECTS_MAX = 4;
/** When the alarm's handler failed, the shell tries again after this. */
const ALARM_RETRY_MS = 30_000;

class StoreFault extends Error {}

export interface NodePorts {
  perform(node: SimNode, effect: Effect): void;
  /** After each input whose transaction was committed. */
  committed(node: SimNode, input: Input, reply: Reply): void;
  /** Signs a message of the node's own, and notes that somebody did. */
  sign(node: SimNode, drafted: Draft): SignedOrigination;
  /** A node's store, where it does not begin with an empty one. */
  readonly storeOf?: (slot: number) => NodeStore;
  readonly readBlock?: BlockReader;
}

function recordOf(slot: number, address: string, incarnation: number): SelfRecord {
  const publicKey = keyOf(slot);
  return { address, publicKey, incarnation, capabilities: CAPABILITIES, signature: sign(publicKey, address) };
}

export class SimNode {
  readonly slot: number;
  readonly isHosted: boolean;
  self: SelfRecord;
  readonly store: NodeStore;
  /** What the clock is off by. */
  skew: Millis;
  /** Counts lives: an answer to a call of an earlier one comes to nobody. */
  life = 0;
  /** When it became a member. */
  joinedAt: Millis = Infinity;
  isPaused = false;
  #driver: Driver | null = null;
  #alarm: Millis | null = null;
  #alarmToken = 0;
  #clock: Millis = 0;
  #effectsLeft = Infinity;
  #failsCommit = false;
  #beforeCrash: string | null = null;
  #waiting: (() => void)[] = [];
  readonly #sim: Sim;
  readonly #ports: NodePorts;

  constructor(sim: Sim, slot: number, isHosted: boolean, ports: NodePorts) {
    this.#sim = sim;
    this.#ports = ports;
    this.slot = slot;
    this.isHosted = isHosted;
    this.skew = sim.random.between(-sim.plan.skewMs, sim.plan.skewMs);
    this.self = recordOf(slot, isHosted ? `${HOSTED_PREFIX}${slot}` : `https://n${slot}.example.net`, 0);
    const store = ports.storeOf?.(slot) ?? createMemoryNodeStore();
    const hooked = sim.hooks.store?.(store, sim.random) ?? store;
    this.store = { ...hooked, transaction: (body, note) => hooked.transaction(() => this.#commit(body), note) };
  }

  get config(): ProtocolConfig {
    const hostedPrefix = this.isHosted ? HOSTED_PREFIX : this.self.address;
    return { ...this.#sim.plan.config, hostedPrefix };
  }

  /** Whether it has left the network: an operator's wish, which outlives crashes. */
  get hasLeft(): boolean {
    return this.leftAt !== null;
  }

  get leftAt(): Millis | null {
    const at = this.store.meta.get('left_at');
    return at === null || at === '' ? null : Number(at);
  }

  /** Null while it is down. */
  get driver(): Driver | null {
    return this.#driver;
  }

  get guid(): Guid | null {
    return this.#driver?.state.guid ?? null;
  }

  get isUp(): boolean {
    return this.#driver !== null && !this.isPaused;
  }

  /** The node's own clock, which never goes back. */
  get now(): Millis {
    this.#clock = Math.max(this.#clock, this.#sim.now + this.skew);
    return this.#clock;
  }

  /** How long the earliest timer is overdue without an alarm that is set for it. */
  get overdueMs(): Millis {
    const due = this.#driver?.state.timers.earliest() ?? Infinity;
    return this.now - due;
  }

  start(): void {
    if (this.#driver) return;
    this.life++;
    const { config, self, store } = this;
    const host = {
      now: () => this.now,
      random: () => this.#sim.random.next(),
      setAlarm: (at: Millis | null) => this.#setAlarm(at),
      perform: (effect: Effect) => this.#perform(effect),
    };
    this.#driver = new Driver({ store, config, self, host, readBlock: this.#ports.readBlock });
    const before = this.#beforeCrash;
    const after = before === null ? null : digest(this.#driver.state);
    if (before !== after) {
      this.#sim.violate('what was committed is there after a restart', `node ${this.slot}: ${before} became ${after}`);
    }
    if (this.isHosted) this.#arm();
    const woke = this.submit({ type: 'wake' });
    // Nobody would wake it again: a process that cannot start ends, and is started anew. Cron sees to the others.
    if (!woke && !this.isHosted) this.crash();
  }

  /** Null where nobody hears the reply: the node is down, crashed with it, or could not commit. */
  submit(input: Input): Reply | null {
    const sim = this.#sim;
    const driver = this.#driver;
    const wanted = sim.hooks.input ? sim.hooks.input(input, sim.random) : input;
    if (!driver || !wanted) return null;
    const crashes = sim.hits(sim.plan.crash);
    this.#effectsLeft = crashes ? sim.random.between(0, LAST_EFFECTS_MAX) : Infinity;
    this.#failsCommit = sim.hits(sim.plan.commitFails);
    const before = this.#failsCommit ? digest(driver.state) : '';
    let reply: Reply;
    try {
      reply = wanted.type === 'alarm' ? driver.alarmRang() : driver.submit(wanted);
    } catch (cause) {
      this.#rolledBack(cause, before, driver);
      if (wanted.type === 'alarm') this.#setAlarm(this.now + ALARM_RETRY_MS);
      return null;
    }
    sim.hooks.handled?.(wanted, driver.state);
    this.#ports.committed(this, wanted, reply);
    if (driver.state.guid !== null) this.joinedAt = Math.min(this.joinedAt, sim.now);
    if (!crashes) return reply;
    this.crash();
    return null;
  }

  /** An operator has it leave the network. */
  leave(): void {
    const drafted = this.isUp && this.#driver ? draftFarewell(this.#driver.context()) : null;
    // The last one of all, as far as it knows: what it alone has would be lost with it, and nobody could help that.
    if (!drafted?.ok || this.#driver?.state.roster.counts().alive === 0) return;
    const farewell = this.#ports.sign(this, drafted.value);
    if (this.submit({ type: 'leave', farewell })) this.#sim.note(`node ${this.slot} leaves`);
  }

  /** An operator has it come back: the shell raises its incarnation first. */
  comeBack(): void {
    if (!this.isUp || !this.hasLeft) return;
    this.#rename(this.self.address, this.self.incarnation);
    if (this.submit({ type: 'return' })) this.#sim.note(`node ${this.slot} comes back`);
  }

  /** What it says of itself is signed anew. */
  renew(above: number): void {
    this.#rename(this.self.address, above);
    this.submit({ type: 'wake' });
  }

  /** Its process ends and starts elsewhere. */
  move(address: string): void {
    this.#rename(address, this.self.incarnation);
    this.#sim.note(`node ${this.slot} moves to ${address}`);
    this.crash();
  }

  /** An event of its own. */
  say(data: JsonObject): void {
    const drafted = this.#driver ? draftOwn(this.#driver.context(), data) : null;
    if (drafted?.ok) this.submit({ type: 'originate', originations: [this.#ports.sign(this, drafted.value)] });
  }

  crash(): void {
    const { plan, random } = this.#sim;
    if (!this.#driver) return;
    this.#sim.stats.crashes++;
    this.#beforeCrash = digest(this.#driver.state);
    this.#driver = null;
    this.#waiting = [];
    // An alarm is the platform's, a timer of a process dies with it.
    if (!this.isHosted) this.#alarm = null;
    const downMs = random.between(100, plan.downMs);
    this.#sim.note(`node ${this.slot} crashed, back in ${downMs / 1000} s`);
    this.#sim.later(downMs, () => this.start());
  }

  /** Hangs: takes calls and answers none. */
  pause(forMs: Millis): void {
    this.isPaused = true;
    this.#sim.stats.pauses++;
    this.#sim.note(`node ${this.slot} hangs for ${forMs / 1000} s`);
    this.#sim.later(forMs, () => this.resume());
  }

  resume(): void {
    this.isPaused = false;
    for (const run of this.#waiting.splice(0)) run();
  }

  /** A call arrives: refused at once where nobody is there, and not answered for as long as the node hangs. */
  accept(run: () => void, refuse: () => void): void {
    const { life } = this;
    if (!this.#driver) refuse();
    else if (this.isPaused) this.#waiting.push(() => this.life === life && this.#driver && run());
    else run();
  }

  /** An answer to a call that this life of the node made. */
  hear(life: number, input: Input): void {
    if (life !== this.life) return;
    this.accept(
      () => this.submit(input),
      () => undefined,
    );
  }

  /** What cron does besides waking. */
  repairAlarm(): void {
    if (this.#driver) this.#setAlarm(this.#driver.state.timers.earliest());
  }

  #rename(address: string, above: number): void {
    this.self = recordOf(this.slot, address, Math.max(this.self.incarnation, above) + 1);
    this.#driver?.rename(this.self);
  }

  #commit<T>(body: () => T): T {
    const result = body();
    if (!this.#failsCommit) return result;
    this.#failsCommit = false;
    throw new StoreFault('the store cannot commit');
  }

  #rolledBack(cause: unknown, before: string, driver: Driver): void {
    if (!(cause instanceof StoreFault)) {
      const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
      this.#sim.violate('the machine never throws', `node ${this.slot}: ${text}`);
      return;
    }
    this.#sim.stats.failedCommits++;
    this.#sim.note(`node ${this.slot} could not commit`);
    const after = digest(driver.state);
    if (before !== after) {
      this.#sim.violate('what was rolled back is gone', `node ${this.slot}: ${before} became ${after}`);
    }
  }

  #perform(effect: Effect): void {
    if (this.#effectsLeft-- <= 0) return;
    const sim = this.#sim;
    const wanted = sim.hooks.effect ? sim.hooks.effect(effect, sim.random) : effect;
    if (wanted) this.#ports.perform(this, wanted);
  }

  #setAlarm(at: Millis | null): void {
    const sim = this.#sim;
    if (this.#effectsLeft-- <= 0) return;
    if (sim.hooks.alarm && !sim.hooks.alarm(at, sim.random)) return;
    this.#alarm = at;
    this.#arm();
  }

  #arm(): void {
    const sim = this.#sim;
    const token = ++this.#alarmToken;
    if (this.#alarm === null) return;
    const late = sim.faulty ? sim.random.between(0, sim.plan.alarmLateMs) : 0;
    // By the node's clock, which may stand still for a while when it is put right.
    sim.later(Math.max(1, this.#alarm - this.now + late), () => this.#ring(token));
  }

  #ring(token: number): void {
    if (token !== this.#alarmToken || this.#alarm === null || !this.#driver) return;
    if (this.#alarm > this.now) return this.#arm();
    this.#alarm = null;
    this.accept(
      () => this.submit({ type: 'alarm' }),
      () => undefined,
    );
  }
}
