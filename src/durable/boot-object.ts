// The boot object: allocates GUIDs durably and certifies them. It is built on itty-durable, whose fetch() would expose every method,
// `destroy` included, to whoever could reach it with a path of their own. So: nothing but boot-facade.ts has its binding, and
// fetch() lets through only the calls below. Its state is in SQLite; itty's own persisting is not used.
import { createDurable } from 'itty-durable';
import { formatConfigError, readConfig, type Config } from '../config.ts';
import { signText, type Signer } from '../crypto/keys.ts';
import { signCertificate, verifyCertificate } from '../crypto/signatures.ts';
import { addressGroup } from '../protocol/address.ts';
import { JoinRate, makeChallenge, requiredBits } from '../protocol/admission.ts';
import type { BackupHead } from '../protocol/backup-file.ts';
import * as boot from '../protocol/boot.ts';
import { beginSurvey, isLost, knownKey, phaseOf } from '../protocol/boot-phase.ts';
import { takeBack, type Tenure } from '../protocol/boot-survey.ts';
import { highWater } from '../protocol/guid-floor.ts';
import type { Job } from '../protocol/job.ts';
import { CHALLENGE_MS, GUID_MAX, SURVEY_JOIN_CALLS_MAX } from '../protocol/limits.ts';
import { seal, type Sealed } from '../protocol/seal.ts';
import { answerHashText, messageText } from '../protocol/signed-text.ts';
import type { Allocation, BootStore, MetaTable } from '../protocol/store.ts';
import type { SyncRequest } from '../protocol/sync.ts';
import type { Guid, Peer, SelfRecord } from '../protocol/types.ts';
import { openSqlBootStore } from '../store/sql-boot-store.ts';
import { RESTORE_ALLOCATIONS, RESTORE_HEAD } from './boot-facade.ts';
import { BootRecovery } from './boot-recovery.ts';
import { CallBacks } from '../shell/call-backs.ts';
import { openDurableSql } from './durable-sql.ts';
import type { Env } from './env.ts';
import { createSigner, readSigner } from '../shell/identity.ts';
import { createLog } from '../shell/log.ts';

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
  /** What writes allocations does it one after the other: a join's certificate is signed between the look and the write. */
  turn: Promise<unknown>;
  /** What is done after a loss, and against one. */
  readonly recovery: BootRecovery;
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
    beginSurvey(store);
    const rate = new JoinRate();
    for (const at of store.joinTimes(RATE_JOINS_MAX).toReversed()) rate.add(at);
    const inner: Inner = {
      config: config.value,
      store,
      secret: secretOf(store.meta),
      rate,
      callBacks: new CallBacks(),
      signer: readSigner(store.meta),
      turn: Promise.resolve(),
      recovery: new BootRecovery({
        // Kept from itty, as all bindings are: for asking nodes alone.
        env: env as unknown as Env,
        config: config.value,
        store,
        log: createLog('boot', config.value.logLevel),
        context: () => this.context(),
        setSigner: (signer) => void (inner.signer = signer),
      }),
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
    else inner.recovery.tellIfLost();
  }

  override async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (request.method === 'PUT' && pathname === RESTORE_HEAD) {
      const { head, isDry } = await request.json<{ head: BackupHead; isDry: boolean }>();
      return Response.json(await this.inTurn(() => this.state.inner.recovery.restoreHead(head, isDry)));
    }
    if (request.method === 'PUT' && pathname === RESTORE_ALLOCATIONS) {
      const { batch, isLast } = await request.json<{ batch: Allocation[]; isLast: boolean }>();
      return Response.json(await this.inTurn(async () => this.state.inner.recovery.restore(batch, isLast)));
    }
    const [, marker, action, target] = pathname.split('/');
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
  async admit(request: boot.JoinRequest): Promise<object> {
    const { inner } = this.state;
    let admitted = boot.admit(this.context(), request);
    if (!admitted.ok && admitted.error.reason === 'surveying') {
      await inner.recovery.survey(SURVEY_JOIN_CALLS_MAX);
      admitted = boot.admit(this.context(), request);
    }
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

  /** Allocates and certifies. Who may is decided before; `tenure` is what a node of this deployment holds. */
  async join(record: SelfRecord, tenure: Tenure | null): Promise<object> {
    this.state.inner.joins++;
    return await this.inTurn(() => this.joinNext(record, tenure));
  }

  /** Asks `limit` more nodes what they hold, where this object has just begun. */
  async survey(limit: number): Promise<object> {
    await this.state.inner.recovery.survey(limit);
    return {};
  }

  /** The first part of a backup; `withKey`: with the secret half of the key. */
  backupHead(withKey: boolean): object {
    return this.state.inner.recovery.head(withKey);
  }

  /** All allocations, those of the dead too. */
  allocations(after: Guid, limit: number): object {
    return { allocations: this.state.inner.store.all(Math.min(after, GUID_MAX), limit) };
  }

  /** The operator says up to where GUIDs are taken. */
  async raiseFloor(guid: Guid): Promise<object> {
    return await this.inTurn(async () => this.state.inner.recovery.raiseFloor(guid));
  }

  /** A node of this deployment has left the network. */
  depart(publicKey: string, incarnation: number): object {
    this.state.inner.store.transaction(() => boot.depart(this.context(), publicKey, incarnation));
    return {};
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
    const context = this.context();
    return {
      maxGuid: highWater(store),
      allocated: store.maxGuid(),
      phase: phaseOf(context),
      publicKey: context.networkKey,
      networkKey: knownKey(context),
      joins,
      refused,
      lost,
      callBacks: callBacks.size(now),
      recentJoins: rate.recent(now),
    };
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

  /** Runs what writes allocations after what does so already. */
  private async inTurn<T>(work: () => Promise<T>): Promise<T> {
    const { inner } = this.state;
    const mine = inner.turn.then(work);
    inner.turn = mine.catch(() => undefined);
    return await mine;
  }

  private async joinNext(record: SelfRecord, tenure: Tenure | null): Promise<object> {
    const { store } = this.state.inner;
    const taken = tenure && store.transaction(() => takeBack(this.context(), record, tenure));
    if (taken && !taken.ok) return taken;
    const isHeldUp = phaseOf(this.context()) === 'surveying' && !store.byKey(record.publicKey);
    if (isHeldUp) await this.state.inner.recovery.survey(SURVEY_JOIN_CALLS_MAX);
    const drafted = boot.draftJoin(this.context(), record);
    if (!drafted.ok) return drafted;
    const draft = await this.certified(drafted.value);
    store.transaction(() => boot.commitJoin(this.context(), draft));
    return { ok: true, value: boot.joined(this.context(), draft.allocation) };
  }

  /** A join with the certificate that it is stored with. One that another key has signed, before a loss or after it, is made anew. */
  private async certified(draft: boot.JoinDraft): Promise<boot.JoinDraft> {
    const context = this.context();
    const { network } = context.config;
    const { guid, publicKey, certificate } = draft.allocation;
    const authority = { network, networkKey: context.networkKey };
    const isDoubtful = draft.change === null && !isLost(context);
    const isForeign = isDoubtful && !(await verifyCertificate(authority, guid, publicKey, certificate, context.now));
    const { allocation, change } = isForeign ? boot.renewal(context, draft.allocation) : draft;
    if (allocation.certificate.signature !== '') return { allocation, change };
    const signed = await signCertificate(this.signer(), network, guid, publicKey, allocation.certificate);
    return { allocation: { ...allocation, certificate: signed }, change };
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
