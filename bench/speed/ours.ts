// pychain-edge as a contender: the real Worker in workerd. When a message came to a node is what the node itself says.
import {
  baseOf,
  basesOf,
  eventually,
  getJson,
  haveSynced,
  inParallel,
  startMeasured,
  TOKEN,
  type Changes,
  type Measured,
} from '../network.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { ALONE_PER_SECOND, ALONE_REMEMBERED_MAX } from '../../src/protocol/limits.ts';
import { Gate } from './gate.ts';
import type { Arrived, Contender, Sent } from './contender.ts';
import { childrenNamed, usageOf } from './usage.ts';

/** How long a network may take to come to rest after one message, milliseconds. */
const SETTLE_MS_MAX = 10_000;
/** How long its processes must have done next to nothing, milliseconds: longer than the consumer rests, and than the disk holds a commit up. */
const SETTLE_POLL_MS = 300;

interface Page {
  readonly messages: readonly { readonly id: string; readonly received_at: number; readonly hops: number }[];
  readonly next: string | null;
}

/** How long nodes remember a load, milliseconds. */
const LOAD_MS = (ALONE_REMEMBERED_MAX / ALONE_PER_SECOND) * 1_000;

/** Longer than any measurement. */
const TTL_SECONDS = 3600;

/** Nodes are not asked before messages have probably come: questions would slow down what is measured. Milliseconds, at first and at most. */
const QUIET_MS = 100;
const QUIET_MS_MAX = 2_000;

export class Ours implements Contender {
  readonly name = 'pychain-edge';
  readonly nodes: number;
  readonly network: Measured;
  readonly #pids: ReadonlySet<number>;
  /** Where each node's mempool has been read to: a cursor a node. */
  readonly #cursors = new Map<string, string>();
  /** When each message came to each node (Unix milliseconds), and over how many hops: by node, then by id. */
  readonly #seen = new Map<string, Map<string, { readonly at: number; readonly hops: number }>>();
  /** Messages that each node should have; null: they expire meanwhile, so that nobody can count them. */
  #expected: number | null;
  readonly #ttl: number;
  readonly #gate = new Gate();
  /** Longer than messages took the last time. */
  #quietMs = QUIET_MS;
  hopsMax = 0;

  private constructor(network: Measured, pids: ReadonlySet<number>, ttl: number) {
    this.#ttl = ttl;
    this.#expected = ttl === TTL_SECONDS ? 0 : null;
    this.network = network;
    this.nodes = network.nodes;
    this.#pids = pids;
  }

  /** A network at rest, with no sync round in the time of a measurement. `ttl`: how long messages live, seconds. */
  static async start(
    nodes: number,
    vars: Readonly<Record<string, string>> = {},
    { ttl = TTL_SECONDS, ...changes }: Changes & { readonly ttl?: number } = {},
  ): Promise<Ours> {
    const before = childrenNamed('workerd');
    const network = await startMeasured(
      nodes,
      { NETWORK_SYNC_INTERVAL: '3600', NETWORK_SYNC_JITTER: '0', ...vars },
      // To ask a thousand nodes takes so long that the first would be evicted by then. What an evicted one costs is measured by itself (`npm run cold`).
      { staysAwake: true, ...changes },
    );
    await eventually('the first sync rounds', () => haveSynced(network));
    // What the boot node announced were messages, too: as long as nodes remember them none is alone.
    await sleep(LOAD_MS);
    return new Ours(network, childrenNamed('workerd', before), ttl);
  }

  async send(node: number, bytes: number, index: number): Promise<Sent> {
    const sentAt = Date.now();
    const { id } = (await this.#post(node, 'messages', this.#message(bytes, index))) as { readonly id: string };
    return { sentAt, key: id };
  }

  async sendTogether(node: number, bytes: number, indexes: readonly number[]): Promise<Sent[]> {
    const sentAt = Date.now();
    const asked = { messages: indexes.map((index) => this.#message(bytes, index)) };
    const { messages } = (await this.#post(node, 'messages/batch', asked)) as { messages: { readonly id: string }[] };
    return messages.map(({ id }) => ({ sentAt, key: id }));
  }

  async arrivals(sent: readonly Sent[], withinMs: number): Promise<Arrived> {
    const until = Date.now() + withinMs;
    const bases = basesOf(this.network);
    // Cheap questions first, so that what is measured is not what asks.
    if (this.#expected !== null) this.#expected += sent.length;
    do await sleep(this.#quietMs);
    while (!(await this.#haveAll(bases)) && Date.now() < until);
    const usage = this.usage();
    let missing = Infinity;
    while (missing > 0) {
      await inParallel(bases, (base) => this.#read(base));
      missing = 0;
      for (const base of bases) for (const { key } of sent) if (!this.#seen.get(base)?.has(key)) missing++;
      if (Date.now() > until) break;
    }
    const times = sent.flatMap(({ sentAt, key }) => {
      const came = bases.map((base) => this.#seen.get(base)?.get(key) ?? { at: Infinity, hops: 0 });
      this.hopsMax = came.reduce((max, { hops }) => Math.max(max, hops), this.hopsMax);
      const last = came.reduce((max, { at }) => Math.max(max, at), 0);
      return last === Infinity ? [] : [last - sentAt];
    });
    this.#seen.clear();
    this.#quietMs = Math.min(QUIET_MS_MAX, Math.max(QUIET_MS, 1.5 * Math.max(0, ...times)));
    return { times, missing, usage };
  }

  async settle(): Promise<void> {
    const until = Date.now() + SETTLE_MS_MAX;
    // A hundredth of a second of work is what timers and sockets take.
    for (let before = this.usage(); Date.now() < until;) {
      await sleep(before ? SETTLE_POLL_MS : this.nodes);
      const after = this.usage();
      if (!before || !after || after.cpuSeconds - before.cpuSeconds <= 0.01) return;
      before = after;
    }
  }

  usage() {
    return usageOf((pid) => this.#pids.has(pid));
  }

  stop(): Promise<void> {
    return this.network.dispose();
  }

  #message(bytes: number, index: number) {
    return { data: { index, filling: 'x'.repeat(bytes) }, ttl: this.#ttl };
  }

  /** What a node answers that takes it. */
  async #post(node: number, path: string, asked: object): Promise<unknown> {
    const url = `${baseOf(this.network, node)}/api/v1/${path}`;
    const headers = { 'authorization': `Bearer ${TOKEN}`, 'content-type': 'application/json' };
    const body = JSON.stringify(asked);
    const response = await this.#gate.through(() => fetch(url, { method: 'POST', headers, body }));
    const answer = (await response.json()) as { detail?: string };
    if (!response.ok) throw new Error(`POST ${path} answered ${response.status}: ${answer.detail ?? ''}`);
    return answer;
  }

  async #haveAll(bases: readonly string[]): Promise<boolean> {
    const expected = this.#expected;
    for (const base of expected === null ? [] : bases) {
      const { messages } = (await getJson(`${base}/api/v1/status`)) as { readonly messages: number };
      if (messages < (expected ?? 0)) return false;
    }
    return true;
  }

  /** Reads what came since the last time. */
  async #read(base: string): Promise<void> {
    const seen = this.#seen.get(base) ?? new Map<string, { at: number; hops: number }>();
    this.#seen.set(base, seen);
    for (let more = true; more;) {
      const cursor = this.#cursors.get(base);
      const query = cursor === undefined ? '' : `&cursor=${cursor}`;
      const page = (await getJson(`${base}/api/v1/messages?limit=500${query}`)) as Page & { readonly cursor: string };
      for (const { id, received_at: at, hops } of page.messages) {
        seen.set(id, { at: at * 1000, hops });
      }
      this.#cursors.set(base, page.cursor);
      more = page.next !== null;
    }
  }
}
