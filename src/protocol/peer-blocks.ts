// Peer records by GUID, held in the blocks in which they are stored. A block never changes, a change makes another one: so nodes of one
// process may share them. Whole blocks are passed over where nothing is to be done, which makes a look at a large roster cheap.
import { isAddress, isGuid } from './message.ts';
import type { TextRow } from './store.ts';
import { RING_SIZE } from './limits.ts';
import { sharing, textOfMember } from './shared-records.ts';
import type { Guid, Peer, PeerState, Range } from './types.ts';

/** GUIDs in one stored row: about 40 KB at 600 bytes each, far below the 2 MB of a row. */
const BLOCK_SIZE = 64;

const STATES: readonly PeerState[] = ['probation', 'alive', 'suspect', 'ignored', 'left'];

/** The peers with `floor(guid / BLOCK_SIZE) = number`: one or more, in ascending order of GUID. */
export interface PeerBlock {
  readonly number: number;
  readonly peers: readonly Peer[];
  /** Those of them that are not simply well: they may be probed, or deleted. */
  readonly restless: readonly Peer[];
}

/** Reads a stored row; null where it is damaged. */
export type BlockReader = (row: TextRow) => PeerBlock | null;

const NOBODY: readonly Peer[] = [];

export class PeerBlocks {
  /** In ascending order of their numbers. */
  readonly #blocks: PeerBlock[] = [];
  #size = 0;
  #changes = 0;
  #writes = 0;

  get size(): number {
    return this.#size;
  }

  /** How often a GUID came or went: what depends on the GUIDs alone is as it was as long as this is. */
  get changes(): number {
    return this.#changes;
  }

  /** How often a record was changed, came or went. */
  get writes(): number {
    return this.#writes;
  }

  /** The peer with the lowest GUID. */
  get first(): Peer | undefined {
    return this.#blocks[0]?.peers[0];
  }

  /** The peer with the highest GUID. */
  get last(): Peer | undefined {
    return this.#blocks.at(-1)?.peers.at(-1);
  }

  get(guid: Guid): Peer | undefined {
    const block = this.#blocks[this.#indexOf(numberOf(guid))];
    return block?.number === numberOf(guid) ? block.peers[placeOf(block.peers, guid)] : undefined;
  }

  set(guid: Guid, peer: Peer): void {
    this.#writes++;
    const number = numberOf(guid);
    const index = this.#indexOf(number);
    const block = this.#blocks[index];
    if (block?.number !== number) {
      this.#blocks.splice(index, 0, makeBlock(number, [peer]));
      this.#resize(1);
      return;
    }
    const place = placeOf(block.peers, guid);
    if (place >= 0) this.#blocks[index] = makeBlock(number, block.peers.with(place, peer));
    else {
      this.#blocks[index] = makeBlock(number, block.peers.toSpliced(~place, 0, peer));
      this.#resize(1);
    }
  }

  delete(guid: Guid): void {
    this.#writes++;
    const number = numberOf(guid);
    const index = this.#indexOf(number);
    const block = this.#blocks[index];
    const place = block?.number === number ? placeOf(block.peers, guid) : -1;
    if (!block || place < 0) return;
    if (block.peers.length === 1) this.#blocks.splice(index, 1);
    else this.#blocks[index] = makeBlock(number, block.peers.toSpliced(place, 1));
    this.#resize(-1);
  }

  /** Takes in a block as it was stored. */
  adopt(block: PeerBlock): void {
    this.#writes++;
    const index = this.#indexOf(block.number);
    const before = this.inBlock(block.number).length;
    this.#blocks.splice(index, before > 0 ? 1 : 0, block);
    this.#resize(block.peers.length - before);
  }

  /** Peers of one block in ascending order of GUID. */
  inBlock(number: number): readonly Peer[] {
    const block = this.#blocks[this.#indexOf(number)];
    return block?.number === number ? block.peers : NOBODY;
  }

  /** All blocks, in ascending order. */
  blocks(): Iterable<PeerBlock> {
    return this.#blocks;
  }

  /** All peers in ascending order of GUID. */
  *values(): Generator<Peer> {
    for (const { peers } of this.#blocks) yield* peers;
  }

  /** Peers in trouble, not proved or not past probation, and those that have left, in ascending order of GUID. */
  *restless(): Generator<Peer> {
    for (const { restless } of this.#blocks) yield* restless;
  }

  /** GUIDs that follow each other without a gap, in ascending order; runs may touch. */
  *runs(): Generator<readonly [first: Guid, last: Guid]> {
    for (const { peers } of this.#blocks) {
      const [first, last] = [peers[0]?.guid ?? 0, peers.at(-1)?.guid ?? 0];
      if (last - first < peers.length) yield [first, last];
      else for (const { guid } of peers) yield [guid, guid];
    }
  }

  /** Peers on an arc in ring order, all or the restless. Walks over no others. */
  *onArc({ from, to }: Range, which: 'peers' | 'restless' = 'peers'): Generator<Peer> {
    if (from > to) yield* this.#downwards(from, to, which);
    else if (from < to) {
      yield* this.#downwards(from, -1, which);
      yield* this.#downwards(RING_SIZE, to, which);
    }
  }

  #resize(by: number): void {
    this.#size += by;
    this.#changes++;
  }

  /** Peers from `first` downwards, `end` not included. */
  *#downwards(first: Guid, end: number, which: 'peers' | 'restless'): Generator<Peer> {
    let index = Math.min(this.#indexOf(numberOf(first)), this.#blocks.length - 1);
    for (; index >= 0; index--) {
      const block = this.#blocks[index];
      if (!block || block.number < numberOf(end)) return;
      const peers = block[which];
      for (let place = peers.length - 1; place >= 0; place--) {
        const peer = peers[place];
        if (!peer || peer.guid > first) continue;
        if (peer.guid <= end) return;
        yield peer;
      }
    }
  }

  /** Index of the block with this number, or of the first after it. */
  #indexOf(number: number): number {
    let low = 0;
    let high = this.#blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#blocks[middle]?.number ?? Infinity) < number) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Number of the block that a GUID is stored in. */
export function numberOf(guid: Guid): number {
  return Math.floor(guid / BLOCK_SIZE);
}

/** Text of a stored row. */
export function writeBlock(peers: readonly Peer[]): string {
  return `[${peers.map(textOf).join()}]`;
}

/** What the peer says of itself was written before, of a block's sixty-four hardly ever more than one is new. */
function textOf(peer: Peer): string {
  const { state, lastSeen, failures, troubledSince, proved, since } = peer;
  const opinion = JSON.stringify({ state, lastSeen, failures, troubledSince, proved, since });
  return `${textOfMember(peer).slice(0, -1)},${opinion.slice(1)}`;
}

/** Reads a stored row, checking what the code depends on; null where it is damaged. */
export function readBlock({ id, body }: TextRow): PeerBlock | null {
  try {
    const peers = JSON.parse(body) as unknown;
    if (!Array.isArray(peers) || peers.length === 0) return null;
    const sound = (peers as Partial<Peer>[]).every(
      (peer, index) =>
        isGuid(peer.guid) &&
        numberOf(peer.guid) === id &&
        peer.guid > ((peers as Partial<Peer>[])[index - 1]?.guid ?? -1) &&
        isAddress(peer.address) &&
        Number.isFinite(peer.certificate?.expiresAt) &&
        STATES.some((state) => state === peer.state),
    );
    return sound ? makeBlock(id, (peers as Peer[]).map(sharing)) : null;
  } catch {
    return null;
  }
}

/** A block of these peers, which are in ascending order of GUID. */
export function makeBlock(number: number, peers: readonly Peer[]): PeerBlock {
  const restless = peers.every(isAtRest) ? NOBODY : peers.filter((peer) => !isAtRest(peer));
  return { number, peers, restless };
}

function isAtRest({ state, proved, failures }: Peer): boolean {
  return state === 'alive' && proved && failures === 0;
}

/** Index of a GUID; where it is not there, the complement of the index where it belongs. */
function placeOf(peers: readonly Peer[], guid: Guid): number {
  let low = 0;
  let high = peers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((peers[middle]?.guid ?? Infinity) < guid) low = middle + 1;
    else high = middle;
  }
  return peers[low]?.guid === guid ? low : ~low;
}
