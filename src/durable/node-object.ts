// A hosted node: one Durable Object, a thin shell over the driver. Its methods are the RPC surface: only this Worker can call them.
// Evicting it at any time changes nothing but latency: all that matters is in its storage, and loaded on the next call.
import { DurableObject } from 'cloudflare:workers';
import type { CallingNode } from '../api/peer-client.ts';
import type { Admission, MemberPage, MessagePage, NodeStatus, ProvenCaller, Sample } from '../api/ports.ts';
import { formatConfigError, readConfig, type Config } from '../config.ts';
import type { SignedCall } from '../crypto/http-signature.ts';
import { signText, type Signer } from '../crypto/keys.ts';
import { signMessage } from '../crypto/signatures.ts';
import type { Surveyed } from '../protocol/boot-survey.ts';
import { Driver } from '../protocol/driver.ts';
import type {
  Originated,
  Origination,
  OriginationError,
  Outcome,
  SignedOrigination,
  Undeliverable,
} from '../protocol/effects.ts';
import { draftFarewell } from '../protocol/leaving.ts';
import type { Draft } from '../protocol/message.ts';
import { draft } from '../protocol/originating.ts';
import type { Sender } from '../protocol/job.ts';
import { reasonOf } from '../protocol/reason.ts';
import type { MetaTable, NodeStore } from '../protocol/store.ts';
import type { SyncAnswer, SyncRequest } from '../protocol/sync.ts';
import { answerHashText } from '../protocol/signed-text.ts';
import type { Delivery, Guid, Member, MessageId, Millis, Peer, Result, StoredMessage } from '../protocol/types.ts';
import { openSqlNodeStore } from '../store/sql-node-store.ts';
import { openDurableSql } from './durable-sql.ts';
import type { Env } from './env.ts';
import { EventReaders } from '../shell/event-readers.ts';
import { readIdentity, renewIdentity, type Identity } from '../shell/identity.ts';
import { createLog, type Log } from '../shell/log.ts';
import { NodeEffects } from './node-effects.ts';
import { NodeReader } from '../shell/node-reader.ts';
import { NodeStream } from './node-stream.ts';
import { NodeTrust } from '../shell/node-trust.ts';
import { withTimeout } from '../shell/timeout.ts';
import { openStream } from './stream-calls.ts';
import { nodeStub, slotOf, type HostedCalls } from './stubs.ts';

/** When the alarm handler itself failed, it is tried again after this: the platform gives up after six times. */
const ALARM_RETRY_MS = 30_000;

/** How long another node of this deployment may take to say who it is. */
const SIBLING_TIMEOUT_MS = 2_000;

/** Meta key: the slot, which is the object's name. */
const SLOT_KEY = 'slot';

/** The name of an object may not be known when its own alarm wakes it, so the first call notes it down. */
function knownSlot(ctx: DurableObjectState, meta: MetaTable): string {
  const noted = meta.get(SLOT_KEY);
  const slot = noted ?? ctx.id.name ?? '';
  if (noted === null && slot !== '') meta.set(SLOT_KEY, slot);
  return slot;
}

export class NodeObject extends DurableObject<Env> implements HostedCalls {
  readonly #config: Config;
  readonly #store: NodeStore;
  readonly #log: Log;
  readonly #address: string;
  readonly #effects: NodeEffects;
  readonly #stream: NodeStream;
  readonly #events = new EventReaders(() => this.#running().state);
  #identity: Identity | null = null;
  #driver: Driver | null = null;
  #reader: NodeReader | null = null;
  #trust: NodeTrust | null = null;
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
    this.#effects = new NodeEffects({
      env,
      config: this.#config,
      address: this.#address,
      log: this.#log,
      own: () => this.#own(),
      running: () => this.#running(),
      isSibling: (member) => this.#isSibling(member),
      trusted: () => this.#trusted(),
      tenure: () => this.tenure(),
      signed: (drafted) => this.#signed(drafted),
      renewIdentity: (above) => this.#renewIdentity(above),
      assume: (renewed) => this.#assume(renewed),
      follow: (call) => this.#follow(call),
    });
    this.#stream = new NodeStream(ctx, () => this.#running().state);
    const identity = readIdentity(this.#store.meta, this.#address);
    if (identity) this.#start(identity);
    // Once in a node's life, and when its address changes: keys and signatures are made asynchronously, and nobody may come in
    // before they are there.
    else void ctx.blockConcurrencyWhile(async () => this.#start(await this.#renewIdentity(null)));
  }

  /** Cron, or a request that found the node not joined: joins, waits for that, and repairs a lost alarm. */
  async wake(): Promise<Guid | null> {
    const driver = this.#running();
    driver.submit({ type: 'wake' });
    await this.#effects.joining;
    await this.#setAlarm(driver.state.timers.earliest());
    return driver.state.guid;
  }

  /** What this node holds of its membership and has seen, for a boot object that has just begun. */
  async tenure(): Promise<Surveyed> {
    const { membership, seenGuid } = this.#running().state;
    const { self: record } = this.#own();
    if (!membership) return { record, tenure: null };
    const { guid, networkKey, certificate } = membership;
    return { record, tenure: { guid, seenGuid, networkKey, certificate } };
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
    const reply = this.#running().submit({ type: 'deliver', deliveries, newest, bringer: null });
    return reply.type === 'delivered' ? reply.outcomes : [];
  }

  /** Deliveries of a peer outside that proved who it is. Each message's signature is checked here, once for the whole deployment. */
  async deliverFrom(caller: ProvenCaller, maxGuid: Guid, deliveries: readonly Delivery[]): Promise<readonly Outcome[]> {
    const checks = await this.#trusted().check(deliveries, caller);
    const driver = this.#running();
    const address = driver.state.roster.get(caller.guid)?.address;
    const newest = address === undefined ? null : { guid: caller.guid, address, maxGuid };
    const reply = driver.submit({ type: 'deliver', deliveries, newest, bringer: { guid: caller.guid, checks } });
    return reply.type === 'delivered' ? reply.outcomes : [];
  }

  async originate(origination: Origination): Promise<Result<Originated, OriginationError>> {
    const driver = this.#running();
    const drafted = draft(driver.context(), origination);
    if (!drafted.ok) return drafted;
    const { message } = await this.#signed(drafted.value);
    const reply = driver.submit({ type: 'originate', originations: [{ ...origination, message }] });
    const result = reply.type === 'originated' ? reply.results[0] : undefined;
    if (!result) throw new Error('assertion failed: an origination has a result');
    return result;
  }

  /** Leaves the network: says so, and hands over what it owes. */
  async leave(): Promise<Result<null, OriginationError>> {
    const driver = this.#running();
    const drafted = draftFarewell(driver.context());
    if (!drafted.ok) return drafted;
    const farewell = await this.#signed(drafted.value);
    const reply = driver.submit({ type: 'leave', farewell });
    if (reply.type !== 'left') throw new Error('assertion failed: leaving has a result');
    if (reply.result.ok) void this.#follow(() => this.#tellBoot());
    return reply.result;
  }

  /** Nothing depends on it: newcomers would find out by themselves. */
  async #tellBoot(): Promise<void> {
    try {
      await this.#effects.boot.depart();
    } catch (cause) {
      this.#log('WARNING', 'network_sync', 'boot_not_told', { reason: reasonOf(cause) });
    }
  }

  /** Comes back with its GUID, as another incarnation than the one that left. */
  async return(): Promise<void> {
    if (this.#running().state.leftAt === null) return;
    this.#assume(await this.#renewIdentity(null));
    this.#running().submit({ type: 'return' });
  }

  /** Network sync asked by a node of this deployment, which is believed, or by anybody, who is not. */
  async sync(request: SyncRequest, caller: Guid | null): Promise<SyncAnswer | null> {
    const reply = this.#running().submit({ type: 'sync-asked', request, caller });
    return reply.type === 'sync' ? reply.answer : null;
  }

  /** Network sync asked by a peer outside that proved who it is: what it tells of others must prove itself. */
  async syncFrom(request: SyncRequest): Promise<SyncAnswer | null> {
    const members = await this.#trusted().proven(request.members);
    return await this.sync({ ...request, members }, request.guid);
  }

  /** Whether a signed call is heard. */
  async admit(signed: SignedCall): Promise<Admission> {
    const call = await this.#trusted().certified(signed);
    const driver = this.#running();
    if (call === null) {
      if (driver.state.guid === null) return 'not-joined';
      driver.state.counters.add('calls_unproven');
      return 'unproven';
    }
    const reply = driver.submit({ type: 'call', call });
    return reply.type === 'call' ? reply.verdict : 'busy';
  }

  /** Signs an answer of which it is given the hash. Only ever an answer: the text says so. */
  async signAnswer(nonce: string, hash: string): Promise<string> {
    return await signText(this.#own().signer, answerHashText(nonce, hash));
  }

  /** Signs the base of a request that the queue's consumer makes in this node's name, which begins with a quote. */
  async signRequest(base: Uint8Array): Promise<Uint8Array> {
    if (base[0] !== 0x22) throw new Error('assertion failed: not the base of a request');
    return await this.#own().signer.sign(base);
  }

  /** Who this node is to peers outside; null before it has joined. */
  async credential(): Promise<(Pick<CallingNode, 'credential'> & { readonly publicKey: string }) | null> {
    const from = this.#trusted().caller();
    return from && { credential: from.credential, publicKey: from.signer.publicKey };
  }

  /** Peers outside took deliveries in this node's name, and proved their keys. */
  async reached(guids: readonly Guid[]): Promise<void> {
    for (const guid of guids) this.#running().submit({ type: 'reached', guid });
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

  /** A reader of the stream, whom gateway.ts sends: a WebSocket has no other way in. */
  override async fetch(request: Request): Promise<Response> {
    return openStream(request, this.#stream, this.#events);
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

  async samples(): Promise<readonly Sample[]> {
    return this.#read().samples();
  }

  /** Signs what this node says of itself, with a higher incarnation than before and than others know. */
  async #renewIdentity(above: number | null): Promise<Identity> {
    return await renewIdentity(this.#store.meta, this.#config.protocol.network, this.#address, above);
  }

  async #signed(drafted: Draft): Promise<SignedOrigination> {
    const message = await signMessage(this.#own().signer, drafted);
    return { data: message.content.data, ttlSeconds: null, idempotencyKey: null, message };
  }

  #start(identity: Identity): void {
    const { self } = identity;
    this.#driver = new Driver({
      store: this.#store,
      config: this.#config.protocol,
      self,
      host: {
        now: () => Date.now(),
        random: () => Math.random(),
        setAlarm: (at) => void this.#setAlarm(at),
        perform: (effect) => this.#effects.perform(effect),
        arrived: () => {
          void this.#follow(async () => this.#stream.arrived());
          void this.#follow(async () => this.#events.arrived());
        },
      },
    });
    this.#assume(identity);
    // What a crash left to be handed over need not wait for the next round.
    if (this.#driver.state.guid !== null) this.#driver.submit({ type: 'wake' });
  }

  /** Speaks with this key and record from now on. */
  #assume({ signer, self }: Identity): void {
    const driver = this.#running();
    const counted: Signer = {
      publicKey: signer.publicKey,
      sign: (data) => {
        driver.state.counters.add('signatures_made');
        return signer.sign(data);
      },
    };
    const identity = { signer: counted, self };
    driver.rename(self);
    this.#identity = identity;
    this.#trust = new NodeTrust(identity, driver, this.#config, (member) => this.#isSibling(member));
    this.#reader = new NodeReader(driver, this.#store, this.#config, self, {
      alarmsSet: () => this.#alarmsSet,
      streamReaders: () => ({ websocket: this.#stream.size, events: this.#events.size }),
    });
  }

  /** Whether a told member is the node of this deployment at its address: any member can sign that it is there, and only that node knows. */
  async #isSibling({ address, publicKey }: Member): Promise<boolean> {
    const slot = slotOf(address, this.#config);
    if (slot === null || address === this.#address) return false;
    try {
      const { record } = await withTimeout(nodeStub(this.env, slot).tenure(), SIBLING_TIMEOUT_MS, 'node');
      return record.publicKey === publicKey;
    } catch (cause) {
      this.#log('WARNING', 'network_sync', 'sibling_silent', { address, reason: reasonOf(cause) });
      return false;
    }
  }

  #read(): NodeReader {
    if (!this.#reader) throw new Error('assertion failed: the constructor starts the reader');
    return this.#reader;
  }

  #trusted(): NodeTrust {
    if (!this.#trust) throw new Error('assertion failed: the constructor makes the trust');
    return this.#trust;
  }

  #own(): Identity {
    if (!this.#identity) throw new Error('assertion failed: the constructor makes the identity');
    return this.#identity;
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

  /** Runs a call whose outcome comes back as an input. What fails beyond that is our own bug: logged, a timer stands behind it. */
  #follow(call: () => Promise<void>): Promise<void> {
    const followed = call().catch((cause: unknown) => {
      this.#log('CRITICAL', 'network_sync', 'input_failed', { reason: reasonOf(cause) });
    });
    this.ctx.waitUntil(followed);
    return followed;
  }
}
