// A node at work: its driver, key, trust and calls, whatever it runs in. What differs between runtimes (storage, alarm, ways out) is its
// host's. Throwing it away at any time changes nothing but latency: all that matters is in its store.
import type { CallingNode } from '../api/peer-client.ts';
import type {
  Admission,
  LogPage,
  LogQuery,
  MemberPage,
  MessagePage,
  NodeStatus,
  ProvenCaller,
  Sample,
  StreamRefusal,
  StreamRequest,
} from '../api/ports.ts';
import type { SignedCall } from '../crypto/http-signature.ts';
import { signText, type Signer } from '../crypto/keys.ts';
import { signMessage } from '../crypto/signatures.ts';
import type { Surveyed } from '../protocol/boot-survey.ts';
import { Driver } from '../protocol/driver.ts';
import type {
  Input,
  Origination,
  OriginationError,
  Outcome,
  SignedOrigination,
  Taken,
  Undeliverable,
} from '../protocol/effects.ts';
import type { Sender } from '../protocol/job.ts';
import { draftFarewell } from '../protocol/leaving.ts';
import { rememberMessage, type Draft } from '../protocol/message.ts';
import { draft } from '../protocol/originating.ts';
import { reasonOf } from '../protocol/reason.ts';
import { answerHashText } from '../protocol/signed-text.ts';
import type { SyncAnswer, SyncRequest } from '../protocol/sync.ts';
import {
  err,
  ok,
  type Delivery,
  type Guid,
  type MessageId,
  type Peer,
  type Result,
  type StoredMessage,
} from '../protocol/types.ts';
import { BeaconReporter } from './beacon-reporter.ts';
import { EventReaders } from './event-readers.ts';
import { renewIdentity, type Identity } from './identity.ts';
import type { LiveNodeHost } from './live-node-host.ts';
import type { NodeCalls } from './node-calls.ts';
import { NodeEffects, type Outlets } from './node-effects.ts';
import { NodeReader } from './node-reader.ts';
import { NodeTrust } from './node-trust.ts';
import { nodeFeed } from './stream-feed.ts';

export class LiveNode implements NodeCalls {
  readonly #host: LiveNodeHost<LiveNode>;
  readonly #address: string;
  readonly #driver: Driver;
  readonly #outlets: Outlets;
  readonly #effects: NodeEffects;
  #identity: Identity;
  #trust: NodeTrust;
  #reader: NodeReader;
  readonly #events = new EventReaders(nodeFeed(() => this.running().state));
  #departing: Promise<void> = Promise.resolve();
  readonly #beacon: BeaconReporter | null;
  #isClosed = false;

  constructor(host: LiveNodeHost<LiveNode>, identity: Identity) {
    this.#host = host;
    this.#address = identity.self.address;
    const { store, config, log, handle } = host;
    const { network } = config.protocol;
    this.#driver = new Driver({
      store,
      config: { ...config.protocol, hasHandler: handle !== null },
      self: identity.self,
      host: {
        now: () => Date.now(),
        random: () => Math.random(),
        setAlarm: (at) => host.setAlarm(at),
        perform: (effect) => this.#effects.perform(effect),
        arrived: () => {
          this.#attempt(() => host.arrived?.());
          this.#attempt(() => this.#events.arrived());
          this.#attempt(() => this.#beacon?.arrived());
        },
      },
    });
    [this.#identity, this.#trust, this.#reader] = this.#spokenBy(identity);
    this.#outlets = host.outlets(this);
    this.#beacon = this.#reporter();
    this.#effects = new NodeEffects({
      outlets: this.#outlets,
      handle:
        handle &&
        ((messages) => handle({ network, guid: this.running().state.guid, address: this.#address }, messages)),
      log,
      running: () => this.running(),
      trusted: () => this.#trust,
      signed: (drafted) => this.#signed(drafted),
      renewIdentity: (above) => this.#renewIdentity(above),
      assume: (renewed) => this.#assume(renewed),
      follow: (call) => this.#follow(call),
    });
  }

  /** The way into the machine. Throws once this node is closed. */
  running(): Driver {
    if (this.#isClosed) throw new Error('the node is closed');
    return this.#driver;
  }

  /** What it says of itself. */
  get identity(): Identity {
    return this.#identity;
  }

  /** The join that is under way, or the last one. */
  get joining(): Promise<void> {
    return this.#effects.joining;
  }

  /** The boot node is being told that this node left, or has been, or did not hear it. */
  get departing(): Promise<void> {
    return this.#departing;
  }

  /** Nothing may come in any more: calls that are under way end without a trace. */
  close(): void {
    // Who ends in order has nothing handed over again at the next start.
    this.#attempt(() => {
      if (this.#driver.state.settlesLater) this.#driver.submit({ type: 'settle', isLast: true });
    });
    this.#isClosed = true;
    this.#beacon?.close();
  }

  /** Has it join, or go on with what was left to do; waits for a join. */
  async wake(): Promise<Guid | null> {
    this.running().submit({ type: 'wake' });
    await this.joining;
    return this.running().state.guid;
  }

  /** The alarm rang. Throws where what is due could not be done: it stays due. */
  alarm(): void {
    this.running().alarmRang();
    this.#attempt(() => this.#beacon?.look());
  }

  async tenure(): Promise<Surveyed> {
    const { membership, seenGuid } = this.running().state;
    const { self: record } = this.#identity;
    if (!membership) return { record, tenure: null };
    const { guid, networkKey, certificate } = membership;
    return { record, tenure: { guid, seenGuid, networkKey, certificate } };
  }

  async deliver(deliveries: readonly Delivery[], newest: Sender | null): Promise<readonly Outcome[]> {
    return this.#take({ type: 'deliver', deliveries, newest, bringer: null });
  }

  #take(input: Extract<Input, { type: 'deliver' }>): readonly Outcome[] {
    const reply = this.running().submit(input);
    if (reply.type !== 'delivered') return [];
    this.#attempt(() => this.#beacon?.repeated(reply.repeated));
    return reply.outcomes;
  }

  /** Deliveries of a peer outside that proved who it is. Each message's signature is checked here. */
  async deliverFrom(caller: ProvenCaller, maxGuid: Guid, deliveries: readonly Delivery[]): Promise<readonly Outcome[]> {
    const checks = await this.#trust.check(deliveries, caller);
    const driver = this.running();
    const address = driver.state.roster.get(caller.guid)?.address;
    const newest = address === undefined ? null : { guid: caller.guid, address, maxGuid };
    return this.#take({ type: 'deliver', deliveries, newest, bringer: { guid: caller.guid, checks } });
  }

  async originate(originations: readonly Origination[]): Promise<Taken> {
    const context = this.running().context();
    const drafts: { readonly origination: Origination; readonly drafted: Draft }[] = [];
    for (const [index, origination] of originations.entries()) {
      const drafted = draft(context, origination);
      if (!drafted.ok) return err({ index, error: drafted.error });
      drafts.push({ origination, drafted: drafted.value });
    }
    const sign = async ({ origination, drafted }: (typeof drafts)[number]) => {
      const { message } = await this.#signed(drafted);
      return { ...origination, message };
    };
    const reply = this.running().submit({ type: 'originate', originations: await Promise.all(drafts.map(sign)) });
    if (reply.type !== 'originated') throw new Error('assertion failed: an origination has a result');
    return reply.taken;
  }

  /** Leaves the network: says so, and hands over what it owes. */
  async leave(): Promise<Result<null, OriginationError>> {
    const farewell = await this.#farewell();
    if (!farewell.ok) return farewell;
    const reply = this.running().submit({ type: 'leave', farewell: farewell.value });
    if (reply.type !== 'left') throw new Error('assertion failed: leaving has a result');
    if (reply.result.ok) this.#departing = this.#follow(() => this.#tellBoot());
    return reply.result;
  }

  /** The signed farewell of the incarnation that there is when it is signed: nobody believes that of an earlier one. */
  async #farewell(): Promise<Result<SignedOrigination, OriginationError>> {
    const context = this.running().context();
    const drafted = draftFarewell(context);
    if (!drafted.ok) return drafted;
    const signed = await this.#signed(drafted.value);
    const { self } = this.running().context();
    // A refutation may have come between: once a minute at most, so the next one is in time.
    return self.incarnation === context.self.incarnation ? ok(signed) : await this.#farewell();
  }

  /** Nothing depends on it: newcomers would find out by themselves. */
  async #tellBoot(): Promise<void> {
    try {
      await this.#outlets.depart();
    } catch (cause) {
      this.#host.log('boot_not_told', { reason: reasonOf(cause) });
    }
  }

  /** Comes back with its GUID, as another incarnation than the one that left. */
  async return(): Promise<void> {
    if (this.running().state.leftAt === null) return;
    this.#assume(await this.#renewIdentity(null));
    this.running().submit({ type: 'return' });
  }

  async sync(request: SyncRequest, caller: Guid | null): Promise<SyncAnswer | null> {
    const reply = this.running().submit({ type: 'sync-asked', request, caller });
    return reply.type === 'sync' ? reply.answer : null;
  }

  /** Network sync asked by a peer outside that proved who it is: what it tells of others must prove itself. */
  async syncFrom(request: SyncRequest): Promise<SyncAnswer | null> {
    const members = await this.#trust.proven(request.members);
    return await this.sync({ ...request, members }, request.guid);
  }

  /** Whether a signed call is heard. */
  async admit(signed: SignedCall): Promise<Admission> {
    const call = await this.#trust.certified(signed);
    const driver = this.running();
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
    return await signText(this.#identity.signer, answerHashText(nonce, hash));
  }

  /** Signs the base of a request that is made in this node's name, which begins with a quote. */
  async signRequest(base: Uint8Array): Promise<Uint8Array> {
    if (base[0] !== 0x22) throw new Error('assertion failed: not the base of a request');
    return await this.#identity.signer.sign(base);
  }

  async credential(): Promise<(Pick<CallingNode, 'credential'> & { readonly publicKey: string }) | null> {
    const from = this.caller();
    return from && { credential: from.credential, publicKey: from.signer.publicKey };
  }

  /** In whose name peers outside are called; null before there is a certificate. */
  caller(): CallingNode | null {
    return this.#trust.caller();
  }

  async reached(guids: readonly Guid[]): Promise<void> {
    for (const guid of guids) this.running().submit({ type: 'reached', guid });
  }

  async undeliverable(legs: readonly Undeliverable[], reason: string): Promise<void> {
    this.running().submit({ type: 'undeliverable', legs, reason });
  }

  async status(): Promise<NodeStatus> {
    // A request is as good as an alarm to get a node going; nobody waits for it.
    if (this.running().state.guid === null) this.running().submit({ type: 'wake' });
    return this.#reader.status();
  }

  async member(guid: Guid): Promise<Peer | null> {
    return this.#reader.member(guid);
  }

  async members(cursor: string | null, limit: number): Promise<MemberPage | null> {
    return this.#reader.members(cursor, limit);
  }

  async messages(cursor: string | null, limit: number): Promise<MessagePage | null> {
    return this.#reader.messages(cursor, limit);
  }

  async message(id: MessageId): Promise<StoredMessage | null> {
    return this.#reader.message(id);
  }

  /** A stream of events. One over a WebSocket is a runtime's own matter. */
  async stream(request: StreamRequest): Promise<Response | StreamRefusal> {
    return request.transport === 'websocket' ? 'not-here' : this.#events.open(request);
  }

  /** Ends all streams: their readers come back later. */
  endStreams(): void {
    this.#events.end();
  }

  async samples(): Promise<readonly Sample[]> {
    return this.#reader.samples();
  }

  async logs(query: LogQuery): Promise<LogPage | null> {
    return this.#host.recentLogs.page(query);
  }

  /** Signs what this node says of itself, with a higher incarnation than before and than others know. */
  async #renewIdentity(above: number | null): Promise<Identity> {
    const { store, config } = this.#host;
    return await renewIdentity(store.meta, config.protocol.network, this.#address, above);
  }

  async #signed(drafted: Draft): Promise<SignedOrigination> {
    const message = await signMessage(this.#identity.signer, drafted);
    rememberMessage(message);
    return { data: message.content.data, ttlSeconds: null, idempotencyKey: null, message };
  }

  /** Speaks with this key and record from now on. */
  #assume(identity: Identity): void {
    this.running().rename(identity.self);
    [this.#identity, this.#trust, this.#reader] = this.#spokenBy(identity);
  }

  #spokenBy({ signer, self }: Identity): [Identity, NodeTrust, NodeReader] {
    const driver = this.#driver;
    const { store, config, isSibling, socketReaders, alarmsSet } = this.#host;
    const counted: Signer = {
      publicKey: signer.publicKey,
      sign: (data) => {
        driver.state.counters.add('signatures_made');
        return signer.sign(data);
      },
    };
    const identity = { signer: counted, self };
    return [
      identity,
      new NodeTrust(identity, driver, config, isSibling),
      new NodeReader(driver, store, config, self, {
        alarmsSet: () => alarmsSet(),
        streamReaders: () => ({ websocket: socketReaders?.() ?? 0, events: this.#events.size }),
      }),
    ];
  }

  /** What tells the beacon; null where nobody is told. */
  #reporter(): BeaconReporter | null {
    const { tellBeacon } = this.#outlets;
    if (!tellBeacon) return null;
    const { log } = this.#host;
    const keep = (call: Promise<void>) => this.#host.keep(call);
    return new BeaconReporter({ tell: tellBeacon, log, keep, state: () => this.running().state });
  }

  /** Runs a call whose outcome comes back as an input. What fails beyond that is our own bug: logged, a timer stands behind it. */
  #follow(call: () => Promise<void>): Promise<void> {
    const followed = call().catch((cause: unknown) => this.#failed(cause));
    this.#host.keep(followed);
    return followed;
  }

  /** The same for what is done at once: readers must not keep anything from its end, nor each other. */
  #attempt(call: () => void): void {
    try {
      call();
    } catch (cause) {
      this.#failed(cause);
    }
  }

  #failed(cause: unknown): void {
    if (!this.#isClosed) this.#host.log('input_failed', { reason: reasonOf(cause) });
  }
}
