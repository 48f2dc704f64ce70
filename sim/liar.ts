// Malicious members: they have a GUID and a certificate like anybody else, bring nodes what honest ones never send, and some of them answer:
// they prove who they are, take what they are given without passing it on, and say untrue things at sync.
import { hashOf, toCanonical } from '../src/protocol/canonical.ts';
import { GUID_MAX, HOPS_MAX } from '../src/protocol/limits.ts';
import { writeMember } from '../src/protocol/member.ts';
import { composeMessage, DEAD_PEER, PEER_JOINED, PEER_LEAVING } from '../src/protocol/message.ts';
import { seal, type Sealed } from '../src/protocol/seal.ts';
import { wholeRing } from '../src/protocol/tree.ts';
import type { Delivery, Guid, JsonObject, Range } from '../src/protocol/types.ts';
import { CAPABILITIES } from '../src/protocol/limits.ts';
import type { Outcome } from '../src/protocol/effects.ts';
import type { SyncAnswer } from '../src/protocol/sync.ts';
import type { Books } from './checks.ts';
import { keyOf, sign } from './signing.ts';
import type { Sim } from './sim.ts';

export interface Bring {
  readonly deliveries: readonly Delivery[];
  readonly maxGuid: Guid;
}

export class Liar {
  readonly slot: number;
  readonly address: string;
  readonly publicKey: string;
  guid: Guid | null = null;
  /** Whether it answers calls. */
  readonly isThere: boolean;
  readonly #sim: Sim;
  readonly #books: Books;

  constructor(sim: Sim, slot: number, books: Books) {
    this.#sim = sim;
    this.#books = books;
    this.slot = slot;
    this.address = `https://liar${slot}.example.com`;
    this.publicKey = keyOf(slot);
    this.isThere = sim.random.chance(0.5);
  }

  get record() {
    const { address, publicKey } = this;
    return { address, publicKey, incarnation: 0, capabilities: CAPABILITIES, signature: sign(publicKey, address) };
  }

  /** Takes all, and passes nothing on: a delegate that keeps its subtree in the dark. Null: no answer. */
  take(deliveries: readonly Delivery[]): readonly Outcome[] | null {
    const { random } = this.#sim;
    if (!this.isThere) return null;
    return deliveries.map(() => random.pick(['new', 'new', 'duplicate', 'rejected', 'busy'] as const) ?? 'new');
  }

  /** What it says at sync; null: no answer. Records that it makes up are of no use to it: nobody signed them. */
  answer(): SyncAnswer | null {
    const { random, now } = this.#sim;
    if (!this.isThere) return null;
    const certificate = { issuedAt: now, expiresAt: now + 1, signature: sign(this.publicKey, 'certificate') };
    const forged = { ...this.record, guid: random.between(1, 50), incarnation: 1_000_000, certificate };
    return {
      maxGuidNode: { guid: GUID_MAX, address: this.address },
      have: random.chance(0.5) ? [] : [[1, GUID_MAX]],
      members: random.chance(0.3) ? [forged] : [],
      more: random.chance(0.3),
      callerState: random.pick(['alive', 'ignored', 'left', 'unknown'] as const),
      callerHost: '203.0.113.9',
      frame: random.pick([null, { ranges: [] }, { ranges: [[null, [hashOf(String(random.next()))]]] }] as const),
    };
  }

  /** Something to bring to somebody; `guids` are those of others. */
  next(guid: Guid, guids: readonly Guid[]): Bring {
    const { random } = this.#sim;
    const victim = random.pick(guids) ?? 1;
    switch (random.between(0, 6)) {
      case 0:
        return this.#one(this.#message(victim, { forged: random.between(0, 99) }, false), wholeRing(victim), guid);
      case 1: {
        const lie = { event: { name: DEAD_PEER, args: { guid: victim } } };
        return this.#one(this.#message(guid, lie, true), wholeRing(guid), guid);
      }
      case 2:
        return this.#one(this.#message(guid, { n: random.next() }, true), { from: victim, to: victim }, GUID_MAX);
      case 3: {
        // The same once more with other ranges, which are to be forwarded.
        const body = this.#message(guid, { n: random.next() }, true);
        const ranges = Array.from({ length: 12 }, () => ({
          from: random.between(0, GUID_MAX),
          to: random.between(0, 8),
        }));
        const deliveries = ranges.map((range) => ({ body, range, hops: random.between(0, HOPS_MAX + 1) }));
        return { deliveries, maxGuid: GUID_MAX };
      }
      case 4: {
        const lie = { event: { name: PEER_LEAVING, args: { guid: victim, incarnation: GUID_MAX } } };
        return this.#one(this.#message(guid, lie, true), wholeRing(guid), guid);
      }
      case 5: {
        const certificate = {
          issuedAt: 1_000,
          expiresAt: 9_000_000_000_000,
          signature: sign(this.publicKey, 'certificate'),
        };
        const member = writeMember({
          ...this.record,
          guid: random.chance(0.5) ? victim : guid,
          incarnation: 1_000,
          certificate,
        });
        const lie = { event: { name: PEER_JOINED, args: { members: [member] } } };
        return this.#one(this.#message(guid, lie, false), wholeRing(guid), guid);
      }
      default:
        return this.#one(`${sign(this.publicKey, '')}{"no":"message"}` as Sealed, wholeRing(guid), guid);
    }
  }

  #one(body: Sealed, range: Range, maxGuid: Guid): Bring {
    return { deliveries: [{ body, range, hops: 1 }], maxGuid };
  }

  /** Of its own, or in somebody's name, whose signature it cannot make. */
  #message(guid: Guid, data: JsonObject, isOwn: boolean): Sealed {
    const { now, plan, random } = this.#sim;
    const composed = composeMessage(
      {
        network: plan.config.network,
        data,
        originator: { guid, address: this.address },
        broadcastAt: now,
        expiresAt: now + plan.config.messageTtlMs,
      },
      Math.floor(random.next() * 2 ** 53),
    );
    if (!composed.ok) return seal(toCanonical({}), sign(this.publicKey, ''));
    const { id, body } = composed.value;
    const sealed = seal(body, sign(this.publicKey, body));
    this.#books.ids.set(sealed, id);
    if (isOwn) this.#books.genuine.add(id);
    return sealed;
  }
}
