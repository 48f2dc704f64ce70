#!/usr/bin/env node
// What `npx pychain` starts. Plain JavaScript that old versions of Node.js can read: where this one is too old for the rest, npm brings one
// that is not, into its own cache, so that nothing else of the project runs on another Node.js than before.
import { spawn, spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

/** What node:sqlite and Miniflare need. */
const MAJOR_MIN = 24;
const WANTED = 'node@24.21.0';
const PARENT_POLL_MS = 1_000;

const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));

if (Number(process.versions.node.split('.')[0]) >= MAJOR_MIN) await import(main);
else runOn(findNode());

/** Path of a Node.js that will do. */
function findNode() {
  const { npm_execpath: script, npm_node_execpath: node } = process.env;
  const [command, ...first] = script && node ? [node, script] : ['npm'];
  const args = [...first, 'exec', '--yes', `--package=${WANTED}`, '--', 'node', '-p', 'process.execPath'];
  // npm's own words go to standard error. On Windows `npm` is a script, which needs a shell.
  const found = spawnSync(command, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    shell: process.platform === 'win32' && command === 'npm',
  });
  const path = (found.stdout ?? '').trim().split('\n').at(-1) ?? '';
  if (found.status === 0 && path !== '') return path;
  const why = found.error ? ` (${found.error.message})` : '';
  process.stderr.write(
    `pychain: Node.js ${MAJOR_MIN} or later is needed, this is ${process.version}, and npm did not bring one${why}: see https://nodejs.org/\n`,
  );
  process.exit(1);
}

/** @param {string} node */
function runOn(node) {
  const child = spawn(node, [main, ...process.argv.slice(2)], { stdio: 'inherit' });
  // A terminal sends Ctrl-C to both; what is sent to this process alone is passed on.
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.on(signal, () => {
      if (signal !== 'SIGINT') child.kill(signal);
    });
  }
  // npm's shell does not always pass signals on to this process: it ends with its parent.
  const parent = process.ppid;
  const watch = setInterval(() => process.ppid === parent || child.kill('SIGTERM'), PARENT_POLL_MS);
  watch.unref();
  child.on('error', (error) => {
    process.stderr.write(`pychain: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (signal ? constants.signals[signal] : 0);
  });
}
