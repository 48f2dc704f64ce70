// The bare fan-out as a contender, see bench/bare/worker.ts.
import { join } from 'node:path';
import { bundleWorker, startLocalNetwork, type LocalNetwork } from '../../src/cli/local-network.ts';
import { freePort } from '../../src/cli/ports.ts';
import { Gate } from './gate.ts';
import type { Arrived, Contender, Sent } from './contender.ts';
import { childrenNamed, usageOf } from './usage.ts';

const PROJECT = join(import.meta.dirname, '../bare');

export class Bare implements Contender {
  readonly name: string;
  readonly nodes: number;
  readonly #network: LocalNetwork;
  readonly #pids: ReadonlySet<number>;
  /** Answers under way, which tell when all have the message. */
  readonly #answers = new Map<string, Promise<number>>();
  readonly #isBatched: boolean;
  readonly #gate = new Gate();
  #sent = 0;

  private constructor(nodes: number, network: LocalNetwork, pids: ReadonlySet<number>, isBatched = false) {
    this.name = isBatched ? 'bare fan-out, batched' : 'bare fan-out';
    this.#isBatched = isBatched;
    this.nodes = nodes;
    this.#network = network;
    this.#pids = pids;
  }

  /** All objects are awake, and have stored a row each. */
  static async start(nodes: number): Promise<Bare> {
    const before = childrenNamed('workerd');
    const network = await startLocalNetwork({
      nodes,
      host: '127.0.0.1',
      port: await freePort('127.0.0.1', 0),
      storageDir: null,
      vars: {},
      onLog: ({ text }) => void process.stderr.write(`bare: ${text}\n`),
      bundle: await bundleWorker(PROJECT),
      projectDir: PROJECT,
    });
    const bare = new Bare(nodes, network, childrenNamed('workerd', before));
    const first = await bare.send(1, 1);
    const second = await bare.send(2, 1);
    await bare.arrivals([first, second], 60_000);
    return bare;
  }

  /** The same objects, but messages of all originators go through one, which sends what came meanwhile together, as our queue's consumer does. */
  batched(): Contender {
    return new Bare(this.nodes, this.#network, this.#pids, true);
  }

  async send(node: number, bytes: number): Promise<Sent> {
    const [sentAt, key] = [Date.now(), String(this.#sent++)];
    this.#answers.set(key, this.#post(node, ['x'.repeat(bytes)]));
    return { sentAt, key };
  }

  async sendTogether(node: number, bytes: number, indexes: readonly number[]): Promise<Sent[]> {
    const sentAt = Date.now();
    const at = this.#post(
      node,
      indexes.map(() => 'x'.repeat(bytes)),
    );
    return indexes.map(() => {
      const key = String(this.#sent++);
      this.#answers.set(key, at);
      return { sentAt, key };
    });
  }

  /** Resolves with the time at which the last of the others had all of them. */
  #post(node: number, bodies: readonly string[]): Promise<number> {
    const url = `${this.#network.url}/n/${this.#isBatched ? 0 : node}`;
    const answer = this.#gate.through(() => fetch(url, { method: 'POST', body: JSON.stringify(bodies) }));
    const at = answer.then(async (response) => ((await response.json()) as { at: number }).at);
    // Looked at when arrivals are asked for.
    at.catch(() => undefined);
    return at;
  }

  async arrivals(sent: readonly Sent[], withinMs: number): Promise<Arrived> {
    const late = new Promise<number>((resolve) => setTimeout(resolve, withinMs, Infinity).unref());
    const times = await Promise.all(
      sent.map(async ({ sentAt, key }) => {
        const at = await Promise.race([this.#answers.get(key) ?? late, late]);
        this.#answers.delete(key);
        return at - sentAt;
      }),
    );
    const reached = times.filter((time) => time !== Infinity);
    return { times: reached, missing: (times.length - reached.length) * this.nodes, usage: this.usage() };
  }

  usage() {
    return usageOf((pid) => this.#pids.has(pid));
  }

  stop(): Promise<void> {
    return this.#network.dispose();
  }
}
