// The deployments of a local network: where each listens and keeps its things, and how they find each other. Each is a workerd of its own:
// folder, port, log and cron trigger of a Miniflare belong to all Workers in it, and one that is killed or hangs should be one.
import { join } from 'node:path';
import { CliError, EXIT } from './errors.ts';
import { freePort, urlHost } from './ports.ts';

/** Deployments of one local network: each is a process. */
export const DEPLOYMENTS_MAX = 16;

const PORT_MAX = 65_535;

/** One deployment that is to be started. */
export interface DeploymentPlan {
  /** Counted from 1. */
  readonly number: number;
  readonly url: string;
  readonly port: number;
  readonly storageDir: string;
  readonly logDir: string;
  readonly vars: Readonly<Record<string, string>>;
}

/** Folder of a deployment: that of the first is the network's, the others' are in it. `number` from 1. */
export function folderOf(dir: string, number: number): string {
  return number === 1 ? dir : join(dir, `deployment-${number}`);
}

/** What several deployments on one machine need: addresses on loopback, little work, and room in the one address group that they are. */
export function neighbourly(
  vars: Readonly<Record<string, string>>,
  deployments: number,
  nodes: number,
): Record<string, string> {
  if (deployments === 1) return { ...vars };
  if (vars['PUBLIC_URL'] !== undefined) {
    throw new CliError('PUBLIC_URL: with several deployments each has its own; leave it out', EXIT.usage);
  }
  const room = String(Math.max(64, 2 * deployments * nodes));
  return { LOCAL_PEERS: 'on', POW_BITS: '8', GROUP_MEMBERS: room, ...vars };
}

/** Ports for all of them: the wanted one and those after it, or any free ones for 0. */
export async function freePorts(host: string, wanted: number, count: number): Promise<number[]> {
  if (wanted + count - 1 > PORT_MAX) {
    throw new CliError(`--port ${wanted}: ${count} deployments need as many ports, up to ${PORT_MAX}`, EXIT.usage);
  }
  const ports: number[] = [];
  while (ports.length < count) {
    const port = await freePort(host, wanted === 0 ? 0 : wanted + ports.length);
    if (!ports.includes(port)) ports.push(port);
  }
  return ports;
}

/** The deployments, the one with the boot node first, unless that is elsewhere (BOOT_NODE). */
export function plansOf(
  host: string,
  ports: readonly number[],
  folders: { readonly storageDir: string; readonly logDir: string },
  vars: Readonly<Record<string, string>>,
): DeploymentPlan[] {
  const urls = ports.map((port) => `http://${urlHost(host)}:${port}`);
  return ports.map((port, index) => {
    const url = urls[index] ?? '';
    const boot = index > 0 && urls[0] !== undefined ? { BOOT_NODE: urls[0] } : {};
    const [storageDir, logDir] = [folderOf(folders.storageDir, index + 1), folderOf(folders.logDir, index + 1)];
    return { number: index + 1, url, port, storageDir, logDir, vars: { PUBLIC_URL: url, ...boot, ...vars } };
  });
}
