// Which object a slot or an address means.
import type { Config } from '../config.ts';
import type { NodeCalls } from '../shell/node-calls.ts';
import type { Env } from './env.ts';

/** What this Worker calls on a hosted node. */
export interface HostedCalls extends NodeCalls {
  /** Only stream-calls.ts makes these. */
  fetch(request: Request): Promise<Response>;
}

/** The hosted node of a slot. */
export function nodeStub(env: Env, slot: number): HostedCalls {
  // The stub's own type rewrites every result into RPC types too deep for the compiler; plain data comes out as it went in.
  return env.NODES.get(env.NODES.idFromName(String(slot))) as unknown as HostedCalls;
}

/** Slot of one of this deployment's own addresses; null for any other. */
export function slotOf(address: string, config: Config): number | null {
  const { hostedPrefix } = config.protocol;
  const slot = address.startsWith(hostedPrefix) ? address.slice(hostedPrefix.length) : '';
  return /^[1-9]\d{0,5}$/.test(slot) && Number(slot) <= config.nodeCount ? Number(slot) : null;
}
