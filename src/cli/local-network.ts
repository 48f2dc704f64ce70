// All of Miniflare's configuration: a deployment's Worker in a local workerd. `pychain up`, the end-to-end tests and the
// benchmarks start their networks here. Its options changed shape between betas, which is why no other file knows them.
import { accessSync, constants, existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Log, LogLevel, Miniflare, type MiniflareOptions } from 'miniflare';
import { z } from 'zod';
import { buildDashboard } from './page-build.ts';
import { urlHost } from './ports.ts';
import { IS_PACKED, PROJECT_DIR, readWranglerConfig, type WranglerConfig } from './wrangler-config.ts';

/** A line that workerd or Miniflare printed: one whole `console.log` of the Worker, or something of the runtime's own. */
export interface RuntimeLine {
  readonly time: Date;
  readonly level: string;
  readonly text: string;
}

export interface LocalNetworkOptions {
  /** Hosted nodes; becomes NODE_COUNT. */
  readonly nodes: number;
  readonly host: string;
  /** Must be free, and known beforehand: it is part of the nodes' addresses. See `freePort`. */
  readonly port: number;
  /** Where Durable Objects keep their state; null: nowhere, the network forgets everything when it stops. */
  readonly storageDir: string | null;
  /** Variables of the Worker. PUBLIC_URL is made from host and port unless it is given. */
  readonly vars: Readonly<Record<string, string>>;
  readonly onLog: (line: RuntimeLine) => void;
  /** A Worker bundled before, from `bundleWorker`: saves the time when many networks start. */
  readonly bundle?: string;
  /** The caller handles SIGINT, SIGTERM and SIGHUP, and disposes; by default they end the process at once. */
  readonly ownSignals?: boolean;
  readonly projectDir?: string;
  /** Serves the live page at `/` too. Each request goes through two more Workers then, which measurements do without. */
  readonly hasPage?: boolean;
  /** Objects stay in memory when nobody calls them; else workerd evicts them after ten idle seconds. For measurements of nodes that are awake. */
  readonly staysAwake?: boolean;
  /** Where V8's inspector listens, for profiles; without it nowhere. */
  readonly inspectorPort?: number;
  /** The application, bound as HANDLER; without it nothing is. */
  readonly handler?: Handler;
}

/** Code on this side of a service binding. */
export type Handler = Extract<NonNullable<WorkerConfig['env']>[string], { type: 'fetcher' }>['handler'];

export interface LocalNetwork {
  /** Where it listens, without a trailing slash. */
  readonly url: string;
  /**
   * Fires the cron trigger and waits for it; local runs do not fire it themselves. Each call is a minute later than the one
   * before, for the Worker: a tick takes its share of the nodes by the minute.
   */
  cron(): Promise<void>;
  /** Stops workerd; state on disk stays. */
  dispose(): Promise<void>;
}

/** Where the package has the Worker, bundled when it was packed. */
const PACKED_WORKER = new URL('../worker.js', import.meta.url);

/** Bundles the Worker to one module, as `wrangler deploy` would. */
export async function bundleWorker(projectDir: string = PROJECT_DIR, entry?: string): Promise<string> {
  if (entry === undefined && IS_PACKED) return await readFile(PACKED_WORKER, 'utf8');
  const main = entry ?? (await readWranglerConfig(projectDir)).main;
  // The package does without it.
  const { build } = await import('esbuild');
  const result = await build({
    absWorkingDir: projectDir,
    entryPoints: [main],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['cloudflare:*', 'node:*'],
    sourcemap: 'inline',
    logLevel: 'silent',
  });
  const output = result.outputFiles[0];
  if (!output) throw new Error(`esbuild made nothing of ${main}`);
  return output.text;
}

/** By project: a process that starts many networks builds the page once. */
const pages = new Map<string, Promise<string>>();

/** Builds the page where its sources are; elsewhere, as in a package, it was built before. */
async function buildPage(projectDir: string): Promise<void> {
  if (IS_PACKED || !existsSync(join(projectDir, 'dashboard'))) return;
  const building = pages.get(projectDir) ?? buildDashboard(projectDir);
  pages.set(projectDir, building);
  await building;
}

/** Starts a deployment in workerd; resolves when it answers requests. Nodes join on their first wake: call `cron`. */
export async function startLocalNetwork(options: LocalNetworkOptions): Promise<LocalNetwork> {
  const projectDir = options.projectDir ?? PROJECT_DIR;
  const wrangler = await readWranglerConfig(projectDir);
  const bundle = options.bundle ?? (await bundleWorker(projectDir, wrangler.main));
  if (options.hasPage) await buildPage(projectDir);
  const url = `http://${urlHost(options.host)}:${options.port}`;
  const unguard = guardWorkerd();
  const before = signalListeners();
  const miniflare = new Miniflare(miniflareOptions(options, wrangler, bundle, url));
  if (options.ownSignals) removeNewListeners(before);
  try {
    await miniflare.ready;
  } catch (error) {
    await miniflare.dispose().catch(() => undefined);
    throw error;
  } finally {
    unguard();
  }
  const cron = wrangler.triggers.crons[0] ?? '* * * * *';
  let scheduled = 0;
  let disposed: Promise<void> | undefined;
  return {
    url,
    cron: async () => {
      scheduled = Math.max(Date.now(), scheduled + CRON_MS);
      await fireCron(miniflare, url, cron, scheduled);
    },
    dispose: () => (disposed ??= miniflare.dispose()),
  };
}

const CRON_MS = 60_000;

/**
 * Over HTTP, since the first call through Miniflare's own proxy blocks the event loop until it is done: nobody would read
 * what workerd logs meanwhile, and with enough nodes both wait for each other for ever.
 */
async function fireCron(miniflare: Miniflare, url: string, cron: string, time: number): Promise<void> {
  const query = new URLSearchParams({ cron, time: String(time), format: 'json' });
  const { port } = new URL(url);
  // The trigger answers to local names only, whatever the address that we listen on.
  const response = await miniflare.dispatchFetch(`http://localhost:${port}/cdn-cgi/local/scheduled?${query}`);
  const answer = await response.text();
  if (!response.ok) throw new Error(`the cron trigger ended with ${answer.slice(0, 200)}`);
}

function miniflareOptions(
  options: LocalNetworkOptions,
  wrangler: WranglerConfig,
  bundle: string,
  url: string,
): MiniflareOptions {
  const vars = { ...wrangler.vars, PUBLIC_URL: url, ...options.vars, NODE_COUNT: options.nodes };
  return {
    // Miniflare's own entry, which finds out what a request is for: that of the page, and where none is served, only that of `cron`.
    ...(options.hasPage ? { host: options.host, port: options.port } : { host: '127.0.0.1', port: 0 }),
    log: new LineLog(options.onLog),
    logRequests: false,
    // Miniflare would ask cloudflare.com for an example of `request.cf`; nothing of ours reads it.
    cf: false,
    telemetry: { enabled: false },
    ...(options.inspectorPort !== undefined && { inspectorPort: options.inspectorPort }),
    // For `cron`. It answers requests to local names only.
    unsafeTriggerHandlers: true,
    // A stack trace as HTML is of no use to callers that expect problem+json.
    stripDisablePrettyError: false,
    handleStructuredLogs: ({ timestamp, level, message }) =>
      options.onLog({ time: new Date(timestamp), level, text: message }),
    handleUncaughtError: (error) =>
      options.onLog({ time: new Date(), level: 'error', text: error.stack ?? String(error) }),
    ...(options.storageDir === null ? {} : { resourcePersistencePath: options.storageDir }),
    unsafeRuntimeEnv: { PYCHAIN_WORKERD: realWorkerd() },
    workers: [
      {
        config: {
          name: wrangler.name,
          compatibilityDate: wrangler.compatibility_date,
          compatibilityFlags: wrangler.compatibility_flags,
          manifest: { mainModule: 'worker.js', modules: { 'worker.js': { type: 'esm', contents: bundle } } },
          env: {
            ...environment(wrangler, vars),
            ...(options.handler && { HANDLER: { type: 'fetcher' as const, handler: options.handler } }),
          },
          exports: Object.fromEntries(
            wrangler.migrations
              .flatMap((migration) => migration.new_sqlite_classes)
              .map((name) => [
                name,
                {
                  type: 'durable-object' as const,
                  storage: 'sqlite' as const,
                  unsafePreventEviction: options.staysAwake ?? false,
                },
              ]),
          ),
          ...(options.hasPage && assets(wrangler, options.projectDir ?? PROJECT_DIR)),
          triggers: [...queueTriggers(wrangler), ...cronTriggers(wrangler)],
        },
        // Straight to the Worker: through the entry a request takes 0.5 ms of CPU, without it 0.25 (measured at 404s).
        ...(!options.hasPage && { dev: { unsafeDirectSockets: [{ host: options.host, port: options.port }] } }),
      },
    ],
  };
}

type WorkerConfig = MiniflareOptions['workers'][number]['config'];

function environment(
  wrangler: WranglerConfig,
  vars: Readonly<Record<string, string | number | boolean>>,
): WorkerConfig['env'] {
  return Object.fromEntries([
    ...Object.entries(vars).map(([name, value]) => [name, { type: 'text' as const, value: String(value) }] as const),
    ...wrangler.durable_objects.bindings.map(
      ({ name, class_name: exportName }) =>
        [name, { type: 'durable-object' as const, worker: wrangler.name, exportName }] as const,
    ),
    ...wrangler.queues.producers.map(
      ({ binding, queue }) => [binding, { type: 'queue' as const, name: queue }] as const,
    ),
  ]);
}

/** The page, where it is built. */
function assets(wrangler: WranglerConfig, projectDir: string): Pick<WorkerConfig, 'assets'> {
  if (!wrangler.assets) return {};
  const directory = resolve(projectDir, wrangler.assets.directory);
  if (!existsSync(directory)) return {};
  return { assets: { directory, hasUserWorker: true, runWorkerFirst: wrangler.assets.run_worker_first } };
}

function queueTriggers(wrangler: WranglerConfig) {
  return wrangler.queues.consumers.map((consumer) => ({
    type: 'queue' as const,
    name: consumer.queue,
    maxBatchSize: consumer.max_batch_size,
    maxBatchTimeout: consumer.max_batch_timeout,
    maxRetries: consumer.max_retries,
    maxConcurrency: consumer.max_concurrency,
    retryDelay: consumer.retry_delay,
    deadLetterQueue: consumer.dead_letter_queue,
  }));
}

function cronTriggers(wrangler: WranglerConfig) {
  return wrangler.triggers.crons.map((schedule) => ({ type: 'scheduled' as const, schedule }));
}

/** Miniflare's own lines, given to `onLog` instead of the terminal, where they would tear the live table. */
class LineLog extends Log {
  readonly #onLog: (line: RuntimeLine) => void;

  constructor(onLog: (line: RuntimeLine) => void) {
    super(LogLevel.WARN);
    this.#onLog = onLog;
  }

  override logWithLevel(level: LogLevel, message: string): void {
    if (level > this.level) return;
    this.#onLog({ time: new Date(), level: level === LogLevel.ERROR ? 'error' : 'warn', text: message });
  }
}

const WORKERD_PATH = 'MINIFLARE_WORKERD_PATH';
const GUARD = fileURLToPath(new URL('./workerd-guard.sh', import.meta.url));
const givenWorkerd = process.env[WORKERD_PATH];

/** Networks of this process that are starting: the variable below is theirs meanwhile. */
let starting = 0;

/** The binary that Miniflare would start: that of its own dependency, which is not one of ours. */
function realWorkerd(): string {
  // A parent that is starting a network of its own may have handed its guard down to us.
  if (givenWorkerd !== undefined && basename(givenWorkerd) !== basename(GUARD)) return givenWorkerd;
  const workerd: unknown = createRequire(import.meta.resolve('miniflare'))('workerd');
  return z.object({ default: z.string() }).parse(workerd).default;
}

/**
 * Has Miniflare start workerd through a script that ends it when this process dies without a chance to do so itself. Gives
 * what takes that back: child processes inherit the variable, and their workerd is their own business.
 */
function guardWorkerd(): () => void {
  if (process.platform === 'win32') return () => undefined;
  try {
    accessSync(GUARD, constants.X_OK);
  } catch {
    // A checkout without executable bits: workerd runs unguarded, as Miniflare does by default.
    return () => undefined;
  }
  starting++;
  process.env[WORKERD_PATH] = GUARD;
  return () => {
    if (--starting > 0) return;
    if (givenWorkerd === undefined) delete process.env[WORKERD_PATH];
    else process.env[WORKERD_PATH] = givenWorkerd;
  };
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

function signalListeners(): ReadonlySet<unknown> {
  return new Set(SIGNALS.flatMap((signal) => process.listeners(signal)));
}

/** Miniflare's handlers end the process in the same tick, so nothing after them could stop in an orderly way. */
function removeNewListeners(before: ReadonlySet<unknown>): void {
  for (const signal of SIGNALS) {
    for (const listener of process.listeners(signal)) {
      if (!before.has(listener)) process.removeListener(signal, listener);
    }
  }
}
