// The boot node at work, whatever it runs in: allocates GUIDs durably, certifies them, and says what is to be announced. Its state is in its
// store; what is only here may be lost.
import type { CallingNode } from '../api/peer-client.ts';
import type { LogQuery } from '../api/ports.ts';
import type { Config } from '../config.ts';
import { signText, type Signer } from '../crypto/keys.ts';
import { signCertificate, verifyCertificate } from '../crypto/signatures.ts';
import { addressGroup } from '../protocol/address.ts';
import { JoinRate, makeChallenge, requiredBits } from '../protocol/admission.ts';
import * as boot from '../protocol/boot.ts';
import { announcementFailover, announcementJobs } from '../protocol/boot-announcing.ts';
import type { BackupHead } from '../protocol/backup-file.ts';
import { beginSurvey, isLost, knownKey, notePinned, phaseOf } from '../protocol/boot-phase.ts';
import { takeBack, type Surveyed, type Tenure } from '../protocol/boot-survey.ts';
import { isRenewalDue } from '../protocol/certificate.ts';
import { highWater } from '../protocol/guid-floor.ts';
import type { Job } from '../protocol/job.ts';
import { CHALLENGE_MS, GUID_MAX, SURVEY_JOIN_CALLS_MAX } from '../protocol/limits.ts';
import { seal, type Sealed } from '../protocol/seal.ts';
import { answerHashText, messageText } from '../protocol/signed-text.ts';
import type { Allocation, BootStore, MetaTable } from '../protocol/store.ts';
import type { SyncRequest } from '../protocol/sync.ts';
import { BOOT_GUID, type Guid, type Peer, type SelfRecord } from '../protocol/types.ts';
import type { AnnouncingCalls } from './announcing.ts';
import type { BootService } from './boot-calls.ts';
import { BootRecovery, type AskNodes } from './boot-recovery.ts';
import { CallBacks } from './call-backs.ts';
import { createSigner, readSigner } from './identity.ts';
import type { LogRing } from './log-ring.ts';
import type { Log } from './log.ts';

/** An announcement that was not finished by then is taken over: whoever made it died. */
const LEASE_MS = 30_000;

/**
 * Pause between announcements that joiners from elsewhere lead to: each goes to every member, the other newcomers too, so a crowd that
 * joins one by one would be told of one by one. Who comes within it is announced with the next, by cron at the latest (guess).
 */
const ANNOUNCE_PAUSE_MS = 10_000;

/** Meta key: what challenges are known by. */
const SECRET_KEY = 'challenge_secret';

/** Joins that are looked at for the join rate at the start: more could not raise the bits any further. */
const RATE_JOINS_MAX = 2_000;

/** How long the boot node certifies itself for, to bring announcements. */
const OWN_CERTIFICATE_MS = 3_600_000;

export interface LiveBootHost {
  readonly config: Config;
  readonly store: BootStore;
  readonly log: Log;
  /** What it logged last. */
  readonly recentLogs: LogRing;
  /** Asks nodes of the same deployment, where there are any. */
  readonly ask: AskNodes;
}

export class LiveBoot implements BootService, AnnouncingCalls {
  readonly #config: Config;
  readonly #store: BootStore;
  readonly #recentLogs: LogRing;
  readonly #secret: string;
  readonly #rate = new JoinRate();
  readonly #callBacks = new CallBacks();
  /** What is done after a loss, and against one. */
  readonly #recovery: BootRecovery;
  #signer: Signer | null;
  #credential: CallingNode | null = null;
  /** What writes allocations does it one after the other: a join's certificate is signed between the look and the write. */
  #turn: Promise<unknown> = Promise.resolve();
  #leasedUntil = 0;
  #announcedAt = 0;
  /** Somebody waits until then to announce. */
  #awaitedUntil = 0;
  #joins = 0;
  #refused = 0;
  #lost = 0;

  /** Where `hasKey` is false, nothing but `makeKey` may be called. */
  constructor({ config, store, log, recentLogs, ask }: LiveBootHost) {
    this.#recentLogs = recentLogs;
    this.#config = config;
    this.#store = store;
    beginSurvey(store);
    for (const at of store.joinTimes(RATE_JOINS_MAX).toReversed()) this.#rate.add(at);
    this.#secret = secretOf(store.meta);
    this.#signer = readSigner(store.meta);
    this.#recovery = new BootRecovery({
      ask,
      config,
      store,
      log,
      context: () => this.#context(),
      setSigner: (signer) => {
        this.#signer = signer;
        this.#credential = null;
      },
    });
    if (this.#signer) this.#recovery.tellIfLost();
  }

  get hasKey(): boolean {
    return this.#signer !== null;
  }

  /** Once in a network's life: makes its key. */
  async makeKey(): Promise<void> {
    this.#signer = await createSigner(this.#store.meta);
  }

  /**
   * Of a boot node that hosts no nodes: there is nobody to ask what was given before but its operator, by NETWORK_KEY. Where that is another
   * key than the one that is here, the storage was lost, and nobody is let in until it is restored.
   */
  async beginAlone(): Promise<void> {
    notePinned(this.#context(), this.#config.protocol.networkKey);
    await this.#recovery.survey(1);
    this.#recovery.tellIfLost();
  }

  /** What a newcomer must solve. Not stored. */
  async challenge() {
    const now = Date.now();
    const bits = requiredBits(this.#config.protocol.powBits, this.#rate.recent(now));
    return { challenge: makeChallenge(this.#secret, bits, randomHex(16), now), bits, expiresAt: now + CHALLENGE_MS };
  }

  async admit(request: boot.JoinRequest): ReturnType<BootService['admit']> {
    let admitted = boot.admit(this.#context(), request);
    if (!admitted.ok && admitted.error.reason === 'surveying') {
      await this.#recovery.survey(SURVEY_JOIN_CALLS_MAX);
      admitted = boot.admit(this.#context(), request);
    }
    if (!admitted.ok) this.#refused++;
    if (!admitted.ok || !admitted.value.callBack) return admitted.ok ? { ok: true, value: { ticket: null } } : admitted;
    const { address } = request.record;
    const now = Date.now();
    const ticket = this.#callBacks.begin(addressGroup(address), now);
    if (ticket === null) return { ok: false, error: { reason: 'busy' } };
    // Who has paid counts, whether it answers or not: the price rises for those who have us call into the void.
    if (request.work !== null) this.#rate.add(now);
    return { ok: true, value: { ticket } };
  }

  async calledBack(ticket: number): Promise<void> {
    this.#callBacks.end(ticket);
  }

  async join(record: SelfRecord): ReturnType<BootService['join']> {
    this.#joins++;
    // Of what a joiner from elsewhere holds nothing is believed, so none of it can be taken.
    return (await this.#inTurn(() => this.#joinNext(record, null))) as Awaited<ReturnType<BootService['join']>>;
  }

  async joinHosted({ record, tenure }: Surveyed): ReturnType<BootService['joinHosted']> {
    this.#joins++;
    return await this.#inTurn(() => this.#joinNext(record, tenure));
  }

  async survey(limit: number): Promise<void> {
    await this.#recovery.survey(limit);
  }

  async backupHead(withKey: boolean) {
    return this.#recovery.head(withKey);
  }

  async allocations(after: Guid, limit: number): Promise<readonly Allocation[]> {
    return this.#store.all(Math.min(after, GUID_MAX), limit);
  }

  async restoreHead(head: BackupHead, isDry: boolean): ReturnType<BootService['restoreHead']> {
    return await this.#inTurn(() => this.#recovery.restoreHead(head, isDry));
  }

  async restore(batch: readonly Allocation[], isLast: boolean): ReturnType<BootService['restore']> {
    return await this.#inTurn(async () => this.#recovery.restore(batch, isLast));
  }

  async raiseFloor(guid: Guid): ReturnType<BootService['raiseFloor']> {
    return await this.#inTurn(async () => this.#recovery.raiseFloor(guid));
  }

  async depart(publicKey: string, incarnation: number): Promise<void> {
    this.#store.transaction(() => boot.depart(this.#context(), publicKey, incarnation));
  }

  async byGuid(guid: Guid): Promise<Peer | null> {
    const allocation = this.#store.byGuid(guid);
    return allocation && toPeer(allocation);
  }

  async page(after: Guid, limit: number): Promise<readonly Peer[]> {
    return this.#store.page(Math.min(after, GUID_MAX), limit, Date.now()).map(toPeer);
  }

  async sync(request: SyncRequest) {
    return boot.bootSync(this.#context(), request);
  }

  async status() {
    const now = Date.now();
    const context = this.#context();
    return {
      maxGuid: highWater(this.#store),
      allocated: this.#store.maxGuid(),
      phase: phaseOf(context),
      publicKey: context.networkKey,
      networkKey: knownKey(context),
      joins: this.#joins,
      refused: this.#refused,
      lost: this.#lost,
      callBacks: this.#callBacks.size(now),
      recentJoins: this.#rate.recent(now),
    };
  }

  async logs(query: LogQuery) {
    return this.#recentLogs.page(query);
  }

  /** Signs an answer of which it is given the hash. Only ever an answer: the text says so. */
  async signAnswer(nonce: string, hash: string): Promise<string> {
    return await signText(this.#key(), answerHashText(nonce, hash));
  }

  /**
   * In whose name announcements are brought to members elsewhere: GUID 0 and the network's key, by a certificate like any other. Nobody
   * else can have one, since GUIDs are given from 1 on.
   */
  async caller(): Promise<CallingNode> {
    const now = Date.now();
    const known = this.#credential;
    if (known && !isRenewalDue(known.credential.certificate, now)) return known;
    const signer = this.#key();
    const issuedAt = Math.floor(now / 1000) * 1000;
    const period = { issuedAt, expiresAt: issuedAt + OWN_CERTIFICATE_MS };
    const certificate = await signCertificate(
      signer,
      this.#config.protocol.network,
      BOOT_GUID,
      signer.publicKey,
      period,
    );
    return (this.#credential = { signer, credential: { guid: BOOT_GUID, certificate } });
  }

  /**
   * Whether the caller is the one to announce: of many joins at once one does it for all. `patient`: not soon after the last time;
   * then the first that asks is told how long to wait and ask again, in milliseconds, and does it for all that come meanwhile.
   */
  async leaseAnnouncement(patient: boolean): Promise<{ leased: boolean; waitMs: number | null }> {
    const now = Date.now();
    const waitMs = patient ? this.#announcedAt + ANNOUNCE_PAUSE_MS - now : 0;
    if (waitMs > 0) {
      const isAwaited = this.#awaitedUntil > now;
      if (!isAwaited) this.#awaitedUntil = now + waitMs;
      return { leased: false, waitMs: isAwaited ? null : waitMs };
    }
    if (this.#leasedUntil > now) return { leased: false, waitMs: null };
    this.#leasedUntil = now + LEASE_MS;
    this.#announcedAt = now;
    return { leased: true, waitMs: null };
  }

  /** What is to be announced; nothing ends the lease, in the same step, so that no join falls between. */
  async announcement(): Promise<{ readonly guids: readonly Guid[]; readonly jobs: readonly Job[] }> {
    const found = boot.announcement(this.#context());
    if (!found) {
      this.#leasedUntil = 0;
      return { guids: [], jobs: [] };
    }
    const signer = this.#key();
    const sealed: Sealed[] = [];
    for (const body of found.bodies) sealed.push(seal(body, await signText(signer, messageText(body))));
    return { guids: found.guids, jobs: announcementJobs(this.#context(), sealed) };
  }

  /** What is to be sent in place of an announcement that was given up. */
  passedOver(job: Job): readonly Job[] {
    return announcementFailover(this.#context(), job);
  }

  async announced(guids: readonly Guid[]): Promise<void> {
    this.#store.transaction(() => boot.announced(this.#store, guids));
  }

  /** Jobs that no consumer could read. */
  async countLost(count: number): Promise<void> {
    this.#lost += count;
  }

  /** Runs what writes allocations after what does so already. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => undefined);
    return await mine;
  }

  async #joinNext(record: SelfRecord, tenure: Tenure | null): ReturnType<BootService['joinHosted']> {
    const store = this.#store;
    const taken = tenure && store.transaction(() => takeBack(this.#context(), record, tenure));
    if (taken && !taken.ok) return taken;
    const isHeldUp = phaseOf(this.#context()) === 'surveying' && !store.byKey(record.publicKey);
    if (isHeldUp) await this.#recovery.survey(SURVEY_JOIN_CALLS_MAX);
    const drafted = boot.draftJoin(this.#context(), record);
    if (!drafted.ok) return drafted;
    const draft = await this.#certified(drafted.value);
    store.transaction(() => boot.commitJoin(this.#context(), draft));
    return { ok: true, value: boot.joined(this.#context(), draft.allocation) };
  }

  /** A join with the certificate that it is stored with. One that another key has signed, before a loss or after it, is made anew. */
  async #certified(draft: boot.JoinDraft): Promise<boot.JoinDraft> {
    const context = this.#context();
    const { network } = context.config;
    const { guid, publicKey, certificate } = draft.allocation;
    const authority = { network, networkKey: context.networkKey };
    const isDoubtful = draft.change === null && !isLost(context);
    const isForeign = isDoubtful && !(await verifyCertificate(authority, guid, publicKey, certificate, context.now));
    const { allocation, change } = isForeign ? boot.renewal(context, draft.allocation) : draft;
    if (allocation.certificate.signature !== '') return { allocation, change };
    const signed = await signCertificate(this.#key(), network, guid, publicKey, allocation.certificate);
    return { allocation: { ...allocation, certificate: signed }, change };
  }

  #key(): Signer {
    if (!this.#signer) throw new Error('assertion failed: the key is made before anybody comes in');
    return this.#signer;
  }

  #context(): boot.BootContext {
    const now = Date.now();
    return {
      now,
      rng: Math.random,
      config: this.#config.protocol,
      address: this.#config.publicUrl ?? 'local:',
      networkKey: this.#key().publicKey,
      secret: this.#secret,
      recentJoins: this.#rate.recent(now),
      store: this.#store,
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
