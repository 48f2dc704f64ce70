// What `npm pack` gives, in an empty project: `npx pychain up`, both examples, and the types.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../bench/network.ts';
import { freePort } from '../../src/cli/ports.ts';

const ROOT = join(import.meta.dirname, '../..');
const exec = promisify(execFile);

let project: string;
const running = new Set<ChildProcess>();

beforeAll(async () => {
  project = mkdtempSync(join(tmpdir(), 'pychain-package-'));
  const { stdout } = await exec('npm', ['pack', '--json', '--pack-destination', project], { cwd: ROOT });
  // The build's own lines come first.
  const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf('[\n'))) as [{ filename: string }];
  writeFileSync(join(project, 'package.json'), '{ "type": "module", "private": true }\n');
  await exec('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', filename], { cwd: project });
});
afterAll(async () => {
  for (const child of running) {
    child.kill('SIGTERM');
    if (child.exitCode === null) await once(child, 'exit');
  }
  rmSync(project, { recursive: true });
});

/** Starts a command in the project, and gives its lines as they come. */
function start(command: string, args: readonly string[]): { child: ChildProcess; lines: AsyncIterator<string> } {
  const child = spawn(command, args, { cwd: project, stdio: ['ignore', 'pipe', 'inherit'] });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return { child, lines: createInterface(child.stdout)[Symbol.asyncIterator]() };
}

/** The first line that has the text. */
async function lineWith(lines: AsyncIterator<string>, text: string): Promise<string> {
  for (;;) {
    const { done, value } = await lines.next();
    if (done) throw new Error(`it ended without ${text}`);
    if (value.includes(text)) return value;
  }
}

describe('the package', () => {
  it('runs a network; the examples speak to it, and take part in it', async () => {
    const port = String(await freePort('127.0.0.1', 0));
    const url = `http://127.0.0.1:${port}`;
    // Newcomers are announced within a minute; who syncs each second knows them sooner.
    const variables = ['LOCAL_PEERS=on', 'NETWORK_SYNC_INTERVAL=1', 'NETWORK_SYNC_JITTER=0'];
    const set = variables.flatMap((variable) => ['-e', variable]);
    const up = start('npx', ['pychain', 'up', '2', '--port', port, '--json', ...set]);
    await lineWith(up.lines, '"event":"ready"');
    const token = readFileSync(join(project, '.pychain/admin-token'), 'utf8').trim();
    const examples = join(project, 'node_modules/pychain-edge/examples');

    const { stdout } = await exec('node', [join(examples, 'client.mjs'), `${url}/n/1`, token], { cwd: project });
    expect(stdout).toBe('node 1 of the network pychain\n1 {"hello":"world"}\n');

    const address = `http://127.0.0.1:${await freePort('127.0.0.1', 0)}`;
    const node = start('node', [join(examples, 'node.mjs'), url, address]);
    expect(await lineWith(node.lines, 'GUID')).toBe('GUID 3');
    // What is sent before node 1 has heard of it comes with its next sync.
    await eventually('node 1 knows it', async () => (await fetch(`${url}/n/1/api/v1/members/3`)).ok);
    await exec('npx', ['pychain', 'broadcast', '{"to": "all"}'], { cwd: project });
    expect(await lineWith(node.lines, '"to"')).toBe('1 {"to":"all"}');
    node.child.kill('SIGTERM');
    await once(node.child, 'exit');
    expect(node.child.exitCode).toBe(0);

    up.child.kill('SIGTERM');
    await lineWith(up.lines, '"event":"stopped"');
  });

  it.each(['nodenext', 'bundler'])('has types, under "moduleResolution": "%s"', async (moduleResolution) => {
    const folder = join(project, moduleResolution);
    mkdirSync(folder);
    const module = moduleResolution === 'bundler' ? 'esnext' : 'nodenext';
    const compilerOptions = { strict: true, noEmit: true, target: 'es2024', module, moduleResolution, types: [] };
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: { ...compilerOptions, lib: ['es2024', 'dom'], skipLibCheck: false } }),
    );
    writeFileSync(
      join(folder, 'good.ts'),
      `import { PychainClient, PychainError, type Message, type StreamEvent } from 'pychain-edge';
       import { startNode, type EmbeddedNode, type NodeOptions } from 'pychain-edge/node';
       const options: NodeOptions = { boot: '', address: '', storageDir: null, onMessages: (all) => void all[0]?.id };
       export const node: Promise<EmbeddedNode> = startNode(options);
       export const id: Promise<string> = new PychainClient({ url: '' }).broadcast({ a: 1 }).then((sent) => sent.id);
       export const kinds: (event: StreamEvent) => string = (event) => event.type;
       export const hops = (message: Message): number => message.hops;
       // @ts-expect-error: an option that there is none of
       export const wrong = new PychainClient({ url: '', tokn: '' });
       export const status = (error: PychainError): number | null => error.status;`,
    );
    const tsc = join(ROOT, 'node_modules/.bin/tsc');
    const { stdout } = await exec(tsc, ['-p', folder]).catch((error: { stdout: string }) => error);
    expect(stdout).toBe('');
  });
});
