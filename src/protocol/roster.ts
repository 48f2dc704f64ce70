// The roster: everything a node knows of its peers, and the only writer of peer records. Kept in memory, stored in blocks of
// GUIDs, one row a block: a thousand new peers cost sixteen rows, not a thousand. Signatures were checked before a record comes here.
import { Departed } from './departed.ts';
import { DROPPED_MAX, MEMBERS_PAGE_MAX, ROSTER_MEMBERS_MAX, SYNC_INTERVALS_MAX } from './limits.ts';
import { isNewer, isRenewed, pickMember } from './member.ts';
import { numberOf, PeerBlocks, readBlock, writeBlock, type BlockReader } from './peer-blocks.ts';
import { sharing } from './shared-records.ts';
import type { TextTable } from './store.ts';
import type { Doubt, Interval } from './sync.ts';
import { down } from './tree.ts';
import type { Certificate, Guid, Member, Millis, Peer, PeerState, Range } from './types.ts';

/** Failures of one peer within this time count once (guess: longer than the queue takes to give several jobs up). */
const FAILURE_WINDOW_MS = 5_000;

/** When a newcomer is trusted: at once where it is one of this deployment's own, after probation else. */
export interface RosterPolicy {
  readonly maxFailures: number;
  readonly probationMs: Millis;
  readonly guidTimeoutMs: Millis;
  readonly hostedPrefix: string;
}

/** What became of a record that was told. `refused`: another key for a GUID, or what was dropped, unchanged. */
export type Learned = 'added' | 'updated' | 'known' | 'full' | 'refused';

export class Roster {
  readonly #table: TextTable;
  readonly #policy: RosterPolicy;
  readonly #peers = new PeerBlocks();
  readonly #dirty = new Set<number>();
  readonly #failedAt = new Map<Guid, Millis>();
  /** GUIDs of this deployment's own nodes by address: two are never at one. Null until somebody new comes. */
  #hosted: Map<string, Guid> | null = null;
  /** What {@link intervals} said last: two nodes tell each other at each sync, and hardly ever does it change. */
  #intervals: { readonly self: Guid; readonly changes: number; readonly list: readonly Interval[] } | null = null;
  /** Records that were dropped, so that others who still have them don't bring them back. */
  readonly #dropped = new Map<Guid, Member>();
  readonly #departed: Departed;

  /** Reads the stored blocks. A damaged block is left out and handed to `damaged`: sync brings its members again. */
  constructor(
    table: TextTable,
    policy: RosterPolicy,
    damaged: (block: number) => void,
    read: BlockReader = readBlock,
    departed = new Departed(null),
  ) {
    this.#table = table;
    this.#departed = departed;
    this.#policy = policy;
    for (const row of table.all()) {
      const block = read(row);
      if (block) this.#peers.adopt(block);
      else damaged(row.id);
    }
  }

  get size(): number {
    return this.#peers.size;
  }

  /** Another number whenever a peer's record has changed. */
  get writes(): number {
    return this.#peers.writes;
  }

  /** Highest GUID of a peer, 0 without one. */
  get maxGuid(): Guid {
    return this.#peers.last?.guid ?? 0;
  }

  get(guid: Guid): Peer | null {
    return this.#peers.get(guid) ?? null;
  }

  /** All peers, in ascending order of GUID. */
  peers(): Iterable<Peer> {
    return this.#peers.values();
  }

  /** All peers in ascending order of GUID. */
  sorted(): readonly Peer[] {
    return [...this.#peers.values()];
  }

  /** Peers on an arc of the ring, in ring order. */
  peersOn(range: Range): Iterable<Peer> {
    return this.#peers.onArc(range);
  }

  /** Peers that are not simply well, in ascending order of GUID. */
  restless(): Iterable<Peer> {
    return this.#peers.restless();
  }

  /** Whether {@link learn} would take anything from a record: what would not need not be checked. */
  isNews(member: Member): boolean {
    if (this.#departed.has(member.guid, member.incarnation)) return false;
    const known = this.#peers.get(member.guid) ?? this.#dropped.get(member.guid);
    return known === undefined || isNewer(member, known);
  }

  /**
   * Takes in what was told of a member: new ones, higher incarnations and later certificates. Over the limit nothing is added, and
   * a GUID never changes its key.
   */
  learn(member: Member, now: Millis): Learned {
    const known = this.#peers.get(member.guid);
    if (known) {
      if (known.publicKey !== member.publicKey) return 'refused';
      if (member.incarnation > known.incarnation) {
        const renewed = isRenewed(member, known) ? member.certificate : known.certificate;
        this.#write({ ...known, ...pickMember(member), certificate: renewed, ...this.#freshStart(known, member, now) });
        return 'updated';
      }
      return this.renew(member.guid, member.certificate) ? 'updated' : 'known';
    }
    const dropped = this.#dropped.get(member.guid);
    if (dropped && !isNewer(member, dropped)) return 'refused';
    if (this.#departed.has(member.guid, member.incarnation)) return 'refused';
    const before = this.#hostedAt(member.address);
    // A node that lost its storage has got a new GUID: who was there before is gone for good, and has left no key.
    if (before > member.guid) return 'refused';
    if (before > 0) this.drop(before);
    if (this.#peers.size >= ROSTER_MEMBERS_MAX) return 'full';
    this.#dropped.delete(member.guid);
    const fresh = { lastSeen: now, failures: 0, troubledSince: null, since: now, proved: this.#isHosted(member) };
    this.#write({ ...pickMember(member), ...fresh, state: this.#entryState(member) });
    return 'added';
  }

  /** A later certificate of a known peer. Returns whether it was one. */
  renew(guid: Guid, certificate: Certificate): boolean {
    const peer = this.#peers.get(guid);
    if (!peer || certificate.issuedAt <= peer.certificate.issuedAt) return false;
    this.#write({ ...peer, certificate });
    return true;
  }

  /** What a peer's own status said that it can do. */
  setCapabilities(guid: Guid, capabilities: readonly string[]): void {
    const peer = this.#peers.get(guid);
    if (!peer || peer.capabilities.join() === capabilities.join()) return;
    this.#write({ ...peer, capabilities });
  }

  /**
   * An authenticated sign of life. Only a change of state is stored: the time alone is not worth a row. `asPeer`: it told who it is, and
   * that it is one of this network.
   */
  seen(guid: Guid, now: Millis, asPeer = false): void {
    const peer = this.#peers.get(guid);
    if (!peer || peer.state === 'left') return;
    const proved = peer.proved || asPeer;
    const passed = this.#isHosted(peer) || (proved && now - peer.since >= this.#policy.probationMs);
    const state = passed ? 'alive' : 'probation';
    const well = { failures: 0, troubledSince: null, proved } as const;
    const next = { ...peer, ...well, state, lastSeen: Math.max(now, peer.lastSeen) } as const;
    if (state !== peer.state || peer.failures > 0 || proved !== peer.proved) this.#write(next);
    else this.#keep(next);
  }

  /**
   * A call that got no answer. Returns the state that the peer is in now, or null where it is unknown. What fails together
   * is one failure: under load a short outage makes dozens of calls fail. Who never proved to be there has no credit. `patience`:
   * failures more than usual before the peer is ignored.
   */
  failed(guid: Guid, now: Millis, patience = 0): PeerState | null {
    const peer = this.#peers.get(guid);
    if (!peer || peer.state === 'left') return peer?.state ?? null;
    if (now - (this.#failedAt.get(guid) ?? -Infinity) < FAILURE_WINDOW_MS) return peer.state;
    this.#failedAt.set(guid, now);
    const failures = peer.failures + 1;
    const isSpent = peer.state === 'ignored' || failures >= this.#policy.maxFailures + patience;
    const state = !peer.proved || isSpent ? 'ignored' : 'suspect';
    const next = { ...peer, state, failures, troubledSince: peer.troubledSince ?? now } as const;
    if (state !== peer.state || peer.troubledSince === null) this.#write(next);
    else this.#keep(next);
    return state;
  }

  /** A member said that it leaves. Returns whether it was there. */
  left(guid: Guid, incarnation: number, now: Millis): boolean {
    const peer = this.#peers.get(guid);
    if (!peer) this.#departed.note(guid, incarnation);
    if (!peer || incarnation < peer.incarnation) return false;
    const wasThere = peer.state !== 'left';
    // What is told of it later must be of a later life. It may have come back and left again, and nothing was heard of that.
    if (wasThere || incarnation > peer.incarnation)
      this.#write({ ...peer, state: 'left', incarnation, failures: 0, troubledSince: now });
    return wasThere;
  }

  /** Forgets a peer that turned out to be none; its record does not come back unchanged. */
  drop(guid: Guid): void {
    const peer = this.#peers.get(guid);
    if (!peer) return;
    this.#peers.delete(guid);
    this.#failedAt.delete(guid);
    if (this.#hosted?.get(peer.address) === guid) this.#hosted.delete(peer.address);
    this.#dirty.add(numberOf(guid));
    const oldest = this.#dropped.keys().next();
    if (this.#dropped.size >= DROPPED_MAX && !oldest.done) this.#dropped.delete(oldest.value);
    this.#dropped.set(guid, pickMember(peer));
  }

  /**
   * Deletes what has given no sign for GUID_TIMEOUT, and returns them. Who proved to be there: ignored, or gone, for so long. Who
   * did not: its certificate has run out, which a newcomer's does after GUID_TIMEOUT unless it gets another, so nobody is called.
   */
  prune(now: Millis): Peer[] {
    const gone = [...this.#peers.restless()].filter((peer) => {
      if (!peer.proved) return peer.certificate.expiresAt <= now;
      const isGone = peer.state === 'ignored' || peer.state === 'left';
      return isGone && now - (peer.troubledSince ?? now) >= this.#policy.guidTimeoutMs;
    });
    for (const { guid, state, incarnation } of gone) {
      if (state === 'left') this.#departed.note(guid, incarnation);
      this.drop(guid);
    }
    return gone;
  }

  /**
   * Peers of whom a later record would be welcome, in trouble or gone, at most `max`: those first that come first in the ring after `self`.
   */
  doubted(self: Guid, max: number): Doubt[] {
    const doubted: Doubt[] = [];
    const add = ({ guid, incarnation }: Member) => void doubted.push([guid, incarnation]);
    for (const peer of this.#peers.restless()) {
      if (peer.state === 'suspect' || peer.state === 'ignored' || peer.state === 'left') add(peer);
    }
    doubted.sort(([a], [b]) => down(self, a) - down(self, b));
    return doubted.slice(0, max);
  }

  /** Members with later incarnations than somebody knows. Only what can still be proved. */
  laterThan(doubts: readonly Doubt[], now: Millis): Member[] {
    return doubts.flatMap(([guid, incarnation]) => {
      const peer = this.#peers.get(guid);
      const isLater = peer && peer.state !== 'left' && peer.incarnation > incarnation;
      return isLater && peer.certificate.expiresAt > now ? [pickMember(peer)] : [];
    });
  }

  /** GUIDs on the arc that are not sent to for the moment, but have been there and have not left. */
  ignoredIn(range: Range): Guid[] {
    return [...this.#peers.onArc(range, 'restless')]
      .filter((peer) => peer.state === 'ignored' && peer.proved)
      .map((peer) => peer.guid);
  }

  /** GUIDs that have been there, have not left, and did not answer of late, in ascending order. */
  troubled(): Guid[] {
    const troubled = [...this.#peers.restless()].filter(
      (peer) => peer.proved && (peer.state === 'suspect' || peer.state === 'ignored'),
    );
    return troubled.map((peer) => peer.guid);
  }

  /** GUIDs known, `self` included, as intervals; cut off after the last that fits. */
  intervals(self: Guid): readonly Interval[] {
    const { changes } = this.#peers;
    if (this.#intervals?.self === self && this.#intervals.changes === changes) return this.#intervals.list;
    const list = this.#intervalsWith(self);
    this.#intervals = { self, changes, list };
    return list;
  }

  #intervalsWith(self: Guid): Interval[] {
    const intervals: [Guid, Guid][] = [];
    const add = ([first, last]: Interval) => {
      const before = intervals.at(-1);
      if (before && first <= before[1] + 1) before[1] = Math.max(before[1], last);
      else intervals.push([first, last]);
    };
    let isSelfIn = false;
    for (const run of this.#peers.runs()) {
      if (!isSelfIn && self <= run[1]) {
        isSelfIn = true;
        if (self < run[0]) add([self, self]);
      }
      add(run);
      if (intervals.length > SYNC_INTERVALS_MAX) break;
    }
    if (!isSelfIn) add([self, self]);
    return intervals.slice(0, SYNC_INTERVALS_MAX);
  }

  /** Members outside the intervals that another one knows, lowest GUIDs first, at most a page. Only what can still be proved. */
  missingFrom(have: readonly Interval[], now: Millis, max = MEMBERS_PAGE_MAX): { members: Member[]; more: boolean } {
    const members: Member[] = [];
    const [lowest, highest] = [this.#peers.first?.guid ?? 0, this.maxGuid];
    // As it is almost always: the other one knows all.
    if (have.some(([first, last]) => first <= lowest && highest <= last)) return { members, more: false };
    const sorted = [...have].sort((a, b) => a[0] - b[0]);
    let next = 0;
    for (const { peers } of this.#peers.blocks()) {
      const first = peers[0]?.guid ?? 0;
      while (next < sorted.length && (sorted[next]?.[1] ?? 0) < first) next++;
      const [from, to] = sorted[next] ?? [Infinity, Infinity];
      if (from <= first && (peers.at(-1)?.guid ?? 0) <= to) continue;
      for (const peer of peers) {
        while (next < sorted.length && (sorted[next]?.[1] ?? 0) < peer.guid) next++;
        if ((sorted[next]?.[0] ?? Infinity) <= peer.guid) continue;
        if (peer.state === 'left' || peer.certificate.expiresAt <= now) continue;
        if (members.length === max) return { members, more: true };
        members.push(pickMember(peer));
      }
    }
    return { members, more: false };
  }

  /** Peers by state. */
  counts(): Record<PeerState, number> {
    const counts = { probation: 0, alive: 0, suspect: 0, ignored: 0, left: 0 };
    for (const peer of this.#peers.values()) counts[peer.state]++;
    return counts;
  }

  /** Writes the blocks that changed. Called at the end of the transaction that changed them. */
  flush(): void {
    for (const number of this.#dirty) {
      const peers = this.#peers.inBlock(number);
      if (peers.length === 0) this.#table.delete(number);
      else this.#table.put(number, writeBlock(peers));
    }
    this.#dirty.clear();
  }

  /**
   * What a later incarnation of a peer starts with. At a new address it has everything to prove; at the same one it has come back, or it
   * refutes, and what it proved before counts: one answer makes it alive.
   */
  #freshStart(
    known: Peer,
    member: Member,
    now: Millis,
  ): Pick<Peer, 'state' | 'proved' | 'failures' | 'troubledSince' | 'since'> {
    const well = { failures: 0, troubledSince: null } as const;
    if (known.address !== member.address) {
      return { ...well, state: this.#entryState(member), proved: this.#isHosted(member), since: now };
    }
    const state = known.state === 'alive' ? 'alive' : this.#entryState(member);
    return { ...well, state, proved: known.proved, since: known.since };
  }

  #entryState(member: Member): PeerState {
    return this.#isHosted(member) ? 'alive' : 'probation';
  }

  #isHosted(member: Member): boolean {
    return member.address.startsWith(this.#policy.hostedPrefix);
  }

  /** GUID of this deployment's node at an address; 0 where there is none. */
  #hostedAt(address: string): Guid {
    if (!this.#hosted) {
      const hosted = [...this.#peers.values()].filter((peer) => this.#isHosted(peer));
      this.#hosted = new Map(hosted.map((peer) => [peer.address, peer.guid]));
    }
    return this.#hosted.get(address) ?? 0;
  }

  #write(peer: Peer): void {
    this.#dirty.add(numberOf(peer.guid));
    this.#keep(sharing(peer));
  }

  #keep(peer: Peer): void {
    const before = this.#peers.get(peer.guid);
    this.#peers.set(peer.guid, peer);
    if (before && before.address !== peer.address && this.#hosted?.get(before.address) === peer.guid) {
      this.#hosted.delete(before.address);
    }
    if (this.#isHosted(peer)) this.#hosted?.set(peer.address, peer.guid);
  }
}

/** Whether a peer in this state is sent to. */
export function isLive(state: PeerState): boolean {
  return state === 'alive' || state === 'probation' || state === 'suspect';
}
