// js-libp2p GossipSub as a contender: bench/peers/gossipsub.mjs in a process of its own, which tells when a message is everywhere.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Arrived, Contender, Sent } from './contender.ts';
import { usageOf } from './usage.ts';

const FOLDER = join(import.meta.dirname, '../peers');

/** What the process says, see gossipsub.mjs. */
type Said =
  | { readonly ready: true }
  | { readonly taken: string; readonly at: number }
  | { readonly refused: string; readonly why: string }
  | { readonly all: string; readonly ms: number };

interface Waiting<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (cause: Error) => void;
}

export class GossipSub implements Contender {
  readonly name = 'GossipSub';
  readonly nodes: number;
  readonly #child: ChildProcess;
  readonly #taken = new Map<string, Waiting<Sent>>();
  readonly #everywhere = new Map<string, number>();
  #arrived: () => void = () => undefined;
  #sent = 0;

  private constructor(nodes: number, child: ChildProcess) {
    this.nodes = nodes;
    this.#child = child;
  }

  /** Installs the peers' packages where they are not yet, and starts N nodes, each of which has a mesh. */
  static async start(nodes: number): Promise<GossipSub> {
    install();
    const args = [join(FOLDER, 'gossipsub.mjs'), String(nodes)];
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const gossipsub = new GossipSub(nodes, child);
    await new Promise<void>((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`GossipSub ended with ${code}`)));
      createInterface({ input: child.stdout }).on('line', (line) => {
        const said = JSON.parse(line) as Said;
        if ('ready' in said) resolve();
        else gossipsub.#hear(said);
      });
    });
    return gossipsub;
  }

  send(node: number, bytes: number): Promise<Sent> {
    const key = String(this.#sent++);
    return new Promise((resolve, reject) => {
      this.#taken.set(key, { resolve, reject });
      this.#child.stdin?.write(`${JSON.stringify({ send: { node, bytes, key } })}\n`);
    });
  }

  async arrivals(sent: readonly Sent[], withinMs: number): Promise<Arrived> {
    const until = Date.now() + withinMs;
    const isMissing = ({ key }: Sent) => !this.#everywhere.has(key);
    while (sent.some(isMissing) && Date.now() < until) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, until - Date.now());
        this.#arrived = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    const times = sent.flatMap(({ key }) => this.#everywhere.get(key) ?? []);
    return { times, missing: sent.length - times.length, usage: this.usage() };
  }

  usage() {
    return usageOf((pid) => pid === this.#child.pid);
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL');
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
  }

  #hear(said: Exclude<Said, { ready: true }>): void {
    if ('taken' in said) this.#taken.get(said.taken)?.resolve({ sentAt: said.at, key: said.taken });
    else if ('refused' in said) this.#taken.get(said.refused)?.reject(new Error(said.why));
    else {
      this.#everywhere.set(said.all, said.ms);
      this.#arrived();
    }
  }
}

/** Its packages are its own: who only runs the project does not need them. */
function install(): void {
  if (existsSync(join(FOLDER, 'node_modules/libp2p'))) return;
  process.stderr.write('bench: installing js-libp2p (npm ci in bench/peers) …\n');
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: FOLDER, stdio: ['ignore', 2, 2] });
  if (status !== 0) throw new Error('js-libp2p did not install; run without --peers');
}
