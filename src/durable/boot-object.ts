// The boot object: allocates GUIDs durably and certifies them. It is built on itty-durable, whose fetch() would expose every method,
// `destroy` included, to whoever could reach it with a path of their own. So: nothing but boot-facade.ts has its binding, and
// fetch() lets through only the calls below. Its state is in SQLite; itty's own persisting is not used.
import { createDurable } from 'itty-durable';
import { formatConfigError, readConfig, type Config } from '../config.ts';
import { signText, type Signer } from '../crypto/keys.ts';
import { signCertificate } from '../crypto/signatures.ts';
import { addressGroup } from '../protocol/address.ts';
import { JoinRate, makeChallenge, requiredBits } from '../protocol/admission.ts';
import * as boot from '../protocol/boot.ts';
import type { Job } from '../protocol/job.ts';
import { CHALLENGE_MS, GUID_MAX } from '../protocol/limits.ts';
import { seal, type Sealed } from '../protocol/seal.ts';
import { answerHashText, messageText } from '../protocol/signed-text.ts';
import type { Allocation, BootStore, MetaTable } from '../protocol/store.ts';
import type { SyncRequest } from '../protocol/sync.ts';
import type { Guid, Peer, SelfRecord } from '../protocol/types.ts';
import { openSqlBootStore } from '../store/sql-boot-store.ts';
import { CallBacks } from './call-backs.ts';
import { openDurableSql } from './durable-sql.ts';
import { createSigner, readSigner } from './identity.ts';

/** Methods that can be called from outside the object, by the facade. */
const CALLS = [
  'challenge',
  'admit',
  'calledBack',
  'join',
  'byGuid',
  'page',
  'sync',
  'status',
  'signAnswer',
  'leaseAnnouncement',
  'announcement',
  'announced',
  'countLost',
];

/** An announcement that was not finished by then is taken over: its worker died. */
const LEASE_MS = 30_000;

/**
 * Pause between announcements that joiners from elsewhere lead to: each goes to every member, the other newcomers too, so a crowd that
 * joins one by one would be told of one by one. Who comes within it is announced with the next, by cron at the latest (guess).
 */
const ANNOUNCE_PAUSE_MS = 10_000;

/** Meta key: what challenges are known by. */
const SECRET_KEY = 'challenge_secret';

/** Joins that are looked at for the join rate when the object wakes: more could not raise the bits any further. */
const RATE_JOINS_MAX = 2_000;

/** What the object keeps beside its rows. In `state`, which itty neither stores nor shows. */
interface Inner {
  readonly config: Config;
  readonly store: BootStore;
  readonly secret: string;
  readonly rate: JoinRate;
  readonly callBacks: CallBacks;
  signer: Signer | null;
  /** Joins are committed one after the other: the certificate is signed between the look and the write. */
  joining: Promise<unknown>;
  leasedUntil: number;
  announcedAt: number;
  /** Somebody waits until then to announce. */
  awaitedUntil: number;
  joins: number;
  refused: number;
  lost: number;
}

interface IttyState extends Pick<DurableObjectState, 'blockConcurrencyWhile'> {
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
    const rate = new JoinRate();
    for (const at of store.joinTimes(RATE_JOINS_MAX).toReversed()) rate.add(at);
    const inner: Inner = {
      config: config.value,
      store,
      secret: secretOf(store.meta),
      rate,
      callBacks: new CallBacks(),
      signer: readSigner(store.meta),
      joining: Promise.resolve(),
      leasedUntil: 0,
      announcedAt: 0,
      awaitedUntil: 0,
      joins: 0,
      refused: 0,
      lost: 0,
    };
    this.state.inner = inner;
    // Once in a network's life: keys are made asynchronously, and nobody may come in before there is one.
    if (!inner.signer)
      void state.blockConcurrencyWhile(async () => void (inner.signer = await createSigner(store.meta)));
  }

  override async fetch(request: Request): Promise<Response> {
    const [, marker, action, target] = new URL(request.url).pathname.split('/');
    const allowed = marker === 'do' && action === 'call' && CALLS.includes(target ?? '');
    return allowed ? await super.fetch(request) : new Response('not a call of the boot object', { status: 403 });
  }

  /** What a newcomer must solve. Not stored. */
  challenge(): object {
    const { config, secret, rate } = this.state.inner;
    const now = Date.now();
    const bits = requiredBits(config.protocol.powBits, rate.recent(now));
    return { challenge: makeChallenge(secret, bits, randomHex(16), now), bits, expiresAt: now + CHALLENGE_MS };
  }

  /** Whether a joiner from elsewhere may go on; `ticket`: its address is to be called back first. */
  admit(request: boot.JoinRequest): object {
    const { inner } = this.state;
    const admitted = boot.admit(this.context(), request);
    if (!admitted.ok) inner.refused++;
    if (!admitted.ok || !admitted.value.callBack) return admitted.ok ? { ok: true, value: { ticket: null } } : admitted;
    const { address } = request.record;
    const now = Date.now();
    const ticket = inner.callBacks.begin(addressGroup(address), now);
    if (ticket === null) return { ok: false, error: { reason: 'busy' } };
    // Who has paid counts, whether it answers or not: the price rises for those who have us call into the void.
    if (request.work !== null) inner.rate.add(now);
    return { ok: true, value: { ticket } };
  }

  /** A call-back has ended, however. */
  calledBack(ticket: number): object {
    this.state.inner.callBacks.end(ticket);
    return {};
  }

  /** Allocates and certifies. Who may is decided before. */
  async join(record: SelfRecord): Promise<object> {
    const { inner } = this.state;
    inner.joins++;
    const mine = inner.joining.then(() => this.joinNext(record));
    inner.joining = mine.catch(() => undefined);
    return await mine;
  }

  byGuid(guid: Guid): object {
    const allocation = this.state.inner.store.byGuid(guid);
    return { peer: allocation && toPeer(allocation) };
  }

  /** `living`: those whose certificates have not run out. */
  page(after: Guid, limit: number): object {
    return { peers: this.state.inner.store.page(Math.min(after, GUID_MAX), limit, Date.now()).map(toPeer) };
  }

  sync(request: SyncRequest): object {
    return boot.bootSync(this.context(), request);
  }

  status(): object {
    const { store, joins, refused, lost, callBacks, rate } = this.state.inner;
    const now = Date.now();
    const { networkKey } = this.context();
    const callBacksNow = callBacks.size(now);
    const recentJoins = rate.recent(now);
    return { maxGuid: store.maxGuid(), networkKey, joins, refused, lost, callBacks: callBacksNow, recentJoins };
  }

  /** Signs an answer of which it is given the hash. Only ever an answer: the text says so. */
  async signAnswer(nonce: string, hash: string): Promise<object> {
    return { signature: await signText(this.signer(), answerHashText(nonce, hash)) };
  }

  /**
   * Whether the caller is the one to announce: of many joins at once one does it for all. `patient`: not soon after the last time;
   * then the first that asks is told how long to wait and ask again, in milliseconds, and does it for all that come meanwhile.
   */
  leaseAnnouncement(patient: boolean): object {
    const { inner } = this.state;
    const now = Date.now();
    const waitMs = patient ? inner.announcedAt + ANNOUNCE_PAUSE_MS - now : 0;
    if (waitMs > 0) {
      const isAwaited = inner.awaitedUntil > now;
      if (!isAwaited) inner.awaitedUntil = now + waitMs;
      return { leased: false, waitMs: isAwaited ? null : waitMs };
    }
    if (inner.leasedUntil > now) return { leased: false, waitMs: null };
    inner.leasedUntil = now + LEASE_MS;
    inner.announcedAt = now;
    return { leased: true, waitMs: null };
  }

  /** What is to be announced; nothing ends the lease, in the same step, so that no join falls between. */
  async announcement(): Promise<{ readonly guids: readonly Guid[]; readonly jobs: readonly Job[] }> {
    const { inner } = this.state;
    const found = boot.announcement(this.context());
    if (!found) {
      inner.leasedUntil = 0;
      return { guids: [], jobs: [] };
    }
    const signer = this.signer();
    const sealed: Sealed[] = [];
    for (const body of found.bodies) sealed.push(seal(body, await signText(signer, messageText(body))));
    return { guids: found.guids, jobs: boot.announcementJobs(this.context(), sealed) };
  }

  announced(guids: readonly Guid[]): object {
    const { store } = this.state.inner;
    store.transaction(() => boot.announced(store, guids));
    return {};
  }

  /** Jobs that no consumer could read. */
  countLost(count: number): object {
    this.state.inner.lost += count;
    return {};
  }

  private async joinNext(record: SelfRecord): Promise<object> {
    const { config, store } = this.state.inner;
    const draft = boot.draftJoin(this.context(), record);
    if (!draft.ok) return draft;
    const { allocation, change } = draft.value;
    if (change === null) return { ok: true, value: boot.joined(this.context(), allocation) };
    const { guid, publicKey } = allocation;
    const { network } = config.protocol;
    const certificate = await signCertificate(this.signer(), network, guid, publicKey, allocation.certificate);
    const certified = { ...allocation, certificate };
    store.transaction(() => boot.commitJoin(this.context(), { allocation: certified, change }));
    return { ok: true, value: boot.joined(this.context(), certified) };
  }

  private signer(): Signer {
    const { signer } = this.state.inner;
    if (!signer) throw new Error('assertion failed: the constructor makes the key');
    return signer;
  }

  private context(): boot.BootContext {
    const { config, store, secret, rate } = this.state.inner;
    const now = Date.now();
    return {
      now,
      rng: Math.random,
      config: config.protocol,
      address: config.publicUrl ?? 'local:',
      networkKey: this.signer().publicKey,
      secret,
      recentJoins: rate.recent(now),
      store,
    };
  }
}

/** The boot node has no opinion of members: whom it allocated to is alive to it. */
function toPeer(allocation: Allocation): Peer {
  const { joinedAt } = allocation;
  const well = { state: 'alive', failures: 0, troubledSince: null, proved: true } as const;
  return { ...boot.toMember(allocation), ...well, lastSeen: joinedAt, since: joinedAt };
}

function secretOf(meta: MetaTable): string {
  const known = meta.get(SECRET_KEY);
  if (known !== null) return known;
  const secret = randomHex(32);
  meta.set(SECRET_KEY, secret);
  return secret;
}

function randomHex(bytes: number): string {
  return [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
