// The boot node: allocates GUIDs and announces new members. It is not in the ring and nobody needs it to deliver. Each function
// runs inside one transaction of the boot store.
import type { ProtocolConfig } from './config.ts';
import type { Joined } from './effects.ts';
import { packJobs, type Bundle, type Job } from './job.ts';
import { CAPABILITIES, MEMBERS_PAGE_MAX, ROSTER_MEMBERS_MAX } from './limits.ts';
import { composeMessage, isAddress, PEER_JOINED } from './message.ts';
import { writeMember } from './roster.ts';
import type { Allocation, BootStore } from './store.ts';
import type { Interval, SyncAnswer, SyncRequest } from './sync.ts';
import { cutRange, wholeRing } from './tree.ts';
import { assert, BOOT_GUID, err, ok, type Guid, type Member, type Millis, type Result } from './types.ts';

export interface BootContext {
  readonly now: Millis;
  readonly rng: () => number;
  readonly config: ProtocolConfig;
  readonly address: string;
  readonly store: BootStore;
}

export type JoinError =
  | { readonly reason: 'bad-key' }
  | { readonly reason: 'bad-address' }
  | { readonly reason: 'network-full'; readonly max: number };

/** Meta key: GUIDs that members have not been told of yet, a JSON list. */
const UNANNOUNCED = 'unannounced';

/** Members in one announcement: keeps it far below the size of a message. */
const ANNOUNCED_MEMBERS_MAX = 100;

/** 32 bytes in base64url; the last character has two bits to spare, which must be 0, or a key would have four spellings. */
const PUBLIC_KEY = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;

/**
 * Allocates the next GUID, or finds the one that the key has: the same key has the same GUID for ever, after a restart, a lost
 * answer or with a new address.
 */
export function join(context: BootContext, publicKey: string, address: string): Result<Joined, JoinError> {
  const { store, now } = context;
  if (!PUBLIC_KEY.test(publicKey)) return err({ reason: 'bad-key' });
  if (!isAddress(address)) return err({ reason: 'bad-address' });
  const known = store.byKey(publicKey);
  if (!known) {
    const guid = store.maxGuid() + 1;
    if (guid > ROSTER_MEMBERS_MAX) return err({ reason: 'network-full', max: ROSTER_MEMBERS_MAX });
    store.insert({ guid, publicKey, address, incarnation: 0, joinedAt: now });
    setUnannounced(store, [...unannounced(store), guid]);
    return ok(joined(store, { guid, address, incarnation: 0 }));
  }
  const { guid, incarnation } = known;
  if (known.address === address) return ok(joined(store, known));
  store.setAddress(guid, address, incarnation + 1);
  setUnannounced(store, [...unannounced(store).filter((other) => other !== guid), guid]);
  return ok(joined(store, { guid, address, incarnation: incarnation + 1 }));
}

/** What members are still to be told, as jobs for the queue; null where there is nothing. */
export function announcement(
  context: BootContext,
): { readonly guids: readonly Guid[]; readonly jobs: readonly Job[] } | null {
  const { store, config, now, address } = context;
  const guids = unannounced(store);
  if (guids.length === 0) return null;
  const members = guids.flatMap((guid) => store.byGuid(guid) ?? []).map(toMember);
  const addresses = hostedAddresses(context);
  const candidates = [...addresses.keys()].map((guid) => ({ guid, trusted: true }));
  const legs = cutRange(wholeRing(BOOT_GUID), BOOT_GUID, candidates, config.fanout);
  const bodies = [];
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
  const bundle: Bundle = {
    bodies,
    legs: legs.map((leg) => ({ to: leg.to, address: addresses.get(leg.to) ?? '', range: leg.range })),
    hops: 1,
    attempt: 0,
  };
  const jobs = packJobs(config.network, { guid: BOOT_GUID, address, maxGuid: store.maxGuid() }, [bundle]);
  return { guids, jobs };
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
  const missing = request.have === null ? [] : missingFrom(store, request.have);
  return {
    maxGuidNode: { guid: maxGuid, address: highest?.address ?? address },
    have,
    members: missing.slice(0, MEMBERS_PAGE_MAX).map(toMember),
    more: missing.length > MEMBERS_PAGE_MAX,
  };
}

/** An allocation as it is told to members. */
export function toMember(allocation: Allocation): Member {
  const { guid, address, publicKey, incarnation } = allocation;
  return { guid, address, publicKey, incarnation, capabilities: CAPABILITIES };
}

function joined(store: BootStore, self: { guid: Guid; address: string; incarnation: number }): Joined {
  const maxGuid = store.maxGuid();
  // GUIDs are dense, so the highest ones are the last page.
  const page = store.page(Math.max(0, maxGuid - MEMBERS_PAGE_MAX), MEMBERS_PAGE_MAX);
  return { ...self, maxGuid, members: page.filter((other) => other.guid !== self.guid).map(toMember) };
}

function hostedAddresses(context: BootContext): Map<Guid, string> {
  const addresses = new Map<Guid, string>();
  const { store, config } = context;
  for (const { guid, address } of allPages(store)) {
    if (address.startsWith(config.hostedPrefix)) addresses.set(guid, address);
  }
  return addresses;
}

/** Allocations outside the intervals, one more than a page at most. */
function missingFrom(store: BootStore, have: readonly Interval[]): Allocation[] {
  const missing: Allocation[] = [];
  for (const allocation of allPages(store)) {
    const known = have.some(([first, last]) => first <= allocation.guid && allocation.guid <= last);
    if (!known) missing.push(allocation);
    if (missing.length > MEMBERS_PAGE_MAX) break;
  }
  return missing;
}

function* allPages(store: BootStore): Generator<Allocation> {
  let after = 0;
  for (;;) {
    const page = store.page(after, MEMBERS_PAGE_MAX);
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
