// The beacon of a deployment: one Durable Object around a beacon at work. Its methods are the RPC surface: only this Worker can call them.
import { DurableObject } from 'cloudflare:workers';
import { formatConfigError, readConfig } from '../config.ts';
import type { Report } from '../protocol/beacon-report.ts';
import type { Guid, MessageId } from '../protocol/types.ts';
import { LiveBeacon } from '../shell/live-beacon.ts';
import { createLog } from '../shell/log.ts';
import { beaconFeed } from '../shell/stream-feed.ts';
import { openSqlBeaconStore } from '../store/sql-beacon-store.ts';
import { openDurableSql } from './durable-sql.ts';
import type { Env } from './env.ts';
import { SocketReaders } from './socket-readers.ts';
import { openStream } from './stream-calls.ts';
import type { BeaconCalls } from './stubs.ts';

export class BeaconObject extends DurableObject<Env> implements BeaconCalls {
  readonly #beacon: LiveBeacon;
  readonly #sockets: SocketReaders;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const config = readConfig(env as unknown as Record<string, unknown>);
    if (!config.ok) throw new Error(config.error.map(formatConfigError).join('; '));
    const { network } = config.value.protocol;
    this.#sockets = new SocketReaders(
      ctx,
      beaconFeed(() => this.#beacon.state, network),
    );
    this.#beacon = new LiveBeacon({
      store: openSqlBeaconStore(openDurableSql(ctx.storage)),
      network,
      log: createLog('worker', config.value.logLevel),
      socketReaders: () => this.#sockets.size,
      arrived: () => this.#sockets.arrived(),
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

  /** A reader of the stream, whom beacon-gateway.ts sends: a WebSocket has no other way in. */
  override async fetch(request: Request): Promise<Response> {
    return await openStream(request, this.#sockets, this.#beacon);
  }

  override webSocketMessage(socket: WebSocket, data: string | ArrayBuffer): void {
    this.#sockets.heard(socket, data);
  }

  override webSocketClose(socket: WebSocket): void {
    this.#sockets.closed(socket);
  }

  override webSocketError(socket: WebSocket): void {
    this.#sockets.closed(socket);
  }
}
