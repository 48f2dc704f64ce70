// The boot node: allocates GUIDs, certifies them and announces members. It is not in the ring and nobody needs it to deliver. Each
// function that writes runs inside one transaction of the boot store; signatures are made and checked by the shell around them.
import { addressFault, addressGroup, type AddressFault } from './address.ts';
import { bitsOf, checkWork, requiredBits, type Solution, type WorkFault } from './admission.ts';
import { isLost, knownKey, phaseOf } from './boot-phase.ts';
import type { Canonical } from './canonical.ts';
import { certificateLifetime, isRenewalDue } from './certificate.ts';
import type { ProtocolConfig } from './config.ts';
import type { Joined } from './effects.ts';
import { highWater } from './guid-floor.ts';
import { ANNOUNCED_MEMBERS_MAX, GUID_MAX, MEMBERS_PAGE_MAX, ROSTER_MEMBERS_MAX } from './limits.ts';
import { writeMember } from './member.ts';
import { composeMessage, isAddress, PEER_JOINED } from './message.ts';
import { isPublicKey } from './signed-text.ts';
import type { Allocation, BootStore } from './store.ts';
import type { Interval, SyncAnswer, SyncRequest } from './sync.ts';
import {
  assert,
  BOOT_GUID,
  err,
  ok,
  type Guid,
  type Member,
  type Millis,
  type Result,
  type SelfRecord,
} from './types.ts';
import { isHosted } from './whom.ts';

export interface BootContext {
  readonly now: Millis;
  readonly rng: () => number;
  readonly config: ProtocolConfig;
  readonly address: string;
  /** The public key that this object signs with: the network's, unless its storage was lost. */
  readonly networkKey: string;
  /** Hex; what challenges are known by. */
  readonly secret: string;
  /** How many asked to join lately, see admission.ts. */
  readonly recentJoins: number;
  readonly store: BootStore;
}

/** Who wants to join. The shell has checked that the record is signed with its key. */
export interface JoinRequest {
  readonly record: SelfRecord;
  /** Null from a member, and from this deployment's own nodes. */
  readonly work: Solution | null;
}

export type JoinError =
  /** The boot node does not know yet which GUIDs are free, or whose: see boot-phase.ts. */
  | { readonly reason: 'surveying' | 'restoring' }
  /** The boot node has not the network's key any more: its operator must restore it. */
  | { readonly reason: 'lost' }
  | { readonly reason: 'bad-key' }
  | { readonly reason: 'bad-address'; readonly fault: AddressFault | null }
  | { readonly reason: WorkFault }
  /** The boot node knows a later record of this key: the next one must have a higher incarnation than this. */
  | { readonly reason: 'stale-record'; readonly incarnation: number }
  | { readonly reason: 'group-full'; readonly group: string; readonly max: number }
  | { readonly reason: 'network-full'; readonly max: number };

/** A join that may go through: what is to be stored once the certificate is signed. */
export interface JoinDraft {
  readonly allocation: Allocation;
  /** Null: nothing is to be stored. What is to be signed first is a certificate without a signature. */
  readonly change: 'new' | 'moved' | 'renewed' | null;
}

/** Meta key: GUIDs that members have not been told of yet, a JSON list. */
const UNANNOUNCED = 'unannounced';

/** GUIDs that wait to be announced; what is beyond reaches members at sync. */
const UNANNOUNCED_MAX = 10_000;

/**
 * What a joiner from elsewhere must pass before anything is spent on it: in the order of what it costs us. `callBack`: its address
 * must answer before it is admitted, since it is new or has changed.
 */
export function admit(context: BootContext, { record, work }: JoinRequest): Result<{ callBack: boolean }, JoinError> {
  const { store, config, now, secret } = context;
  // Whom it lets in now no member would believe.
  if (isLost(context)) return err({ reason: 'lost' });
  const form = formFault(record) ?? placeFault(context, record);
  if (form) return err(form);
  if (work !== null) {
    const checked = checkWork(secret, work, record.publicKey, record.address, now);
    if (!checked.ok) return err({ reason: checked.error });
    // Who hoards easy challenges has to come back for a harder one; who was just overtaken has not.
    const wanted = requiredBits(config.powBits, context.recentJoins) - 1;
    if ((bitsOf(work.challenge) ?? 0) < wanted) return err({ reason: 'work-missing' });
  }
  const known = store.byKey(record.publicKey);
  if (!known && work === null && config.powBits > 0) return err({ reason: 'work-missing' });
  const stale = known && staleness(known, record);
  if (stale) return err(stale);
  const group = addressGroup(record.address);
  const isElsewhere = known === null || known.group !== group || known.certificate.expiresAt <= now;
  if (isElsewhere && store.groupSize(group, now) >= config.groupMembersMax) {
    return err({ reason: 'group-full', group, max: config.groupMembersMax });
  }
  const uncertain = known ? null : uncertainty(context);
  if (uncertain) return err(uncertain);
  return ok({ callBack: known?.address !== record.address });
}

/**
 * Allocates the next GUID, or finds the one that the key has: the same key has the same GUID for ever, after a restart, a lost
 * answer or with a new address. Writes nothing: `commitJoin` does, when the certificate is signed.
 */
export function draftJoin(context: BootContext, record: SelfRecord): Result<JoinDraft, JoinError> {
  const { store, config, now } = context;
  const form = formFault(record);
  if (form) return err(form);
  const known = store.byKey(record.publicKey);
  if (known) {
    const stale = staleness(known, record);
    if (stale) return err(stale);
    const isMoved = record.incarnation > known.incarnation;
    // While the network's key is not here, its certificate is better than any that could be made.
    const isKept = isLost(context) || (!isMoved && !isRenewalDue(known.certificate, now));
    if (isKept && !isMoved) return ok({ allocation: known, change: null });
    const allocation = { ...known, ...placed(record) };
    return ok({ ...(isKept ? { allocation } : renewal(context, allocation)), change: isMoved ? 'moved' : 'renewed' });
  }
  const uncertain = uncertainty(context);
  if (uncertain) return err(uncertain);
  if (isLost(context) && !isHosted(record, config.hostedPrefix)) return err({ reason: 'lost' });
  const guid = highWater(store) + 1;
  // Those who are gone take no room in a roster; their GUIDs are not given again, but there are enough of these.
  const isFull = guid > ROSTER_MEMBERS_MAX && store.countLiving(now) >= ROSTER_MEMBERS_MAX;
  if (isFull || guid > GUID_MAX) return err({ reason: 'network-full', max: ROSTER_MEMBERS_MAX });
  const { publicKey } = record;
  const certificate = period(now, 0, config);
  return ok({ allocation: { guid, publicKey, ...placed(record), certificate, joinedAt: now }, change: 'new' });
}

/** A new certificate for a member: where its is due, or is not by the key that this object signs with. */
export function renewal({ now, config }: BootContext, allocation: Allocation): JoinDraft {
  const certificate = period(now, now - allocation.joinedAt, config);
  return { allocation: { ...allocation, certificate }, change: 'renewed' };
}

/** Stores a join whose certificate is signed. No other join may have come between. */
export function commitJoin(context: BootContext, { allocation, change }: JoinDraft): void {
  const { store, config } = context;
  if (change === null) return;
  if (change === 'new') {
    assert(allocation.guid === highWater(store) + 1, 'joins are committed one after the other');
    if (isHosted(allocation, config.hostedPrefix)) retire(context, allocation.address);
    store.insert(allocation);
  } else store.update(allocation);
  // Nodes of this deployment know each other without certificates, so theirs need not be told of.
  if (change === 'renewed' && isHosted(allocation, config.hostedPrefix)) return;
  const { guid } = allocation;
  setUnannounced(store, [...unannounced(store).filter((other) => other !== guid), guid].slice(-UNANNOUNCED_MAX));
}

/** A node of this deployment lost its storage, and with it its key: its old GUID is nobody's any more. */
export function retire({ store, now }: BootContext, address: string): void {
  for (const gone of store.byAddress(address, now)) {
    store.update({ ...gone, certificate: { ...gone.certificate, expiresAt: wholeSeconds(now) } });
  }
}

/** A member has left: newcomers are not told of it any more. One that has come back since, with a later record, has not. */
export function depart({ store, now }: BootContext, publicKey: string, incarnation: number): void {
  const known = store.byKey(publicKey);
  if (!known || known.incarnation > incarnation || known.certificate.expiresAt <= now) return;
  store.update({ ...known, certificate: { ...known.certificate, expiresAt: wholeSeconds(now) } });
}

/** The answer to a join. Half of the members are of the longest standing: whoever joins just now by the thousand fills the rest. */
export function joined(context: BootContext, allocation: Allocation): Joined {
  const { store, now } = context;
  const half = MEMBERS_PAGE_MAX / 2;
  const oldest = store.page(0, half, now);
  const newest = store.newest(half, now).filter(({ guid }) => guid > (oldest.at(-1)?.guid ?? 0));
  const members = [...oldest, ...newest.toReversed()].filter(({ guid }) => guid !== allocation.guid).map(toMember);
  const { guid, address, incarnation, certificate } = allocation;
  return {
    guid,
    address,
    incarnation,
    certificate,
    networkKey: knownKey(context),
    maxGuid: highWater(store),
    members,
  };
}

/** What members are still to be told, as message bodies to sign; null where there is nothing. */
export function announcement(
  context: BootContext,
): { readonly guids: readonly Guid[]; readonly bodies: readonly Canonical[] } | null {
  const { store, config, now, address } = context;
  const guids = unannounced(store);
  // Peers outside would take a message by another key than the network's for a forgery of whoever brings it.
  if (guids.length === 0 || isLost(context)) return null;
  const members = guids.flatMap((guid) => store.byGuid(guid) ?? []).map(toMember);
  const bodies: Canonical[] = [];
  for (let start = 0; start < members.length; start += ANNOUNCED_MEMBERS_MAX) {
    const part = members.slice(start, start + ANNOUNCED_MEMBERS_MAX);
    const message = composeMessage(
      {
        network: config.network,
        data: { event: { name: PEER_JOINED, args: { members: part.map(writeMember) } } },
        originator: { guid: BOOT_GUID, address },
        broadcastAt: now,
        expiresAt: now + config.messageTtlMs,
      },
      Math.floor(context.rng() * 2 ** 53),
    );
    assert(message.ok, 'an announcement fits a message');
    bodies.push(message.value.body);
  }
  return { guids, bodies };
}

/** The queue has the announcement of these. */
export function announced(store: BootStore, guids: readonly Guid[]): void {
  setUnannounced(
    store,
    unannounced(store).filter((guid) => !guids.includes(guid)),
  );
}

/** What a member lacks of the boot's knowledge. */
export function bootSync(context: BootContext, request: SyncRequest): SyncAnswer {
  const { store, address } = context;
  const maxGuid = store.maxGuid();
  const highest = store.byGuid(maxGuid);
  const have: Interval[] = maxGuid > 0 ? [[1, maxGuid]] : [];
  const missing = request.have === null ? [] : missingFrom(context, request.have);
  return {
    maxGuidNode: { guid: maxGuid, address: highest?.address ?? address },
    have,
    members: missing.slice(0, MEMBERS_PAGE_MAX).map(toMember),
    more: missing.length > MEMBERS_PAGE_MAX,
    // The boot node keeps no messages.
    frame: null,
    callerState: null,
    callerHost: null,
  };
}

/** An allocation as it is told to members. */
export function toMember(allocation: Allocation): Member {
  const { guid, address, publicKey, incarnation, capabilities, signature, certificate } = allocation;
  return { guid, address, publicKey, incarnation, capabilities, signature, certificate };
}

/** Why no GUID can be given for the moment. */
function uncertainty(context: BootContext): JoinError | null {
  const reason = phaseOf(context);
  return reason === 'surveying' || reason === 'restoring' ? { reason } : null;
}

function formFault(record: SelfRecord): JoinError | null {
  if (!isPublicKey(record.publicKey)) return { reason: 'bad-key' };
  return isAddress(record.address) ? null : { reason: 'bad-address', fault: null };
}

function placeFault({ config }: BootContext, { address }: SelfRecord): JoinError | null {
  const fault = addressFault(address, config);
  return fault && { reason: 'bad-address', fault };
}

function staleness(known: Allocation, record: SelfRecord): JoinError | null {
  const isSame = record.incarnation === known.incarnation && record.address === known.address;
  return isSame || record.incarnation > known.incarnation
    ? null
    : { reason: 'stale-record', incarnation: known.incarnation };
}

function placed({ address, incarnation, capabilities, signature }: SelfRecord) {
  return { address, incarnation, capabilities, signature, group: addressGroup(address) };
}

/** What times of certificates are in; never later than the moment itself. */
function wholeSeconds(at: Millis): Millis {
  return Math.floor(at / 1000) * 1000;
}

/** A certificate without its signature, in whole seconds. */
function period(now: Millis, memberForMs: Millis, config: ProtocolConfig) {
  const issuedAt = wholeSeconds(now);
  const lifetime = certificateLifetime(memberForMs, config.newcomerCertificateMs);
  return { issuedAt, expiresAt: issuedAt + Math.ceil(lifetime / 1000) * 1000, signature: '' };
}

/** Living allocations outside the intervals, one more than a page at most. */
function missingFrom(context: BootContext, have: readonly Interval[]): Allocation[] {
  const missing: Allocation[] = [];
  for (const allocation of allPages(context)) {
    const known = have.some(([first, last]) => first <= allocation.guid && allocation.guid <= last);
    if (!known) missing.push(allocation);
    if (missing.length > MEMBERS_PAGE_MAX) break;
  }
  return missing;
}

/** All living allocations, ascending. */
export function* allPages({ store, now }: BootContext): Generator<Allocation> {
  let after = 0;
  for (;;) {
    const page = store.page(after, MEMBERS_PAGE_MAX, now);
    yield* page;
    const last = page.at(-1);
    if (!last || page.length < MEMBERS_PAGE_MAX) return;
    after = last.guid;
  }
}

function unannounced(store: BootStore): Guid[] {
  return JSON.parse(store.meta.get(UNANNOUNCED) ?? '[]') as Guid[];
}

function setUnannounced(store: BootStore, guids: readonly Guid[]): void {
  store.meta.set(UNANNOUNCED, JSON.stringify(guids));
}
