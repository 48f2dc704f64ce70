// The only way to the boot object. It speaks itty-durable's protocol (arguments as JSON in a header, so they must stay small)
// and gives typed answers, so that the object behind it can be replaced.
import { proxyDurable } from 'itty-durable';
import type { Backup, LogPage, LogQuery } from '../api/ports.ts';
import type { FieldFault } from '../protocol/allocation.ts';
import type { JoinError, JoinRequest } from '../protocol/boot.ts';
import type { Tenure } from '../protocol/boot-survey.ts';
import type { Joined } from '../protocol/effects.ts';
import type { Job } from '../protocol/job.ts';
import { BACKUP_PAGE_MAX, MEMBERS_PAGE_MAX } from '../protocol/limits.ts';
import type { Allocation } from '../protocol/store.ts';
import type { SyncAnswer, SyncRequest } from '../protocol/sync.ts';
import type { Guid, Peer, Result, SelfRecord } from '../protocol/types.ts';
import { announcingFacade } from '../shell/announcing.ts';
import type { AdmitError, BootFacade, BootStatus, Challenge } from '../shell/boot-calls.ts';
import type { Env } from './env.ts';

/** Name of the one boot object of a deployment. */
const BOOT_NAME = 'boot';

/** Arguments travel in a header (PLATFORM.md 4.1); longer ones are refused here, not somewhere on the way. */
const ARGUMENT_CHARS_MAX = 8_000;

/** Paths of calls whose argument is the body of a PUT. */
export const RESTORE_HEAD = '/restore-head';
export const RESTORE_ALLOCATIONS = '/restore-allocations';

interface BootCalls {
  challenge(): Promise<Challenge>;
  admit(request: JoinRequest): Promise<Result<{ ticket: number | null }, AdmitError>>;
  calledBack(ticket: number): Promise<object>;
  join(record: SelfRecord, tenure: Tenure | null): Promise<Result<Joined, JoinError>>;
  survey(limit: number): Promise<object>;
  backupHead(withKey: boolean): Promise<Omit<Backup, 'exportedAt'>>;
  allocations(after: Guid, limit: number): Promise<{ allocations: Allocation[] }>;
  raiseFloor(guid: Guid): Promise<Result<{ maxGuid: Guid }, FieldFault>>;
  depart(publicKey: string, incarnation: number): Promise<object>;
  signAnswer(nonce: string, hash: string): Promise<{ signature: string }>;
  byGuid(guid: Guid): Promise<{ peer: Peer | null }>;
  page(after: Guid, limit: number): Promise<{ peers: Peer[] }>;
  sync(request: SyncRequest): Promise<SyncAnswer>;
  status(): Promise<BootStatus>;
  leaseAnnouncement(patient: boolean): Promise<{ leased: boolean; waitMs: number | null }>;
  announcement(): Promise<{ guids: Guid[]; jobs: Job[] }>;
  announced(guids: readonly Guid[]): Promise<object>;
  countLost(count: number): Promise<object>;
  logs(query: LogQuery): Promise<{ page: LogPage | null }>;
}

/** The boot object of this deployment. */
export function bootFacade(env: Pick<Env, 'BOOT'>): BootFacade {
  // A stub belongs to the request that made it, and a facade may outlive its request: a new one for each call.
  const calls = () => proxyDurable(env.BOOT, { name: 'BOOT', parse: true }).get(BOOT_NAME) as BootCalls;
  return {
    ...backupFacade(env, calls),
    ...announcingFacade(calls),
    challenge: () => calls().challenge(),
    async admit(request) {
      checkSize([request]);
      return await calls().admit(request);
    },
    async calledBack(ticket) {
      await calls().calledBack(ticket);
    },
    async join(record) {
      checkSize([record]);
      return await calls().join(record, null);
    },
    async joinHosted({ record, tenure }) {
      checkSize([record, tenure]);
      return await calls().join(record, tenure);
    },
    async survey(limit) {
      await calls().survey(limit);
    },
    async depart(publicKey, incarnation) {
      await calls().depart(publicKey, incarnation);
    },
    async signAnswer(nonce, hash) {
      return (await calls().signAnswer(nonce, hash)).signature;
    },
    async byGuid(guid) {
      return (await calls().byGuid(guid)).peer;
    },
    async page(after, limit) {
      return (await calls().page(after, Math.min(limit, MEMBERS_PAGE_MAX))).peers;
    },
    async sync(request) {
      checkSize([request]);
      return await calls().sync(request);
    },
    status: () => calls().status(),
    logs: async (query) => (await calls().logs(query)).page,
    async countLost(count) {
      await calls().countLost(count);
    },
  };
}

function backupFacade(env: Pick<Env, 'BOOT'>, calls: () => BootCalls) {
  return {
    backupHead: (withKey) => calls().backupHead(withKey),
    async allocations(after, limit) {
      return (await calls().allocations(after, Math.min(limit, BACKUP_PAGE_MAX))).allocations;
    },
    restoreHead: (head, isDry) => bodyCall(env, RESTORE_HEAD, { head, isDry }),
    restore: (batch, isLast) => bodyCall(env, RESTORE_ALLOCATIONS, { batch, isLast }),
    raiseFloor: (guid) => calls().raiseFloor(guid),
  } satisfies Partial<BootFacade>;
}

/** Calls whose arguments are too large for a header, or too secret. */
async function bodyCall<T>({ BOOT }: Pick<Env, 'BOOT'>, path: string, argument: unknown): Promise<T> {
  const stub = BOOT.get(BOOT.idFromName(BOOT_NAME));
  const init = { method: 'PUT', body: JSON.stringify(argument) };
  // Only the object itself answers this binding, with what the call's type says.
  return await (await stub.fetch(`https://boot${path}`, init)).json<T>();
}

function checkSize(parameters: readonly unknown[]): void {
  const size = JSON.stringify(parameters).length;
  if (size > ARGUMENT_CHARS_MAX) throw new Error(`arguments of ${size} characters are too long for the boot object`);
}
