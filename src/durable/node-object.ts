// A hosted node: one Durable Object, a thin shell over the driver. Its methods are the RPC surface: only this Worker can call them.
// Evicting it at any time changes nothing but latency: all that matters is in its storage, and loaded on the next call.
import { DurableObject } from 'cloudflare:workers';
import type { MemberPage, MessagePage, NodeStatus, Sample } from '../api/ports.ts';
import { formatConfigError, readConfig, type Config } from '../config.ts';
import type { Canonical } from '../protocol/canonical.ts';
import { Driver } from '../protocol/driver.ts';
import type { Effect, Originated, Origination, OriginationError, Outcome, Undeliverable } from '../protocol/effects.ts';
import type { Job, Sender } from '../protocol/job.ts';
import { reasonOf } from '../protocol/reason.ts';
import type { MetaTable, NodeStore } from '../protocol/store.ts';
import type { SyncAnswer, SyncRequest } from '../protocol/sync.ts';
import { onlyMe } from '../protocol/tree.ts';
import type { Delivery, Guid, MessageId, Millis, Peer, Result, StoredMessage } from '../protocol/types.ts';
import { sendJobs } from '../queue/producer.ts';
import { openSqlNodeStore } from '../store/sql-node-store.ts';
import { bootFacade } from './boot-facade.ts';
import { openDurableSql } from './durable-sql.ts';
import type { Env } from './env.ts';
import { createIdentity, readIdentity, type Identity } from './identity.ts';
import { createLog, type Log } from './log.ts';
import { NodeReader } from './node-reader.ts';
import { nodeStub, slotOf, type NodeCalls } from './stubs.ts';
import { withTimeout } from './timeout.ts';

/** How long a peer may take to answer a sync. It's the price of a hung peer, so it is short. */
const SYNC_TIMEOUT_MS = 5_000;
const JOIN_TIMEOUT_MS = 10_000;
/** A handover that hangs would keep the node from sending for ever. */
const HANDOVER_TIMEOUT_MS = 15_000;

/** When the alarm handler itself failed, it is tried again after this: the platform gives up after six times. */
const ALARM_RETRY_MS = 30_000;

/** Meta key: the slot, which is the object's name. */
const SLOT_KEY = 'slot';

/** The name of an object may not be known when its own alarm wakes it, so the first call notes it down. */
function knownSlot(ctx: DurableObjectState, meta: MetaTable): string {
  const noted = meta.get(SLOT_KEY);
  const slot = noted ?? ctx.id.name ?? '';
  if (noted === null && slot !== '') meta.set(SLOT_KEY, slot);
  return slot;
}

export class NodeObject extends DurableObject<Env> implements NodeCalls {
  readonly #config: Config;
  readonly #store: NodeStore;
  readonly #log: Log;
  readonly #address: string;
  #driver: Driver | null = null;
  #reader: NodeReader | null = null;
  #joining: Promise<void> = Promise.resolve();
  #alarm: Promise<void> = Promise.resolve();
  #alarmsSet = 0;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const config = readConfig(env as unknown as Record<string, unknown>);
    if (!config.ok) throw new Error(config.error.map(formatConfigError).join('; '));
    this.#config = config.value;
    this.#store = openSqlNodeStore(openDurableSql(ctx.storage));
    const slot = knownSlot(ctx, this.#store.meta);
    this.#log = createLog(slot, config.value.logLevel);
    this.#address = `${config.value.protocol.hostedPrefix}${slot}`;
    const identity = readIdentity(this.#store.meta);
    if (identity) this.#start(identity);
    // Once in a node's life: keys are made asynchronously, and nobody may come in before there is one.
    else void ctx.blockConcurrencyWhile(async () => this.#start(await createIdentity(this.#store.meta)));
  }

  /** Cron, or a request that found the node not joined: joins, waits for that, and repairs a lost alarm. */
  async wake(): Promise<Guid | null> {
    const driver = this.#running();
    driver.submit({ type: 'wake' });
    await this.#joining;
    await this.#setAlarm(driver.state.timers.earliest());
    return driver.state.guid;
  }

  override async alarm(): Promise<void> {
    try {
      this.#running().alarmRang();
    } catch (cause) {
      // Rolled back by the driver; what is due stays due. Handled here, since the platform's own retries end.
      this.#log('CRITICAL', 'network_sync', 'alarm_failed', { reason: reasonOf(cause) });
      void this.#setAlarm(Date.now() + ALARM_RETRY_MS);
    }
    // The platform forgets this alarm when the handler ends: the next one must be there by then.
    await this.#alarm;
  }

  async deliver(deliveries: readonly Delivery[], newest: Sender | null): Promise<readonly Outcome[]> {
    const reply = this.#running().submit({ type: 'deliver', deliveries, newest });
    return reply.type === 'delivered' ? reply.outcomes : [];
  }

  /** One message from outside: this node takes it for itself alone. */
  async receive(body: string): Promise<Outcome> {
    const guid = this.#running().state.guid;
    if (guid === null) return 'busy';
    const delivery: Delivery = { body: body as Canonical, range: onlyMe(guid), hops: 1 };
    return (await this.deliver([delivery], null))[0] ?? 'busy';
  }

  async originate(origination: Origination): Promise<Result<Originated, OriginationError>> {
    const reply = this.#running().submit({ type: 'originate', originations: [origination] });
    const result = reply.type === 'originated' ? reply.results[0] : undefined;
    if (!result) throw new Error('assertion failed: an origination has a result');
    return result;
  }

  async sync(request: SyncRequest, authenticated: boolean): Promise<SyncAnswer | null> {
    const reply = this.#running().submit({ type: 'sync-asked', request, authenticated });
    return reply.type === 'sync' ? reply.answer : null;
  }

  async undeliverable(legs: readonly Undeliverable[], reason: string): Promise<void> {
    this.#running().submit({ type: 'undeliverable', legs, reason });
  }

  async status(): Promise<NodeStatus> {
    // A request is as good as a cron tick to get a node going; nobody waits for it.
    if (this.#running().state.guid === null) this.#running().submit({ type: 'wake' });
    return this.#read().status();
  }

  async member(guid: Guid): Promise<Peer | null> {
    return this.#read().member(guid);
  }

  async members(cursor: string | null, limit: number): Promise<MemberPage | null> {
    return this.#read().members(cursor, limit);
  }

  async messages(cursor: string | null, limit: number): Promise<MessagePage | null> {
    return this.#read().messages(cursor, limit);
  }

  async message(id: MessageId): Promise<StoredMessage | null> {
    return this.#read().message(id);
  }

  async samples(): Promise<readonly Sample[]> {
    return this.#read().samples();
  }

  #start(identity: Identity): void {
    const self = { address: this.#address, publicKey: identity.publicKey };
    this.#driver = new Driver({
      store: this.#store,
      config: this.#config.protocol,
      self,
      host: {
        now: () => Date.now(),
        random: () => Math.random(),
        setAlarm: (at) => void this.#setAlarm(at),
        perform: (effect) => this.#perform(effect),
      },
    });
    this.#reader = new NodeReader(this.#driver, this.#store, this.#config, self, () => this.#alarmsSet);
    // What a crash left to be handed over need not wait for the next round.
    if (this.#driver.state.guid !== null) this.#driver.submit({ type: 'wake' });
  }

  #read(): NodeReader {
    if (!this.#reader) throw new Error('assertion failed: the constructor starts the reader');
    return this.#reader;
  }

  #running(): Driver {
    if (!this.#driver) throw new Error('assertion failed: the constructor starts the driver');
    return this.#driver;
  }

  /**
   * Sets the alarm, unless it is set so already: a row, and an object that just woke does not remember. One after the other,
   * or an older wish could come last. The promise is kept when the alarm is.
   */
  #setAlarm(at: Millis | null): Promise<void> {
    this.#alarm = this.#alarm.then(() =>
      this.#follow(async () => {
        const set = await this.ctx.storage.getAlarm();
        if (set === at) return;
        this.#alarmsSet++;
        if (at === null) await this.ctx.storage.deleteAlarm();
        else await this.ctx.storage.setAlarm(at);
      }),
    );
    return this.#alarm;
  }

  #perform(effect: Effect): void {
    switch (effect.type) {
      case 'log':
        this.#log(effect.level, effect.log, effect.event, effect.fields);
        return;
      case 'join':
        this.#joining = this.#follow(() => this.#join());
        return;
      case 'sync':
        void this.#follow(() => this.#sync(effect.to, effect.request));
        return;
      case 'hand-over':
        void this.#follow(() => this.#handOver(effect.id, effect.jobs));
        return;
    }
  }

  /** Runs a call whose outcome comes back as an input. What fails beyond that is our own bug: logged, a timer stands behind it. */
  #follow(call: () => Promise<void>): Promise<void> {
    const followed = call().catch((cause: unknown) => {
      this.#log('CRITICAL', 'network_sync', 'input_failed', { reason: reasonOf(cause) });
    });
    this.ctx.waitUntil(followed);
    return followed;
  }

  async #join(): Promise<void> {
    const driver = this.#running();
    const boot = bootFacade(this.env);
    const identity = readIdentity(this.#store.meta);
    let reason: string;
    try {
      if (this.#address === this.#config.protocol.hostedPrefix) throw new Error('this object has no slot');
      const work = boot.join(identity?.publicKey ?? '', this.#address);
      const joined = await withTimeout(work, JOIN_TIMEOUT_MS, 'join');
      if (joined.ok) {
        driver.submit({ type: 'join-accepted', joined: joined.value });
        this.ctx.waitUntil(this.#follow(() => boot.announceSoon(this.env.DELIVERIES)));
        return;
      }
      reason = joined.error.reason;
    } catch (cause) {
      reason = reasonOf(cause);
    }
    driver.submit({ type: 'join-failed', reason });
  }

  async #sync(to: { readonly guid: Guid; readonly address: string }, request: SyncRequest): Promise<void> {
    const driver = this.#running();
    let answer: SyncAnswer | null = null;
    let reason = 'it has not joined';
    try {
      const slot = slotOf(to.address, this.#config);
      if (slot === null) throw new Error(`${to.address} is not a node of this deployment`);
      answer = await withTimeout(nodeStub(this.env, slot).sync(request, true), SYNC_TIMEOUT_MS, 'sync');
    } catch (cause) {
      reason = reasonOf(cause);
    }
    if (answer) driver.submit({ type: 'sync-answered', guid: to.guid, answer });
    else driver.submit({ type: 'sync-failed', guid: to.guid, reason });
  }

  async #handOver(id: number, jobs: readonly Job[]): Promise<void> {
    const driver = this.#running();
    try {
      await withTimeout(sendJobs(this.env.DELIVERIES, jobs), HANDOVER_TIMEOUT_MS, 'queue');
    } catch (cause) {
      driver.submit({ type: 'handover-failed', id, reason: reasonOf(cause) });
      return;
    }
    driver.submit({ type: 'handed-over', id });
  }
}
