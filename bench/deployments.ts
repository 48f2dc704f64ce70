// One network of several deployments, each in a workerd of its own: the first hosts the boot node, the others join it over HTTP.
import { bundleWorker, startLocalNetwork, type LocalNetwork, type RuntimeLine } from '../src/cli/local-network.ts';
import { freePort } from '../src/cli/ports.ts';
import { basesOf, eventually, inParallel, TOKEN, type Hosted } from './network.ts';
import { statusAt } from './places.ts';
import { isTrouble } from './trouble.ts';

export interface Deployment extends LocalNetwork, Hosted {
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

/** What a network on one machine needs: its nodes share one address group, and get to know each other soon. */
export const NEIGHBOURLY: Readonly<Record<string, string>> = {
  LOCAL_PEERS: 'on',
  POW_BITS: '4',
  GROUP_MEMBERS: '1000',
  PROBATION: '0',
  NETWORK_SYNC_INTERVAL: '1',
  NETWORK_SYNC_JITTER: '0.5',
  ADMIN_TOKEN: TOKEN,
  BEACON: 'off',
};

/** Starts one; its nodes join on its first cron. */
export async function startDeployment(options: DeploymentOptions): Promise<Deployment> {
  const { nodes, storageDir, boot } = options;
  const trouble: string[] = [];
  const onLog = ({ text }: RuntimeLine) => {
    if (isTrouble(text)) trouble.push(text);
  };
  const host = '127.0.0.1';
  const port = options.port ?? (await freePort(host, 0));
  const vars = { ...NEIGHBOURLY, LOG_LEVEL: 'ERROR', ...(boot !== null && { BOOT_NODE: boot }), ...options.vars };
  const network = await startLocalNetwork({ nodes, host, port, storageDir, vars, onLog, bundle: await bundled() });
  return { ...network, nodes, trouble };
}

/** Starts `count` deployments; all nodes have joined. `bootUrl`: of the boot node; null: the first hosts it. */
export async function startDeployments(
  count: number,
  nodes: number,
  vars: Readonly<Record<string, string>>,
  bootUrl: string | null = null,
): Promise<Deployment[]> {
  const all: Deployment[] = [];
  try {
    for (let index = 0; index < count; index++) {
      const boot = bootUrl ?? all[0]?.url ?? null;
      const deployment = await startDeployment({ nodes, vars, boot, storageDir: null, port: null });
      all.push(deployment);
      await eventually('all nodes join', async () => {
        await deployment.cron();
        const statuses = await inParallel(basesOf(deployment), statusAt);
        return statuses.every(({ guid }) => guid !== undefined);
      });
    }
    return all;
  } catch (cause) {
    await Promise.all(all.map((deployment) => deployment.dispose()));
    throw cause;
  }
}

let bundle: Promise<string> | null = null;

function bundled(): Promise<string> {
  return (bundle ??= bundleWorker());
}
