// What `pychain node` and `pychain boot serve` have in common: a server that runs until a signal ends it.
import { once } from 'node:events';
import type { ServerOptions } from '../peer/alone.ts';
import { readServerConfig, trimUrl, whyNotAt } from '../peer/options.ts';
import { LogRing } from '../shell/log-ring.ts';
import { createLog } from '../shell/log.ts';
import { CliError, errorLine, EXIT, printable, type ExitCode } from './errors.ts';
import { LogFiles } from './log-files.ts';
import { freePort } from './ports.ts';
import * as settings from './settings.ts';
import { stopOnSignals } from './signals.ts';
import * as state from './state-folder.ts';

const STOP_SECONDS_MAX = 3_600;

/** Arguments of a server, as given. */
export interface ServerArguments {
  readonly address?: string | undefined;
  readonly listen: string;
  readonly variables: readonly string[];
  readonly stopSeconds: string;
  readonly clientHeader?: string | undefined;
  readonly json: boolean;
}

/** Says what happens, on standard output. */
export type Say = (event: string, facts: Readonly<Record<string, string | number>>) => void;

/** A server that has started. */
export interface Running {
  readonly port: number;
  /** What else is to be told of its start. */
  readonly facts: Readonly<Record<string, string | number>>;
  stop(withinMs: number): Promise<void>;
}

/** Starts what is asked for; `ended` is aborted when it is to stop. */
export type Begin = (options: ServerOptions, say: Say, ended: AbortSignal) => Promise<Running>;

/** A server's variables, checked with its address; for what needs them before it begins. */
export interface Checked {
  readonly options: Omit<ServerOptions, 'log' | 'recentLogs' | 'storageDir'>;
  readonly folders: settings.Folders;
  readonly adminToken: string | undefined;
}

/** Checks arguments and variables. `own`: what the address is of, and an example. */
export function checkServer(args: ServerArguments, own: string): Checked {
  const merged = settings.mergeEnvironment(settings.parseAssignments(args.variables), process.env);
  const { host, port } = parseListen(args.listen);
  settings.parseWhole(args.stopSeconds, 1, STOP_SECONDS_MAX, '--stop-seconds');
  const given = args.address ?? merged['PUBLIC_URL'];
  if (given === undefined) throw new CliError(`--address: give the URL at which others reach ${own}`, EXIT.usage);
  const address = trimUrl(given);
  const config = readServerConfig(settings.workerVariables(merged), address);
  if (!config.ok) throw new CliError(config.error.join('\n'), EXIT.usage);
  const fault = whyNotAt(address, config.value.protocol.localPeers);
  if (fault !== null) throw new CliError(`--address ${address}: ${fault}`, EXIT.usage);
  return {
    options: { config: config.value, address, host, port, proxyHeader: args.clientHeader ?? null },
    folders: settings.serverFolders(merged),
    adminToken: merged['ADMIN_TOKEN'],
  };
}

/** Runs a server until a signal ends it. `name`: whose log lines these are. */
export async function runServer(
  args: ServerArguments,
  { options, folders, adminToken }: Checked,
  name: 'node' | 'boot',
  begin: Begin,
): Promise<ExitCode> {
  const { storageDir, logDir } = folders;
  await state.ensureWritable(storageDir, 'STORAGE_DIR');
  await state.ensureWritable(logDir, 'LOG_DIR');
  const lock = await state.lockFolder(storageDir);
  try {
    const config = { ...options.config, adminToken: await state.ensureAdminToken(storageDir, adminToken) };
    const port = await freePort(options.host, options.port);
    const logs = new LogFiles({ logDir, onFault: (line) => process.stderr.write(`pychain: ${line}\n`) });
    try {
      const recentLogs = new LogRing();
      const write = (text: string) => logs.write({ time: new Date(), level: 'info', text });
      const log = createLog(name, config.logLevel, { recent: recentLogs, write });
      await run(args, { ...options, config, port, storageDir, log, recentLogs }, logDir, begin);
    } finally {
      await logs.close();
    }
  } finally {
    await lock.release();
  }
  return EXIT.ok;
}

async function run(args: ServerArguments, options: ServerOptions, logDir: string, begin: Begin): Promise<void> {
  const say = createSay(args.json);
  const ended = stopOnSignals(() => say('stopping', {}));
  let running: Running;
  try {
    running = await begin(options, say, ended);
  } catch (cause) {
    throw new CliError(`it does not start: ${errorLine(cause)}`);
  }
  const { host, address, storageDir } = options;
  say('listening', { host, port: running.port, address, ...running.facts, storage: storageDir ?? '', logs: logDir });
  if (!ended.aborted) await once(ended, 'abort');
  await running.stop(Number(args.stopSeconds) * 1000);
  say('stopped', {});
}

function createSay(json: boolean): Say {
  return (event, facts) => {
    const pairs = Object.entries(facts).map(([name, value]) => `  ${name} ${printable(String(value))}`);
    process.stdout.write(json ? `${JSON.stringify({ event, ...facts })}\n` : `${event}${pairs.join('')}\n`);
  };
}

function parseListen(text: string): { host: string; port: number } {
  const [, bracketed, plain, port = ''] = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? '';
  if (host === '') throw new CliError(`--listen ${text}: give ADDRESS:PORT, for example 0.0.0.0:8080`, EXIT.usage);
  return { host, port: settings.parseWhole(port, 0, 65_535, '--listen port') };
}
