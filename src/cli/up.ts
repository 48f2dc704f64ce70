// `pychain up`: checks everything, starts the network, sees it join, and stops it in order.
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { createClient } from './client.ts';
import { CliError, errorLine, EXIT, type ExitCode } from './errors.ts';
import type { LocalNetwork } from './local-network.ts';
import { LogFiles } from './log-files.ts';
import { NetworkView } from './network-view.ts';
import { freePort, urlHost } from './ports.ts';
import { createReporter, type Reporter, type UpFacts } from './reporter.ts';
import * as settings from './settings.ts';
import { stopOnSignals } from './signals.ts';
import * as state from './state-folder.ts';

/** Arguments of `pychain up`, as given. */
export interface UpArguments {
  readonly nodes: string | undefined;
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
  readonly vars: Readonly<Record<string, string>>;
  readonly host: string;
  readonly port: number;
}

/** Runs a local network until a signal ends it. */
export async function up(args: UpArguments): Promise<ExitCode> {
  const assigned = settings.parseAssignments(args.variables);
  const merged = settings.mergeEnvironment(assigned, process.env);
  const wantedPort = settings.parseWhole(args.port, 0, 65_535, '--port');
  const { storageDir, logDir } = settings.folders(merged);
  const stored = args.fresh ? null : await state.readNodeCount(storageDir);
  const vars: Record<string, string> = {
    ...settings.workerVariables(merged),
    NODE_COUNT: settings.nodeCount(args.nodes, assigned, merged, stored),
  };
  settings.checkVariables({ PUBLIC_URL: `http://${urlHost(args.host)}`, ...vars });
  settings.checkNotFewer(Number(vars['NODE_COUNT']), stored);
  await state.ensureWritable(storageDir, 'STORAGE_DIR');
  await state.ensureWritable(logDir, 'LOG_DIR');

  const lock = await state.lockFolder(storageDir);
  try {
    const port = await freePort(args.host, wantedPort);
    const url = `http://${urlHost(args.host)}:${port}`;
    await state.openState(storageDir, args.fresh);
    const token = await state.ensureAdminToken(storageDir, vars['ADMIN_TOKEN']);
    const adminTokenFile = state.adminTokenFile(storageDir);
    const complete = { PUBLIC_URL: url, ...vars, ADMIN_TOKEN: token };
    checkToken(complete, adminTokenFile);
    const facts = {
      url,
      network: vars['NETWORK'] ?? 'pychain',
      nodes: Number(vars['NODE_COUNT']),
      storageDir,
      logDir,
      adminTokenFile,
    };
    return await run({ facts, vars: complete, host: args.host, port }, createReporter(args.json));
  } finally {
    await state.clearRunning(storageDir);
    await lock.release();
  }
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
  const logs = new LogFiles({ logDir: plan.facts.logDir, onFault: (line) => reporter.warning(line) });
  const startedAt = performance.now();
  reporter.starting(plan.facts);
  let network: LocalNetwork | null = null;
  try {
    network = await start(plan, logs);
    // Not before: a start that fails must not make the next one larger. No node joins until cron.
    await state.writeNodeCount(plan.facts.storageDir, plan.facts.nodes);
    await state.writeRunning(plan.facts.storageDir, {
      url: plan.facts.url,
      pid: process.pid,
      nodes: plan.facts.nodes,
      started: Date.now() / 1000,
      log_dir: plan.facts.logDir,
    });
    const view = new NetworkView(createClient({ url: network.url, token: null }), plan.facts.nodes);
    void tick(network, view, logs, reporter, stop);
    // Not waited for what is in flight when the stop comes: it ends with workerd.
    await Promise.race([watch(view, reporter, startedAt, stop), once(stop, 'abort')]);
  } finally {
    await network?.dispose();
    await logs.close();
  }
  reporter.stopped();
  return EXIT.ok;
}

async function start(plan: Plan, logs: LogFiles): Promise<LocalNetwork> {
  // Miniflare and esbuild take a while to load: what is wrong before that, and the other commands, need not wait.
  const { bundleWorker, startLocalNetwork } = await import('./local-network.ts');
  let bundle: string;
  try {
    bundle = await bundleWorker();
  } catch (error) {
    throw new CliError(`the Worker does not bundle: ${errorLine(error)}`);
  }
  try {
    return await startLocalNetwork({
      nodes: plan.facts.nodes,
      host: plan.host,
      port: plan.port,
      storageDir: state.stateDir(plan.facts.storageDir),
      vars: plan.vars,
      onLog: (line) => logs.write(line),
      bundle,
      ownSignals: true,
    });
  } catch (error) {
    throw new CliError(`workerd does not start: ${errorLine(error)}; more in ${join(plan.facts.logDir, 'worker.log')}`);
  }
}

/** Fires cron: often until all have joined, then every minute, as the platform does. */
async function tick(network: LocalNetwork, view: NetworkView, logs: LogFiles, reporter: Reporter, stop: AbortSignal) {
  let told = false;
  while (!stop.aborted) {
    try {
      await network.cron();
    } catch (error) {
      if (stop.aborted) return;
      logs.write({
        time: new Date(),
        level: 'error',
        text: `cron: ${error instanceof Error ? error.stack : String(error)}`,
      });
      if (!told) reporter.warning(`cron failed: ${errorLine(error)}; more in worker.log`);
      told = true;
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
