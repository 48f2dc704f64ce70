// Where a command's values come from: options, `-e NAME=VALUE`, the process environment, what a running network left
// in STORAGE_DIR, defaults. In that order.
import { resolve } from 'node:path';
import { formatConfigError, readConfig, VARIABLES } from '../config.ts';
import { CliError, EXIT } from './errors.ts';

/** Folder of state and logs unless STORAGE_DIR and LOG_DIR say otherwise. */
export const DEFAULT_DIR = './.pychain';
export const DEFAULT_NODES = 4;
export const DEFAULT_PORT = 8787;
export const DEFAULT_HOST = '127.0.0.1';

/** Where a server listens unless it is told otherwise: behind a proxy on the same machine. */
export const DEFAULT_LISTEN = '127.0.0.1:8080';

/** Seconds that a server's stop may take: less than the ten after which containers are killed. */
export const DEFAULT_STOP_SECONDS = '8';

/** The original's. */
const SERVER_STORAGE = '/usr/local/etc/pychain';
const SERVER_LOGS = '/var/log/pychain';

export interface Folders {
  readonly storageDir: string;
  readonly logDir: string;
}

/** Variables that the runner reads itself; the Worker does not know them. */
export const RUNNER_VARIABLES = ['STORAGE_DIR', 'LOG_DIR'] as const;

type Env = Readonly<Record<string, string | undefined>>;

/** Every name that `-e` takes. */
export function knownVariables(): readonly string[] {
  return [...VARIABLES.map((variable) => variable.name), ...RUNNER_VARIABLES];
}

/** Parses `NAME=VALUE` arguments; the last of the same name wins, as in `docker run -e`. */
export function parseAssignments(args: readonly string[]): Record<string, string> {
  const known = knownVariables();
  const result: Record<string, string> = {};
  for (const arg of args) {
    const at = arg.indexOf('=');
    if (at <= 0) throw new CliError(`-e ${arg}: give NAME=VALUE, for example -e LOG_LEVEL=DEBUG`, EXIT.usage);
    const name = arg.slice(0, at);
    if (!known.includes(name)) {
      const close = closest(name, known);
      const hint = close === null ? '' : `did you mean ${close}? `;
      throw new CliError(`-e ${name}: no such variable; ${hint}Known: ${known.join(', ')}`, EXIT.usage);
    }
    result[name] = arg.slice(at + 1);
  }
  return result;
}

/** `-e` over the process environment, known names only; an empty value means unset. */
export function mergeEnvironment(assigned: Env, processEnv: Env): Record<string, string> {
  const merged: Record<string, string> = {};
  for (const name of knownVariables()) {
    const value = assigned[name] ?? processEnv[name];
    if (value !== undefined && value !== '') merged[name] = value;
  }
  return merged;
}

/** The folders, as absolute paths; logs go to STORAGE_DIR too by default, so one folder holds a local network. */
export function folders(env: Env): Folders {
  const storageDir = resolve(env['STORAGE_DIR'] || DEFAULT_DIR);
  return { storageDir, logDir: env['LOG_DIR'] ? resolve(env['LOG_DIR']) : storageDir };
}

/** The folders of a node that has a process of its own: where the original has them. */
export function serverFolders(env: Env): Folders {
  return { storageDir: resolve(env['STORAGE_DIR'] || SERVER_STORAGE), logDir: resolve(env['LOG_DIR'] || SERVER_LOGS) };
}

/** What the Worker gets of the merged environment. */
export function workerVariables(env: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => VARIABLES.some((known) => known.name === name)));
}

/** Stops the command with a line for each variable that is not allowed. */
export function checkVariables(vars: Readonly<Record<string, string>>): void {
  const config = readConfig(vars);
  if (!config.ok) throw new CliError(config.error.map(formatConfigError).join('\n'), EXIT.usage);
}

/** Number of nodes: the argument, NODE_COUNT, that of earlier runs, or 4. Saying both, differently, is a mistake. */
export function nodeCount(argument: string | undefined, assigned: Env, merged: Env, stored: number | null): string {
  const variable = assigned['NODE_COUNT'];
  if (argument !== undefined && variable !== undefined && argument !== variable) {
    throw new CliError(`${argument} nodes and -e NODE_COUNT=${variable}: give one of them`, EXIT.usage);
  }
  return argument ?? merged['NODE_COUNT'] ?? String(stored ?? DEFAULT_NODES);
}

/** Number of deployments: the argument, that of earlier runs, or one. Fewer would leave members that nobody can reach. */
export function deploymentCount(argument: string | undefined, stored: number | null, max: number): number {
  const wanted = argument === undefined ? (stored ?? 1) : parseWhole(argument, 1, max, '--deployments');
  if (stored === null || wanted >= stored) return wanted;
  throw new CliError(
    `this network has ${stored} deployments; give ${stored} or more, or --fresh to start anew`,
    EXIT.usage,
  );
}

/** Refuses fewer nodes than have joined: those left out would be members that nobody can reach. */
export function checkNotFewer(nodes: number, stored: number | null): void {
  if (stored === null || nodes >= stored) return;
  const has = stored === 1 ? '1 node' : `${stored} nodes`;
  throw new CliError(`this network has ${has}; give ${stored} or more, or --fresh to start anew`, EXIT.usage);
}

/** A whole number between the two, or a usage error that names the option. */
export function parseWhole(text: string, low: number, high: number, what: string): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : NaN;
  if (value >= low && value <= high) return value;
  throw new CliError(`${what} ${text}: give a whole number from ${low} to ${high}`, EXIT.usage);
}

/** The known name that was probably meant; null when none is near. */
export function closest(name: string, known: readonly string[]): string | null {
  let best: { name: string; distance: number } | null = null;
  for (const candidate of known) {
    const distance = editDistance(name.toUpperCase().slice(0, 64), candidate);
    if (best === null || distance < best.distance) best = { name: candidate, distance };
  }
  return best !== null && best.distance <= Math.max(2, name.length / 3) ? best.name : null;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
