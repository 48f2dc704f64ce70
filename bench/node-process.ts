// Nodes and boot nodes in processes of their own, as an operator starts them, which can be told to end or be killed.
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** The command line. */
export const SCRIPT = join(import.meta.dirname, '../src/cli/main.ts');

export interface NodeProcessOptions {
  readonly boot: string;
  /** Loopback address; 127.0.0.1 where none is given. */
  readonly host?: string;
  readonly port: number;
  /** STORAGE_DIR and LOG_DIR. */
  readonly folder: string;
  readonly vars: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
}

export interface NodeProcess {
  readonly url: string;
  readonly token: string;
  /** Resolves with its GUID; rejects where the process ends before. */
  readonly joined: Promise<number>;
  /** What it has written to standard error so far. */
  trouble(): string;
  /** Ends it with a signal; resolves with the exit code (null: killed) and what it wrote to standard error. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<{ readonly code: number | null; readonly trouble: string }>;
}

/** Starts `pychain node` on a loopback port, and resolves when it listens. Rejects with what it says where it doesn't. */
export async function startNode({ boot, ...options }: NodeProcessOptions): Promise<NodeProcess> {
  return await startServer(['node', '--boot', boot], options);
}

/** Starts `pychain boot serve` in the same way. It joins nothing. */
export async function startBoot(options: Omit<NodeProcessOptions, 'boot'>): Promise<NodeProcess> {
  return await startServer(['boot', 'serve'], options);
}

async function startServer(
  command: readonly string[],
  { host = '127.0.0.1', port, folder, vars, args = [] }: Omit<NodeProcessOptions, 'boot'>,
): Promise<NodeProcess> {
  const url = `http://${host}:${port}`;
  const where = ['--address', url, '--listen', `${host}:${port}`, '--json'];
  const assigned = Object.entries({ STORAGE_DIR: folder, LOG_DIR: folder, LOCAL_PEERS: 'on', ...vars });
  const child = run([
    ...command,
    ...where,
    ...assigned.flatMap(([name, value]) => ['-e', `${name}=${value}`]),
    ...args,
  ]);
  const heard = hear(child);
  await heard.event('listening');
  const joined = heard.event('joined').then(({ guid }) => Number(guid));
  // A test that ends it before is not told.
  joined.catch(() => undefined);
  return {
    url,
    token: readFileSync(join(folder, 'admin-token'), 'utf8').trim(),
    joined,
    trouble: () => heard.trouble(),
    async end(signal) {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`it has ended: ${heard.trouble()}`);
      child.kill(signal);
      return { code: await heard.ended, trouble: heard.trouble() };
    },
  };
}

function run(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [SCRIPT, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
}

/** What a child says: JSON lines on standard output, each an event once. */
function hear(child: ChildProcess) {
  let trouble = '';
  child.stderr?.on('data', (chunk: Buffer) => (trouble += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.on('close', (code) => resolve(code)));
  const events = new Map<string, Record<string, unknown>>();
  const waiting = new Map<string, (facts: Record<string, unknown>) => void>();
  if (child.stdout) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const facts = JSON.parse(line) as Record<string, unknown>;
      events.set(String(facts['event']), facts);
      waiting.get(String(facts['event']))?.(facts);
    });
  }
  return {
    ended,
    trouble: () => trouble,
    event: (name: string) =>
      new Promise<Record<string, unknown>>((resolve, reject) => {
        const known = events.get(name);
        if (known) resolve(known);
        waiting.set(name, resolve);
        void ended.then((code) => reject(new Error(`it ended with ${code} before ${name}: ${trouble}`)));
      }),
  };
}
