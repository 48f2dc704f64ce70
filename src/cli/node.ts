// `pychain node`: a node of a network elsewhere, in a process of its own.
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatConfigError, readConfig, type Config } from '../config.ts';
import { PeerNode } from '../peer/node.ts';
import { addressFault } from '../protocol/address.ts';
import { createLog } from '../shell/log.ts';
import { CliError, errorLine, EXIT, printable, type ExitCode } from './errors.ts';
import { LogFiles } from './log-files.ts';
import { freePort } from './ports.ts';
import * as settings from './settings.ts';
import { stopOnSignals } from './signals.ts';
import * as state from './state-folder.ts';

/** Where a node listens unless it is told otherwise: behind a proxy on the same machine. */
export const DEFAULT_LISTEN = '127.0.0.1:8080';

/** Seconds that a stop may take: less than the ten after which containers are killed. */
export const DEFAULT_STOP_SECONDS = '8';
const STOP_SECONDS_MAX = 3_600;

const JOIN_POLL_MS = 50;

/** Arguments of `pychain node`, as given. */
export interface NodeArguments {
  readonly boot?: string | undefined;
  readonly address?: string | undefined;
  readonly listen: string;
  readonly variables: readonly string[];
  readonly leaveOnExit: boolean;
  readonly stopSeconds: string;
  readonly clientHeader?: string | undefined;
  readonly json: boolean;
}

interface Plan {
  readonly config: Config;
  readonly boot: string;
  readonly address: string;
  readonly host: string;
  readonly port: number;
  readonly folders: settings.Folders;
}

/** Runs a node until a signal ends it. */
export async function runNode(args: NodeArguments): Promise<ExitCode> {
  const stopSeconds = settings.parseWhole(args.stopSeconds, 1, STOP_SECONDS_MAX, '--stop-seconds');
  const merged = settings.mergeEnvironment(settings.parseAssignments(args.variables), process.env);
  const folders = settings.serverFolders(merged);
  const plan = { ...planOf(args, merged), folders };
  await state.ensureWritable(folders.storageDir, 'STORAGE_DIR');
  await state.ensureWritable(folders.logDir, 'LOG_DIR');
  const lock = await state.lockFolder(folders.storageDir);
  try {
    const adminToken = await state.ensureAdminToken(folders.storageDir, merged['ADMIN_TOKEN']);
    const port = await freePort(plan.host, plan.port);
    await run({ ...plan, port, config: { ...plan.config, adminToken } }, args, stopSeconds * 1000);
  } finally {
    await lock.release();
  }
  return EXIT.ok;
}

async function run(plan: Plan, args: NodeArguments, withinMs: number): Promise<void> {
  const say = createSay(args.json);
  const { config, folders, boot, address, host, port } = plan;
  const stop = stopOnSignals(() => say('stopping', {}));
  const logs = new LogFiles({ logDir: folders.logDir, onFault: (line) => process.stderr.write(`pychain: ${line}\n`) });
  const log = createLog('node', config.logLevel, (text) => logs.write({ time: new Date(), level: 'info', text }));
  try {
    const proxyHeader = args.clientHeader ?? null;
    const peer = await PeerNode.start({
      config,
      boot,
      address,
      host,
      port,
      storageDir: folders.storageDir,
      proxyHeader,
      log,
    });
    say('listening', { host, port: peer.port, address, boot, storage: folders.storageDir, logs: folders.logDir });
    void tellJoined(peer, say, stop);
    if (!stop.aborted) await once(stop, 'abort');
    await peer.stop({ leave: args.leaveOnExit, withinMs });
  } catch (cause) {
    throw cause instanceof CliError ? cause : new CliError(`the node does not start: ${errorLine(cause)}`);
  } finally {
    await logs.close();
  }
  say('stopped', {});
}

/** A join may take a while, and the log has why. */
async function tellJoined(peer: PeerNode, say: Say, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    const { guid, address } = await peer.status();
    if (guid !== null) return say('joined', { guid, address });
    await sleep(JOIN_POLL_MS, undefined, { signal: stop }).catch(() => undefined);
  }
}

type Say = (event: string, facts: Readonly<Record<string, string | number>>) => void;

function createSay(json: boolean): Say {
  return (event, facts) => {
    const pairs = Object.entries(facts).map(([name, value]) => `  ${name} ${printable(String(value))}`);
    process.stdout.write(json ? `${JSON.stringify({ event, ...facts })}\n` : `${event}${pairs.join('')}\n`);
  };
}

function planOf(args: NodeArguments, merged: Readonly<Record<string, string>>): Omit<Plan, 'folders'> {
  const { host, port } = parseListen(args.listen);
  const boot = args.boot ?? (process.env['BOOT_NODE'] || undefined);
  if (boot === undefined) {
    throw new CliError(
      '--boot: give the URL of the network that the node joins, for example --boot https://network.example.org',
      EXIT.usage,
    );
  }
  const address = (args.address ?? merged['PUBLIC_URL'])?.replace(/\/+$/, '');
  if (address === undefined) {
    throw new CliError(
      '--address: give the URL at which others reach this node, for example --address https://me.example.org',
      EXIT.usage,
    );
  }
  const config = readConfig({
    ...settings.workerVariables(merged),
    PUBLIC_URL: address,
    BOOT_NODE: '',
    NODE_COUNT: '1',
  });
  if (!config.ok) throw new CliError(config.error.map(formatConfigError).join('\n'), EXIT.usage);
  const { localPeers } = config.value.protocol;
  const fault = addressFault(address, { localPeers, hostedPrefix: '' });
  if (fault) throw new CliError(`--address ${address}: ${ADDRESS_FAULTS[fault] ?? fault}`, EXIT.usage);
  return { config: config.value, boot: bootUrl(boot, localPeers), address, host, port };
}

const LOCAL_HINT = 'or, for a network on this machine, give a loopback address and -e LOCAL_PEERS=on';
const ADDRESS_FAULTS: Readonly<Record<string, string>> = {
  'not-https': `others call it over https: put a proxy with a certificate in front, ${LOCAL_HINT}`,
  'literal-address': `it needs a host name, ${LOCAL_HINT}`,
  'not-public': `it needs a host name that is known everywhere, ${LOCAL_HINT}`,
  'odd-port': 'others call port 443 alone: leave the port out, and put a proxy there',
  'not-a-url': 'not a URL of a host alone, in lower case',
};

/** Over plain http anybody on the way could be the boot node. */
function bootUrl(text: string, localPeers: boolean): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isPlain = url !== null && url.search === '' && url.hash === '' && url.username === '' && url.password === '';
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && localPeers);
  if (url && isPlain && isSafe) return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
  throw new CliError(`--boot ${text}: give an https URL (http only with -e LOCAL_PEERS=on)`, EXIT.usage);
}

function parseListen(text: string): { host: string; port: number } {
  const [, bracketed, plain, port = ''] = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? '';
  if (host === '') throw new CliError(`--listen ${text}: give ADDRESS:PORT, for example 0.0.0.0:8080`, EXIT.usage);
  return { host, port: settings.parseWhole(port, 0, 65_535, '--listen port') };
}
