// What a hosted node does after its transactions: calls to others and to the queues, whose outcomes come back as inputs.
import type { Effect, SignedOrigination, SyncTarget } from '../protocol/effects.ts';
import type { Job } from '../protocol/job.ts';
import type { Draft } from '../protocol/message.ts';
import { draftOwn } from '../protocol/originating.ts';
import { reasonOf } from '../protocol/reason.ts';
import type { SyncAnswer, SyncRequest } from '../protocol/sync.ts';
import type { JsonObject } from '../protocol/types.ts';
import { sendJobs } from '../queue/producer.ts';
import { bootAccess, type BootAccess, type JoiningNode } from './boot-access.ts';
import type { Identity } from '../shell/identity.ts';
import type { Log } from '../shell/log.ts';
import type { NodeTrust } from '../shell/node-trust.ts';
import { peerClient } from '../shell/outside.ts';
import { nodeStub, slotOf } from './stubs.ts';
import { withTimeout } from '../shell/timeout.ts';

/** How long a peer may take to answer a sync. It's the price of a hung peer, so it is short. */
const SYNC_TIMEOUT_MS = 5_000;
/** A handover that hangs would keep the node from sending for ever. */
const HANDOVER_TIMEOUT_MS = 15_000;

/** The object whose effects these are. */
export interface NodeShell extends JoiningNode {
  readonly address: string;
  readonly log: Log;
  trusted(): NodeTrust;
  signed(drafted: Draft): Promise<SignedOrigination>;
  renewIdentity(above: number | null): Promise<Identity>;
  assume(identity: Identity): void;
  /** Runs a call whose outcome comes back as an input. */
  follow(call: () => Promise<void>): Promise<void>;
}

export class NodeEffects {
  readonly boot: BootAccess;
  readonly #shell: NodeShell;
  #joining: Promise<void> = Promise.resolve();

  constructor(shell: NodeShell) {
    this.#shell = shell;
    this.boot = bootAccess(shell);
  }

  /** The join that is under way, or the last one. */
  get joining(): Promise<void> {
    return this.#joining;
  }

  perform(effect: Effect): void {
    switch (effect.type) {
      case 'log':
        this.#shell.log(effect.level, effect.log, effect.event, effect.fields);
        return;
      case 'join':
        this.#joining = this.#shell.follow(() => this.#join());
        return;
      case 'renew-self':
        void this.#shell.follow(() => this.#renewSelf(effect.above));
        return;
      case 'say':
        void this.#shell.follow(() => this.#say(effect.data));
        return;
      case 'sync':
        void this.#shell.follow(() => this.#sync(effect.to, effect.request));
        return;
      case 'probe':
        void this.#shell.follow(() => this.#probe(effect));
        return;
      case 'hand-over':
        void this.#shell.follow(() => this.#handOver(effect.id, effect.jobs, effect.outbound));
        return;
    }
  }

  async #renewSelf(above: number): Promise<void> {
    this.#shell.assume(await this.#shell.renewIdentity(above));
    this.#shell.running().submit({ type: 'wake' });
  }

  /** An event of the node's own. */
  async #say(data: JsonObject): Promise<void> {
    const driver = this.#shell.running();
    const drafted = draftOwn(driver.context(), data);
    if (!drafted.ok) throw new Error(`not said: ${drafted.error.reason}`);
    const reply = driver.submit({ type: 'originate', originations: [await this.#shell.signed(drafted.value)] });
    const result = reply.type === 'originated' ? reply.results[0] : undefined;
    // It has left meanwhile, or its mempool is full: others find out what it would have said by themselves, later.
    if (!result?.ok)
      this.#shell.log('WARNING', 'network_sync', 'not_said', { reason: result?.error.reason ?? 'unknown' });
  }

  async #join(): Promise<void> {
    const shell = this.#shell;
    let reason: string;
    try {
      if (shell.address === shell.config.protocol.hostedPrefix) throw new Error('this object has no slot');
      const joined = await this.boot.join();
      if (joined.ok) {
        shell.running().submit({ type: 'join-accepted', joined: joined.value });
        void shell.follow(() => this.boot.announce());
        return;
      }
      reason = joined.error.reason;
      // A later record of ours is known, which this storage does not: it was restored from before.
      if (joined.error.above !== null) shell.assume(await shell.renewIdentity(joined.error.above));
    } catch (cause) {
      reason = reasonOf(cause);
    }
    shell.running().submit({ type: 'join-failed', reason });
  }

  async #sync({ guid, address, outside }: SyncTarget, request: SyncRequest): Promise<void> {
    let answer: SyncAnswer | null = null;
    let reason = 'it has not joined';
    try {
      if (outside) {
        const from = this.#shell.trusted().caller();
        if (!from) throw new Error('without a certificate of its own');
        const peer = { guid, address, publicKey: outside.publicKey };
        const told = await peerClient(this.#shell.config).sync(peer, request, from, outside.timeoutMs);
        answer = { ...told, members: await this.#shell.trusted().proven(told.members) };
      } else {
        const slot = slotOf(address, this.#shell.config);
        if (slot === null) throw new Error(`${address} is not a node of this deployment`);
        answer = await withTimeout(
          nodeStub(this.#shell.env, slot).sync(request, request.guid),
          SYNC_TIMEOUT_MS,
          'sync',
        );
      }
    } catch (cause) {
      reason = reasonOf(cause);
    }
    if (answer) this.#shell.running().submit({ type: 'sync-answered', guid, answer });
    else this.#shell.running().submit({ type: 'sync-failed', guid, reason });
  }

  async #probe({ to, timeoutMs }: Extract<Effect, { type: 'probe' }>): Promise<void> {
    const { guid, publicKey } = to;
    const found = await peerClient(this.#shell.config).probe(to, timeoutMs);
    const driver = this.#shell.running();
    if (found.type === 'silent') driver.submit({ type: 'probe-failed', guid, reason: found.reason });
    else if (found.type === 'refused') driver.submit({ type: 'probe-refused', guid, fault: found.fault });
    else {
      const { capabilities, certificate } = found;
      const isCertified =
        certificate !== null && (await this.#shell.trusted().isCertified(guid, publicKey, certificate));
      driver.submit({ type: 'probe-answered', guid, capabilities, certificate: isCertified ? certificate : null });
    }
  }

  async #handOver(id: number, jobs: readonly Job[], outbound: readonly Job[]): Promise<void> {
    try {
      const sent = Promise.all([
        sendJobs(this.#shell.env.DELIVERIES, jobs),
        sendJobs(this.#shell.env.OUTBOUND, outbound),
      ]);
      await withTimeout(sent, HANDOVER_TIMEOUT_MS, 'queue');
    } catch (cause) {
      this.#shell.running().submit({ type: 'handover-failed', id, reason: reasonOf(cause) });
      return;
    }
    this.#shell.running().submit({ type: 'handed-over', id });
  }
}
