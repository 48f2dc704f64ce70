// The Worker with a switch that has single nodes hang or fail. Only tests and benchmarks bundle it (`startFaulty` of bench/faults.ts);
// nothing of it is in src/, so no deployment can have it.
import type { Env } from '../../src/durable/env.ts';
import { NodeObject as SoundNode } from '../../src/durable/node-object.ts';
import worker, { BootObject } from '../../src/worker.ts';

export { BootObject };

/** `hang`: calls are taken and not answered. `fail`: they throw. */
type Fault = 'hang' | 'fail';

/** By object id. All objects of a local network live in this isolate, and the switch outlives their eviction. */
const faults = new Map<string, Fault>();

/** Pause between two looks at the switch, milliseconds. A promise that nothing can settle would be an error of the runtime's at once. */
const LOOK_MS = 20;

export class NodeObject extends SoundNode {
  /** Ends when the node may go on. */
  async fault(isAlarm: boolean): Promise<void> {
    const id = this.ctx.id.toString();
    if (faults.get(id) === 'fail') throw new Error('switched to fail');
    if (faults.get(id) !== 'hang') return;
    while (faults.get(id) === 'hang') await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    // A clock that stood still goes on; whoever called has given up, as far as anybody knows.
    if (!isAlarm) throw new Error('was switched to hang');
  }
}

/** All that others, and the platform, can call. */
const CALLS = Object.getOwnPropertyNames(SoundNode.prototype).filter((name) => name !== 'constructor');

for (const name of CALLS) {
  const sound = Reflect.get(SoundNode.prototype, name) as (...args: unknown[]) => unknown;
  const value = async function (this: NodeObject, ...args: unknown[]): Promise<unknown> {
    await this.fault(name === 'alarm');
    return await Reflect.apply(sound, this, args);
  };
  Object.defineProperty(NodeObject.prototype, name, { value });
}

export default {
  ...worker,
  async fetch(request, env, context) {
    const [, slot = '', mode] = /^\/fault\/(\d+)\/(hang|fail|off)$/.exec(new URL(request.url).pathname) ?? [];
    if (mode === undefined) return await worker.fetch(request, env, context);
    const id = env.NODES.idFromName(slot).toString();
    if (mode === 'hang' || mode === 'fail') faults.set(id, mode);
    else faults.delete(id);
    return new Response(null, { status: 204 });
  },
} satisfies ExportedHandler<Env, unknown>;
