// What a node does after its transactions: calls to others and to its queue, whose outcomes come back as inputs.
import type { JoinFault } from '../api/join-client.ts';
import type { PeerClient } from '../api/peer-client.ts';
import type { Driver } from '../protocol/driver.ts';
import type { Effect, Input, Joined, SignedOrigination, SyncTarget } from '../protocol/effects.ts';
import type { Job } from '../protocol/job.ts';
import { HANDLER_MS_MAX, LINGER_MS, SETTLE_MS } from '../protocol/limits.ts';
import type { Draft } from '../protocol/message.ts';
import { draftOwn } from '../protocol/originating.ts';
import { reasonOf } from '../protocol/reason.ts';
import type { SyncAnswer, SyncRequest } from '../protocol/sync.ts';
import type { JsonObject, Millis, Result, StoredMessage } from '../protocol/types.ts';
import type { TellBeacon } from './beacon-reporter.ts';
import type { Identity } from './identity.ts';
import type { Log } from './log.ts';
import type { NodeTrust } from './node-trust.ts';
import { withTimeout } from './timeout.ts';

/** A handover that hangs would keep the node from sending for ever. */
const HANDOVER_TIMEOUT_MS = 15_000;

/** Ways out of a node that differ between runtimes. */
export interface Outlets {
  readonly client: PeerClient;
  /** Asks the boot node. */
  join(): Promise<Result<Joined, JoinFault>>;
  /** Has members told of who joined, where the boot node does not see to that by itself. Nobody waits for it. */
  announce?(): Promise<void>;
  /** Tells the boot node that this node leaves, so that newcomers are not told of it. Rejects where it did not hear it. */
  depart(): Promise<void>;
  /** Tells the beacon when this node first had messages; null: nobody is told. */
  readonly tellBeacon: TellBeacon | null;
  /** Network sync with a node of the same deployment; null where it has not joined. */
  syncInside(address: string, request: SyncRequest): Promise<SyncAnswer | null>;
  /** Puts jobs into the queue, those of a message that is alone after an attempt of its own; resolves when a crash cannot lose them any more. */
  handOver(jobs: readonly Job[], outbound: readonly Job[], isAlone: boolean): Promise<void>;
}

/** The node whose effects these are. */
export interface EffectsHost {
  readonly outlets: Outlets;
  /** The application's side; null: it takes nothing of this node. */
  readonly handle: ((messages: readonly StoredMessage[]) => Promise<void>) | null;
  readonly log: Log;
  running(): Driver;
  trusted(): NodeTrust;
  signed(drafted: Draft): Promise<SignedOrigination>;
  renewIdentity(above: number | null): Promise<Identity>;
  assume(identity: Identity): void;
  /** Runs a call whose outcome comes back as an input. */
  follow(call: () => Promise<void>): Promise<void>;
}

export class NodeEffects {
  readonly #host: EffectsHost;
  #joining: Promise<void> = Promise.resolve();

  constructor(host: EffectsHost) {
    this.#host = host;
  }

  /** The join that is under way, or the last one. */
  get joining(): Promise<void> {
    return this.#joining;
  }

  perform(effect: Effect): void {
    switch (effect.type) {
      case 'log':
        this.#host.log(...effect.line);
        return;
      case 'join':
        this.#joining = this.#host.follow(() => this.#join());
        return;
      case 'renew-self':
        void this.#host.follow(() => this.#renewSelf(effect.above));
        return;
      case 'say':
        void this.#host.follow(() => this.#say(effect.data));
        return;
      case 'sync':
        void this.#host.follow(() => this.#sync(effect.to, effect.request));
        return;
      case 'probe':
        void this.#host.follow(() => this.#probe(effect));
        return;
      case 'settle-later':
        return this.#later(SETTLE_MS, { type: 'settle', isLast: false });
      case 'linger':
        return this.#later(LINGER_MS, { type: 'lingered' });
      case 'handle':
        void this.#host.follow(() => this.#handle(effect.messages, effect.through));
        return;
      case 'hand-over':
        void this.#host.follow(() => this.#handOver(effect));
        return;
    }
  }

  #later(ms: Millis, input: Input): void {
    void this.#host.follow(async () => {
      await new Promise((resolve) => void setTimeout(resolve, ms));
      this.#host.running().submit(input);
    });
  }

  async #renewSelf(above: number): Promise<void> {
    this.#host.assume(await this.#host.renewIdentity(above));
    this.#host.running().submit({ type: 'wake' });
  }

  /** An event of the node's own. */
  async #say(data: JsonObject): Promise<void> {
    const driver = this.#host.running();
    const drafted = draftOwn(driver.context(), data);
    if (!drafted.ok) throw new Error(`not said: ${drafted.error.reason}`);
    const reply = driver.submit({ type: 'originate', originations: [await this.#host.signed(drafted.value)] });
    // It has left meanwhile, or its mempool is full: others find out what it would have said by themselves, later.
    if (reply.type === 'originated' && !reply.taken.ok) {
      this.#host.log('not_said', { reason: reply.taken.error.error.reason });
    }
  }

  async #join(): Promise<void> {
    let reason: string;
    try {
      const joined = await this.#host.outlets.join();
      if (joined.ok) {
        this.#host.running().submit({ type: 'join-accepted', joined: joined.value });
        void this.#host.follow(async () => await this.#host.outlets.announce?.());
        return;
      }
      reason = joined.error.reason;
      // A later record of ours is known, which this storage does not: it was restored from before.
      if (joined.error.above !== null) this.#host.assume(await this.#host.renewIdentity(joined.error.above));
    } catch (cause) {
      reason = reasonOf(cause);
    }
    this.#host.running().submit({ type: 'join-failed', reason });
  }

  async #sync({ guid, address, outside }: SyncTarget, request: SyncRequest): Promise<void> {
    const { outlets } = this.#host;
    let answer: SyncAnswer | null = null;
    let reason = 'it has not joined';
    try {
      if (outside) {
        const from = this.#host.trusted().caller();
        if (!from) throw new Error('without a certificate of its own');
        const peer = { guid, address, publicKey: outside.publicKey };
        const told = await outlets.client.sync(peer, request, from, outside.timeoutMs);
        answer = { ...told, members: await this.#host.trusted().proven(told.members) };
      } else answer = await outlets.syncInside(address, request);
    } catch (cause) {
      reason = reasonOf(cause);
    }
    if (answer) this.#host.running().submit({ type: 'sync-answered', guid, answer });
    else this.#host.running().submit({ type: 'sync-failed', guid, reason });
  }

  async #probe({ to, timeoutMs }: Extract<Effect, { type: 'probe' }>): Promise<void> {
    const { guid, publicKey } = to;
    const found = await this.#host.outlets.client.probe(to, timeoutMs);
    const driver = this.#host.running();
    if (found.type === 'silent') driver.submit({ type: 'probe-failed', guid, reason: found.reason });
    else if (found.type === 'refused') driver.submit({ type: 'probe-refused', guid, fault: found.fault });
    else {
      const { capabilities, certificate } = found;
      const isCertified =
        certificate !== null && (await this.#host.trusted().isCertified(guid, publicKey, certificate));
      driver.submit({ type: 'probe-answered', guid, capabilities, certificate: isCertified ? certificate : null });
    }
  }

  async #handle(messages: readonly StoredMessage[], through: string): Promise<void> {
    try {
      if (!this.#host.handle) throw new Error('assertion failed: a batch without a handler');
      // It may not heed the time that it is given.
      await withTimeout(this.#host.handle(messages), HANDLER_MS_MAX + 1_000, 'handler');
    } catch (cause) {
      this.#host.running().submit({ type: 'handler-failed', through, reason: reasonOf(cause) });
      return;
    }
    this.#host.running().submit({ type: 'handled', through });
  }

  async #handOver({ id, jobs, outbound, isAlone }: Extract<Effect, { type: 'hand-over' }>): Promise<void> {
    try {
      await withTimeout(this.#host.outlets.handOver(jobs, outbound, isAlone), HANDOVER_TIMEOUT_MS, 'queue');
    } catch (cause) {
      this.#host.running().submit({ type: 'handover-failed', id, reason: reasonOf(cause) });
      return;
    }
    this.#host.running().submit({ type: 'handed-over', id });
  }
}
