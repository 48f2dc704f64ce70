// One node machine whose world is the test: what it wants done is kept for the test to look at, and nothing answers by itself.
import type { ProtocolConfig } from '../../src/protocol/config.ts';
import { Driver } from '../../src/protocol/driver.ts';
import type { Bringer, DeliveryCheck, Effect, Input, Outcome, Reply } from '../../src/protocol/effects.ts';
import { logEntry, type LogEntry, type LogEvent } from '../../src/protocol/log-line.ts';
import type { NodeState } from '../../src/protocol/node-state.ts';
import type { SyncAnswer } from '../../src/protocol/sync.ts';
import type {
  Certificate,
  Delivery,
  Guid,
  JsonObject,
  Member,
  MessageContent,
  Millis,
  Range,
  SelfRecord,
} from '../../src/protocol/types.ts';
import { createMemoryNodeStore } from '../../src/store/memory-store.ts';
import { seededRandom, TEST_CONFIG } from '../support/network.ts';
import { certificate, keyOf, sealed, selfRecord } from '../support/signed.ts';

export const NOW: Millis = 1_700_000_000_000;

/** GUID of the machine under test. */
export const SELF = 5;

/** Everything but PEER_JOINED comes with a range; this is nobody's but the machine's own, so nothing is forwarded. */
export const MINE: Range = { from: SELF, to: SELF - 1 };

type Of<T extends Effect['type']> = Extract<Effect, { type: T }>;

export class Machine {
  readonly store = createMemoryNodeStore();
  readonly config: ProtocolConfig;
  now = NOW;
  #driver: Driver;
  #effects: Effect[] = [];
  #nonce = 0;
  #self = selfRecord(SELF);
  readonly #random = seededRandom(7);

  /** Joined, and told of these members; null: has not joined. */
  constructor(members: readonly Member[] | null = [], config: Partial<ProtocolConfig> = {}) {
    this.config = { ...TEST_CONFIG, ...config };
    this.#driver = this.#open();
    if (members) this.know(...members);
    this.#effects = [];
  }

  get state(): NodeState {
    return this.#driver.state;
  }

  /** What the machine says of itself. */
  get self(): SelfRecord {
    return this.#self;
  }

  /** Eviction: memory is gone, storage stays. */
  reload(): void {
    this.#driver = this.#open();
  }

  /** The boot node tells of members. */
  know(...members: readonly Member[]): void {
    const { address } = selfRecord(SELF);
    const own = { guid: SELF, address, incarnation: 0, certificate: certificate({ issuedAt: this.now }) };
    const joined = { ...own, networkKey: keyOf(0), maxGuid: this.state.maxGuid, members };
    this.submit({ type: 'join-accepted', joined });
  }

  /** The shell has signed what it says of itself anew. */
  rename(self: SelfRecord): void {
    this.#self = self;
    this.#driver.rename(self);
  }

  submit(input: Input): Reply {
    return this.#driver.submit(input);
  }

  /** What it wanted done since this was last called. */
  take(): Effect[] {
    const taken = this.#effects;
    this.#effects = [];
    return taken;
  }

  /** One input, and what it led to. */
  effectsOf(input: Input): Effect[] {
    this.take();
    this.submit(input);
    return this.take();
  }

  /** Has peers prove that they are there, once before and once after their probation. */
  trust(...guids: readonly Guid[]): void {
    for (const guid of guids) this.answerProbe(guid);
    this.now += this.config.probationMs;
    for (const guid of guids) this.answerProbe(guid);
    this.take();
  }

  answerProbe(guid: Guid, told: Certificate | null = null): Effect[] {
    const capabilities = this.state.roster.get(guid)?.capabilities ?? [];
    return this.effectsOf({ type: 'probe-answered', guid, capabilities, certificate: told });
  }

  /** What this machine holds of a message that an originator signed. */
  message(content: Partial<MessageContent> = {}) {
    this.#nonce++;
    const guid = content.originator?.guid ?? 0;
    const fixed = { network: this.config.network, data: { number: this.#nonce }, originator: { guid, address: 'x' } };
    return sealed({ ...fixed, broadcastAt: this.now, expiresAt: this.now + 600_000, ...content }, this.#nonce);
  }

  delivery(content: Partial<MessageContent> = {}, changes: Partial<Delivery> = {}): Delivery {
    return { body: this.message(content).sealed, range: MINE, hops: 1, ...changes };
  }

  /** An event that a member broadcast, brought by this deployment's own queue. */
  hearEvent(from: Guid, name: string, args: JsonObject): Effect[] {
    const data = { event: { name, args } };
    const deliveries = [this.delivery({ data, originator: { guid: from, address: 'x' } })];
    return this.effectsOf({ type: 'deliver', deliveries, newest: null, bringer: null });
  }

  /** Deliveries that a peer outside brought. */
  bring(guid: Guid, deliveries: readonly Delivery[], checks?: readonly DeliveryCheck[]): readonly Outcome[] {
    const bringer: Bringer = { guid, checks: checks ?? deliveries.map(() => 'sound' as const) };
    const reply = this.submit({ type: 'deliver', deliveries, newest: null, bringer });
    if (reply.type !== 'delivered') throw new Error('not delivered');
    return reply.outcomes;
  }

  /** A round of network sync: the alarm rings when it is due. */
  round(): Effect[] {
    this.now = Math.max(this.now, this.state.timers.get('sync')?.at ?? this.now);
    return this.effectsOf({ type: 'alarm' });
  }

  /** Rounds until one does what is waited for; what is drawn may let some pass. */
  roundUntil(isDone: (effects: readonly Effect[]) => boolean): Effect[] {
    for (let round = 0; round < 100; round++) {
      const effects = this.round();
      if (isDone(effects)) return effects;
    }
    throw new Error('not in a hundred rounds');
  }

  answerSync(guid: Guid, answer: Partial<SyncAnswer> = {}): Effect[] {
    const maxGuidNode = { guid, address: 'x' };
    const told = {
      maxGuidNode,
      have: [[1, 1_000]] as const,
      members: [],
      more: false,
      frame: null,
      callerState: null,
      callerHost: null,
      ...answer,
    };
    return this.effectsOf({ type: 'sync-answered', guid, answer: told });
  }

  stateOf(guid: Guid): string | null {
    return this.state.roster.get(guid)?.state ?? null;
  }

  /** All that is known of peers, to see that nothing changed. */
  roster(): string {
    return JSON.stringify(this.state.roster.sorted());
  }

  #open(): Driver {
    return new Driver({
      store: this.store,
      config: this.config,
      self: this.#self,
      host: {
        now: () => this.now,
        random: this.#random,
        setAlarm: () => undefined,
        perform: (effect) => this.#effects.push(effect),
      },
    });
  }
}

export function only<T extends Effect['type']>(effects: readonly Effect[], type: T): Of<T>[] {
  return effects.filter((effect): effect is Of<T> => effect.type === type);
}

export function probed(effects: readonly Effect[]): Guid[] {
  return only(effects, 'probe').map(({ to }) => to.guid);
}

export function asked(effects: readonly Effect[]): Guid[] {
  return only(effects, 'sync').map(({ to }) => to.guid);
}

export function lines(effects: readonly Effect[], event: LogEvent): LogEntry[] {
  return only(effects, 'log').flatMap(({ line }) => (line[0] === event ? [logEntry(line)] : []));
}
