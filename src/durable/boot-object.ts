// The boot object: the boot node of a deployment, a thin shell around shell/live-boot.ts. It is built on itty-durable, whose fetch() would
// expose every method, `destroy` included, to whoever could reach it with a path of their own. So: nothing but boot-facade.ts has its
// binding, and fetch() lets through only the calls below. Its state is in SQLite; itty's own persisting is not used.
import { createDurable } from 'itty-durable';
import type { LogQuery } from '../api/ports.ts';
import { formatConfigError, readConfig } from '../config.ts';
import type { BackupHead } from '../protocol/backup-file.ts';
import type * as boot from '../protocol/boot.ts';
import type { Tenure } from '../protocol/boot-survey.ts';
import type { Allocation } from '../protocol/store.ts';
import type { SyncRequest } from '../protocol/sync.ts';
import type { Guid, SelfRecord } from '../protocol/types.ts';
import { LiveBoot } from '../shell/live-boot.ts';
import { LogRing } from '../shell/log-ring.ts';
import { createLog } from '../shell/log.ts';
import { openSqlBootStore } from '../store/sql-boot-store.ts';
import { askNodes } from './ask-nodes.ts';
import { RESTORE_ALLOCATIONS, RESTORE_HEAD } from './boot-facade.ts';
import { openDurableSql } from './durable-sql.ts';
import type { Env } from './env.ts';

/** Methods that can be called from outside the object, by the facade. */
const CALLS = [
  'challenge',
  'admit',
  'calledBack',
  'join',
  'depart',
  'byGuid',
  'page',
  'sync',
  'status',
  'signAnswer',
  'leaseAnnouncement',
  'announcement',
  'announced',
  'countLost',
  'survey',
  'backupHead',
  'allocations',
  'raiseFloor',
  'logs',
];

interface IttyState extends Pick<DurableObjectState, 'blockConcurrencyWhile'> {
  /** In `state`, which itty neither stores nor shows. */
  inner: LiveBoot;
}

const IttyDurable = createDurable({ autoPersist: false }) as unknown as new (
  state: DurableObjectState,
  env: Record<string, never>,
) => { state: IttyState; fetch(request: Request): Promise<Response> };

export class BootObject extends IttyDurable {
  constructor(state: DurableObjectState, env: Readonly<Record<string, unknown>>) {
    // Bindings are kept from itty: it would copy them over the object's own state.
    super(state, {});
    const config = readConfig(env);
    if (!config.ok) throw new Error(config.error.map(formatConfigError).join('; '));
    const recentLogs = new LogRing();
    const inner = new LiveBoot({
      config: config.value,
      store: openSqlBootStore(openDurableSql(state.storage)),
      log: createLog('boot', config.value.logLevel, { recent: recentLogs }),
      recentLogs,
      ask: (slots) => askNodes(env as unknown as Env, slots),
    });
    this.state.inner = inner;
    // Once in a network's life: keys are made asynchronously, and nobody may come in before there is one.
    if (!inner.hasKey) void state.blockConcurrencyWhile(() => inner.makeKey());
  }

  override async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (request.method === 'PUT' && pathname === RESTORE_HEAD) {
      const { head, isDry } = await request.json<{ head: BackupHead; isDry: boolean }>();
      return Response.json(await this.state.inner.restoreHead(head, isDry));
    }
    if (request.method === 'PUT' && pathname === RESTORE_ALLOCATIONS) {
      const { batch, isLast } = await request.json<{ batch: Allocation[]; isLast: boolean }>();
      return Response.json(await this.state.inner.restore(batch, isLast));
    }
    const [, marker, action, target] = pathname.split('/');
    const allowed = marker === 'do' && action === 'call' && CALLS.includes(target ?? '');
    return allowed ? await super.fetch(request) : new Response('not a call of the boot object', { status: 403 });
  }

  // What itty sends back must be an object.

  async challenge(): Promise<object> {
    return await this.state.inner.challenge();
  }

  async admit(request: boot.JoinRequest): Promise<object> {
    return await this.state.inner.admit(request);
  }

  async calledBack(ticket: number): Promise<object> {
    await this.state.inner.calledBack(ticket);
    return {};
  }

  /** Allocates and certifies. Who may is decided before; `tenure` is what a node of this deployment holds. */
  async join(record: SelfRecord, tenure: Tenure | null): Promise<object> {
    return await this.state.inner.joinHosted({ record, tenure });
  }

  async survey(limit: number): Promise<object> {
    await this.state.inner.survey(limit);
    return {};
  }

  async backupHead(withKey: boolean): Promise<object> {
    return await this.state.inner.backupHead(withKey);
  }

  async allocations(after: Guid, limit: number): Promise<object> {
    return { allocations: await this.state.inner.allocations(after, limit) };
  }

  async raiseFloor(guid: Guid): Promise<object> {
    return await this.state.inner.raiseFloor(guid);
  }

  async depart(publicKey: string, incarnation: number): Promise<object> {
    await this.state.inner.depart(publicKey, incarnation);
    return {};
  }

  async byGuid(guid: Guid): Promise<object> {
    return { peer: await this.state.inner.byGuid(guid) };
  }

  async page(after: Guid, limit: number): Promise<object> {
    return { peers: await this.state.inner.page(after, limit) };
  }

  async sync(request: SyncRequest): Promise<object> {
    return await this.state.inner.sync(request);
  }

  async status(): Promise<object> {
    return await this.state.inner.status();
  }

  async signAnswer(nonce: string, hash: string): Promise<object> {
    return { signature: await this.state.inner.signAnswer(nonce, hash) };
  }

  async leaseAnnouncement(patient: boolean): Promise<object> {
    return await this.state.inner.leaseAnnouncement(patient);
  }

  async announcement(): Promise<object> {
    return await this.state.inner.announcement();
  }

  async announced(guids: readonly Guid[]): Promise<object> {
    await this.state.inner.announced(guids);
    return {};
  }

  async logs(query: LogQuery): Promise<object> {
    return { page: await this.state.inner.logs(query) };
  }

  async countLost(count: number): Promise<object> {
    await this.state.inner.countLost(count);
    return {};
  }
}
