// Serf as a contender, where its program is installed: bench/peers/serf.mjs, which runs a process of it a node.
import { spawnSync } from 'node:child_process';
import { PeerProcess } from './peer-process.ts';

export class Serf extends PeerProcess {
  /** 256 agents did not come together within minutes on 2 cores, and even when idle they would take one from what is measured beside them. */
  static readonly NODES_MAX = 64;

  /** Whether there is a program `serf` on the PATH that runs. */
  static installed(): boolean {
    return spawnSync('serf', ['version'], { stdio: 'ignore' }).status === 0;
  }

  /** N agents that all know each other. */
  static start(nodes: number): Promise<Serf> {
    return new Serf('Serf', 'serf.mjs', nodes).started();
  }
}
