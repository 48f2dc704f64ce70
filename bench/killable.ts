// A local network as a user starts it, in a process group of its own, so that SIGKILL takes workerd along.
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface Killable {
  readonly url: string;
  /** Resolves when all nodes have joined; rejects where it ends before. */
  readonly ready: Promise<void>;
  /** Whether it was ready at some time. */
  isReady(): boolean;
  /** Sends SIGKILL to all of it, and resolves when it is gone. */
  kill(): Promise<void>;
}

/** Starts `pychain up` on a folder with variables of the Worker. */
export function startKillable(
  nodes: number,
  folder: string,
  port: number,
  vars: Readonly<Record<string, string>>,
): Killable {
  const assigned = Object.entries({ STORAGE_DIR: folder, LOG_DIR: folder, ...vars });
  const script = join(import.meta.dirname, '../src/cli/main.ts');
  const args = ['up', String(nodes), '--json', '--port', String(port)];
  for (const [name, value] of assigned) args.push('-e', `${name}=${value}`);
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let trouble = '';
  child.stderr.on('data', (chunk: Buffer) => (trouble += chunk.toString()));
  let isReady = false;
  const ready = new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if ((JSON.parse(line) as { event: string }).event !== 'ready') return;
      isReady = true;
      resolve();
    });
    child.on('exit', (code, signal) => reject(new Error(`the network ended with ${code ?? signal}: ${trouble}`)));
  });
  // A kill before it was ready rejects, too; that is what was wanted.
  ready.catch(() => undefined);
  return { url: `http://127.0.0.1:${port}`, ready, isReady: () => isReady, kill: () => killGroup(child) };
}

/** The operator's token that `pychain up` made. */
export function tokenOf(folder: string): string {
  return readFileSync(join(folder, 'admin-token'), 'utf8').trim();
}

async function killGroup(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) {
    throw new Error('the network ended before it was killed');
  }
  const gone = new Promise((resolve) => child.on('exit', resolve));
  process.kill(-child.pid, 'SIGKILL');
  await gone;
}
