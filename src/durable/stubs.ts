// Which object a slot or an address means.
import type { BeaconSummary, CoverageDetail, CoveragePage, Sample } from '../api/ports.ts';
import type { Config } from '../config.ts';
import type { Heard, Report } from '../protocol/beacon-report.ts';
import type { Guid, MessageId } from '../protocol/types.ts';
import type { NodeCalls } from '../shell/node-calls.ts';
import type { Env } from './env.ts';

/** What this Worker calls on a hosted node. */
export interface HostedCalls extends NodeCalls {
  /** Only stream-calls.ts makes these. */
  fetch(request: Request): Promise<Response>;
}

/** By slot: an id is a hash of its name, and a batch calls every node. */
const ids = new Map<number, DurableObjectId>();

/** The hosted node of a slot. */
export function nodeStub(env: Env, slot: number): HostedCalls {
  const id = ids.get(slot) ?? env.NODES.idFromName(String(slot));
  ids.set(slot, id);
  // The stub's own type rewrites every result into RPC types too deep for the compiler; plain data comes out as it went in.
  return env.NODES.get(id) as unknown as HostedCalls;
}

/** What this Worker calls on the beacon. */
export interface BeaconCalls {
  hear(report: Report, isInside: boolean): Promise<Heard | null>;
  messages(cursor: string | null, limit: number, originator: Guid | null): Promise<CoveragePage | null>;
  message(id: MessageId): Promise<CoverageDetail | null>;
  summary(): Promise<BeaconSummary>;
  samples(): Promise<readonly Sample[]>;
  /** Only stream-calls.ts makes these. */
  fetch(request: Request): Promise<Response>;
}

/** Name of the one beacon of a deployment. */
const BEACON_NAME = 'beacon';

/** The beacon of this deployment. */
export function beaconStub(env: Env): BeaconCalls {
  return env.BEACONS.get(env.BEACONS.idFromName(BEACON_NAME)) as unknown as BeaconCalls;
}

/** Slot of one of this deployment's own addresses; null for any other. */
export function slotOf(address: string, config: Config): number | null {
  const { hostedPrefix } = config.protocol;
  const slot = address.startsWith(hostedPrefix) ? address.slice(hostedPrefix.length) : '';
  return /^[1-9]\d{0,5}$/.test(slot) && Number(slot) <= config.nodeCount ? Number(slot) : null;
}
