// js-libp2p GossipSub as a contender: bench/peers/gossipsub.mjs in a process of its own.
import { PeerProcess } from './peer-process.ts';

export class GossipSub extends PeerProcess {
  /** It keeps all nodes in one process: more than these it does not start within minutes (measured at 2 cores). */
  static readonly NODES_MAX = 64;

  /** N nodes, each of which has a mesh. */
  static start(nodes: number): Promise<GossipSub> {
    return new GossipSub('GossipSub', 'gossipsub.mjs', nodes).started();
  }
}
