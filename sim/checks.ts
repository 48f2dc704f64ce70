// Safety: what must hold at every moment, whatever happens. Each rule is an object of its own that looks at every committed input.
import { encodeJob } from '../src/protocol/job.ts';
import type { Effect, Input, Reply } from '../src/protocol/effects.ts';
import {
  HANDOVER_BYTES_MAX,
  MEMPOOL_MESSAGES_MAX,
  NONCES_MAX,
  REPAIRS_MAX,
  SEGMENT_BYTES_MAX,
} from '../src/protocol/limits.ts';
import type { Guid, MessageId, Millis } from '../src/protocol/types.ts';
import type { SimNode } from './node.ts';
import type { Sim } from './sim.ts';

export interface Accepted {
  readonly id: MessageId;
  readonly slot: number;
  readonly at: Millis;
  readonly expiresAt: Millis;
}

/** Messages that somebody signed, and what nodes have promised. */
export class Books {
  readonly ids = new Map<string, MessageId>();
  readonly genuine = new Set<MessageId>();
  /** Sent by applications: what the statistics are about. */
  readonly application = new Set<MessageId>();
  readonly accepted: Accepted[] = [];
}

export interface Check {
  committed?(node: SimNode, input: Input, reply: Reply): void;
  effect?(node: SimNode, effect: Effect): void;
}

/** No GUID twice, and none ever changes. */
export class GuidCheck implements Check {
  readonly #sim: Sim;
  readonly #bySlot = new Map<number, Guid>();
  readonly #keys = new Map<Guid, string>();

  constructor(sim: Sim) {
    this.#sim = sim;
  }

  allocated(guid: Guid, publicKey: string): void {
    const known = this.#keys.get(guid) ?? publicKey;
    this.#keys.set(guid, publicKey);
    if (known !== publicKey) this.#sim.violate('no GUID twice', `GUID ${guid} was given to two keys`);
  }

  committed(node: SimNode): void {
    const { guid, slot } = node;
    const known = this.#bySlot.get(slot);
    if (guid === null || known === guid) return;
    if (known !== undefined) this.#sim.violate('a GUID is for ever', `node ${slot} had ${known}, now it has ${guid}`);
    this.#bySlot.set(slot, guid);
    if ([...this.#bySlot].some(([other, taken]) => other !== slot && taken === guid)) {
      this.#sim.violate('no GUID twice', `node ${slot} has GUID ${guid} of another node`);
    }
  }
}

/** An application hears of a message once at most, and of none that nobody signed. */
export class DeliveryCheck implements Check {
  readonly #sim: Sim;
  readonly #books: Books;
  readonly #seen = new Map<number, Set<MessageId>>();

  constructor(sim: Sim, books: Books) {
    this.#sim = sim;
    this.#books = books;
  }

  committed(node: SimNode, input: Input, reply: Reply): void {
    if (input.type !== 'deliver' || reply.type !== 'delivered') return;
    const { stats } = this.#sim;
    for (const [index, outcome] of reply.outcomes.entries()) {
      const delivery = input.deliveries[index];
      if (!delivery) continue;
      const id = this.#books.ids.get(delivery.body) ?? '';
      if (outcome === 'busy') stats.busy++;
      else if (outcome === 'rejected') stats.rejected++;
      else if (outcome === 'duplicate') {
        if (this.#books.application.has(id)) stats.duplicates++;
      } else this.#isNew(node, id, delivery.hops);
    }
  }

  #isNew(node: SimNode, id: MessageId, hops: number): void {
    const { stats } = this.#sim;
    if (!this.#books.genuine.has(id)) this.#sim.violate('nothing forged is taken', `node ${node.slot} took one`);
    const seen = this.#seen.get(node.slot) ?? new Set<MessageId>();
    this.#seen.set(node.slot, seen);
    if (seen.has(id))
      this.#sim.violate('one delivery a message', `node ${node.slot} took ${id.slice(0, 12)} as new twice`);
    seen.add(id);
    if (!this.#books.application.has(id)) return;
    stats.deliveries++;
    stats.hopsMax = Math.max(stats.hopsMax, hops);
  }
}

/** What was accepted is in its originator's mempool until it expires, whatever crashes. */
export class PromiseCheck implements Check {
  readonly #sim: Sim;
  readonly #books: Books;

  constructor(sim: Sim, books: Books) {
    this.#sim = sim;
    this.#books = books;
  }

  committed(node: SimNode): void {
    const mempool = node.driver?.state.mempool;
    for (const { id, slot, expiresAt } of this.#books.accepted) {
      if (slot !== node.slot || expiresAt <= node.now || !mempool || mempool.get(id)) continue;
      this.#sim.violate('nothing accepted is lost', `node ${slot} no longer has ${id.slice(0, 12)}`);
    }
  }
}

/** The same idempotency key at the same node: the same message, for as long as that lives. */
export class IdempotencyCheck implements Check {
  readonly #sim: Sim;
  readonly #byKey = new Map<string, { readonly id: MessageId; readonly expiresAt: Millis }>();

  constructor(sim: Sim) {
    this.#sim = sim;
  }

  committed(node: SimNode, input: Input, reply: Reply): void {
    if (input.type !== 'originate' || reply.type !== 'originated' || !reply.taken.ok) return;
    for (const [index, { id }] of reply.taken.value.entries()) {
      const origination = input.originations[index];
      if (!origination || origination.idempotencyKey === null) continue;
      const key = `${node.slot} ${origination.idempotencyKey}`;
      const known = this.#byKey.get(key);
      if (known && known.expiresAt > node.now && known.id !== id) {
        this.#sim.violate('a key is one message', `node ${node.slot} sent ${id.slice(0, 12)} for a key that was used`);
      }
      const { expiresAt } = origination.message.content;
      if (known?.id !== id) this.#byKey.set(key, { id, expiresAt });
    }
  }
}

/** Everything has a limit. */
export class LimitCheck implements Check {
  readonly #sim: Sim;

  constructor(sim: Sim) {
    this.#sim = sim;
  }

  committed(node: SimNode): void {
    const state = node.driver?.state;
    if (!state) return;
    this.#atMost('repairs', state.repairs.size, REPAIRS_MAX);
    this.#atMost('messages', state.mempool.size, MEMPOOL_MESSAGES_MAX);
    this.#atMost('nonces', state.nonces.size, NONCES_MAX);
  }

  effect(_node: SimNode, effect: Effect): void {
    if (effect.type !== 'hand-over') return;
    // A message that goes several ways is in several jobs: what counts is how much one handover reads.
    const bytes = new Map<string, number>();
    for (const job of [...effect.jobs, ...effect.outbound]) {
      encodeJob(job);
      for (const { bodies } of job.bundles) for (const body of bodies) bytes.set(body, body.length);
    }
    const total = [...bytes.values()].reduce((sum, size) => sum + size, 0);
    this.#atMost('bytes of a handover', total, HANDOVER_BYTES_MAX + SEGMENT_BYTES_MAX);
  }

  #atMost(what: string, value: number, max: number): void {
    if (value > max) this.#sim.violate('limits hold', `${value} ${what} of at most ${max}`);
  }
}

/** What a member says of itself is never taken back, but by who has forgotten it altogether: an old record may come again then. */
export class IncarnationCheck implements Check {
  readonly #sim: Sim;
  readonly #known = new Map<number, Map<Guid, { readonly incarnation: number; readonly since: Millis }>>();
  #turn = 0;

  constructor(sim: Sim) {
    this.#sim = sim;
  }

  committed(node: SimNode): void {
    // Every roster after every input would take most of the time.
    if (this.#turn++ % 16 > 0) return;
    const known = this.#known.get(node.slot) ?? new Map<Guid, { incarnation: number; since: Millis }>();
    this.#known.set(node.slot, known);
    for (const { guid, incarnation, since } of node.driver?.state.roster.peers() ?? []) {
      const last = known.get(guid);
      // Whoever is new since then was forgotten in between.
      if (last && incarnation < last.incarnation && since <= last.since) {
        const detail = `node ${node.slot}: GUID ${guid} from ${last.incarnation} to ${incarnation}`;
        this.#sim.violate('incarnations grow', detail);
      }
      known.set(guid, { incarnation, since });
    }
  }
}
