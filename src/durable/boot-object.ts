// The boot object: allocates GUIDs durably. It is built on itty-durable, whose fetch() would expose every method, `destroy` included,
// to whoever could reach it with a path of their own. So: nothing but boot-facade.ts has its binding, and fetch() lets
// through only the calls below. Its state is in SQLite; itty's own persisting is not used.
import { createDurable } from 'itty-durable';
import { formatConfigError, readConfig, type Config } from '../config.ts';
import { announced, announcement, bootSync, join, toMember, type BootContext } from '../protocol/boot.ts';
import type { Job } from '../protocol/job.ts';
import type { Allocation, BootStore } from '../protocol/store.ts';
import type { SyncRequest } from '../protocol/sync.ts';
import type { Guid, Peer } from '../protocol/types.ts';
import { openSqlBootStore } from '../store/sql-boot-store.ts';
import { openDurableSql } from './durable-sql.ts';

/** Methods that can be called from outside the object, by the facade. */
const CALLS = [
  'join',
  'byGuid',
  'page',
  'sync',
  'status',
  'leaseAnnouncement',
  'announcement',
  'announced',
  'countLost',
];

/** An announcement that was not finished by then is taken over: its worker died. */
const LEASE_MS = 30_000;

/** What the object keeps beside its rows. In `state`, which itty neither stores nor shows. */
interface Inner {
  readonly config: Config;
  readonly store: BootStore;
  leasedUntil: number;
  joins: number;
  lost: number;
}

interface IttyState {
  inner: Inner;
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
    const store = openSqlBootStore(openDurableSql(state.storage));
    this.state.inner = { config: config.value, store, leasedUntil: 0, joins: 0, lost: 0 };
  }

  override async fetch(request: Request): Promise<Response> {
    const [, marker, action, target] = new URL(request.url).pathname.split('/');
    const allowed = marker === 'do' && action === 'call' && CALLS.includes(target ?? '');
    return allowed ? await super.fetch(request) : new Response('not a call of the boot object', { status: 403 });
  }

  join(publicKey: string, address: string): object {
    const { inner } = this.state;
    inner.joins++;
    return inner.store.transaction(() => join(this.context(), publicKey, address));
  }

  byGuid(guid: Guid): object {
    const allocation = this.state.inner.store.byGuid(guid);
    return { peer: allocation && toPeer(allocation) };
  }

  page(after: Guid, limit: number): object {
    return { peers: this.state.inner.store.page(after, limit).map(toPeer) };
  }

  sync(request: SyncRequest): object {
    return bootSync(this.context(), request);
  }

  status(): object {
    const { store, joins, lost } = this.state.inner;
    return { maxGuid: store.maxGuid(), joins, lost };
  }

  /** Whether the caller is the one to announce: of many joins at once one does it for all. */
  leaseAnnouncement(): object {
    const { inner } = this.state;
    const now = Date.now();
    const leased = inner.leasedUntil > now;
    if (!leased) inner.leasedUntil = now + LEASE_MS;
    return { leased: !leased };
  }

  /** What is to be announced; nothing ends the lease, in the same step, so that no join falls between. */
  announcement(): { readonly guids: readonly Guid[]; readonly jobs: readonly Job[] } {
    const { inner } = this.state;
    const found = announcement(this.context());
    if (!found) inner.leasedUntil = 0;
    return found ?? { guids: [], jobs: [] };
  }

  announced(guids: readonly Guid[]): object {
    const { store } = this.state.inner;
    store.transaction(() => announced(store, guids));
    return {};
  }

  /** Jobs that no consumer could read. */
  countLost(count: number): object {
    this.state.inner.lost += count;
    return {};
  }

  private context(): BootContext {
    const { config, store } = this.state.inner;
    return {
      now: Date.now(),
      rng: Math.random,
      config: config.protocol,
      address: config.publicUrl ?? 'local:',
      store,
    };
  }
}

/** The boot node has no opinion of members: whom it allocated to is alive to it. */
function toPeer(allocation: Allocation): Peer {
  const { joinedAt } = allocation;
  return { ...toMember(allocation), state: 'alive', lastSeen: joinedAt, failures: 0, since: joinedAt };
}
