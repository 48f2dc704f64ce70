// Several nodes on servers of their own (`pychain node`), which can be killed and started again where they were.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../src/cli/ports.ts';
import { NEIGHBOURLY } from './deployments.ts';
import { startNode, type NodeProcess } from './node-process.ts';

const HOST = '127.0.0.1';

interface Server {
  readonly host: string;
  readonly port: number;
  process: NodeProcess;
}

export class Peers {
  readonly #boot: string;
  readonly #vars: Readonly<Record<string, string>>;
  readonly #folder = mkdtempSync(join(tmpdir(), 'pychain-peers-'));
  readonly #servers: Server[] = [];

  private constructor(boot: string, vars: Readonly<Record<string, string>>) {
    this.#boot = boot;
    this.#vars = { ...NEIGHBOURLY, LOG_LEVEL: 'ERROR', ...vars };
  }

  /** Starts `count` of them, which join the network of that boot node; all have joined. */
  static async start(count: number, boot: string, vars: Readonly<Record<string, string>>): Promise<Peers> {
    const peers = new Peers(boot, vars);
    try {
      for (let index = 0; index < count; index++) {
        peers.#servers.push(await peers.#runAnywhere(index, HOST));
      }
      await Promise.all(peers.#servers.map((server) => server.process.joined));
      return peers;
    } catch (cause) {
      await peers.stop();
      throw cause;
    }
  }

  /** In order of their start. */
  get urls(): string[] {
    return this.#servers.map((server) => server.process.url);
  }

  /** What they wrote to standard error. */
  get trouble(): string[] {
    return this.#servers.map((server) => server.process.trouble()).filter((text) => text !== '');
  }

  /** Sends SIGKILL to one, counted from 0, and resolves when it is gone. */
  async kill(index: number): Promise<void> {
    await this.#at(index).process.end('SIGKILL');
  }

  /** Starts one again that was killed; it has its GUID. */
  async restart(index: number): Promise<void> {
    const server = this.#at(index);
    server.process = await this.#run(index, server.host, server.port);
    await server.process.joined;
  }

  /** Ends one, does something meanwhile, and starts it at another loopback address and port; gives its GUID. */
  async move(index: number, host: string, meanwhile: () => Promise<void>): Promise<number> {
    await this.#at(index).process.end('SIGTERM');
    await meanwhile();
    const moved = await this.#runAnywhere(index, host);
    this.#servers[index] = moved;
    return await moved.process.joined;
  }

  /** Kills all that run, and forgets what they kept. */
  async stop(): Promise<void> {
    // One that has ended already cannot be ended again.
    await Promise.all(this.#servers.map((server) => server.process.end('SIGKILL').catch(() => undefined)));
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #runAnywhere(index: number, host: string): Promise<Server> {
    const port = await freePort(host, 0);
    return { host, port, process: await this.#run(index, host, port) };
  }

  #run(index: number, host: string, port: number): Promise<NodeProcess> {
    return startNode({ boot: this.#boot, host, port, folder: join(this.#folder, String(index)), vars: this.#vars });
  }

  #at(index: number): Server {
    const server = this.#servers[index];
    if (!server) throw new Error(`there is no peer ${index}`);
    return server;
  }
}
