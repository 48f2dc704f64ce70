// `pychain up` and the commands beside it, as real processes on real workerd.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { VERSION } from '../../src/api/version.ts';

const MAIN = resolve(import.meta.dirname, '../../src/cli/main.ts');
const DEADLINE_MS = 60_000;

const eventSchema = z.looseObject({ event: z.string() });
type Event = z.infer<typeof eventSchema>;

let dir = '';
const processes = new Set<ChildProcess>();

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pychain-up-'));
});

afterEach(async () => {
  for (const child of processes) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  processes.clear();
  rmSync(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
});

/** The environment without what would change the commands' defaults. */
function environment(): NodeJS.ProcessEnv {
  const { PATH, HOME, NODE_COMPILE_CACHE } = process.env;
  return { PATH, HOME, NODE_COMPILE_CACHE };
}

function start(args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [MAIN, ...args], { cwd: dir, env: environment() });
  processes.add(child);
  return child;
}

interface Finished {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs a command to its end. */
async function pychain(...args: readonly string[]): Promise<Finished> {
  const child = start(args);
  let out = '';
  let err = '';
  child.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const timer = setTimeout(() => child.kill('SIGKILL'), DEADLINE_MS);
  await once(child, 'close');
  clearTimeout(timer);
  return { code: child.exitCode, out, err };
}

/** Lines of JSON. */
function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => z.record(z.string(), z.unknown()).parse(JSON.parse(line)));
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not within ${DEADLINE_MS} ms: ${what}`);
    await sleep(50);
  }
}

/** A running `pychain up --json`. */
class Up {
  readonly child: ChildProcess;
  readonly events: Event[] = [];
  stderr = '';
  #text = '';

  constructor(args: readonly string[]) {
    this.child = start(['up', ...args, '--json', '--port', '0']);
    this.child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.child.stdout?.on('data', (chunk: Buffer) => {
      const lines = (this.#text + chunk.toString()).split('\n');
      this.#text = lines.pop() ?? '';
      for (const line of lines) this.events.push(eventSchema.parse(JSON.parse(line)));
    });
  }

  async event(name: string): Promise<Event> {
    let found: Event | undefined;
    await until(`event ${name}; ${this.stderr}`, () => {
      if (this.child.exitCode !== null && this.child.exitCode !== 0) throw new Error(`it ended: ${this.stderr}`);
      found = this.events.find((event) => event.event === name);
      return found !== undefined;
    });
    if (!found) throw new Error('unreachable');
    return found;
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.child.kill(signal);
    await once(this.child, 'close');
    return this.child.exitCode;
  }

  /** The workerd that this runner started. */
  workerd(): number {
    const pid = this.child.pid ?? 0;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
    const found = children.find((child) => commandOf(child).includes('workerd'));
    if (found === undefined) throw new Error(`no workerd among ${children.join(' ')}`);
    return found;
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

async function answers(url: string): Promise<boolean> {
  return fetch(`${url}/api/v1/status`).then(
    () => true,
    () => false,
  );
}

describe('a network of four', () => {
  test('joins, broadcasts, stops on Ctrl-C, and the next run resumes', async () => {
    const first = new Up(['4', '-e', 'LOG_LEVEL=DEBUG']);
    const ready = await first.event('ready');
    const joined = first.events.filter((event) => event.event === 'joined');
    expect(joined.map((event) => event['node']).sort()).toEqual([1, 2, 3, 4]);
    expect(joined.map((event) => event['guid']).sort()).toEqual([1, 2, 3, 4]);
    expect(statSync(String(ready['admin_token_file'])).mode & 0o777).toBe(0o600);

    const sent = await pychain('broadcast', '{"hello":"wörld"}', '--from', '2', '--wait', '--json');
    expect(sent).toMatchObject({ code: 0, err: '' });
    const [result] = jsonLines(sent.out);
    expect(result).toMatchObject({ reached: 4, of: 4, missing: [] });

    const statuses = await allStatuses();
    for (const status of statuses) expect(status).toMatchObject({ max_guid: 4, network: 'pychain' });
    const peers = jsonLines((await pychain('peers', '3', '--json')).out);
    expect(peers.map((peer) => peer['guid'])).toEqual(expect.arrayContaining([1, 2, 4]));
    for (const node of ['1', '2', '3', '4']) expect(await messagesWith(node, result?.['id'])).toHaveLength(1);

    const tail = jsonLines((await pychain('tail', '2', '--no-follow', '--json', '-n', '1000')).out);
    expect(tail.filter((line) => line['event'] === 'joined')).toHaveLength(1);
    for (const line of tail)
      expect(line).toMatchObject({ node: '2', time: expect.any(Number), level: expect.any(String) });

    const workerd = first.workerd();
    expect(await first.end('SIGINT')).toBe(0);
    expect(first.events.at(-1)).toMatchObject({ event: 'stopped' });
    expect(commandOf(workerd)).toBe('');
    expect(await pychain('status')).toMatchObject({ code: 3, out: '' });

    const fewer = await pychain('up', '3', '--port', '0');
    expect(fewer.code).toBe(2);
    expect(oneLine(fewer)).toBe('pychain: this network has 4 nodes; give 4 or more, or --fresh to start anew');

    const second = new Up([]);
    await second.event('ready');
    const missing = await pychain('tail', '99', '--no-follow');
    expect(missing.code).toBe(1);
    expect(oneLine(missing)).toContain('the network has 4 nodes');
    expect((await allStatuses()).map((status) => status['guid'])).toEqual(statuses.map((status) => status['guid']));
    expect(await messagesWith('4', result?.['id'])).toHaveLength(1);
    expect(await second.end('SIGTERM')).toBe(0);
  });

  test('more nodes join, and stay for the next run without a number', async () => {
    for (const [args, nodes] of [
      [['1'], 1],
      [['3'], 3],
      [[], 3],
    ] as const) {
      const network = new Up(args);
      expect(await network.event('ready')).toMatchObject({ nodes });
      expect(await network.end('SIGINT')).toBe(0);
    }
  });

  test('in several deployments, each with a port of its own: one network, and the next run has them all', async () => {
    const first = new Up(['2', '--deployments', '2', '-e', 'POW_BITS=4']);
    const ready = await first.event('ready');
    expect(ready).toMatchObject({ nodes: 4, url: (ready['urls'] as string[])[0] });
    const [boot = '', other = ''] = ready['urls'] as string[];
    const joined = () => first.events.filter((event) => event.event === 'joined');
    expect(
      joined()
        .map(({ deployment, node }) => [deployment, node])
        .sort(),
    ).toEqual([
      [1, 1],
      [1, 2],
      [2, 1],
      [2, 2],
    ]);
    const guids = async () =>
      await Promise.all(
        [boot, other].flatMap((url) =>
          ['1', '2'].map(
            async (node) => jsonLines((await pychain('status', node, '--json', '--url', url)).out)[0]?.['guid'],
          ),
        ),
      );
    const before = await guids();
    expect(before.toSorted()).toEqual([1, 2, 3, 4]);
    const sent = await pychain('broadcast', '{"a":1}', '--from', '2', '--wait', '--json', '--url', other);
    expect(jsonLines(sent.out)[0]).toMatchObject({ reached: 4, of: 4, missing: [] });
    expect(jsonLines((await pychain('peers', '1', '--json', '--url', other)).out)).toHaveLength(4);
    expect(await first.end('SIGINT')).toBe(0);

    expect(oneLine(await pychain('up', '--deployments', '1', '--port', '0'))).toBe(
      'pychain: this network has 2 deployments; give 2 or more, or --fresh to start anew',
    );
    // At other ports: who joined elsewhere tells the boot node where it is now.
    const second = new Up([]);
    const again = (await second.event('ready'))['urls'] as string[];
    const after = await Promise.all(
      again.map(async (url) => jsonLines((await pychain('status', '1', '--json', '--url', url)).out)[0]?.['guid']),
    );
    expect(after).toEqual([before[0], before[2]]);
    expect(await second.end('SIGINT')).toBe(0);
  });

  test('stops in order when npm, which started it, goes away', async () => {
    // Two commands, so that the shell stays to wait for the first.
    const shell = spawn('sh', ['-c', '"$@"; true', 'sh', process.execPath, MAIN, 'up', '1', '--json', '--port', '0'], {
      cwd: dir,
      env: { ...environment(), npm_lifecycle_event: 'start' },
    });
    processes.add(shell);
    let out = '';
    shell.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    await until('ready', () => out.includes('"event":"ready"'));
    const pid = Number(readFileSync(join(dir, '.pychain', 'up.pid'), 'utf8'));
    shell.kill('SIGKILL');
    await until('it has stopped', () => commandOf(pid) === '');
    expect(jsonLines(out).at(-1)).toMatchObject({ event: 'stopped' });
    expect(existsSync(join(dir, '.pychain', 'network.json'))).toBe(false);
  });

  test('a runner that is killed takes workerd with it, and the next one resumes', async () => {
    const first = new Up(['4']);
    const ready = await first.event('ready');
    const guids = (await allStatuses()).map((status) => status['guid']);
    const workerd = first.workerd();
    await first.end('SIGKILL');
    await until('workerd is gone', () => commandOf(workerd) === '');
    expect(await answers(String(ready['url']))).toBe(false);

    const second = new Up(['4']);
    await second.event('ready');
    expect((await allStatuses()).map((status) => status['guid'])).toEqual(guids);
    expect(await second.end('SIGINT')).toBe(0);
  });

  test('a second runner on the same folder is refused; --fresh starts anew', async () => {
    const first = new Up(['1']);
    await first.event('ready');
    const refused = await pychain('up', '1', '--port', '0');
    expect(refused.code).toBe(1);
    expect(oneLine(refused)).toContain(`process ${first.child.pid}`);
    expect((await pychain('broadcast', '--wait', '{"a":1}', '--timeout', '20')).code).toBe(0);
    await first.end('SIGINT');

    const fresh = new Up(['1', '--fresh']);
    await fresh.event('ready');
    expect(
      jsonLines((await pychain('messages', '--json')).out).filter((message) => 'a' in Object(message['data'])),
    ).toEqual([]);
    expect(await fresh.end('SIGINT')).toBe(0);
  });

  async function allStatuses() {
    return Promise.all(
      ['1', '2', '3', '4'].map(async (node) => jsonLines((await pychain('status', node, '--json')).out)[0] ?? {}),
    );
  }

  async function messagesWith(node: string, id: unknown) {
    return jsonLines((await pychain('messages', node, '--json')).out).filter((message) => message['id'] === id);
  }
});

/** The one line of standard error; nothing else may have been said. */
function oneLine(finished: Finished): string {
  expect(finished.out).toBe('');
  const lines = finished.err.split('\n');
  expect(lines).toHaveLength(2);
  expect(lines[1]).toBe('');
  return lines[0] ?? '';
}

test('its version', async () => {
  expect(await pychain('--version')).toEqual({ code: 0, out: `${VERSION}\n`, err: '' });
});

describe('what cannot work is told in one line', () => {
  const WRONG: readonly (readonly [string, string])[] = [
    ['NETWORK', 'No Good'],
    ['PUBLIC_URL', 'ftp://x'],
    ['NODE_COUNT', '0'],
    ['NETWORK_SYNC_INTERVAL', 'soon'],
    ['NETWORK_SYNC_JITTER', '-1'],
    ['LOG_LEVEL', 'LOUD'],
    ['FANOUT', '1'],
    ['MESSAGE_TTL', '0'],
    ['MAX_FAILURES', 'none'],
    ['PROBATION', 'x'],
    ['ADMIN_TOKEN', 'short'],
  ];

  test.each(WRONG)('-e %s=%s', async (name, value) => {
    const finished = await pychain('up', '-e', `${name}=${value}`);
    expect(finished.code).toBe(2);
    expect(oneLine(finished)).toContain(name);
    expect(existsSync(join(dir, '.pychain'))).toBe(false);
  });

  test('an unknown variable, with the known ones', async () => {
    const finished = await pychain('up', '-e', 'NODE_CUONT=4');
    expect(finished.code).toBe(2);
    expect(oneLine(finished)).toMatch(/NODE_CUONT.*did you mean NODE_COUNT.*NETWORK_SYNC_JITTER/);
  });

  test.each([
    [['up', 'x']],
    [['up', '--bogus']],
    [['up', '--port', '65536']],
    [['bogus']],
    [['status', '0']],
    [['broadcast', '[1]']],
    [['broadcast', '{}', '--event', '']],
    [['broadcast', '{}', '--idempotency-key', '']],
    [['status', '--url', 'http://127.0.0.1:1/n/2']],
  ])('usage: %j', async (args) => {
    const finished = await pychain(...args);
    expect(finished.code).toBe(2);
    oneLine(finished);
  });

  test('a port that is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    // Safe: a server that listens on TCP has an address with a port.
    const { port } = server.address() as AddressInfo;
    try {
      const finished = await pychain('up', '--port', String(port));
      expect(finished.code).toBe(1);
      expect(oneLine(finished)).toMatch(new RegExp(`port ${port} .*taken.*--port`));
    } finally {
      server.close();
    }
  });

  test.each(['STORAGE_DIR', 'LOG_DIR'])('%s is no folder, or not writable', async (variable) => {
    writeFileSync(join(dir, 'file'), '');
    mkdirSync(join(dir, 'closed'));
    chmodSync(join(dir, 'closed'), 0o500);
    // Root may write anywhere; /proc takes no folders, not even root's.
    const closed = process.getuid?.() === 0 ? '/proc/pychain' : join(dir, 'closed');
    for (const path of [join(dir, 'file'), closed]) {
      const finished = await pychain(
        'up',
        '-e',
        `${variable}=${path}`,
        ...(variable === 'LOG_DIR' ? ['-e', `STORAGE_DIR=${dir}/s`] : []),
      );
      expect(finished.code).toBe(1);
      expect(oneLine(finished)).toContain(path);
    }
  });

  test('a folder that others made is not taken for ours', async () => {
    mkdirSync(join(dir, '.pychain', 'state'), { recursive: true });
    writeFileSync(join(dir, '.pychain', 'state', 'precious'), '');
    const finished = await pychain('up', '--fresh', '--port', '0');
    expect(finished.code).toBe(1);
    expect(oneLine(finished)).toContain('not made by pychain');
    expect(existsSync(join(dir, '.pychain', 'state', 'precious'))).toBe(true);
  });

  test.each([['status'], ['broadcast', '{}']])('no network where one was expected: %s', async (...args) => {
    const finished = await pychain(...args, '--url', 'http://127.0.0.1:1');
    expect(finished.code).toBe(3);
    expect(oneLine(finished)).toContain('http://127.0.0.1:1: not reachable');
  });
});
