// Serf on loopback, for `npm run bench`: N agents of the installed program `serf`, a process each, with its defaults (profile lan) but for the
// size of user events, of which it allows 512 bytes where nothing is set. One connection of Serf's RPC to each agent sends events and is told
// of those that came. Talks as under-way.mjs says, after `{"ready":true, pids}`; ends, and ends its agents, where standard input does.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeMultiStream, encode } from '@msgpack/msgpack';
import { say, serve, TooLarge, UnderWay } from './under-way.mjs';

const NODES = Number(process.argv[2]);
const HOST = '127.0.0.1';
/** The most that Serf allows, name and encoding included. */
const EVENT_BYTES_MAX = 9 * 1024;
/** Agents that start at once, and join at once. */
const AT_ONCE = 8;
const START_MS_MAX = 30_000;
/** Until all agents know each other. */
const JOIN_MS_MAX = 180_000;
/** An agent that has not told of itself for so long hangs. */
const ANSWER_MS_MAX = 10_000;
/** What agents have to repeat will not become less if it has not for so long. */
const STUCK_MS = 3_000;

const underWay = new UnderWay(NODES);
const folder = mkdtempSync(join(tmpdir(), 'pychain-bench-serf-'));
const configFile = join(folder, 'serf.json');
writeFileSync(configFile, JSON.stringify({ user_event_size_limit: EVENT_BYTES_MAX }));

/** All processes that were started and have not ended. @type {Set<import('node:child_process').ChildProcess>} */
const processes = new Set();
let isStopping = false;
process.on('exit', () => {
  for (const child of processes) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));

/** Serf's RPC: a header with a sequence number, then what the command has, as msgpack, both ways. */
class Rpc {
  #socket;
  #sequence = 0;
  /** @type {Map<number, { hasBody: boolean, resolve: (body: unknown) => void, reject: (cause: Error) => void }>} */
  #waiting = new Map();
  /** @type {(event: { Name: string, Payload: { length: number } | null }) => void} */
  #hear = () => undefined;

  /** @param {import('node:net').Socket} socket */
  constructor(socket) {
    this.#socket = socket.setNoDelay();
    this.closed = this.#read();
  }

  /** Asks, and gives the answer's body where the command has one. @param {string} command */
  ask(command, body = undefined, hasBody = false) {
    const Seq = this.#sequence++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(Seq, { hasBody, resolve, reject });
      this.#socket.write(encode({ Command: command, Seq }));
      if (body) this.#socket.write(encode(body));
    });
  }

  /** Calls `hear` for each event from now on. */
  async listen(hear) {
    this.#hear = hear;
    await this.ask('stream', { Type: 'user' });
  }

  async #read() {
    const values = decodeMultiStream(this.#socket);
    try {
      for await (const { Seq, Error: why } of values) {
        const waiting = this.#waiting.get(Seq);
        this.#waiting.delete(Seq);
        // What nobody waits for is an event, under the number that asked for the stream.
        const body = !waiting || waiting.hasBody ? (await values.next()).value : undefined;
        if (!waiting) this.#hear(body);
        else if (why) waiting.reject(new Error(why));
        else waiting.resolve(body);
      }
    } finally {
      for (const { reject } of this.#waiting.values()) reject(new Error('Serf closed the connection'));
    }
  }
}

async function freePort() {
  const server = createServer().listen(0, HOST);
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** @returns the connection, or null where the agent ended before it listened (its port was taken meanwhile) */
async function connected(child, port) {
  for (const until = Date.now() + START_MS_MAX; Date.now() < until; await sleep(50)) {
    if (!processes.has(child)) return null;
    const socket = connect(port, HOST);
    try {
      await once(socket, 'connect');
      return socket;
    } catch {
      socket.destroy();
    }
  }
  throw new Error(`an agent of Serf does not listen after ${START_MS_MAX / 1000} s`);
}

/** Starts a node. The system chooses its port of gossip. @param {number} node */
async function start(node) {
  const log = [];
  for (let attempt = 0; attempt < 3; attempt++) {
    const port = await freePort();
    const args = [
      'agent',
      `-node=n${node}`,
      `-bind=${HOST}:0`,
      `-rpc-addr=${HOST}:${port}`,
      `-config-file=${configFile}`,
    ];
    const child = spawn('serf', [...args, '-log-level=warn'], { stdio: ['ignore', 'pipe', 'pipe'] });
    processes.add(child);
    child.once('exit', () => processes.delete(child));
    child.once('error', () => processes.delete(child));
    for (const stream of [child.stdout, child.stderr])
      createInterface({ input: stream }).on('line', (line) => {
        if (log.push(line) > 20) log.shift();
        warn(line);
      });
    const socket = await connected(child, port);
    if (!socket) continue;
    const rpc = new Rpc(socket);
    // Without one of its nodes there is nothing to measure.
    const end = (error) => {
      if (isStopping) return;
      process.stderr.write(`serf: n${node} ended: ${error?.message ?? ''}\n${log.join('\n')}\n`);
      process.exit(1);
    };
    rpc.closed.then(end, end);
    await rpc.ask('handshake', { Version: 1 });
    return { rpc, pid: child.pid };
  }
  throw new Error(`an agent of Serf does not start:\n${log.join('\n')}`);
}

/** What agents warn of is shown once, whatever the numbers and names in it. */
const warned = new Set();
function warn(line) {
  const [, text] = /\[(?:WARN|ERR)\] (.*)/.exec(line) ?? [];
  const kind = text?.replaceAll(/\d+/g, 'N');
  if (!kind || warned.has(kind) || warned.size >= 50) return;
  warned.add(kind);
  process.stderr.write(`serf: ${text} (told once)\n`);
}

/** @template T, R @param {readonly T[]} items @param {(item: T) => Promise<R>} each @returns {Promise<R[]>} */
async function inBatches(items, each) {
  const results = [];
  for (let at = 0; at < items.length; at += AT_ONCE)
    results.push(...(await Promise.all(items.slice(at, at + AT_ONCE).map(each))));
  return results;
}

/** What all agents tell of themselves, or null where one hangs. @returns {Promise<Record<string, string>[] | null>} */
async function statsOfAll() {
  const late = sleep(ANSWER_MS_MAX, null, { ref: false });
  const stats = await Promise.race([Promise.all(agents.map(({ rpc }) => rpc.ask('stats', undefined, true))), late]);
  return stats && stats.map(({ serf }) => serf);
}

/** Until all agents are one network. */
async function whole() {
  for (const until = Date.now() + JOIN_MS_MAX; Date.now() < until; await sleep(100)) {
    const isWhole = ({ members, failed, intent_queue: intents }) =>
      Number(members) === NODES && failed === '0' && intents === '0';
    if ((await statsOfAll())?.every(isWhole)) return;
  }
  throw new Error(`the agents of Serf do not know each other after ${JOIN_MS_MAX / 1000} s`);
}

/**
 * Until no agent has an event to repeat: the next message should not have to wait behind what nodes mostly have. Or until that does not
 * become less: an event that does not fit into a packet of gossip stays in the queue.
 */
async function rested() {
  let [least, since] = [Infinity, Date.now()];
  for (; Date.now() - since < STUCK_MS; await sleep(100)) {
    const queued = (await statsOfAll())?.reduce((sum, { event_queue: events }) => sum + Number(events), 0) ?? Infinity;
    if (queued === 0) return;
    if (queued < least) [least, since] = [queued, Date.now()];
  }
}

const agents = await inBatches(
  Array.from({ length: NODES }, (_, index) => index + 1),
  start,
);
const { Members } = await agents[0].rpc.ask('members', undefined, true);
const Existing = [`${HOST}:${Members[0].Port}`];
await inBatches(agents.slice(1), ({ rpc }) => rpc.ask('join', { Existing, Replay: false }, true));
await whole();
for (const [index, { rpc }] of agents.entries())
  await rpc.listen(({ Name, Payload }) => {
    const [key, bytes] = Name.split('/');
    const came = Payload?.length ?? 0;
    if (came !== Number(bytes)) throw new Error(`${came} bytes of ${Name} came`);
    underWay.came(key, index + 1);
  });
await sleep(3_000);
say({ ready: true, pids: agents.map(({ pid }) => pid) });

await serve(
  underWay,
  async ({ node, bytes, key }) => {
    const Payload = Buffer.alloc(bytes, 'x');
    Payload.write(key.padEnd(16));
    try {
      await agents[node - 1].rpc.ask('event', { Name: `${key}/${bytes}`, Payload, Coalesce: false });
    } catch (error) {
      throw /user event exceeds/.test(error.message) ? new TooLarge(`Serf: ${error.message}`) : error;
    }
  },
  rested,
);
isStopping = true;
await Promise.all(
  [...processes].map((child) => {
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    return exit;
  }),
);
process.exit(0);
