// A node inside an application's own Node.js process: what the package exports as `pychain-edge/node`.
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { messageView } from '../api/views.ts';
import { PychainClient, type Message } from '../client/client.ts';
import { VARIABLES, type Config } from '../config.ts';
import { LogRing } from '../shell/log-ring.ts';
import { createLog } from '../shell/log.ts';
import { inProcess } from './in-process.ts';
import { makeFolder, takeFolder } from './folder.ts';
import { PeerNode } from './node.ts';
import { readBootUrl, readServerConfig, trimUrl, whyNotAt } from './options.ts';

const LISTEN_HOST = '127.0.0.1';
const LISTEN_PORT = 8080;
const PORT_MAX = 65_535;
const STOP_MS = 8_000;
const STOP_MS_MAX = 3_600_000;
const TOKEN_BYTES = 32;

/** Variables that are none here. */
const NOT_HERE: Readonly<Record<string, string>> = {
  PUBLIC_URL: 'it is the option `address`',
  BOOT_NODE: 'it is the option `boot`',
  NODE_COUNT: 'it is one node',
  ADMISSION: 'clients of the original need `pychain node`',
  HANDLER_NODE: 'messages go to `onMessages`',
  HANDLER_URL: 'messages go to `onMessages`',
  HANDLER_SECRET: 'messages go to `onMessages`',
};

export interface NodeOptions {
  /** URL of the boot node of the network that it joins. */
  readonly boot: string;
  /** URL without a path at which the other members reach it; it leads to `listen`, as a rule through a proxy with a certificate. */
  readonly address: string;
  /** Where it listens; 127.0.0.1, port 8080 unless given. */
  readonly listen?: { readonly host?: string | undefined; readonly port?: number | undefined } | undefined;
  /** Folder of its key, its GUID and its mempool, made where there is none; null: in memory, a new member at each start. */
  readonly storageDir: string | null;
  /** Variables of docs/operations.md, as `{ NETWORK: 'mine' }`: the network's name must be the boot node's. */
  readonly variables?: Readonly<Record<string, string>> | undefined;
  /**
   * Takes what comes, in the order of its arrival, the node's own messages too. Each message once; once more where the process dies in
   * the middle, or it throws, rejects or takes longer than 15 seconds: then the same come again, after growing pauses, until they expire.
   */
  readonly onMessages?: ((messages: readonly Message[]) => void | Promise<void>) | undefined;
  /** Takes log lines, each a JSON object. By default warnings and worse go to standard error, and LOG_LEVEL is WARNING. */
  readonly onLog?: ((line: string) => void) | undefined;
  /** Header in which the proxy in front says who calls, such as X-Real-IP; only if callers can't reach `listen` past it. */
  readonly clientHeader?: string | undefined;
}

export interface StopOptions {
  /** Tells the others that it leaves; the next start comes back, with the same GUID. */
  readonly leave?: boolean | undefined;
  /** How long it may go on delivering what it owes, milliseconds; 8,000 unless given. The rest goes out after the next start. */
  readonly withinMs?: number | undefined;
}

/** A node at work in this process. */
export interface EmbeddedNode {
  /** Speaks to it without a network in between, as its operator: status, members, messages, broadcast, stream. */
  readonly client: PychainClient;
  readonly address: string;
  /** Where it listens. */
  readonly port: number;
  /** Resolves with its GUID as soon as it has one, which lasts until the boot node can be reached. Rejects with the signal's reason. */
  joined(options?: { readonly signal?: AbortSignal | undefined }): Promise<number>;
  /** Ends it in order; may be called again. Nothing keeps the process alive after it. */
  stop(options?: StopOptions): Promise<void>;
}

/**
 * Starts a node. Rejects with a TypeError that names the option which is wrong, before anything is made, and with an Error where another
 * process has the folder, it can't listen, its storage was written by a newer version, or this Node.js is too old. It joins in the background.
 */
export async function startNode(options: NodeOptions): Promise<EmbeddedNode> {
  const { config, address, boot } = check(options);
  const { listen, storageDir, onLog, onMessages, clientHeader } = options;
  const folder = storageDir === null ? null : resolve(storageDir);
  if (folder !== null) await makeFolder(folder);
  const lock = folder === null ? null : takeFolder(folder);
  if (folder !== null && lock === null) throw new Error(`${folder}: another node runs on this folder`);
  const recentLogs = new LogRing();
  const write = onLog ?? ((line: string) => void process.stderr.write(`${line}\n`));
  let peer: PeerNode;
  try {
    peer = await PeerNode.start({
      config,
      address,
      boot,
      host: listen?.host ?? LISTEN_HOST,
      port: listen?.port ?? LISTEN_PORT,
      storageDir: folder,
      proxyHeader: clientHeader ?? null,
      log: createLog('node', config.logLevel, { recent: recentLogs, write }),
      recentLogs,
      ...(onMessages && { handle: async (_source, messages) => await onMessages(messages.map(messageView)) }),
    });
  } catch (cause) {
    lock?.release();
    throw cause;
  }
  return embedded(peer, address, config, () => lock?.release());
}

function embedded(peer: PeerNode, address: string, config: Config, release: () => void): EmbeddedNode {
  const ended = new AbortController();
  let stopping: Promise<void> | null = null;
  const stop = async (leave: boolean, withinMs: number) => {
    try {
      await peer.stop({ leave, withinMs });
    } finally {
      ended.abort(new Error('the node has stopped'));
      release();
    }
  };
  return {
    client: new PychainClient({
      url: address,
      token: config.adminToken ?? undefined,
      fetch: inProcess((request) => peer.fetch(request, null), ended.signal),
      // There is no socket to a node in the same process.
      WebSocket: null,
    }),
    address,
    port: peer.port,
    joined: ({ signal } = {}) => peer.joined(signal ? AbortSignal.any([signal, ended.signal]) : ended.signal),
    stop: ({ leave = false, withinMs = STOP_MS } = {}) => {
      if (!isWithin(withinMs, 0, STOP_MS_MAX)) throw new TypeError(`withinMs: give 0 to ${STOP_MS_MAX} milliseconds`);
      return (stopping ??= stop(leave, withinMs));
    },
  };
}

/** Throws a TypeError that names the option. */
function check({ variables = {}, ...options }: NodeOptions): { config: Config; address: string; boot: string } {
  const wrong = (option: string, why: string) => new TypeError(`${option}: ${why}`);
  for (const name of ['address', 'boot'] as const) {
    if (typeof options[name] !== 'string' || options[name] === '') throw wrong(name, 'give a URL');
  }
  for (const name of ['onMessages', 'onLog'] as const) {
    if (options[name] !== undefined && typeof options[name] !== 'function') throw wrong(name, 'give a function');
  }
  const { storageDir, listen = {}, clientHeader } = options;
  const isFolder = typeof storageDir === 'string' && storageDir !== '';
  if (!isFolder && storageDir !== null) throw wrong('storageDir', 'give a folder, or null to keep nothing');
  if (!isWithin(listen.port ?? LISTEN_PORT, 0, PORT_MAX)) throw wrong('listen.port', `give 0 to ${PORT_MAX}`);
  if (clientHeader !== undefined && !/^[\w-]+$/.test(clientHeader)) throw wrong('clientHeader', 'give a header name');
  for (const name of Object.keys(variables)) {
    const why = NOT_HERE[name];
    if (why !== undefined) throw wrong(`variables.${name}`, why);
    if (!VARIABLES.some((known) => known.name === name)) throw wrong(`variables.${name}`, 'no such variable');
  }
  const address = trimUrl(options.address);
  const config = readServerConfig(
    { LOG_LEVEL: 'WARNING', ADMIN_TOKEN: randomBytes(TOKEN_BYTES).toString('base64url'), ...variables },
    address,
  );
  if (!config.ok) throw wrong('variables', config.error.join('; '));
  const { localPeers } = config.value.protocol;
  const fault = whyNotAt(address, localPeers);
  if (fault !== null) throw wrong(`address ${address}`, fault);
  const boot = readBootUrl(options.boot, localPeers);
  if (!boot.ok) throw wrong(`boot ${options.boot}`, boot.error);
  return { config: config.value, address, boot: boot.value };
}

function isWithin(value: number, low: number, high: number): boolean {
  return Number.isInteger(value) && value >= low && value <= high;
}
