// Stores of nodes that all know each other from the start. Their rosters are the same but for themselves, so they share the records: ten
// thousand nodes with ten thousand peers each would not fit into memory. A node that changes a record has a copy of its block from then on.
import type { ProtocolConfig } from '../src/protocol/config.ts';
import { Counters } from '../src/protocol/counters.ts';
import { CAPABILITIES } from '../src/protocol/limits.ts';
import { NodeState } from '../src/protocol/node-state.ts';
import { makeBlock, numberOf, type BlockReader, type PeerBlock } from '../src/protocol/peer-blocks.ts';
import type { NodeStore, TextTable } from '../src/protocol/store.ts';
import type { Certificate, Guid, Millis, Peer } from '../src/protocol/types.ts';
import { createMemoryNodeStore } from '../src/store/memory-store.ts';
import { HOSTED_PREFIX } from './plan.ts';
import { keyOf, sign } from './signing.ts';

const CERTIFICATE_MS = 7 * 86_400_000;

export class KnownNetwork {
  readonly #config: ProtocolConfig;
  readonly #now: Millis;
  readonly #blocks: readonly PeerBlock[];

  /** Nodes 1 to `nodes`, each with its slot for a GUID, all of one deployment and alive. */
  constructor(nodes: number, config: ProtocolConfig, now: Millis) {
    this.#config = config;
    this.#now = now;
    const byBlock = Map.groupBy(
      Array.from({ length: nodes }, (_, index) => this.#peer(index + 1)),
      ({ guid }) => numberOf(guid),
    );
    this.#blocks = [...byBlock].map(([number, peers]) => makeBlock(number, peers));
  }

  /** Reads the rows that {@link storeOf} gives: a row's body is the GUID of the node that reads, which is no peer of its own. */
  readonly readBlock: BlockReader = ({ id, body }) => {
    const block = this.#blocks[id];
    const self = Number(body);
    if (!block || numberOf(self) !== id) return block ?? null;
    return makeBlock(
      id,
      block.peers.filter(({ guid }) => guid !== self),
    );
  };

  /** A store of a node that has joined, knows all others, and has its next sync round at a moment. */
  storeOf(guid: Guid, syncAt: Millis): NodeStore {
    const store = { ...createMemoryNodeStore(), roster: this.#roster(guid) };
    const state = new NodeState(store, this.#config, new Counters(), this.readBlock);
    const { address, incarnation, certificate } = this.#peer(guid);
    state.setMembership({ guid, address, incarnation, certificate, networkKey: keyOf(0) });
    state.timers.set('sync', syncAt, this.#now);
    return store;
  }

  /** Nobody is started anew here, so what is written is not kept: ten thousand changed blocks of 40 KB would not fit either. */
  #roster(guid: Guid): TextTable {
    const body = String(guid);
    const blocks = this.#blocks;
    return {
      *all() {
        for (const { number, peers } of blocks) {
          if (peers.length > 1 || peers[0]?.guid !== guid) yield { id: number, body };
        }
      },
      put: () => undefined,
      delete: () => undefined,
    };
  }

  #certificate(): Certificate {
    return { issuedAt: this.#now, expiresAt: this.#now + CERTIFICATE_MS, signature: sign(keyOf(0), 'certificate') };
  }

  #peer(guid: Guid): Peer {
    const address = `${HOSTED_PREFIX}${guid}`;
    const publicKey = keyOf(guid);
    const known = { state: 'alive', lastSeen: this.#now, failures: 0, troubledSince: null, proved: true } as const;
    const said = { incarnation: 0, capabilities: CAPABILITIES, signature: sign(publicKey, address) };
    return { guid, address, publicKey, ...said, certificate: this.#certificate(), ...known, since: this.#now };
  }
}
