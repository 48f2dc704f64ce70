// A hosted node: one Durable Object around a node at work. Its methods are the RPC surface: only this Worker can call them.
// Evicting it at any time changes nothing but latency: all that matters is in its storage, and loaded on the next call.
import { DurableObject } from 'cloudflare:workers';
import type { LogQuery, ProvenCaller } from '../api/ports.ts';
import { formatConfigError, readConfig, type Config } from '../config.ts';
import type { SignedCall } from '../crypto/http-signature.ts';
import type { Origination, Undeliverable } from '../protocol/effects.ts';
import type { Sender } from '../protocol/job.ts';
import { reasonOf } from '../protocol/reason.ts';
import type { MetaTable, NodeStore } from '../protocol/store.ts';
import type { SyncRequest } from '../protocol/sync.ts';
import type { Delivery, Guid, Member, MessageId, Millis } from '../protocol/types.ts';
import { firstAttempt } from '../queue/first-attempt.ts';
import { sendJobs } from '../queue/producer.ts';
import { giveToHandler, type Handle } from '../shell/handler-client.ts';
import { readIdentity, renewIdentity, type Identity } from '../shell/identity.ts';
import { LiveNode } from '../shell/live-node.ts';
import { LogRing } from '../shell/log-ring.ts';
import { createLog, type Log } from '../shell/log.ts';
import type { Outlets } from '../shell/node-effects.ts';
import { peerClient } from '../shell/outside.ts';
import { nodeFeed } from '../shell/stream-feed.ts';
import { withTimeout } from '../shell/timeout.ts';
import { openSqlNodeStore } from '../store/sql-node-store.ts';
import { tellBeacon } from './beacon-gateway.ts';
import { bootAccess } from './boot-access.ts';
import { openDurableSql } from './durable-sql.ts';
import type { Env } from './env.ts';
import { senderPorts } from './ports.ts';
import { SocketReaders } from './socket-readers.ts';
import { openStream } from './stream-calls.ts';
import { nodeStub, slotOf, type HostedCalls } from './stubs.ts';

/** When the alarm handler itself failed, it is tried again after this: the platform gives up after six times. */
const ALARM_RETRY_MS = 30_000;

/** How long another node of this deployment may take to say who it is. */
const SIBLING_TIMEOUT_MS = 2_000;

/** How long a node of this deployment may take to answer a sync. It's the price of a hung peer, so it is short. */
const SYNC_TIMEOUT_MS = 5_000;

/** Meta key: the slot, which is the object's name. */
const SLOT_KEY = 'slot';

/** The name of an object may not be known when its own alarm wakes it, so the first call notes it down. */
function knownSlot(ctx: DurableObjectState, meta: MetaTable): string {
  const noted = meta.get(SLOT_KEY);
  const slot = noted ?? ctx.id.name ?? '';
  if (noted === null && slot !== '') meta.set(SLOT_KEY, slot);
  return slot;
}

function boundHandler({ HANDLER }: Env): Fetcher {
  if (!HANDLER) throw new Error('the service binding HANDLER is gone');
  return HANDLER;
}

export class NodeObject extends DurableObject<Env> implements HostedCalls {
  readonly #config: Config;
  readonly #store: NodeStore;
  readonly #recentLogs = new LogRing();
  readonly #log: Log;
  readonly #address: string;
  readonly #stream: SocketReaders;
  #node: LiveNode | null = null;
  #alarm: Promise<void> = Promise.resolve();
  #alarmsSet = 0;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const config = readConfig(env as unknown as Record<string, unknown>);
    if (!config.ok) throw new Error(config.error.map(formatConfigError).join('; '));
    this.#config = config.value;
    this.#store = openSqlNodeStore(openDurableSql(ctx.storage));
    const slot = knownSlot(ctx, this.#store.meta);
    this.#log = createLog(slot, config.value.logLevel, { recent: this.#recentLogs });
    this.#address = `${config.value.protocol.hostedPrefix}${slot}`;
    this.#stream = new SocketReaders(
      ctx,
      nodeFeed(() => this.#live().running().state),
    );
    const identity = readIdentity(this.#store.meta, this.#address);
    if (identity) this.#start(identity);
    // Once in a node's life, and when its address changes: keys and signatures are made asynchronously, and nobody may come in
    // before they are there.
    else void ctx.blockConcurrencyWhile(async () => this.#start(await this.#firstIdentity()));
  }

  /** Cron, or a request that found the node not joined: joins, waits for that, and repairs a lost alarm. */
  async wake() {
    const node = this.#live();
    const guid = await node.wake();
    await this.#setAlarm(node.running().state.timers.earliest());
    return guid;
  }

  override async alarm(): Promise<void> {
    try {
      this.#live().alarm();
    } catch (cause) {
      // Rolled back by the driver; what is due stays due. Handled here, since the platform's own retries end.
      this.#log('alarm_failed', { reason: reasonOf(cause) });
      void this.#setAlarm(Date.now() + ALARM_RETRY_MS);
    }
    // The platform forgets this alarm when the handler ends: the next one must be there by then.
    await this.#alarm;
  }

  async tenure() {
    return await this.#live().tenure();
  }

  async deliver(deliveries: readonly Delivery[], newest: Sender | null) {
    return await this.#live().deliver(deliveries, newest);
  }

  async deliverFrom(caller: ProvenCaller, maxGuid: Guid, deliveries: readonly Delivery[]) {
    return await this.#live().deliverFrom(caller, maxGuid, deliveries);
  }

  async originate(originations: readonly Origination[]) {
    return await this.#live().originate(originations);
  }

  async leave() {
    return await this.#live().leave();
  }

  async return() {
    await this.#live().return();
  }

  async sync(request: SyncRequest, caller: Guid | null) {
    return await this.#live().sync(request, caller);
  }

  async syncFrom(request: SyncRequest) {
    return await this.#live().syncFrom(request);
  }

  async admit(call: SignedCall) {
    return await this.#live().admit(call);
  }

  async signAnswer(nonce: string, hash: string) {
    return await this.#live().signAnswer(nonce, hash);
  }

  async signRequest(base: Uint8Array) {
    return await this.#live().signRequest(base);
  }

  async credential() {
    return await this.#live().credential();
  }

  async reached(guids: readonly Guid[]) {
    await this.#live().reached(guids);
  }

  async undeliverable(legs: readonly Undeliverable[], reason: string) {
    await this.#live().undeliverable(legs, reason);
  }

  async status() {
    return await this.#live().status();
  }

  async member(guid: Guid) {
    return await this.#live().member(guid);
  }

  async members(cursor: string | null, limit: number) {
    return await this.#live().members(cursor, limit);
  }

  async messages(cursor: string | null, limit: number) {
    return await this.#live().messages(cursor, limit);
  }

  async message(id: MessageId) {
    return await this.#live().message(id);
  }

  async samples() {
    return await this.#live().samples();
  }

  async logs(query: LogQuery) {
    return await this.#live().logs(query);
  }

  /** A reader of the stream, whom gateway.ts sends: a WebSocket has no other way in. */
  override async fetch(request: Request): Promise<Response> {
    return await openStream(request, this.#stream, this.#live());
  }

  override webSocketMessage(socket: WebSocket, data: string | ArrayBuffer): void {
    this.#stream.heard(socket, data);
  }

  override webSocketClose(socket: WebSocket): void {
    this.#stream.closed(socket);
  }

  override webSocketError(socket: WebSocket): void {
    this.#stream.closed(socket);
  }

  #start(identity: Identity): void {
    this.#node = new LiveNode(
      {
        store: this.#store,
        config: this.#config,
        log: this.#log,
        recentLogs: this.#recentLogs,
        handle: this.#handler(),
        outlets: (node) => this.#outlets(node),
        setAlarm: (at) => void this.#setAlarm(at),
        alarmsSet: () => this.#alarmsSet,
        keep: (call) => this.ctx.waitUntil(call),
        isSibling: (member) => this.#isSibling(member),
        arrived: () => this.#stream.arrived(),
        socketReaders: () => this.#stream.size,
      },
      identity,
    );
    // What a crash left to be handed over need not wait for the next round.
    const driver = this.#node.running();
    if (driver.state.guid !== null) driver.submit({ type: 'wake' });
  }

  /** How the application takes this node's messages; null where it does not: one node is enough, since each gets all of them. */
  #handler(): Handle | null {
    const { handler, protocol } = this.#config;
    if (handler === null || this.#address !== `${protocol.hostedPrefix}${handler.slot}`) return null;
    const { webhook } = handler;
    const call = (url: string, init: RequestInit) =>
      webhook ? fetch(url, init) : boundHandler(this.env).fetch(url, init);
    const target = { webhook, fetch: call, now: () => Date.now() };
    return (source, messages) => giveToHandler(target, source, messages);
  }

  async #firstIdentity(): Promise<Identity> {
    return await renewIdentity(this.#store.meta, this.#config.protocol.network, this.#address, null);
  }

  #outlets(node: LiveNode): Outlets {
    const boot = bootAccess(node, this.env, this.#config, (member) => this.#isSibling(member));
    return {
      ...boot,
      client: peerClient(this.#config),
      tellBeacon: tellBeacon(node, this.env, this.#config),
      join: async () => {
        if (this.#address === this.#config.protocol.hostedPrefix) throw new Error('this object has no slot');
        return await boot.join();
      },
      syncInside: async (address, request) => {
        const slot = slotOf(address, this.#config);
        if (slot === null) throw new Error(`${address} is not a node of this deployment`);
        return await withTimeout(nodeStub(this.env, slot).sync(request, request.guid), SYNC_TIMEOUT_MS, 'sync');
      },
      handOver: async (jobs, outbound, isAlone) => {
        const inside = isAlone
          ? firstAttempt(jobs, senderPorts(node, this.env, this.#config, this.#log))
          : sendJobs(this.env.DELIVERIES, jobs);
        await Promise.all([inside, sendJobs(this.env.OUTBOUND, outbound)]);
      },
    };
  }

  /** Whether a told member is the node of this deployment at its address: any member can sign that it is there, and only that node knows. */
  async #isSibling({ address, publicKey }: Member): Promise<boolean> {
    const slot = slotOf(address, this.#config);
    if (slot === null || address === this.#address) return false;
    try {
      const { record } = await withTimeout(nodeStub(this.env, slot).tenure(), SIBLING_TIMEOUT_MS, 'node');
      return record.publicKey === publicKey;
    } catch (cause) {
      this.#log('sibling_silent', { address, reason: reasonOf(cause) });
      return false;
    }
  }

  #live(): LiveNode {
    if (!this.#node) throw new Error('assertion failed: the constructor starts the node');
    return this.#node;
  }

  /**
   * Sets the alarm, unless it is set so already: a row, and an object that just woke does not remember. One after the other,
   * or an older wish could come last. The promise is kept when the alarm is.
   */
  #setAlarm(at: Millis | null): Promise<void> {
    this.#alarm = this.#alarm.then(() => this.#putAlarm(at));
    this.ctx.waitUntil(this.#alarm);
    return this.#alarm;
  }

  async #putAlarm(at: Millis | null): Promise<void> {
    try {
      const set = await this.ctx.storage.getAlarm();
      if (set === at) return;
      this.#alarmsSet++;
      if (at === null) await this.ctx.storage.deleteAlarm();
      else await this.ctx.storage.setAlarm(at);
    } catch (cause) {
      // Cron sets it again.
      this.#log('alarm_not_set', { reason: reasonOf(cause) });
    }
  }
}
