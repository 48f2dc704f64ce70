// Which network a command speaks to, and with which token.
import { createClient, type Client, type NodeName } from './client.ts';
import { CliError, EXIT } from './errors.ts';
import { DEFAULT_HOST, DEFAULT_PORT, folders, parseWhole } from './settings.ts';
import { readAdminToken, readRunning, type RunningNetwork } from './state-folder.ts';

/** Options that every command about a running network has. */
export interface TargetOptions {
  readonly url?: string | undefined;
  readonly token?: string | undefined;
}

type Env = Readonly<Record<string, string | undefined>>;

export interface Target {
  readonly client: Client;
  /** The admin token, where there is one. */
  readonly token: string | null;
  /** What `pychain up` left in STORAGE_DIR, if this is that network. */
  readonly running: RunningNetwork | null;
}

/** Highest slot that can be named; the network knows how many it has. */
const SLOT_MAX = 10_000;

/** --url, PYCHAIN_URL, the network that runs on STORAGE_DIR, the default address; the token likewise. */
export async function findTarget(options: TargetOptions, env: Env): Promise<Target> {
  const { storageDir } = folders(env);
  const running = await readRunning(storageDir);
  const given = options.url ?? (env['PYCHAIN_URL'] || undefined);
  const url = checkUrl(given ?? running?.url ?? `http://${DEFAULT_HOST}:${DEFAULT_PORT}`);
  const isRunning = running !== null && [running.url, ...running.others].some((one) => checkUrl(one) === url);
  const token = options.token ?? (env['PYCHAIN_ADMIN_TOKEN'] || env['ADMIN_TOKEN'] || undefined);
  // The kept token is told to nobody but the network that it was made for. Where nothing says which one that is, it is
  // taken to be the one at the default address.
  const isOurs = isRunning || (given === undefined && running === null);
  const kept = token === undefined && isOurs ? await readAdminToken(storageDir) : null;
  return {
    client: createClient({ url, token: token ?? kept }),
    token: token ?? kept,
    running: isRunning ? running : null,
  };
}

function checkUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const node = /\/n\/(\d+|boot)\/*$/.exec(url?.pathname ?? '')?.[0];
  if (node !== undefined) {
    throw new CliError(
      `--url ${text}: give the URL of the deployment, without ${node}; nodes are named by number`,
      EXIT.usage,
    );
  }
  if (url !== null && (url.protocol === 'http:' || url.protocol === 'https:') && url.search === '' && url.hash === '') {
    return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
  }
  throw new CliError(`--url ${text}: give an http or https URL, for example http://127.0.0.1:8787`, EXIT.usage);
}

/** Which nodes a command is for. */
export interface NodeWish {
  readonly isBootAllowed: boolean;
  /** The slot where none is named; null: one must be. */
  readonly slot: number | null;
}

/** The node that a command is about: of a deployment the one that is named, or the one that the URL is of itself. */
export async function findNode(
  text: string | undefined,
  wish: NodeWish,
  options: TargetOptions,
  env: Env,
): Promise<Target & { readonly node: NodeName }> {
  const named = text === undefined ? null : parseNode(text, wish.isBootAllowed);
  const target = await findTarget(options, env);
  const { client, running } = target;
  // What `pychain up` started is a deployment.
  const site = running === null ? await client.site() : 'deployment';
  if (site === 'node') {
    if (named === null) return { ...target, node: 'own' };
    throw new CliError(`node ${named}: ${client.url} is one node, and no deployment; leave ${named} out`, EXIT.usage);
  }
  const node = named ?? wish.slot;
  if (node === null) throw new CliError('node: give the number of the node, from 1', EXIT.usage);
  return { ...target, node };
}

/** A NODE argument: a slot number, or `boot` where the boot node can answer. */
function parseNode(text: string, allowBoot: boolean): NodeName {
  if (text === 'boot' && allowBoot) return 'boot';
  if (text === 'boot') throw new CliError('boot: the boot node has no messages; give the number of a node', EXIT.usage);
  return parseWhole(text, 1, SLOT_MAX, 'node');
}
