// A node that has a process of its own: the same machine over node:sqlite, an HTTP server, timers, and a queue in a file.
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createNodeApp } from '../api/app.ts';
import { JoinClient } from '../api/join-client.ts';
import type { PeerClient } from '../api/peer-client.ts';
import type { NodeStatus } from '../api/ports.ts';
import type { Config } from '../config.ts';
import type { Origination, Taken } from '../protocol/effects.ts';
import { reasonOf } from '../protocol/reason.ts';
import type { NodeStore } from '../protocol/store.ts';
import type { Guid } from '../protocol/types.ts';
import { sendJobs } from '../queue/producer.ts';
import { beaconElsewhere } from '../shell/beacon-elsewhere.ts';
import { bootElsewhere } from '../shell/boot-elsewhere.ts';
import { giveToHandler, type Handle } from '../shell/handler-client.ts';
import { readIdentity, renewIdentity } from '../shell/identity.ts';
import { LiveNode } from '../shell/live-node.ts';
import { nodeGateway } from '../shell/node-calls.ts';
import type { Outlets } from '../shell/node-effects.ts';
import { peerClient } from '../shell/outside.ts';
import { openSqlNodeStore } from '../store/sql-node-store.ts';
import { Alarm } from './alarm.ts';
import { aloneAt, drained, REQUESTS_SHARE, type ServerOptions } from './alone.ts';
import { createCallOut } from './call-out.ts';
import { Deliverer } from './deliverer.ts';
import { JobTable } from './job-table.ts';
import { openPrivateSql, type NodeSql } from './node-sql.ts';
import { SeedClients, type StandIn } from './seed-clients.ts';
import { CLIENT_HEADER, serve, type Listening } from './server.ts';

/** Meta key: `on` where the node left because its process was told to end: the next start brings it back. */
const LEFT_ON_EXIT = 'left_on_exit';

/** How often it is looked whether it has joined. */
const JOIN_POLL_MS = 50;

export interface PeerOptions extends ServerOptions {
  /** URL of the boot node. */
  readonly boot: string;
  /** Takes the node's messages, in place of the webhook of the configuration. */
  readonly handle?: Handle;
  /** Where others in this process pass the node its requests: its path in `address`. It does not listen then. */
  readonly base?: string;
  /** Clients of the original are let in, see seed-clients.ts: the bare host under which they reach this process, and their port. */
  readonly seed?: { readonly host: string; readonly port: number };
}

export interface StopOptions {
  /** Tells the others that it leaves, until the next start. */
  readonly leave: boolean;
  readonly withinMs: number;
}

export class PeerNode {
  readonly #options: PeerOptions;
  readonly #sql: NodeSql;
  readonly #store: NodeStore;
  readonly #table: JobTable;
  readonly #node: LiveNode;
  readonly #alarm: Alarm;
  readonly #deliverer: Deliverer;
  readonly #hangUp = new AbortController();
  readonly #app: ReturnType<typeof createNodeApp>;
  #listening: Listening | null = null;
  #clients: SeedClients | null = null;
  #alarmsSet = 0;

  private constructor(options: PeerOptions, open: Awaited<ReturnType<typeof openStorage>>) {
    const { config, log, boot } = options;
    this.#options = options;
    this.#sql = open.sql;
    this.#store = open.store;
    this.#table = open.table;
    const stop = this.#hangUp.signal;
    const { protocol, joinToken } = config;
    const { network } = protocol;
    // Where the boot node is, is the operator's word, and may be in a network of the operator's.
    const callBoot = createCallOut(true, stop);
    const joins = new JoinClient({
      boot,
      network,
      policy: protocol,
      joinToken,
      fetch: callBoot,
      now: () => Date.now(),
    });
    const client = peerClient(config, createCallOut(protocol.localPeers, stop));
    const beaconUrl = beaconOf(config, boot);
    this.#alarm = new Alarm(
      () => this.#node.alarm(),
      (cause) => log('alarm_failed', { reason: reasonOf(cause) }),
    );
    this.#node = new LiveNode(
      {
        store: this.#store,
        config,
        log,
        recentLogs: options.recentLogs,
        outlets: (node) => ({
          ...this.#outlets(node, client, joins),
          // Where it is, is the operator's word, as with the boot node.
          tellBeacon: beaconUrl === null ? null : beaconElsewhere(node, beaconUrl, callBoot),
        }),
        handle: options.handle ?? webhookOf(config, stop),
        setAlarm: (at) => {
          this.#alarmsSet++;
          this.#alarm.set(at);
        },
        alarmsSet: () => this.#alarmsSet,
        keep: () => undefined,
      },
      open.identity,
    );
    const node = this.#node;
    this.#app = createNodeApp({
      node: nodeGateway(node, (request) => node.stream(request)),
      base: options.base ?? '',
      config: { ...config, clientAddressHeader: CLIENT_HEADER },
      log: (_node, ...line) => log(...line),
    });
    this.#deliverer = new Deliverer({
      table: this.#table,
      client,
      log,
      sender: {
        caller: async () => node.caller(),
        reached: (guid) => node.reached([guid]),
        report: (_from, legs) => node.undeliverable(legs, 'no answer'),
        passedOver: () => null,
      },
    });
  }

  /** Starts a node. Rejects where it cannot listen, or where its storage was written by a newer version. */
  static async start(options: PeerOptions): Promise<PeerNode> {
    const peer = new PeerNode(
      { ...options, config: aloneAt(options.address, options.config, 1) },
      await openStorage(options),
    );
    try {
      // First, since the boot node calls back whoever joins.
      if (options.base === undefined) peer.#listening = await peer.#listen();
      await peer.#begin();
      await peer.#letClientsIn();
    } catch (cause) {
      await peer.#listening?.close(0);
      await peer.#clients?.stop({ leave: false, withinMs: 0 });
      peer.#close();
      throw cause;
    }
    return peer;
  }

  get port(): number {
    return this.#listening?.port ?? 0;
  }

  status(): Promise<NodeStatus> {
    return this.#node.status();
  }

  /** Its GUID, as soon as it has one. Rejects with the signal's reason. */
  async joined(signal?: AbortSignal): Promise<Guid> {
    for (;;) {
      signal?.throwIfAborted();
      const { guid } = await this.status();
      if (guid !== null) return guid;
      await sleep(JOIN_POLL_MS);
    }
  }

  /**
   * Ends in order, within about `withinMs`: no request is taken any more, and what is owed is handed over and delivered as far as there is
   * time. What is cut off then is in the files, and goes out after the next start, as after a crash.
   */
  async stop({ leave, withinMs }: StopOptions): Promise<void> {
    const until = Date.now() + withinMs;
    const unheard = this.#listening?.close(withinMs * REQUESTS_SHARE);
    const clients = this.#clients?.stop({ leave, withinMs });
    // They would not end before their time.
    this.#node.endStreams();
    await unheard;
    if (leave) await this.#leave();
    await drained(() => this.#isOwing(), until);
    await clients;
    await Promise.race([this.#node.departing, sleep(until - Date.now(), undefined, { ref: false })]);
    this.#close();
  }

  async #begin(): Promise<void> {
    this.#deliverer.start();
    await this.#comeBack();
    // What a crash left to be handed over need not wait for the next round.
    this.#node.running().submit({ type: 'wake' });
  }

  /** Answers a request that was made to `address`. `caller`: where it came from. */
  async fetch(request: Request, caller: string | null): Promise<Response> {
    return (await this.#clients?.answer(request, caller)) ?? (await this.#app.fetch(request));
  }

  /** Takes messages from the application, as POST /messages/batch does. */
  originate(originations: readonly Origination[]): Promise<Taken> {
    return this.#node.originate(originations);
  }

  /** Whether it knows a member. */
  async knows(guid: Guid): Promise<boolean> {
    return (await this.#node.member(guid)) !== null;
  }

  #listen(): Promise<Listening> {
    const { host, port, address, proxyHeader } = this.#options;
    return serve({ fetch: (request, caller) => this.fetch(request, caller), host, port, address, proxyHeader });
  }

  async #letClientsIn(): Promise<void> {
    const { seed, config, storageDir, log } = this.#options;
    if (!seed) return;
    const folderOf = (ip: string) => (storageDir === null ? null : join(storageDir, 'seed', ip));
    const file = storageDir === null ? ':memory:' : join(storageDir, 'seed.sqlite');
    this.#clients = new SeedClients({
      ...seed,
      guidTimeoutMs: config.protocol.guidTimeoutMs,
      sql: openPrivateSql(file, 'process'),
      log,
      start: async (ip, handle) => await this.#standIn(ip, handle, folderOf(ip)),
      forget: async (ip) => {
        const folder = folderOf(ip);
        if (folder !== null) await rm(folder, { recursive: true, force: true });
      },
      // They are where their calls came from, wherever that is.
      call: createCallOut(true, this.#hangUp.signal),
      now: () => Date.now(),
    });
    await this.#clients.start();
  }

  async #standIn(ip: string, handle: Handle, storageDir: string | null): Promise<StandIn> {
    if (storageDir !== null) await mkdir(storageDir, { recursive: true });
    const base = SeedClients.pathOf(ip);
    const { boot, config, host, port, proxyHeader, log, recentLogs } = this.#options;
    const address = `${this.#options.address}${base}`;
    const shared = { boot, config, host, port, proxyHeader, log, recentLogs };
    return await PeerNode.start({ ...shared, address, base, handle, storageDir });
  }

  #outlets(node: LiveNode, client: PeerClient, joins: JoinClient): Omit<Outlets, 'tellBeacon'> {
    return {
      client,
      ...bootElsewhere(node, this.#options.config, joins),
      // By its hostedPrefix all that this node knows are outside.
      syncInside: (to) => Promise.reject(new Error(`assertion failed: ${to} is in this process`)),
      handOver: async (jobs, outbound) => {
        if (jobs.length > 0) throw new Error('assertion failed: a job for a node of this process');
        await sendJobs(this.#deliverer.queue, outbound);
      },
    };
  }

  async #leave(): Promise<void> {
    const { state } = this.#node.running();
    if (state.guid === null || state.leftAt !== null) return;
    // Before it leaves: a crash in between must not keep it away.
    this.#store.meta.set(LEFT_ON_EXIT, 'on');
    const left = await this.#node.leave();
    if (!left.ok) this.#options.log('leave_failed', { reason: left.error.reason });
  }

  /** Whoever left by an operator's call stays away until another one; who left with its process comes back with it. */
  async #comeBack(): Promise<void> {
    if (this.#store.meta.get(LEFT_ON_EXIT) !== 'on') return;
    await this.#node.return();
    this.#store.meta.set(LEFT_ON_EXIT, '');
  }

  /** Whether something is still to be handed over or delivered now. */
  #isOwing(): boolean {
    const { guid, handover, mempool, settled } = this.#node.running().state;
    return this.#table.size > 0 || handover !== null || (guid !== null && mempool.seqsAfter(settled).length > 0);
  }

  #close(): void {
    this.#alarm.stop();
    this.#node.close();
    this.#deliverer.halt();
    this.#table.close();
    this.#sql.close();
    this.#hangUp.abort(new Error('the node has stopped'));
  }
}

/** Where the beacon is: that of the boot node, unless it is told otherwise; null: nobody is told. */
function beaconOf({ beacon }: Config, boot: string): string | null {
  if (beacon === 'off') return null;
  return beacon === 'here' ? boot : beacon.url;
}

/** The webhook that the operator has named, which may be in a network of the operator's own; null: there is none. */
function webhookOf({ handler }: Config, stop: AbortSignal): Handle | null {
  if (!handler?.webhook) return null;
  const call = (url: string, init: RequestInit) =>
    fetch(url, { ...init, signal: AbortSignal.any(init.signal ? [init.signal, stop] : [stop]) });
  const target = { webhook: handler.webhook, fetch: call, now: () => Date.now() };
  return (source, messages) => giveToHandler(target, source, messages);
}

/** The files, and who the node is: its key is made at the first start, its record signed anew where its address has changed. */
async function openStorage({ storageDir, address, config }: PeerOptions) {
  const pathOf = (file: string) => (storageDir === null ? ':memory:' : join(storageDir, file));
  const sql = openPrivateSql(pathOf('node.sqlite'), 'machine');
  // Every message of a job is in the mempool as well: what a machine that crashed loses of the queue comes by reconciliation.
  const table = new JobTable(openPrivateSql(pathOf('queue.sqlite'), 'process'));
  const store = openSqlNodeStore(sql);
  const { network } = config.protocol;
  const identity = readIdentity(store.meta, address) ?? (await renewIdentity(store.meta, network, address));
  return { sql, store, table, identity };
}
