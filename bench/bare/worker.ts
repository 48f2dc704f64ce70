// The least that a broadcast among Durable Objects can be: one object calls all others, and each stores what it gets in one row. No queue, no
// signatures, no tree, no duplicates, nothing that survives a crash in the middle. What comes while a fan-out is under way goes with the next:
// what comes to the same originator, or, batched as a queue does it, what comes to any.
import { DurableObject } from 'cloudflare:workers';

interface BareEnv {
  readonly HUBS: DurableObjectNamespace<Hub>;
  readonly LEAVES: DurableObjectNamespace<Leaf>;
  readonly NODE_COUNT: string;
}

/** A node as a receiver. */
export class Leaf extends DurableObject<BareEnv> {
  constructor(ctx: DurableObjectState, env: BareEnv) {
    super(ctx, env);
    ctx.storage.sql.exec('CREATE TABLE IF NOT EXISTS batches (seq INTEGER PRIMARY KEY, at REAL, bodies TEXT)');
  }

  /** Stores a batch in one row, and tells when. */
  async take(bodies: readonly string[]): Promise<number> {
    const at = Date.now();
    this.ctx.storage.sql.exec('INSERT INTO batches (at, bodies) VALUES (?, ?)', at, JSON.stringify(bodies));
    return at;
  }
}

/** How the hub that batches for all rests, as src/queue/consumer.ts does: per time worked, and a batch with its rest at most, milliseconds. */
const REST_PER_WORK = 1.5;
const PERIOD_MS_MAX = 400;

/** A node as an originator; node 0 is the one that batches for all. */
export class Hub extends DurableObject<BareEnv> {
  #waiting: string[] = [];
  #flush: Promise<number> | null = null;
  #rest: Promise<void> = Promise.resolve();

  /** Resolves when all others have these messages, with the time at which the last of them stored them. */
  async send(bodies: readonly string[], from: number): Promise<number> {
    this.#waiting.push(...bodies);
    // What is under way has gone without these.
    await this.#flush;
    await this.#rest;
    this.#flush ??= this.#fanOut(from).finally(() => (this.#flush = null));
    return await this.#flush;
  }

  async #fanOut(from: number): Promise<number> {
    // The requests that came at once are all here after a turn.
    await Promise.resolve();
    const bodies = this.#waiting;
    this.#waiting = [];
    const others = Array.from({ length: Number(this.env.NODE_COUNT) }, (_, index) => index + 1).filter(
      (n) => n !== from,
    );
    const leaves = others.map((n) => this.env.LEAVES.get(this.env.LEAVES.idFromName(String(n))));
    const began = Date.now();
    const at = Math.max(0, ...(await Promise.all(leaves.map((leaf) => leaf.take(bodies)))));
    // It answers before it rests.
    const worked = Date.now() - began;
    if (from === 0 && bodies.length > 1) this.#rest = sleep(Math.min(REST_PER_WORK * worked, PERIOD_MS_MAX - worked));
    return at;
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}

/** `POST /n/<node>`: broadcasts the messages of a list, strings; answers `{at}` when all have all of them, Unix milliseconds. */
export default {
  async fetch(request, env) {
    const node = Number(new URL(request.url).pathname.split('/')[2]);
    const hub = env.HUBS.get(env.HUBS.idFromName(String(node)));
    return Response.json({ at: await hub.send(await request.json<string[]>(), node) });
  },
} satisfies ExportedHandler<BareEnv>;
