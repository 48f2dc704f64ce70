// The boot node in a process of its own: the same rules over node:sqlite and an HTTP server. It hosts no nodes, so it brings announcements to
// members itself.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createApp } from '../api/app.ts';
import type { PeerClient } from '../api/peer-client.ts';
import { reasonOf } from '../protocol/reason.ts';
import { announcingFacade } from '../shell/announcing.ts';
import { bootGateway } from '../shell/boot-gateway.ts';
import { LiveBoot } from '../shell/live-boot.ts';
import { peerClient } from '../shell/outside.ts';
import { openSqlBootStore } from '../store/sql-boot-store.ts';
import { aloneAt, drained, REQUESTS_SHARE, type ServerOptions } from './alone.ts';
import { createCallOut } from './call-out.ts';
import { Deliverer } from './deliverer.ts';
import { JobTable } from './job-table.ts';
import { openPrivateSql, type NodeSql } from './node-sql.ts';
import { CLIENT_HEADER, serve, type Listening } from './server.ts';

/** As often as cron does it in a deployment: what a crash, or a queue that was full, left unannounced. */
const ANNOUNCE_MS = 60_000;

export class PeerBoot {
  readonly #options: ServerOptions;
  readonly #sql: NodeSql;
  readonly #table: JobTable;
  readonly #boot: LiveBoot;
  readonly #client: PeerClient;
  readonly #deliverer: Deliverer;
  readonly #announcing: ReturnType<typeof announcingFacade>;
  readonly #hangUp = new AbortController();
  #listening: Listening | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;

  private constructor(options: ServerOptions) {
    const { config, log, storageDir } = options;
    const pathOf = (file: string) => (storageDir === null ? ':memory:' : join(storageDir, file));
    this.#options = options;
    this.#sql = openPrivateSql(pathOf('boot.sqlite'), 'machine');
    // What a machine that crashed loses of the queue members hear of at sync.
    this.#table = new JobTable(openPrivateSql(pathOf('queue.sqlite'), 'process'));
    const boot = new LiveBoot({
      config,
      log,
      recentLogs: options.recentLogs,
      store: openSqlBootStore(this.#sql),
      ask: async () => ({ answers: new Map(), fault: null }),
    });
    this.#boot = boot;
    this.#announcing = announcingFacade(
      () => boot,
      (ms) => sleep(ms, undefined, { signal: this.#hangUp.signal }),
    );
    this.#client = peerClient(config, createCallOut(config.protocol.localPeers, this.#hangUp.signal));
    this.#deliverer = new Deliverer({
      table: this.#table,
      client: this.#client,
      log,
      sender: {
        caller: () => boot.caller(),
        reached: async () => undefined,
        report: () => Promise.reject(new Error('assertion failed: the boot node is told of nothing')),
        passedOver: (job) => boot.passedOver(job),
      },
    });
  }

  /** Starts a boot node. Rejects where it cannot listen, or where its storage was written by a newer version. */
  static async start(options: ServerOptions): Promise<PeerBoot> {
    const peer = new PeerBoot({ ...options, config: aloneAt(options.address, options.config, 0) });
    try {
      if (!peer.#boot.hasKey) await peer.#boot.makeKey();
      await peer.#boot.beginAlone();
      peer.#listening = await peer.#serve();
    } catch (cause) {
      peer.#close();
      throw cause;
    }
    peer.#deliverer.start();
    peer.#announce('announce');
    peer.#timer = setInterval(() => peer.#announce('announce'), ANNOUNCE_MS);
    return peer;
  }

  get port(): number {
    return this.#listening?.port ?? 0;
  }

  /** The network's key. */
  async networkKey(): Promise<string> {
    return (await this.#boot.status()).networkKey;
  }

  /** Ends in order, within about `withinMs`. What members were not told of then is told after the next start. */
  async stop(withinMs: number): Promise<void> {
    const until = Date.now() + withinMs;
    await this.#listening?.close(withinMs * REQUESTS_SHARE);
    await drained(() => this.#table.size > 0, until);
    this.#close();
  }

  #serve(): Promise<Listening> {
    const { config, host, port, address, proxyHeader, log } = this.#options;
    const boot = bootGateway({
      hasBeacon: false,
      boot: this.#boot,
      config,
      client: this.#client,
      announce: () => this.#announce('announcePatiently'),
    });
    const app = createApp({
      gateways: { boot, node: () => null, beacon: null },
      config: { ...config, clientAddressHeader: CLIENT_HEADER },
      log: (_node, ...line) => log(...line),
    });
    return serve({ fetch: (request) => app.fetch(request), host, port, address, proxyHeader });
  }

  #announce(how: 'announce' | 'announcePatiently'): void {
    this.#announcing[how](this.#deliverer.queue).catch((cause: unknown) => {
      if (this.#hangUp.signal.aborted) return;
      this.#options.log('announcement_failed', { reason: reasonOf(cause) });
    });
  }

  #close(): void {
    clearInterval(this.#timer);
    this.#hangUp.abort(new Error('the boot node has stopped'));
    this.#deliverer.halt();
    this.#table.close();
    this.#sql.close();
  }
}
