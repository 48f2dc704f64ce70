// What the platform gives the Worker: bindings of wrangler.toml. Variables are read by config.ts alone.
export interface Env {
  /** Only stubs.ts talks to them. */
  readonly NODES: DurableObjectNamespace;
  /** Only boot-facade.ts talks to it. */
  readonly BOOT: DurableObjectNamespace;
  /** Only stubs.ts talks to it. */
  readonly BEACONS: DurableObjectNamespace;
  readonly DELIVERIES: Queue<string>;
  /** Jobs for peers outside, which may keep a caller waiting. */
  readonly OUTBOUND: Queue<string>;
  readonly DEAD_LETTERS: Queue<string>;
  /** The application's Worker, which takes messages; not bound in most deployments. */
  readonly HANDLER?: Fetcher;
}
