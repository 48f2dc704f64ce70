// Kills a whole local network with SIGKILL, again and again, also while nodes join and messages spread, and looks at what came back:
// the same GUIDs, none twice, and every message that a node had stored.
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from '../src/cli/ports.ts';
import { eventually, getJson, inParallel, messagesOf, type Message } from './network.ts';

export interface CrashOptions {
  readonly nodes: number;
  readonly kills: number;
  /** Empty folder for the network's state and logs. */
  readonly folder: string;
}

export interface CrashReport {
  readonly kills: number;
  /** Kills before every node had joined. */
  readonly duringJoins: number;
  /** Messages that a node answered with 202, over all runs. */
  readonly accepted: number;
  /** Accepted messages that their node did not have any more. */
  readonly lost: number;
  /** Nodes that came back with another GUID, and GUIDs seen at two nodes. */
  readonly guidChanges: number;
  readonly guidTwice: number;
  /** Whether a message of each node reached all nodes at the end. */
  readonly worksOn: boolean;
}

interface Running {
  readonly process: ChildProcess;
  readonly url: string;
  readonly ready: Promise<void>;
}

interface Memory {
  readonly guids: Map<number, string>;
  readonly accepted: Map<string, number>;
  guidChanges: number;
  lost: number;
}

/** Runs the network `kills` times into a SIGKILL and once to the end. `random` in [0, 1) draws the moments. */
export async function measureCrashes(options: CrashOptions, random: () => number): Promise<CrashReport> {
  const memory: Memory = { guids: new Map(), accepted: new Map(), guidChanges: 0, lost: 0 };
  let duringJoins = 0;
  const port = await freePort('127.0.0.1', 0);
  for (let kill = 0; kill < options.kills; kill++) {
    const running = start(options, port);
    const settled = { ready: false };
    running.ready.then(
      () => (settled.ready = true),
      () => undefined,
    );
    // Half of the kills come while the network starts, which takes a second or two.
    const early = kill % 2 === 0;
    if (early) await pause(random() * 1_800);
    else {
      await running.ready;
      await compare(options, running, memory);
      await originateUntilKilled(options, running, memory, 200 + random() * 600, random);
    }
    if (!settled.ready) duringJoins++;
    await killGroup(running);
  }
  const last = start(options, port);
  await last.ready;
  await compare(options, last, memory);
  const worksOn = await reachesAll(options, last);
  await killGroup(last);
  const guidTwice = memory.guids.size - new Set(memory.guids.values()).size;
  const { guidChanges, lost, accepted } = memory;
  return { kills: options.kills, duringJoins, accepted: accepted.size, lost, guidChanges, guidTwice, worksOn };
}

function start({ nodes, folder }: CrashOptions, port: number): Running {
  const folders = ['-e', `STORAGE_DIR=${folder}`, '-e', `LOG_DIR=${folder}`, '-e', 'MESSAGE_TTL=3600'];
  const script = join(import.meta.dirname, '../src/cli/main.ts');
  const child = spawn(process.execPath, [script, 'up', String(nodes), '--json', '--port', String(port), ...folders], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // A process group of its own, so that the kill takes workerd along.
    detached: true,
  });
  let trouble = '';
  child.stderr.on('data', (chunk: Buffer) => (trouble += chunk.toString()));
  const ready = new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if ((JSON.parse(line) as { event: string }).event === 'ready') resolve();
    });
    child.on('exit', (code, signal) => reject(new Error(`the network ended with ${code ?? signal}: ${trouble}`)));
  });
  // A kill before it was ready rejects, too; that is what was wanted.
  ready.catch(() => undefined);
  return { process: child, url: `http://127.0.0.1:${port}`, ready };
}

async function killGroup({ process: child }: Running): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) {
    throw new Error('the network ended before it was killed');
  }
  const gone = new Promise((resolve) => child.on('exit', resolve));
  process.kill(-child.pid, 'SIGKILL');
  await gone;
}

async function compare({ nodes }: CrashOptions, running: Running, memory: Memory): Promise<void> {
  for (let slot = 1; slot <= nodes; slot++) {
    const status = (await getJson(`${running.url}/n/${slot}/api/v1/status`)) as { guid: number; public_key: string };
    const identity = `${status.guid} ${status.public_key}`;
    const before = memory.guids.get(slot);
    if (before !== undefined && before !== identity) memory.guidChanges++;
    memory.guids.set(slot, identity);
    const there = new Set((await messagesOf(running, slot)).map(({ id }: Message) => id));
    for (const [id, acceptedBy] of memory.accepted) if (acceptedBy === slot && !there.has(id)) memory.lost++;
  }
}

/** Originates at all nodes for a while; what is under way then is cut off. */
async function originateUntilKilled(
  options: CrashOptions,
  running: Running,
  memory: Memory,
  ms: number,
  random: () => number,
): Promise<void> {
  const end = Date.now() + ms;
  const slots = Array.from({ length: 8 }, () => 1 + Math.floor(random() * options.nodes));
  await inParallel(slots, async (slot) => {
    for (let index = 0; Date.now() < end; index++) {
      const id = await originate(options, running, slot, { slot, index });
      if (id !== null) memory.accepted.set(id, slot);
    }
  });
}

async function originate(
  { folder }: CrashOptions,
  running: Running,
  slot: number,
  data: object,
): Promise<string | null> {
  const token = readFileSync(join(folder, 'admin-token'), 'utf8').trim();
  const response = await fetch(`${running.url}/n/${slot}/api/v1/messages`, {
    method: 'POST',
    headers: { 'authorization': `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ data }),
  });
  const body = (await response.json()) as { id?: string };
  return response.status === 202 ? (body.id ?? null) : null;
}

async function reachesAll(options: CrashOptions, running: Running): Promise<boolean> {
  const slots = Array.from({ length: options.nodes }, (_, index) => index + 1);
  const ids = await inParallel(slots, (slot) => originate(options, running, slot, { last: slot }));
  return await eventually('the last messages everywhere', async () => {
    const all = await inParallel(slots, async (slot) => new Set((await messagesOf(running, slot)).map(({ id }) => id)));
    return all.every((there) => ids.every((id) => id !== null && there.has(id)));
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
