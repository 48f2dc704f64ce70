// One network of several deployments, each in a workerd of its own: the first hosts the boot node, the others join it over HTTP.
import { bundleWorker, startLocalNetwork, type LocalNetwork, type RuntimeLine } from '../src/cli/local-network.ts';
import { freePort } from '../src/cli/ports.ts';
import { eventually, getJson, inParallel, TOKEN } from './network.ts';

/** A node of one of the deployments. */
export interface Place {
  readonly deployment: Deployment;
  readonly slot: number;
}

export interface Deployment extends LocalNetwork {
  readonly nodes: number;
  readonly trouble: readonly string[];
}

export interface DeploymentOptions {
  readonly nodes: number;
  readonly vars: Readonly<Record<string, string>>;
  /** URL of the boot node; null: hosts it. */
  readonly boot: string | null;
  readonly storageDir: string | null;
  /** Where it was before; null: any free one. */
  readonly port: number | null;
}

/** What a network on one machine needs, however many nodes: they share one address group, and nobody waits for strangers. */
const VARS = {
  LOCAL_PEERS: 'on',
  POW_BITS: '4',
  GROUP_MEMBERS: '1000',
  PROBATION: '0',
  LOG_LEVEL: 'ERROR',
  ADMIN_TOKEN: TOKEN,
};

/** Starts one; its nodes join when `joinAll` is called. */
export async function startDeployment(options: DeploymentOptions): Promise<Deployment> {
  const { nodes, storageDir, boot } = options;
  const trouble: string[] = [];
  const onLog = ({ text }: RuntimeLine) => {
    if (!text.startsWith('{') || /"level":"(ERROR|CRITICAL)"/.test(text)) trouble.push(text);
  };
  const host = '127.0.0.1';
  const port = options.port ?? (await freePort(host, 0));
  const vars = { ...VARS, ...(boot !== null && { BOOT_NODE: boot }), ...options.vars };
  const network = await startLocalNetwork({ nodes, host, port, storageDir, vars, onLog, bundle: await bundled() });
  return { ...network, nodes, trouble };
}

/** Starts `count` deployments, and waits until everybody knows everybody and trusts them. `folders`: where each keeps its state. */
export async function startDeployments(
  count: number,
  nodes: number,
  vars: Readonly<Record<string, string>>,
  folders: readonly string[] = [],
): Promise<Deployment[]> {
  const all: Deployment[] = [];
  try {
    for (let index = 0; index < count; index++) {
      const boot = all[0]?.url ?? null;
      all.push(await startDeployment({ nodes, vars, boot, storageDir: folders[index] ?? null, port: null }));
    }
    await joinAll(all);
    return all;
  } catch (cause) {
    await Promise.all(all.map((deployment) => deployment.dispose()));
    throw cause;
  }
}

/** Wakes all nodes, and waits until everybody knows everybody and trusts them. */
export async function joinAll(all: readonly Deployment[]): Promise<void> {
  const others = placesOf(all).length - 1;
  // One after the other, so that the boot node's own come first.
  for (const deployment of all) {
    await eventually('all nodes join', async () => {
      await deployment.cron();
      const statuses = await inParallel(placesOf([deployment]), (place) => statusOf(place));
      return statuses.every(({ guid }) => guid !== undefined);
    });
  }
  await eventually('all nodes know and trust each other', async () => {
    const statuses = await inParallel(placesOf(all), (place) => statusOf(place));
    return statuses.every(({ peers }) => peers?.['alive'] === others);
  });
}

/** Every node, deployment by deployment. */
export function placesOf(all: readonly Deployment[]): Place[] {
  return all.flatMap((deployment) =>
    Array.from({ length: deployment.nodes }, (_, index) => ({ deployment, slot: index + 1 })),
  );
}

interface Status {
  readonly guid?: number;
  readonly peers?: Readonly<Record<string, number>>;
}

export async function statusOf({ deployment, slot }: Place): Promise<Status> {
  return (await getJson(`${deployment.url}/n/${slot}/api/v1/status`)) as Status;
}

let bundle: Promise<string> | null = null;

function bundled(): Promise<string> {
  return (bundle ??= bundleWorker());
}
