// Runs before `npm start` and `npm test`: installs what package-lock.json names, unless node_modules has it already.
// Plain JavaScript for Node.js 20: the Node.js 24 that the rest needs is one of the things this installs.
// `--stamp` only notes that the install is complete; npm runs it last, after every install of its own ("dependencies").
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NODE_MAJOR_MIN = 20;
const NODE_MAJOR_WANTED = 24;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
const bin = join(modules, '.bin');
const stamp = join(modules, '.setup-stamp');

const major = Number(process.versions.node.split('.')[0]);
if (major < NODE_MAJOR_MIN) {
  fail(`Node.js ${NODE_MAJOR_MIN} or later is needed, this is ${process.version}: see https://nodejs.org/`);
}
if (process.argv.includes('--stamp')) {
  writeFileSync(stamp, wanted());
} else if (!isInstalled()) {
  install();
}

/** What a complete install leaves in the stamp. Binaries differ by platform: a copied folder must not pass. */
function wanted() {
  const lock = readFileSync(join(root, 'package-lock.json'));
  return `${process.platform}-${process.arch} ${createHash('sha256').update(lock).digest('hex')}\n`;
}

function isInstalled() {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted();
}

function install() {
  if (lstatSync(modules, { throwIfNoEntry: false })?.isSymbolicLink()) {
    // `npm ci` would empty the folder behind the link, which another copy of the project uses.
    fail('node_modules is a link to a folder that does not fit package-lock.json: remove the link');
  }
  console.error('setup: installing dependencies (npm ci) …');
  // An install that is interrupted must not look complete.
  rmSync(stamp, { force: true });
  const { command, args } = npm();
  // Dev dependencies are what runs the network locally, also where NODE_ENV is "production". Warnings are about the
  // versions of Node.js that packages want: this npm may run on an older one than they will.
  args.push('ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error');
  // npm's output goes to stderr, so that stdout has only what the command itself prints.
  const { status, signal, error } = spawnSync(command, args, {
    cwd: root,
    env: { ...process.env, PATH: pathWithoutModules() },
    stdio: ['ignore', 2, 2],
  });
  if (error) fail(`cannot run npm (${error.message}): install Node.js with npm, see https://nodejs.org/`);
  if (status !== 0) {
    const why = signal ?? `exit code ${status}`;
    fail(`"npm ci" failed (${why}), see its message above: check the network, then run the command again`);
  }
  checkNode();
  writeFileSync(stamp, wanted());
}

/**
 * The npm that is running us, on the Node.js that runs it: not on the one in node_modules, which `npm ci` deletes.
 * @returns {{command: string, args: string[]}}
 */
function npm() {
  const { npm_execpath: script, npm_node_execpath: node } = process.env;
  if (script && node && !node.startsWith(modules)) return { command: node, args: [script] };
  return { command: process.platform === 'win32' ? 'npm.cmd' : 'npm', args: [] };
}

function pathWithoutModules() {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return folders.filter((folder) => folder !== bin).join(delimiter);
}

/** npm may be told not to run install scripts, and one of them brings Node.js 24. */
function checkNode() {
  const { stdout } = spawnSync(join(bin, 'node'), ['--version'], { encoding: 'utf8' });
  const installed = Number(/^v(\d+)/.exec(stdout ?? '')?.[1] ?? 0);
  if (Math.max(installed, major) >= NODE_MAJOR_WANTED) return;
  fail(
    `Node.js ${NODE_MAJOR_WANTED} did not install: run "npm rebuild node --ignore-scripts=false", ` +
      `or put Node.js ${NODE_MAJOR_WANTED} first on the PATH`,
  );
}

/**
 * @param {string} message
 * @returns {never}
 */
function fail(message) {
  console.error(`setup: ${message}`);
  process.exit(1);
}
