// `pychain up`: checks everything, starts the network, sees it join, and stops it in order.
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { createClient } from './client.ts';
import { DEPLOYMENTS_MAX, folderOf, freePorts, neighbourly, plansOf, type DeploymentPlan } from './deployments.ts';
import { CliError, errorLine, EXIT, type ExitCode } from './errors.ts';
import type { LocalNetwork } from './local-network.ts';
import { LogFiles } from './log-files.ts';
import { NetworkView } from './network-view.ts';
import { urlHost } from './ports.ts';
import { createReporter, type Reporter, type UpFacts } from './reporter.ts';
import * as settings from './settings.ts';
import { stopOnSignals } from './signals.ts';
import * as state from './state-folder.ts';

/** Arguments of `pychain up`, as given. */
export interface UpArguments {
  /** Of each deployment. */
  readonly nodes: string | undefined;
  readonly deployments: string | undefined;
  readonly variables: readonly string[];
  readonly port: string;
  readonly host: string;
  readonly fresh: boolean;
  readonly json: boolean;
}

/** Pause between two cron ticks while nodes join; afterwards it is the platform's minute. */
const JOIN_TICK_MS = 200;
const CRON_MS = 60_000;
/** Pause between two rounds of questions while nodes join. */
const JOIN_POLL_MS = 100;
const PROGRESS_MS = 100;
/** How many times longer than a round takes is the pause after it, so that watching 256 nodes leaves them the processor. */
const LIVE_PAUSE_FACTOR = 9;

interface Plan {
  readonly facts: UpFacts;
  readonly host: string;
  readonly deployments: readonly DeploymentPlan[];
}

/** Runs a local network until a signal ends it. */
export async function up(args: UpArguments): Promise<ExitCode> {
  const assigned = settings.parseAssignments(args.variables);
  const merged = settings.mergeEnvironment(assigned, process.env);
  const wantedPort = settings.parseWhole(args.port, 0, 65_535, '--port');
  const { storageDir, logDir } = settings.folders(merged);
  const stored = args.fresh ? null : await state.readNodeCount(storageDir);
  const storedDeployments = args.fresh ? null : await state.readDeployments(storageDir);
  const count = settings.deploymentCount(args.deployments, storedDeployments, DEPLOYMENTS_MAX);
  const nodes = settings.nodeCount(args.nodes, assigned, merged, stored);
  const vars = neighbourly({ ...settings.workerVariables(merged), NODE_COUNT: nodes }, count, Number(nodes));
  settings.checkVariables({ PUBLIC_URL: `http://${urlHost(args.host)}`, ...vars });
  settings.checkNotFewer(Number(nodes), stored);
  const locks: { release(): Promise<void> }[] = [];
  const inUse: string[] = [];
  try {
    for (let number = 1; number <= count; number++) {
      const folder = folderOf(storageDir, number);
      await state.ensureWritable(folder, 'STORAGE_DIR');
      await state.ensureWritable(folderOf(logDir, number), 'LOG_DIR');
      locks.push(await state.lockFolder(folder));
      inUse.push(folder);
    }
    const ports = await freePorts(args.host, wantedPort, count);
    const token = await openFolders(inUse, args.fresh, vars['ADMIN_TOKEN']);
    const adminTokenFile = state.adminTokenFile(storageDir);
    const deployments = plansOf(args.host, ports, { storageDir, logDir }, { ...vars, ADMIN_TOKEN: token });
    for (const deployment of deployments) checkToken(deployment.vars, adminTokenFile);
    const facts = {
      urls: deployments.map(({ url }) => url),
      network: vars['NETWORK'] ?? 'pychain',
      nodes: Number(nodes),
      storageDir,
      logDir,
      adminTokenFile,
    };
    return await run({ facts, host: args.host, deployments }, createReporter(args.json));
  } finally {
    for (const folder of inUse) await state.clearRunning(folder);
    for (const lock of locks) await lock.release();
  }
}

/** Makes or finds the state of each deployment. Gives the operator's token, which is one for all. */
async function openFolders(folders: readonly string[], fresh: boolean, given: string | undefined): Promise<string> {
  let token = given;
  for (const folder of folders) {
    await state.openState(folder, fresh);
    token = await state.ensureAdminToken(folder, token);
  }
  return token ?? '';
}

/** Everything else was checked before: what is wrong now is the token that the file held. */
function checkToken(vars: Readonly<Record<string, string>>, file: string): void {
  try {
    settings.checkVariables(vars);
  } catch (error) {
    throw new CliError(`${file}: ${errorLine(error)}; remove the file to have a new token made`, EXIT.usage);
  }
}

async function run(plan: Plan, reporter: Reporter): Promise<ExitCode> {
  const stop = stopOnSignals(() => reporter.stopping());
  const { facts, deployments } = plan;
  const logs = deployments.map(({ logDir }) => new LogFiles({ logDir, onFault: (line) => reporter.warning(line) }));
  const startedAt = performance.now();
  reporter.starting(facts);
  const networks: LocalNetwork[] = [];
  try {
    await start(plan, logs, networks);
    // Not before: a start that fails must not make the next one larger. No node joins until cron.
    await note(facts, deployments);
    const clients = networks.map(({ url }) => createClient({ url, token: null }));
    const view = new NetworkView(clients, facts.nodes);
    void tick(networks, view, logs, reporter, stop);
    // Not waited for what is in flight when the stop comes: it ends with workerd.
    await Promise.race([watch(view, reporter, startedAt, stop), once(stop, 'abort')]);
  } finally {
    await Promise.all(networks.map((network) => network.dispose()));
    await Promise.all(logs.map((files) => files.close()));
  }
  reporter.stopped();
  return EXIT.ok;
}

/** Tells the next run, and the other commands, in the folder of each deployment. */
async function note({ nodes, urls }: UpFacts, deployments: readonly DeploymentPlan[]): Promise<void> {
  for (const { number, url, storageDir, logDir } of deployments) {
    await state.writeSize(storageDir, nodes, number === 1 ? deployments.length : 1);
    const others = urls.filter((other) => other !== url);
    const running = { url, pid: process.pid, nodes, started: Date.now() / 1000, log_dir: logDir, others };
    await state.writeRunning(storageDir, running);
  }
}

/** Starts all deployments, into `networks`, so that those that have started are stopped where one does not. */
async function start(plan: Plan, logs: readonly LogFiles[], networks: LocalNetwork[]): Promise<void> {
  // Miniflare and esbuild take a while to load: what is wrong before that, and the other commands, need not wait.
  const { bundleWorker, startLocalNetwork } = await import('./local-network.ts');
  let bundle: string;
  try {
    bundle = await bundleWorker();
  } catch (error) {
    throw new CliError(`the Worker does not bundle: ${errorLine(error)}`);
  }
  for (const [index, { port, storageDir, logDir, vars }] of plan.deployments.entries()) {
    try {
      const network = await startLocalNetwork({
        nodes: plan.facts.nodes,
        host: plan.host,
        port,
        storageDir: state.stateDir(storageDir),
        vars,
        onLog: (line) => logs[index]?.write(line),
        bundle,
        hasPage: true,
        ownSignals: true,
      });
      networks.push(network);
    } catch (error) {
      throw new CliError(`workerd does not start: ${errorLine(error)}; more in ${join(logDir, 'worker.log')}`);
    }
  }
}

/** Fires cron: often until all have joined, then every minute, as the platform does. */
async function tick(
  networks: readonly LocalNetwork[],
  view: NetworkView,
  logs: readonly LogFiles[],
  reporter: Reporter,
  stop: AbortSignal,
) {
  let told = false;
  while (!stop.aborted) {
    // The boot node's own nodes come first, so that the others find somebody there.
    for (const [index, network] of networks.entries()) {
      try {
        await network.cron();
      } catch (error) {
        if (stop.aborted) return;
        const text = `cron: ${error instanceof Error ? error.stack : String(error)}`;
        logs[index]?.write({ time: new Date(), level: 'error', text });
        if (!told) reporter.warning(`cron failed: ${errorLine(error)}; more in worker.log`);
        told = true;
      }
    }
    const all = view.joinedCount === view.rows.length;
    await pause(all ? CRON_MS - (Date.now() % CRON_MS) : JOIN_TICK_MS, stop);
  }
}

async function watch(view: NetworkView, reporter: Reporter, startedAt: number, stop: AbortSignal): Promise<void> {
  // By the clock: a round can take long while everybody is busy joining.
  const progress = setInterval(() => reporter.joining(view), PROGRESS_MS);
  while (!view.ready && !stop.aborted) {
    const began = performance.now();
    await view.refresh('not-ready', stop);
    await pause(view.ready ? 0 : Math.max(JOIN_POLL_MS, performance.now() - began), stop);
  }
  clearInterval(progress);
  if (stop.aborted) return;
  reporter.joining(view);
  reporter.ready(view, (performance.now() - startedAt) / 1000);
  let took = 0;
  while (!stop.aborted) {
    await pause(Math.max(reporter.pollMs ?? Infinity, took * LIVE_PAUSE_FACTOR), stop);
    if (stop.aborted) return;
    const began = performance.now();
    await view.refresh('all', stop);
    took = performance.now() - began;
    if (!stop.aborted) reporter.live(view);
  }
}

/** Longest that a timer can wait. */
const TIMER_MS_MAX = 2 ** 31 - 1;

async function pause(ms: number, stop: AbortSignal): Promise<void> {
  await sleep(Math.min(ms, TIMER_MS_MAX), undefined, { signal: stop }).catch(() => undefined);
}
