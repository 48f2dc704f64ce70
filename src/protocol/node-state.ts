// A node's state: what is in its store, held in memory for the rules to work on. Throw it away at any moment and load it
// anew: nothing but some counts and calls under way is lost. That is what eviction does.
import type { ProtocolConfig } from './config.ts';
import type { Counters } from './counters.ts';
import { Cuts } from './cuts.ts';
import { Departed } from './departed.ts';
import { logged, type Effect } from './effects.ts';
import { Handling } from './handling.ts';
import { Health } from './health.ts';
import { Mempool } from './mempool.ts';
import { Nonces } from './nonces.ts';
import { Observed } from './observed.ts';
import { Pace } from './pace.ts';
import type { BlockReader } from './peer-blocks.ts';
import type { Refuted } from './refuting.ts';
import { Repairs } from './repairs.ts';
import { Roster } from './roster.ts';
import { Standings } from './standing.ts';
import type { NodeStore } from './store.ts';
import { Timers } from './timers.ts';
import { Unverified } from './unverified.ts';
import type { Certificate, Guid, MessageId, Millis, SelfRecord } from './types.ts';

/** What a node says of itself, signed by the shell that has its key. */
export type Self = SelfRecord;

/** A sync that is under way. */
export interface Asked {
  /** Members were told already. */
  readonly pushed: boolean;
  readonly isTrusted: boolean;
  /** The moment whose mempools are compared; null where they are not. */
  readonly comparedAt: Millis | null;
  /** Frames sent in this exchange. */
  readonly rounds: number;
  /** Messages that were asked for. */
  readonly wanted: readonly MessageId[];
  /** How often they were asked for before, without an answer. */
  readonly repeats: number;
  /** Peers that this node knew when it asked. */
  readonly known: number;
}

/** A handover to the queue that is under way. */
export interface PendingHandover {
  readonly id: number;
  readonly throughSeq: number;
  readonly repairs: readonly number[];
  readonly legs: number;
}

/** What the boot node told last: the GUID is for ever, the address is the one that it knows. */
export interface Membership {
  readonly guid: Guid;
  readonly address: string;
  readonly incarnation: number;
  /** Null, like the key, where an earlier version stored it: the node joins again for them. */
  readonly certificate: Certificate | null;
  /** The network's public key, pinned at the first join. */
  readonly networkKey: string | null;
}

/** Meta key: the membership. */
const MEMBERSHIP_KEY = 'membership';
/** Meta key: segments up to this number have been handed over. */
const SETTLED_KEY = 'settled';
/** Meta key: when this node left the network; empty after it came back. */
const LEFT_KEY = 'left_at';
/** Meta key: when this node may refute again, and the pause until then: `until pause`. */
const REFUTED_KEY = 'refuted';
/** Meta key: the highest GUID ever seen, where no record that is kept tells of it. */
const SEEN_KEY = 'seen_guid';

export class NodeState {
  readonly store: NodeStore;
  readonly roster: Roster;
  readonly mempool: Mempool;
  readonly timers: Timers;
  readonly repairs: Repairs;
  readonly counters: Counters;
  readonly nonces: Nonces;
  readonly handling: Handling;
  readonly standings = new Standings();
  readonly unverified = new Unverified();
  readonly health = new Health();
  readonly observed = new Observed();
  /** Incarnation that this node told the members of itself, the boot node being away. */
  saidIncarnation: number | null = null;
  /** What was found damaged while loading; the first input reports it. */
  readonly damage: Effect[] = [];
  /** Calls under way; forgotten by a crash, which is why timers stand behind each of them. */
  readonly syncing = new Map<Guid, Asked>();
  /** The trusted peer that has members for this node beyond those that another one brought meanwhile, and how many it knows. */
  hasMore: { readonly guid: Guid; readonly known: number } | null = null;
  /** Messages that peers were asked for, and when: not asked of everybody. */
  readonly wanted = new Map<MessageId, Millis>();
  /** When a caller whose mempool differed was last asked in its turn. */
  readonly askedBackAt = new Map<Guid, Millis>();
  readonly probing = new Set<Guid>();
  /** When somebody's word last had a peer probed. */
  readonly probedAt = new Map<Guid, Millis>();
  /** Calls under way to peers that are not trusted, and since when there are any. */
  readonly waits = { count: 0, since: 0 };
  joining = false;
  joinFailures = 0;
  /** Whom a sync is under way with that must end before anything is forwarded, and the highest GUID that it claims to know. */
  catchingUp: { readonly guid: Guid; readonly claim: Guid } | null = null;
  /** Highest GUID that was asked for at a node of this deployment, whether or not it brought any. */
  caughtUpTo: Guid = 0;
  /** When a peer outside last held forwarding up with a higher GUID. Only trusted ones can. */
  readonly caughtUpAt = new Map<Guid, Millis>();
  /** Stored peers could not be read: they are asked for again. */
  rosterDamaged = false;
  readonly pace = new Pace();
  readonly cuts = new Cuts();
  handover: PendingHandover | null = null;
  handoverFailures = 0;
  /** When the queue last took a handover. */
  handedOverAt: Millis = -Infinity;
  /** A `settle` will come. */
  settlesLater = false;
  /** A `lingered` will come. */
  lingers = false;
  #membership: Membership | null;
  #settled: number;
  #notedSettled: number;
  #isSettledNoted = false;
  #leftAt: Millis | null;
  #refuted: Refuted;
  #seenGuid: Guid;
  #storedSeenGuid: Guid;

  constructor(store: NodeStore, config: ProtocolConfig, counters: Counters, readBlock?: BlockReader) {
    this.store = store;
    this.counters = counters;
    const damaged = (table: string) => (row: number) => {
      counters.add('rows_damaged');
      this.damage.push(logged('row_damaged', { table, row }));
    };
    const rosterDamaged = (block: number) => {
      this.rosterDamaged = true;
      damaged('roster')(block);
    };
    this.roster = new Roster(store.roster, config, rosterDamaged, readBlock, new Departed(store.meta));
    this.mempool = new Mempool(store.segments, store.meta, damaged('segments'));
    this.repairs = new Repairs(store.repairs, damaged('repairs'));
    this.timers = new Timers(store.timers);
    this.nonces = new Nonces(store.nonces);
    this.handling = new Handling(store.meta);
    this.#membership = readMembership(store.meta.get(MEMBERSHIP_KEY));
    this.#settled = Math.max(readNumber(store.meta.get(SETTLED_KEY)) ?? 0, ...store.notes().map(settledIn));
    this.#notedSettled = this.#settled;
    this.#leftAt = readNumber(store.meta.get(LEFT_KEY));
    const [until = null, pause = null] = (store.meta.get(REFUTED_KEY) ?? '').split(' ').map(readNumber);
    this.#refuted = { until: until ?? -Infinity, pause: pause ?? 0 };
    this.#storedSeenGuid = readNumber(store.meta.get(SEEN_KEY)) ?? 0;
    this.#seenGuid = Math.max(this.#storedSeenGuid, this.maxGuid);
  }

  /** Null before the node has joined. */
  get guid(): Guid | null {
    return this.#membership?.guid ?? null;
  }

  get membership(): Membership | null {
    return this.#membership;
  }

  setMembership(membership: Membership): void {
    this.#membership = membership;
    this.store.meta.set(MEMBERSHIP_KEY, JSON.stringify(membership));
  }

  /** When this node left the network; null while it is a member, or has not joined yet. */
  get leftAt(): Millis | null {
    return this.#leftAt;
  }

  setLeftAt(at: Millis | null): void {
    this.#leftAt = at;
    this.store.meta.set(LEFT_KEY, at === null ? '' : String(at));
  }

  /** When this node may refute again. */
  get refuted(): Refuted {
    return this.#refuted;
  }

  setRefuted(refuted: Refuted): void {
    this.#refuted = refuted;
    this.store.meta.set(REFUTED_KEY, `${refuted.until} ${refuted.pause}`);
  }

  /** Highest GUID that this node knows, its own included. */
  get maxGuid(): Guid {
    return Math.max(this.guid ?? 0, this.roster.maxGuid);
  }

  /**
   * Highest GUID that this node has ever known to be given, to members whom it has forgotten too: a boot node that lost its storage asks
   * for it, and gives no GUID up to there.
   */
  get seenGuid(): Guid {
    return Math.max(this.#seenGuid, this.maxGuid);
  }

  /** The boot node said that GUIDs up to this one are given. */
  noteSeen(guid: Guid): void {
    this.#seenGuid = Math.max(this.#seenGuid, guid);
  }

  /** At the end of each input: stores what no kept record tells. A row only when the highest member was forgotten, or is not known here. */
  flushSeen(): void {
    this.#seenGuid = this.seenGuid;
    if (this.#seenGuid <= Math.max(this.maxGuid, this.#storedSeenGuid)) return;
    this.#storedSeenGuid = this.#seenGuid;
    this.store.meta.set(SEEN_KEY, String(this.#seenGuid));
  }

  get settled(): number {
    return this.#settled;
  }

  /** Segments up to `seq` need no forwarding any more, until the next wake. */
  settle(seq: number): void {
    this.#settled = seq;
  }

  /** How far it has come went along with a row that was written anyway. */
  settledNoted(seq: number): void {
    this.#isSettledNoted = true;
    this.#notedSettled = seq;
  }

  /** Whether that has happened since this was last asked: it will again, where messages go on coming. */
  takeSettledNoted(): boolean {
    const was = this.#isSettledNoted;
    this.#isSettledNoted = false;
    return was;
  }

  /** Has that survive a wake: a row, where there is something to note. */
  noteSettled(): void {
    if (this.#notedSettled === this.#settled) return;
    this.#notedSettled = this.#settled;
    this.store.meta.set(SETTLED_KEY, String(this.#settled));
  }

  /** When this node last began to synchronise, and when it will again. */
  syncTimes(): { readonly last: Millis | null; readonly next: Millis | null } {
    const timer = this.timers.get('sync');
    return { last: timer && timer.setAt > 0 ? timer.setAt : null, next: timer?.at ?? null };
  }
}

function readMembership(text: string | null): Membership | null {
  // Our own row, written whole: what does not parse is a broken store, and guessing a GUID would be worse than stopping.
  if (text === null) return null;
  const stored = JSON.parse(text) as Membership;
  return { ...stored, certificate: stored.certificate ?? null, networkKey: stored.networkKey ?? null };
}

/** How far the node had come when it wrote a note; 0 where a note tells nothing of it. */
function settledIn(note: string): number {
  try {
    const { settled } = (JSON.parse(note) ?? {}) as { settled?: unknown };
    return Number.isSafeInteger(settled) ? (settled as number) : 0;
  } catch {
    return 0;
  }
}

function readNumber(text: string | null): number | null {
  const value = text === null || text === '' ? NaN : Number(text);
  return Number.isSafeInteger(value) ? value : null;
}
