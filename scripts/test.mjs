// `npm test`: every check of this repository, one after the other, also after one has failed. The last line on stdout is
// "N passed, N failed". A check that is no test run counts as one; a test run counts its tests, and one more for each
// file that does not load, each crash and each run without a test.
// `npm test -- protocol types` runs the named steps only: a name selects its own step or all steps "name:…".
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'smol-toml';

/** Compressed size of the Worker, as wrangler tells it. The platform allows far more; start-up time is what counts. */
const WORKER_GZIP_BYTES_MAX = 150_000;
const MINUTE_MS = 60_000;

/**
 * @typedef {{ passed: number, failed: number, note?: string, names?: string[] }} Outcome
 * @typedef {{ name: string, run: () => Promise<Outcome> }} Step
 * @typedef {{ status: number | null, output: string }} Finished
 */

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const scratch = mkdtempSync(join(tmpdir(), 'pychain-test-'));
const environment = {
  ...process.env,
  // Node.js 24 from node_modules, also where this script was not started by npm.
  PATH: [join(root, 'node_modules', '.bin'), process.env['PATH'] ?? ''].join(delimiter),
  CI: '1',
  // Commands are started often: their types are stripped once.
  NODE_COMPILE_CACHE: join(scratch, 'compiled'),
  WRANGLER_SEND_METRICS: 'false',
  WRANGLER_SEND_ERROR_REPORTS: 'false',
  WRANGLER_HIDE_BANNER: 'true',
  WRANGLER_LOG_PATH: join(scratch, 'wrangler-logs'),
};

/** @type {Step[]} */
const steps = [
  { name: 'format', run: () => check('prettier', ['--check', '--log-level=warn', '.']) },
  { name: 'lint', run: () => check('oxlint', ['--deny-warnings', '--report-unused-disable-directives']) },
  ...tsconfigs().map((path) => ({ name: `types:${path}`, run: () => check('tsc', ['-p', path]) })),
  { name: 'protocol', run: () => vitest('protocol', 5 * MINUTE_MS) },
  { name: 'worker', run: () => vitest('worker', 10 * MINUTE_MS) },
  { name: 'worker-beacon', run: () => vitest('worker-beacon', 5 * MINUTE_MS) },
  { name: 'e2e', run: () => vitest('e2e', 30 * MINUTE_MS) },
  ...environments().map((name) => ({ name: `deploy:${name ?? 'default'}`, run: () => dryDeploy(name) })),
];

/** @type {import('node:child_process').ChildProcess | null} */
let running = null;
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) {
  process.on(signal, () => {
    killRunning();
    rmSync(scratch, { recursive: true, force: true });
    process.exit(1);
  });
}
await main(process.argv.slice(2));

/** @param {string[]} names */
async function main(names) {
  const unknown = names.filter((name) => !steps.some((step) => isSelected(step, [name])));
  const selected = names.length === 0 ? steps : steps.filter((step) => isSelected(step, names));
  const summary = unknown.map(
    (name) => `fail  ${name}: no such step, there are: ${steps.map((s) => s.name).join(', ')}`,
  );
  let passed = 0;
  let failed = unknown.length;
  for (const step of selected) {
    console.log(`\n== ${step.name}`);
    const start = Date.now();
    // One at a time: they share the processor and the terminal.
    const outcome = await step.run().catch(failure);
    const seconds = ((Date.now() - start) / 1000).toFixed(1);
    passed += outcome.passed;
    failed += outcome.failed;
    const counts = `${outcome.passed} passed, ${outcome.failed} failed`;
    const note = outcome.note ? `, ${outcome.note}` : '';
    summary.push(`${outcome.failed > 0 ? 'fail' : 'ok  '}  ${step.name}: ${counts}, ${seconds} s${note}`);
    // Again at the end: of a long log often only that is kept.
    for (const name of outcome.names ?? []) summary.push(`      ${name}`);
  }
  rmSync(scratch, { recursive: true, force: true });
  console.log(`\n== summary\n${summary.join('\n')}`);
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
  console.log(`${passed} passed, ${failed} failed`);
}

/**
 * @param {unknown} error
 * @returns {Outcome}
 */
function failure(error) {
  return { passed: 0, failed: 1, note: String(error) };
}

/**
 * @param {Step} step
 * @param {string[]} names
 */
function isSelected(step, names) {
  return names.some((name) => step.name === name || step.name.startsWith(`${name}:`));
}

/** Every tsconfig that has files of its own. */
function tsconfigs() {
  const all = [
    'src/protocol/tsconfig.json',
    'src/client/tsconfig.json',
    'tsconfig.json',
    'tsconfig.node.json',
    'test/worker/tsconfig.json',
  ];
  return [...all, 'dashboard/tsconfig.json'].filter((path) => existsSync(join(root, path)));
}

/** The unnamed environment and the named ones of wrangler.toml. */
function environments() {
  const config = parse(readFileSync(join(root, 'wrangler.toml'), 'utf8'));
  return [null, ...Object.keys(config['env'] ?? {})];
}

/**
 * A command that passes or fails.
 * @param {string} command
 * @param {string[]} args
 * @returns {Promise<Outcome>}
 */
async function check(command, args) {
  const { status } = await run(command, args, 5 * MINUTE_MS);
  return status === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

/**
 * One vitest project, counted from its JSON report.
 * @param {string} project
 * @param {number} timeoutMs
 * @returns {Promise<Outcome>}
 */
async function vitest(project, timeoutMs) {
  const file = join(scratch, `${project}.json`);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  const { status } = await run('vitest', ['run', '--project', project, ...reporters], timeoutMs);
  if (!existsSync(file)) return { passed: 0, failed: 1, note: `vitest ended with ${status} and no report` };
  const report = JSON.parse(readFileSync(file, 'utf8'));
  const broken = report.testResults.filter(isBroken).length;
  const passed = Number(report.numPassedTests);
  const failed = Number(report.numFailedTests) + broken;
  if (passed + failed === 0) return { passed, failed: 1, note: 'no test ran' };
  // An error outside any test, such as an unhandled rejection or a crash of the runtime.
  if (status !== 0 && failed === 0) return { passed, failed: 1, note: `vitest ended with ${status}` };
  return { passed, failed, names: report.testResults.flatMap(failures) };
}

/**
 * The failed tests of a file, each with the first line of what went wrong.
 * @param {{ assertionResults: { status: string, fullName: string, failureMessages: string[] }[] }} file
 */
function failures(file) {
  const failed = file.assertionResults.filter((test) => test.status === 'failed');
  return failed.map((test) => `${test.fullName}: ${(test.failureMessages[0] ?? '').split('\n')[0]}`);
}

/**
 * A file that failed with no failed test in it: it did not load, or a hook of it threw.
 * @param {{ status: string, assertionResults: { status: string }[] }} file
 */
function isBroken(file) {
  return file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed');
}

/**
 * Bundles the Worker as a deployment would, without a network or an account.
 * @param {string | null} name
 * @returns {Promise<Outcome>}
 */
async function dryDeploy(name) {
  const folder = join(scratch, `deploy-${name ?? 'default'}`);
  mkdirSync(folder);
  // An empty name is the top level of wrangler.toml, said so that wrangler does not ask.
  const args = ['deploy', '--dry-run', '--outdir', folder, '--env', name ?? ''];
  const { status, output } = await run('wrangler', args, 2 * MINUTE_MS, true);
  const kib = Number(/gzip: ([\d.]+) KiB/.exec(output)?.[1] ?? NaN);
  const bytes = Math.round(kib * 1024);
  if (status !== 0 || Number.isNaN(bytes) || readdirSync(folder).length === 0 || /\[WARNING\]/.test(output)) {
    console.log(output);
    return { passed: 0, failed: 1, note: `wrangler ended with ${status}, or warned` };
  }
  const note = `${(bytes / 1000).toFixed(1)} kB gzip of at most ${WORKER_GZIP_BYTES_MAX / 1000}`;
  console.log(note);
  return bytes <= WORKER_GZIP_BYTES_MAX ? { passed: 1, failed: 0, note } : { passed: 0, failed: 1, note };
}

/**
 * Runs a command in a process group of its own, which is killed as a whole when the time is up: vitest and wrangler
 * start processes that would outlive them.
 * @param {string} command
 * @param {string[]} args
 * @param {number} timeoutMs
 * @param {boolean} [isCaptured] output is returned instead of shown
 * @returns {Promise<Finished>}
 */
function run(command, args, timeoutMs, isCaptured = false) {
  return new Promise((resolve, reject) => {
    const stdout = isCaptured ? 'pipe' : 'inherit';
    const child = spawn(command, args, {
      cwd: root,
      env: environment,
      detached: true,
      stdio: ['ignore', stdout, isCaptured ? 'pipe' : 'inherit'],
    });
    running = child;
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data) => (output += data));
    const timer = setTimeout(() => {
      console.log(`${command}: stopped after ${timeoutMs / MINUTE_MS} minutes`);
      killRunning();
    }, timeoutMs);
    child.on('error', reject);
    child.on('close', (status) => {
      clearTimeout(timer);
      killRunning();
      running = null;
      resolve({ status, output });
    });
  });
}

function killRunning() {
  if (running?.pid === undefined) return;
  try {
    process.kill(-running.pid, 'SIGKILL');
  } catch {
    // The whole group has ended already.
  }
}
