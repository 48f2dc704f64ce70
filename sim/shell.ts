// What shells do around the driver, as events: the calls that effects ask for, deliveries by the queue, and how calls from outside are
// checked. The rules are those of src/durable/node-object.ts and ports.ts.
import type { Effect, Input, Outcome, Undeliverable } from '../src/protocol/effects.ts';
import type { Joined } from '../src/protocol/effects.ts';
import type { JobLeg, Sender } from '../src/protocol/job.ts';
import { CAPABILITIES, IMPATIENT_MS, LINGER_MS, PATIENT_MS, SETTLE_MS } from '../src/protocol/limits.ts';
import { logEntry, type LogEntry } from '../src/protocol/log-line.ts';
import type { SyncAnswer } from '../src/protocol/sync.ts';
import type { Certificate, Delivery, Guid, Member, Millis } from '../src/protocol/types.ts';
import type { SimBoot } from './boot.ts';
import type { Liar } from './liar.ts';
import { SimNode } from './node.ts';
import { firstAttempt } from './first-attempt.ts';
import type { QueuePorts, SimQueue } from './queue.ts';
import { checkMessage, keyOf } from './signing.ts';
import type { Sim } from './sim.ts';
import type { Wire } from './wire.ts';

const SYNC_TIMEOUT_MS = 5_000;
const JOIN_TIMEOUT_MS = 10_000;
const HANDOVER_TIMEOUT_MS = 15_000;
const DELIVER_TIMEOUT_MS = 5_000;
const NONCE_MS = 60_000;
/** Where the deployment's queue and the boot node are. */
const CENTRE = 0;

export interface ShellPorts {
  readonly wire: Wire;
  readonly boot: Pick<SimBoot, 'join' | 'certified'>;
  at(address: string): SimNode | null;
  liarAt(address: string): Liar | null;
  queueOf(node: SimNode): SimQueue;
}

type Of<T extends Effect['type']> = Extract<Effect, { type: T }>;
type Found = { readonly guid: Guid; readonly certificate: Certificate | null };

export class Shell {
  readonly #sim: Sim;
  readonly #ports: ShellPorts;

  constructor(sim: Sim, ports: ShellPorts) {
    this.#sim = sim;
    this.#ports = ports;
  }

  perform(node: SimNode, effect: Effect): void {
    switch (effect.type) {
      case 'log':
        this.#note(node, logEntry(effect.line));
        return;
      case 'join':
        return this.#join(node);
      case 'sync':
        return this.#sync(node, effect);
      case 'probe':
        return this.#probe(node, effect);
      case 'handle':
        throw new Error('simulated nodes have no handler');
      case 'hand-over':
        return this.#handOver(node, effect);
      case 'settle-later':
        return this.#later(node, SETTLE_MS, { type: 'settle', isLast: false });
      case 'linger':
        return this.#later(node, LINGER_MS, { type: 'lingered' });
      case 'renew-self':
        return this.#soon(node, () => node.renew(effect.above));
      case 'say':
        return this.#soon(node, () => node.say(effect.data));
    }
  }

  /** The consumer delivers one call; null: no answer. */
  deliver(
    queue: Pick<SimNode, 'slot'> | null,
    leg: JobLeg,
    deliveries: readonly Delivery[],
    from: Sender,
    done: (outcomes: readonly Outcome[] | null) => void,
  ): void {
    const target = this.#ports.at(leg.address);
    const place = queue?.slot ?? CENTRE;
    const liar = this.#ports.liarAt(leg.address);
    if (liar) return this.#sim.later(this.#sim.latency(), () => done(liar.take(deliveries)));
    if (!leg.outside) {
      if (!target) return done(null);
      return this.#ports.wire.call(
        place,
        target.slot,
        DELIVER_TIMEOUT_MS,
        (answer: (reply: readonly Outcome[] | null) => void) =>
          target.accept(
            () => answer(deliverTo(target, deliveries, from)),
            () => answer(null),
          ),
        done,
      );
    }
    const sender = queue instanceof SimNode ? queue : this.#ports.at(from.address);
    // The sender signs: without it nothing goes out in its name.
    if (!sender?.isUp) return this.#sim.later(DELIVER_TIMEOUT_MS, () => done(null));
    const timeoutMs = leg.outside.isTrusted ? PATIENT_MS : IMPATIENT_MS;
    this.#ports.wire.call<readonly Outcome[]>(
      place,
      target?.slot ?? CENTRE,
      timeoutMs,
      (answer) => {
        if (!target) return answer(null);
        target.accept(
          () => answer(this.deliverFrom(target, sender.self.publicKey, from, deliveries)),
          () => answer(null),
        );
      },
      (outcomes) => {
        if (outcomes) sender.accept(() => sender.submit({ type: 'reached', guid: leg.to }), ignore);
        done(outcomes);
      },
    );
  }

  /** What a node does with deliveries from elsewhere. Null: the call is refused. */
  deliverFrom(
    target: SimNode,
    publicKey: string,
    from: { readonly guid: Guid; readonly maxGuid: Guid },
    deliveries: readonly Delivery[],
  ): readonly Outcome[] | null {
    if (!this.#admits(target, from.guid, publicKey)) return null;
    const keyFor = (guid: Guid) => {
      if (guid === from.guid) return publicKey;
      if (guid === target.guid) return target.self.publicKey;
      return guid === 0 ? keyOf(0) : (target.driver?.state.roster.get(guid)?.publicKey ?? null);
    };
    const isProof = (member: Member) => this.#ports.boot.certified(member);
    const checks = deliveries.map(({ body }) =>
      this.#sim.hooks.believesAll ? 'sound' : checkMessage(body, keyFor, isProof),
    );
    const address = target.driver?.state.roster.get(from.guid)?.address;
    const newest = address === undefined ? null : { guid: from.guid, address, maxGuid: from.maxGuid };
    const reply = target.submit({ type: 'deliver', deliveries, newest, bringer: { guid: from.guid, checks } });
    return reply?.type === 'delivered' ? reply.outcomes : null;
  }

  /** The consumer tells a sender what was not delivered. */
  report(
    queue: Pick<SimNode, 'slot'> | null,
    from: Sender,
    legs: readonly Undeliverable[],
    done: (isTold: boolean) => void,
  ): void {
    // A queue of its own is in the node's own process, wherever that is now.
    const sender = queue instanceof SimNode ? queue : this.#ports.at(from.address);
    if (!sender) return done(false);
    this.#ports.wire.call<boolean>(
      queue?.slot ?? CENTRE,
      sender.slot,
      DELIVER_TIMEOUT_MS,
      (answer) =>
        sender.accept(
          () => answer(sender.submit({ type: 'undeliverable', legs, reason: 'no answer' }) === null ? null : true),
          () => answer(null),
        ),
      (isTold) => done(isTold === true),
    );
  }

  #later(node: SimNode, ms: Millis, input: Input): void {
    const { life } = node;
    this.#sim.later(ms, () => node.hear(life, input));
  }

  /** Something that the node's own shell does: it ends with the life of the node. */
  #soon(node: SimNode, run: () => void): void {
    const { life } = node;
    this.#sim.later(1, () => node.life === life && node.accept(run, ignore));
  }

  #join(node: SimNode): void {
    const { life } = node;
    this.#ports.wire.call<Joined | string>(
      node.slot,
      CENTRE,
      JOIN_TIMEOUT_MS,
      (answer) => answer(this.#ports.boot.join(node.self)),
      (reply) => {
        if (reply === null || typeof reply === 'string') {
          node.hear(life, { type: 'join-failed', reason: reply ?? 'no answer' });
        } else node.hear(life, { type: 'join-accepted', joined: reply });
      },
    );
  }

  #sync(node: SimNode, { to, request }: Of<'sync'>): void {
    const { life } = node;
    const { guid } = to;
    const callee = this.#ports.at(to.address);
    const liar = this.#ports.liarAt(to.address);
    this.#ports.wire.call<SyncAnswer>(
      node.slot,
      callee?.slot ?? CENTRE,
      to.outside?.timeoutMs ?? SYNC_TIMEOUT_MS,
      (answer) => {
        if (liar) return answer(liar.answer());
        if (!callee) return answer(null);
        const isElsewhere = to.outside !== null;
        const ask = () => {
          if (isElsewhere && !this.#admits(callee, request.guid, node.self.publicKey)) return answer(null);
          const members = isElsewhere ? this.#proven(request.members) : request.members;
          const asked = { ...request, members };
          const reply = callee.submit({ type: 'sync-asked', request: asked, caller: request.guid });
          answer(reply?.type === 'sync' ? reply.answer : null);
        };
        callee.accept(ask, () => answer(null));
      },
      (told) => {
        if (told === null) return node.hear(life, { type: 'sync-failed', guid, reason: 'no answer' });
        const members = to.outside ? this.#proven(told.members) : told.members;
        node.hear(life, { type: 'sync-answered', guid, answer: { ...told, members } });
      },
    );
  }

  #proven(members: SyncAnswer['members']): SyncAnswer['members'] {
    return members.filter((member) => this.#ports.boot.certified(member));
  }

  #probe(node: SimNode, { to, timeoutMs }: Of<'probe'>): void {
    const { life } = node;
    const callee = this.#ports.at(to.address);
    const liar = this.#ports.liarAt(to.address);
    this.#ports.wire.call<Found>(
      node.slot,
      callee?.slot ?? CENTRE,
      timeoutMs,
      (answer) => {
        if (liar?.guid && liar.isThere) return answer({ guid: liar.guid, certificate: null });
        if (!callee) return answer(null);
        const told = () => {
          const { guid, driver } = callee;
          const isMember = guid !== null && driver?.state.leftAt === null;
          answer(isMember ? { guid, certificate: driver.state.membership?.certificate ?? null } : null);
        };
        callee.accept(told, () => answer(null));
      },
      (found) => {
        if (!found) return node.hear(life, { type: 'probe-failed', guid: to.guid, reason: 'no answer' });
        if (found.guid !== to.guid)
          return node.hear(life, { type: 'probe-refused', guid: to.guid, fault: 'other-guid' });
        const { certificate } = found;
        node.hear(life, { type: 'probe-answered', guid: to.guid, capabilities: CAPABILITIES, certificate });
      },
    );
  }

  #handOver(node: SimNode, { id, jobs, outbound, isAlone }: Of<'hand-over'>): void {
    const { life } = node;
    const sim = this.#sim;
    const failed = (reason: string) => node.hear(life, { type: 'handover-failed', id, reason });
    // Whether it does is a shell's own business.
    if (isAlone && sim.plan.firstAttempts) {
      const queue = this.#ports.queueOf(node);
      if (sim.hooks.settlesFirst) this.#soon(node, () => node.submit({ type: 'handed-over', id }));
      const isTaken = outbound.length === 0 || queue.send(outbound);
      const deliver: QueuePorts['deliver'] = (...call) => this.deliver(node, ...call);
      return firstAttempt(sim, node, jobs, { queue, deliver }, (isDone) =>
        isDone && isTaken ? node.hear(life, { type: 'handed-over', id }) : failed('refused'),
      );
    }
    sim.later(sim.latency(), () => {
      // A process that dies takes its call along; whether the queue had the jobs by then is open.
      if (life !== node.life && sim.random.chance(0.5)) return;
      const isTaken = this.#ports.queueOf(node).send([...jobs, ...outbound]);
      if (sim.hits(sim.plan.queueRefuses / 4)) return sim.later(HANDOVER_TIMEOUT_MS, () => failed('no answer in time'));
      sim.later(sim.latency(), () => (isTaken ? node.hear(life, { type: 'handed-over', id }) : failed('refused')));
    });
  }

  #note(node: SimNode, { level, event, fields }: LogEntry): void {
    if (level === 'DEBUG') return;
    this.#sim.note(`node ${node.slot} ${event} ${JSON.stringify(fields).slice(0, 160)}`);
  }

  /** Whether a signed call from elsewhere is heard. */
  #admits(callee: SimNode, guid: Guid, publicKey: string): boolean {
    const nonce = `nonce${String(Math.floor(this.#sim.random.next() * 2 ** 53)).padStart(16, '0')}`;
    const certificate = { issuedAt: 1_000, expiresAt: callee.now + NONCE_MS, signature: '' };
    const call = { guid, publicKey, certificate, nonce, expiresAt: callee.now + NONCE_MS };
    const reply = callee.submit({ type: 'call', call });
    return reply?.type === 'call' && reply.verdict === 'ok';
  }
}

function deliverTo(target: SimNode, deliveries: readonly Delivery[], newest: Sender): readonly Outcome[] | null {
  const reply = target.submit({ type: 'deliver', deliveries, newest, bringer: null });
  return reply?.type === 'delivered' ? reply.outcomes : null;
}

function ignore(): void {
  // A node that is down cannot note who was reached.
}
