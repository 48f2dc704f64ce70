// Which object a slot or an address means.
import type { Config } from '../config.ts';
import type { NodeCalls } from '../shell/node-calls.ts';
import type { Env } from './env.ts';

/** The hosted node of a slot. */
export function nodeStub(env: Env, slot: number): NodeCalls {
  // The stub's own type rewrites every result into RPC types too deep for the compiler; plain data comes out as it went in.
  return env.NODES.get(env.NODES.idFromName(String(slot))) as unknown as NodeCalls;
}

/** Slot of one of this deployment's own addresses; null for any other. */
export function slotOf(address: string, config: Config): number | null {
  const { hostedPrefix } = config.protocol;
  const slot = address.startsWith(hostedPrefix) ? address.slice(hostedPrefix.length) : '';
  return /^[1-9]\d{0,5}$/.test(slot) && Number(slot) <= config.nodeCount ? Number(slot) : null;
}
