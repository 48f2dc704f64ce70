// The Worker with a switch that has single nodes, or the beacon, hang or fail. Only tests and benchmarks bundle it (`startFaulty` of bench/faults.ts);
// nothing of it is in src/, so no deployment can have it.
import type { Env } from '../../src/durable/env.ts';
import { BeaconObject as SoundBeacon } from '../../src/durable/beacon-object.ts';
import { NodeObject as SoundNode } from '../../src/durable/node-object.ts';
import worker, { BootObject } from '../../src/worker.ts';

export { BootObject };

/** `hang`: calls are taken and not answered. `fail`: they throw. */
type Fault = 'hang' | 'fail';

/** By object id. All objects of a local network live in this isolate, and the switch outlives their eviction. */
const faults = new Map<string, Fault>();

/** Pause between two looks at the switch, milliseconds. A promise that nothing can settle would be an error of the runtime's at once. */
const LOOK_MS = 20;

/** Ends when the object may go on. */
async function fault(id: string, isAlarm: boolean): Promise<void> {
  if (faults.get(id) === 'fail') throw new Error('switched to fail');
  if (faults.get(id) !== 'hang') return;
  while (faults.get(id) === 'hang') await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  // A clock that stood still goes on; whoever called has given up, as far as anybody knows.
  if (!isAlarm) throw new Error('was switched to hang');
}

export class NodeObject extends SoundNode {
  readonly id = this.ctx.id.toString();
}

export class BeaconObject extends SoundBeacon {
  readonly id = this.ctx.id.toString();
}

/** All that others, and the platform, can call goes by the switch. */
for (const [of, sound] of [
  [NodeObject.prototype, SoundNode.prototype],
  [BeaconObject.prototype, SoundBeacon.prototype],
] as const) {
  for (const name of Object.getOwnPropertyNames(sound).filter((method) => method !== 'constructor')) {
    const call = Reflect.get(sound, name) as (...args: unknown[]) => unknown;
    const value = async function (this: { readonly id: string }, ...args: unknown[]): Promise<unknown> {
      await fault(this.id, name === 'alarm');
      return await Reflect.apply(call, this, args);
    };
    Object.defineProperty(of, name, { value });
  }
}

export default {
  ...worker,
  async fetch(request, env, context) {
    const [, slot = '', mode] = /^\/fault\/(\d+|beacon)\/(hang|fail|off)$/.exec(new URL(request.url).pathname) ?? [];
    if (mode === undefined) return await worker.fetch(request, env, context);
    const objects = slot === 'beacon' ? env.BEACONS : env.NODES;
    const id = objects.idFromName(slot).toString();
    if (mode === 'hang' || mode === 'fail') faults.set(id, mode);
    else faults.delete(id);
    return new Response(null, { status: 204 });
  },
} satisfies ExportedHandler<Env, unknown>;
