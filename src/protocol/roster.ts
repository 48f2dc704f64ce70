// The roster: everything a node knows of its peers, and the only writer of peer records. Kept in memory, stored in blocks of
// GUIDs, one row a block: a thousand new peers cost sixteen rows, not a thousand.
import { CAPABILITIES_MAX, MEMBERS_PAGE_MAX, ROSTER_MEMBERS_MAX, SYNC_INTERVALS_MAX } from './limits.ts';
import { isAddress, isGuid, isObject } from './message.ts';
import type { TextTable } from './store.ts';
import type { Interval } from './sync.ts';
import { inRange, type Candidate } from './tree.ts';
import type { Guid, JsonValue, Member, Millis, Peer, PeerState, Range } from './types.ts';

/** GUIDs in one stored row: about 16 KB at 250 bytes each, far below the 2 MB of a row. */
const BLOCK_SIZE = 64;

/** Failures of one peer within this time count once (guess: longer than the queue takes to give several jobs up). */
const FAILURE_WINDOW_MS = 5_000;

const STATES: readonly PeerState[] = ['probation', 'alive', 'suspect', 'ignored', 'left'];

/** When a newcomer is trusted: at once where it is one of this deployment's own, after probation else. */
export interface RosterPolicy {
  readonly maxFailures: number;
  readonly probationMs: Millis;
  readonly hostedPrefix: string;
}

export class Roster {
  readonly #table: TextTable;
  readonly #policy: RosterPolicy;
  readonly #peers = new Map<Guid, Peer>();
  readonly #dirty = new Set<number>();
  readonly #failedAt = new Map<Guid, Millis>();
  #maxGuid: Guid = 0;
  /** GUIDs in ascending order; null after an addition. */
  #order: readonly Guid[] | null = null;

  /** Reads the stored blocks. A damaged block is left out and handed to `damaged`: sync brings its members again. */
  constructor(table: TextTable, policy: RosterPolicy, damaged: (block: number) => void) {
    this.#table = table;
    this.#policy = policy;
    for (const row of table.all()) {
      const peers = decodeBlock(row.body);
      if (!peers) damaged(row.id);
      for (const peer of peers ?? []) this.#keep(peer);
    }
  }

  get size(): number {
    return this.#peers.size;
  }

  /** Highest GUID of a peer, 0 without one. */
  get maxGuid(): Guid {
    return this.#maxGuid;
  }

  get(guid: Guid): Peer | null {
    return this.#peers.get(guid) ?? null;
  }

  /** All peers in ascending order of GUID. */
  sorted(): readonly Peer[] {
    this.#order ??= [...this.#peers.keys()].sort((a, b) => a - b);
    return this.#order.flatMap((guid) => this.#peers.get(guid) ?? []);
  }

  /**
   * Takes in what was told of a member: new ones and higher incarnations. Returns whether anything changed. Who may be
   * believed is the caller's business; over the limit nothing is added.
   */
  learn(member: Member, now: Millis): 'added' | 'updated' | 'known' | 'full' {
    const known = this.#peers.get(member.guid);
    if (known) {
      if (member.incarnation <= known.incarnation) return 'known';
      this.#write({ ...known, ...pickMember(member), state: this.#entryState(member), failures: 0 });
      return 'updated';
    }
    if (this.#peers.size >= ROSTER_MEMBERS_MAX) return 'full';
    this.#write({ ...pickMember(member), state: this.#entryState(member), lastSeen: now, failures: 0, since: now });
    return 'added';
  }

  /** An authenticated sign of life. Only a change of state is stored: the time alone is not worth a row. */
  seen(guid: Guid, now: Millis): void {
    const peer = this.#peers.get(guid);
    if (!peer || peer.state === 'left') return;
    const passed = this.#isHosted(peer) || now - peer.since >= this.#policy.probationMs;
    const state = passed ? 'alive' : 'probation';
    const next = { ...peer, state, failures: 0, lastSeen: Math.max(now, peer.lastSeen) } as const;
    if (state !== peer.state || peer.failures > 0) this.#write(next);
    else this.#keep(next);
  }

  /**
   * A call that got no answer. Returns the state that the peer is in now, or null where it is unknown. What fails together
   * is one failure: under load a short outage makes dozens of calls fail.
   */
  failed(guid: Guid, now: Millis): PeerState | null {
    const peer = this.#peers.get(guid);
    if (!peer || peer.state === 'left') return peer?.state ?? null;
    if (now - (this.#failedAt.get(guid) ?? -Infinity) < FAILURE_WINDOW_MS) return peer.state;
    this.#failedAt.set(guid, now);
    const failures = peer.failures + 1;
    const state = failures >= this.#policy.maxFailures ? 'ignored' : 'suspect';
    if (state !== peer.state) this.#write({ ...peer, state, failures });
    else this.#keep({ ...peer, failures });
    return state;
  }

  /**
   * Peers that messages are sent to, in no particular order. Until peers outside this deployment can be called (signed
   * HTTP), those are its own nodes.
   */
  candidates(now: Millis): Candidate[] {
    const candidates: Candidate[] = [];
    for (const peer of this.#peers.values()) {
      if (!isLive(peer.state) || !this.#isHosted(peer)) continue;
      candidates.push({ guid: peer.guid, trusted: this.#isTrusted(peer, now) });
    }
    return candidates;
  }

  /** Whether a peer is sent to. */
  isReachable(guid: Guid): boolean {
    const peer = this.#peers.get(guid);
    return peer !== undefined && isLive(peer.state) && this.#isHosted(peer);
  }

  /** GUIDs on the arc that are not sent to for the moment, but have not left. */
  ignoredIn(range: Range): Guid[] {
    return [...this.#peers.values()]
      .filter((peer) => peer.state === 'ignored' && inRange(range, peer.guid))
      .map((peer) => peer.guid);
  }

  /** GUIDs known, `self` included, as intervals; cut off after the last that fits. */
  intervals(self: Guid): Interval[] {
    const intervals: [Guid, Guid][] = [];
    const guids = [...this.sorted().map((peer) => peer.guid), self].sort((a, b) => a - b);
    for (const guid of guids) {
      const last = intervals.at(-1);
      if (last && guid <= last[1] + 1) last[1] = guid;
      else if (intervals.length < SYNC_INTERVALS_MAX) intervals.push([guid, guid]);
      else break;
    }
    return intervals;
  }

  /** Members outside the intervals that another one knows, lowest GUIDs first, at most a page. */
  missingFrom(have: readonly Interval[]): { members: Member[]; more: boolean } {
    const members: Member[] = [];
    const sorted = [...have].sort((a, b) => a[0] - b[0]);
    let next = 0;
    for (const peer of this.sorted()) {
      while (next < sorted.length && (sorted[next]?.[1] ?? 0) < peer.guid) next++;
      if ((sorted[next]?.[0] ?? Infinity) <= peer.guid) continue;
      if (peer.state === 'left') continue;
      if (members.length === MEMBERS_PAGE_MAX) return { members, more: true };
      members.push(pickMember(peer));
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
    if (this.#dirty.size === 0) return;
    const bodies = new Map<number, Peer[]>([...this.#dirty].map((block) => [block, []]));
    for (const peer of this.sorted()) bodies.get(Math.floor(peer.guid / BLOCK_SIZE))?.push(peer);
    for (const [block, peers] of bodies) this.#table.put(block, JSON.stringify(peers));
    this.#dirty.clear();
  }

  #entryState(member: Member): PeerState {
    return this.#isHosted(member) || this.#policy.probationMs === 0 ? 'alive' : 'probation';
  }

  #isHosted(member: Member): boolean {
    return member.address.startsWith(this.#policy.hostedPrefix);
  }

  #isTrusted(peer: Peer, now: Millis): boolean {
    return peer.state === 'alive' || (peer.state === 'probation' && now - peer.since >= this.#policy.probationMs);
  }

  #write(peer: Peer): void {
    this.#dirty.add(Math.floor(peer.guid / BLOCK_SIZE));
    this.#keep(peer);
  }

  #keep(peer: Peer): void {
    if (!this.#peers.has(peer.guid)) this.#order = null;
    this.#peers.set(peer.guid, peer);
    this.#maxGuid = Math.max(this.#maxGuid, peer.guid);
  }
}

/** Whether a peer in this state is sent to. */
export function isLive(state: PeerState): boolean {
  return state === 'alive' || state === 'probation' || state === 'suspect';
}

/** The part of a peer record that is told to others. */
export function pickMember(member: Member): Member {
  const { guid, address, publicKey, incarnation, capabilities } = member;
  return { guid, address, publicKey, incarnation, capabilities };
}

/** Reads a member from untrusted JSON (snake_case, as on the wire); null where it is malformed. */
export function readMember(value: JsonValue | undefined): Member | null {
  if (!isObject(value)) return null;
  const { guid, address, public_key: publicKey, incarnation, capabilities } = value;
  if (!isGuid(guid) || guid === 0 || !isAddress(address)) return null;
  if (typeof publicKey !== 'string' || publicKey.length !== 43) return null;
  if (typeof incarnation !== 'number' || !Number.isSafeInteger(incarnation) || incarnation < 0) return null;
  if (!Array.isArray(capabilities) || capabilities.length > CAPABILITIES_MAX) return null;
  const names = (capabilities as readonly JsonValue[]).filter((name) => typeof name === 'string' && name.length <= 32);
  return { guid, address, publicKey, incarnation, capabilities: names as string[] };
}

/** A member as JSON (snake_case): what announcements carry. */
export function writeMember(member: Member): { [key: string]: JsonValue } {
  const { guid, address, publicKey, incarnation, capabilities } = member;
  return { guid, address, public_key: publicKey, incarnation, capabilities: [...capabilities] };
}

function decodeBlock(body: string): Peer[] | null {
  try {
    const peers = JSON.parse(body) as unknown;
    if (!Array.isArray(peers)) return null;
    const sound = (peers as Partial<Peer>[]).every(
      (peer) => isGuid(peer.guid) && isAddress(peer.address) && STATES.some((state) => state === peer.state),
    );
    return sound ? (peers as Peer[]) : null;
  } catch {
    return null;
  }
}
