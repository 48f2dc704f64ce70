// A network that a script of bench/peers/ runs, as a contender: the script tells when a message is everywhere (bench/peers/under-way.mjs).
// It runs with the settings that its makers ship, and says in its own head where not.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { TooLarge, type Arrived, type Contender, type Sent } from './contender.ts';
import { usageOf } from './usage.ts';

const FOLDER = join(import.meta.dirname, '../peers');

/** Time that a script has to end what it started, milliseconds. */
const END_MS_MAX = 10_000;

/** What the script says. */
type Said =
  | { readonly ready: true; readonly pids: readonly number[] }
  | { readonly taken: string; readonly at: number }
  | { readonly refused: string; readonly why: string; readonly tooLarge: boolean }
  | { readonly all: string; readonly ms: number }
  | { readonly missing: number }
  | { readonly rested: true };

interface Waiting {
  readonly resolve: (sent: Sent) => void;
  readonly reject: (cause: Error) => void;
}

export class PeerProcess implements Contender {
  readonly name: string;
  readonly nodes: number;
  readonly #child: ChildProcess;
  readonly #ended: Promise<never>;
  #pids: ReadonlySet<number> = new Set();
  readonly #taken = new Map<string, Waiting>();
  readonly #everywhere = new Map<string, number>();
  #arrived: () => void = () => undefined;
  #ready: () => void = () => undefined;
  #counted: (missing: number) => void = () => undefined;
  #rested: () => void = () => undefined;
  #sent = 0;

  /** Installs the packages of bench/peers/ where they are not yet, and starts a script from there for N nodes. */
  protected constructor(name: string, script: string, nodes: number) {
    install();
    const args = [join(FOLDER, script), String(nodes)];
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.name = name;
    this.nodes = nodes;
    this.#child = child;
    this.#ended = new Promise((_, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => reject(new Error(`${name} ended with ${code ?? signal}`)));
    });
    // Whoever waits for something of the script is told; nobody may.
    this.#ended.catch(() => undefined);
    // What is written to a script that has ended is lost, which its end tells.
    child.stdin.on('error', () => undefined);
    createInterface({ input: child.stdout }).on('line', (line) => this.#hear(JSON.parse(line) as Said));
  }

  /** Resolves when all nodes are one network, at rest. */
  protected async started(): Promise<this> {
    await Promise.race([new Promise<void>((resolve) => (this.#ready = resolve)), this.#ended]);
    return this;
  }

  send(node: number, bytes: number): Promise<Sent> {
    const key = String(this.#sent++);
    const taken = new Promise<Sent>((resolve, reject) => this.#taken.set(key, { resolve, reject }));
    this.#write({ send: { node, bytes, key } });
    return Promise.race([taken, this.#ended]);
  }

  async arrivals(sent: readonly Sent[], withinMs: number): Promise<Arrived> {
    const until = Date.now() + withinMs;
    const isMissing = ({ key }: Sent) => !this.#everywhere.has(key);
    while (sent.some(isMissing) && Date.now() < until) {
      let timer: NodeJS.Timeout | undefined;
      const next = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, until - Date.now());
        this.#arrived = resolve;
      });
      await Promise.race([next, this.#ended]);
      clearTimeout(timer);
    }
    const usage = this.usage();
    const counted = new Promise<number>((resolve) => (this.#counted = resolve));
    const rested = new Promise<void>((resolve) => (this.#rested = resolve));
    this.#write({ count: sent.map(({ key }) => key) });
    const missing = await Promise.race([counted, this.#ended]);
    const times = sent.flatMap(({ key }) => this.#everywhere.get(key) ?? []);
    for (const { key } of sent) this.#everywhere.delete(key);
    await Promise.race([rested, this.#ended]);
    return { times, missing, usage };
  }

  usage() {
    return usageOf((pid) => this.#pids.has(pid));
  }

  /** The script ends what it started, and itself. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.stdin?.end();
    const late = sleep(END_MS_MAX, 'late', { ref: false });
    if ((await Promise.race([exit, late])) === 'late') {
      this.#child.kill('SIGKILL');
      await exit;
    }
  }

  #write(asked: object): void {
    this.#child.stdin?.write(`${JSON.stringify(asked)}\n`);
  }

  #hear(said: Said): void {
    if ('ready' in said) {
      this.#pids = new Set(said.pids);
      this.#ready();
    } else if ('taken' in said) {
      this.#answer(said.taken)?.resolve({ sentAt: said.at, key: said.taken });
    } else if ('refused' in said) {
      this.#answer(said.refused)?.reject(said.tooLarge ? new TooLarge(said.why) : new Error(said.why));
    } else if ('all' in said) {
      this.#everywhere.set(said.all, said.ms);
      this.#arrived();
    } else if ('missing' in said) {
      this.#counted(said.missing);
    } else {
      this.#rested();
    }
  }

  #answer(key: string): Waiting | undefined {
    const waiting = this.#taken.get(key);
    this.#taken.delete(key);
    return waiting;
  }
}

/** Their packages are their own: who only runs the project does not need them. */
function install(): void {
  const packages = ['libp2p', '@msgpack/msgpack'];
  if (packages.every((name) => existsSync(join(FOLDER, 'node_modules', name)))) return;
  process.stderr.write('bench: installing js-libp2p and msgpack (npm ci in bench/peers) …\n');
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: FOLDER, stdio: ['ignore', 2, 2] });
  if (status !== 0) throw new Error('the packages of bench/peers did not install; run without --peers');
}
