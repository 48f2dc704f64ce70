// The Worker with a count of all that wakes a node, so a test can see what sleeping nodes cost; and with an application in place of a service
// binding. Only tests bundle it.
import type { Env } from '../../src/durable/env.ts';
import { NodeObject as PlainNode } from '../../src/durable/node-object.ts';
import worker, { BeaconObject, BootObject } from '../../src/worker.ts';

export { BeaconObject, BootObject };

/** By object id: how often it was made, which is how often it had slept, and how often it was called. All are in this isolate. */
const counts = new Map<string, { made: number; calls: number }>();

function countOf(id: string): { made: number; calls: number } {
  const count = counts.get(id) ?? { made: 0, calls: 0 };
  counts.set(id, count);
  return count;
}

/** Ids that the application was given. */
const handled: string[] = [];

const HANDLER = {
  async fetch(_url: string, { body }: { readonly body: string }) {
    const { messages } = JSON.parse(body) as { readonly messages: readonly { readonly id: string }[] };
    handled.push(...messages.map(({ id }) => id));
    return new Response(null, { status: 204 });
  },
} as unknown as Fetcher;

export class NodeObject extends PlainNode {
  readonly count = countOf(this.ctx.id.toString());

  constructor(context: DurableObjectState, env: Env) {
    super(context, { ...env, HANDLER });
    this.count.made++;
  }
}

/** All that others, and the platform, can call. */
const CALLS = Object.getOwnPropertyNames(PlainNode.prototype).filter((name) => name !== 'constructor');

for (const name of CALLS) {
  const plain = Reflect.get(PlainNode.prototype, name) as (...args: unknown[]) => unknown;
  const value = function (this: NodeObject, ...args: unknown[]): unknown {
    this.count.calls++;
    return Reflect.apply(plain, this, args);
  };
  Object.defineProperty(NodeObject.prototype, name, { value });
}

export default {
  ...worker,
  async fetch(request, env, context) {
    const { pathname } = new URL(request.url);
    if (pathname === '/handled') return Response.json(handled);
    const [, slot] = /^\/wakes\/(\d+)$/.exec(pathname) ?? [];
    if (slot === undefined) return await worker.fetch(request, env, context);
    return Response.json(countOf(env.NODES.idFromName(slot).toString()));
  },
} satisfies ExportedHandler<Env, unknown>;
