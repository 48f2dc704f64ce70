// Four projects: `protocol` runs in Node.js, `worker` and `worker-beacon` in workerd next to the Worker of wrangler.toml, `e2e` starts whole
// networks. scripts/test.mjs runs one after the other.
import { cloudflareTest } from '@cloudflare/vitest-plugin';
import { defineConfig } from 'vitest/config';
import { buildDashboard } from './src/cli/page-build.ts';

// wrangler.toml names the folder that it is built to.
await buildDashboard();

/**
 * What the Worker under test sees, over wrangler.toml: the operator's token, enough nodes for a tree with branches, and sync
 * rounds only when a test rings the alarm, so that rows can be counted.
 */
const WORKER_VARIABLES = {
  NETWORK: 'test',
  NODE_COUNT: '16',
  FANOUT: '4',
  NETWORK_SYNC_INTERVAL: '3600',
  NETWORK_SYNC_JITTER: '0',
  LOG_LEVEL: 'ERROR',
  // Enough to see that work is asked for, little enough to be done often.
  POW_BITS: '8',
  ADMIN_TOKEN: 'admin-token-for-tests',
  // Only the tests of the beacon have one.
  BEACON: 'off',
};

/** A project of tests in Node.js. What they are answered is held against the API's document; in workerd their own `serve` sees to that. */
function nodeProject<T extends object>(name: string, test: T) {
  return { test: { name, environment: 'node' as const, setupFiles: ['test/support/watch-fetch.ts'], ...test } };
}

/** A project of tests in workerd. */
function workerProject(
  name: string,
  files: { include: string[]; exclude?: string[] },
  bindings: Record<string, string>,
) {
  return {
    plugins: [cloudflareTest({ wrangler: { configPath: './wrangler.toml' }, miniflare: { bindings } })],
    test: {
      name,
      ...files,
      testTimeout: 30_000,
      hookTimeout: 30_000,
      // By default one core of two would be left idle.
      maxWorkers: 2,
      // It ships ES modules without saying so.
      deps: { optimizer: { ssr: { enabled: true, include: ['itty-durable'] } } },
    },
  };
}

export default defineConfig({
  test: {
    projects: [
      nodeProject('protocol', {
        include: ['test/**/*.test.ts'],
        exclude: ['test/worker/**', 'test/e2e/**'],
        testTimeout: 30_000,
        // To load the same modules anew for each file took longer than the tests.
        isolate: false,
        maxWorkers: 2,
      }),
      workerProject(
        'worker',
        { include: ['test/worker/**/*.test.ts'], exclude: ['test/worker/beacon*.test.ts'] },
        WORKER_VARIABLES,
      ),
      workerProject(
        'worker-beacon',
        { include: ['test/worker/beacon*.test.ts'] },
        { ...WORKER_VARIABLES, BEACON: 'on' },
      ),
      nodeProject('e2e', {
        include: ['test/e2e/**/*.test.ts'],
        // Each starts workerd processes of its own, and waits for much of its time: two at once, no more, or they starve each other.
        maxWorkers: 2,
        testTimeout: 300_000,
        hookTimeout: 120_000,
      }),
    ],
  },
});
