// The beacon of a deployment: one Durable Object around a beacon at work. Its methods are the RPC surface: only this Worker can call them.
import { DurableObject } from 'cloudflare:workers';
import { formatConfigError, readConfig } from '../config.ts';
import type { Report } from '../protocol/beacon-report.ts';
import type { Guid, MessageId } from '../protocol/types.ts';
import { LiveBeacon } from '../shell/live-beacon.ts';
import { createLog } from '../shell/log.ts';
import { openSqlBeaconStore } from '../store/sql-beacon-store.ts';
import { openDurableSql } from './durable-sql.ts';
import type { Env } from './env.ts';
import type { BeaconCalls } from './stubs.ts';

export class BeaconObject extends DurableObject<Env> implements Omit<BeaconCalls, 'fetch'> {
  readonly #beacon: LiveBeacon;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const config = readConfig(env as unknown as Record<string, unknown>);
    if (!config.ok) throw new Error(config.error.map(formatConfigError).join('; '));
    this.#beacon = new LiveBeacon({
      store: openSqlBeaconStore(openDurableSql(ctx.storage)),
      network: config.value.protocol.network,
      log: createLog('beacon', config.value.logLevel),
      heard: () => undefined,
    });
  }

  async hear(report: Report, isInside: boolean) {
    return this.#beacon.hear(report, isInside);
  }

  async messages(cursor: string | null, limit: number, originator: Guid | null) {
    return this.#beacon.messages(cursor, limit, originator);
  }

  async message(id: MessageId) {
    return this.#beacon.message(id);
  }

  async summary() {
    return this.#beacon.summary();
  }

  async samples() {
    return this.#beacon.samples();
  }
}
