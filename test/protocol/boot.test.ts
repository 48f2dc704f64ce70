import { describe, expect, it } from 'vitest';
import { makeChallenge, solveWork } from '../../src/protocol/admission.ts';
import {
  admit,
  announced,
  announcement,
  bootSync,
  commitJoin,
  depart,
  draftJoin,
  joined,
  toMember,
  type BootContext,
  type JoinError,
} from '../../src/protocol/boot.ts';
import { announcementFailover, announcementJobs } from '../../src/protocol/boot-announcing.ts';
import {
  ADDRESS_CHARS_MAX,
  ANNOUNCED_MEMBERS_MAX,
  CAPABILITIES_MAX,
  CAPABILITY_CHARS_MAX,
  CHALLENGE_MS,
  FAILOVERS_MAX,
  JOINS_FREE,
  GUID_MAX,
  MEMBERS_PAGE_MAX,
  MESSAGE_BYTES_MAX,
  ROSTER_MEMBERS_MAX,
} from '../../src/protocol/limits.ts';
import { utf8Length } from '../../src/protocol/canonical.ts';
import type { Job } from '../../src/protocol/job.ts';
import { readMember } from '../../src/protocol/member.ts';
import { decodeMessage, eventOf } from '../../src/protocol/message.ts';
import { seal } from '../../src/protocol/seal.ts';
import type { Allocation } from '../../src/protocol/store.ts';
import type { JsonValue, Result, SelfRecord } from '../../src/protocol/types.ts';
import { createMemoryBootStore } from '../../src/store/memory-store.ts';
import { TEST_CONFIG } from '../support/network.ts';
import { keyOf, NO_SIGNATURE, selfRecord } from '../support/signed.ts';

const NOW = 1_700_000_000_000;
const HOUR = 3_600_000;
const SECRET = '11'.repeat(32);
const BITS = 4;

function boot(changes: Partial<BootContext['config']> = {}): BootContext {
  const fixed = { rng: () => 0.5, address: 'https://boot.example.net', networkKey: keyOf(0), secret: SECRET };
  const config = { ...TEST_CONFIG, newcomerCertificateMs: HOUR, ...changes };
  return { now: NOW, ...fixed, recentJoins: 0, config, store: createMemoryBootStore() };
}

const outside = (number: number, changes: Partial<SelfRecord> = {}) =>
  selfRecord(number, { address: `https://n${number}.example.net`, ...changes });

function work(record: SelfRecord, bits = BITS, at = NOW) {
  const challenge = makeChallenge(SECRET, bits, '2f'.repeat(16), at);
  const solution = solveWork(challenge, record.publicKey, record.address, 0, 1_000_000);
  if (solution === null) throw new Error('not solved');
  return { challenge, solution };
}

/** Both halves of a join, and the signature between them. */
function join(context: BootContext, record: SelfRecord): { allocation: Allocation; change: string | null } {
  const draft = draftJoin(context, record);
  if (!draft.ok) throw new Error(draft.error.reason);
  const { allocation, change } = draft.value;
  const signed = { ...allocation, certificate: { ...allocation.certificate, signature: NO_SIGNATURE } };
  if (change === null) return { allocation, change };
  context.store.transaction(() => commitJoin(context, { allocation: signed, change }));
  return { allocation: signed, change };
}

function errorOf<T>(result: Result<T, JoinError>): JoinError | null {
  return result.ok ? null : result.error;
}

function announcedIn(context: BootContext): number[][] {
  return (announcement(context)?.bodies ?? []).map((body) => {
    const decoded = decodeMessage(seal(body, NO_SIGNATURE), 'test', context.now);
    if (!decoded.ok) throw new Error(decoded.error.reason);
    expect(decoded.value.content.originator.guid).toBe(0);
    const members = eventOf(decoded.value.content.data)?.args['members'] as readonly JsonValue[];
    return members.map((member) => readMember(member)?.guid ?? 0);
  });
}

describe('a newcomer from elsewhere', () => {
  it('that did its work is called back, then admitted', () => {
    const context = boot({ powBits: BITS });
    const record = outside(1);
    expect(admit(context, { record, work: work(record) })).toEqual({ ok: true, value: { callBack: true } });
    expect(join(context, record)).toMatchObject({ change: 'new', allocation: { guid: 1, group: 'example.net' } });
  });

  it('is refused for the first thing that is wrong, in the order of what it costs to find out', () => {
    const context = boot({ powBits: BITS, groupMembersMax: 1 });
    join(context, outside(9));
    const easy = { ...context, recentJoins: JOINS_FREE * 4 };
    const good = outside(1);
    const late = work(good, BITS, NOW - CHALLENGE_MS);
    const forged = { challenge: late.challenge.replace(/.$/, (last) => (last === '0' ? '1' : '0')), solution: '!' };
    const fault = { publicKey: 'x', address: 'https://a b' };
    const cases: [JoinError | null, SelfRecord, ReturnType<typeof work> | null, BootContext][] = [
      [{ reason: 'bad-key' }, { ...good, ...fault }, forged, easy],
      [{ reason: 'bad-address', fault: null }, { ...good, address: fault.address }, forged, easy],
      [{ reason: 'bad-address', fault: 'not-https' }, { ...good, address: 'http://n1.example.net' }, forged, easy],
      [{ reason: 'bad-challenge' }, good, forged, easy],
      [{ reason: 'expired-challenge' }, good, { ...late, solution: '!' }, easy],
      [{ reason: 'work-missing' }, good, { ...work(good), solution: '!' }, easy],
      [{ reason: 'work-missing' }, good, work(good), easy],
      [{ reason: 'work-missing' }, good, null, context],
      [{ reason: 'group-full', group: 'example.net', max: 1 }, good, work(good), context],
    ];
    for (const [error, record, done, on] of cases) {
      expect(errorOf(admit(on, { record, work: done }))).toEqual(error);
    }
    const roomy = { ...context, config: { ...context.config, groupMembersMax: 2 } };
    expect(errorOf(admit(roomy, { record: good, work: work(good) }))).toBeNull();
  });

  it('that hoarded an easy challenge comes back for a harder one; who was just overtaken need not', () => {
    const record = outside(1);
    const easy = work(record, BITS);
    const context = boot({ powBits: BITS });
    const busy = (recentJoins: number) => errorOf(admit({ ...context, recentJoins }, { record, work: easy }));
    expect(busy(0)).toBeNull();
    expect(busy(JOINS_FREE * 2)).toBeNull();
    expect(busy(JOINS_FREE * 2 + 1)).toEqual({ reason: 'work-missing' });
    const harder = work(record, BITS + 1);
    const recentJoins = JOINS_FREE * 4;
    expect(errorOf(admit({ ...context, recentJoins }, { record, work: harder }))).toBeNull();
  });

  it('works for nothing where the operator wants no work', () => {
    const context = boot({ powBits: 0 });
    expect(admit(context, { record: outside(1), work: null })).toEqual({ ok: true, value: { callBack: true } });
  });
});

describe('a member that comes again', () => {
  it('does no work, and is called back only at a new address', () => {
    const context = boot({ powBits: BITS });
    join(context, outside(1));
    expect(admit(context, { record: outside(1), work: null })).toEqual({ ok: true, value: { callBack: false } });
    const moved = outside(1, { address: 'https://elsewhere.example.net', incarnation: 1 });
    expect(admit(context, { record: moved, work: null })).toEqual({ ok: true, value: { callBack: true } });
  });

  it('has the same GUID for ever, and is told the same again', () => {
    const context = boot();
    for (let number = 1; number <= 3; number++) join(context, outside(number));
    const again = join(context, outside(2));
    expect(again).toMatchObject({ change: null, allocation: { guid: 2 } });
    const later = { ...context, now: NOW + 100 * HOUR };
    expect(join(later, outside(2))).toMatchObject({ change: 'renewed', allocation: { guid: 2, joinedAt: NOW } });
    expect(join(later, outside(4))).toMatchObject({ allocation: { guid: 4 } });
  });

  it('at a new address needs a higher incarnation, and gets a certificate with it', () => {
    const context = boot();
    join(context, outside(1, { incarnation: 3 }));
    const stale = { reason: 'stale-record', incarnation: 3 };
    for (const record of [
      outside(1, { incarnation: 3, address: 'https://b.example.net' }),
      outside(1, { incarnation: 2, address: 'https://b.example.net' }),
      outside(1, { incarnation: 2 }),
    ]) {
      expect(errorOf(admit(context, { record, work: null }))).toEqual(stale);
      expect(errorOf(draftJoin(context, record))).toEqual(stale);
    }
    const later = { ...context, now: NOW + 10_000 };
    const moved = join(later, outside(1, { incarnation: 4, address: 'https://b.example.org' }));
    expect(moved.change).toBe('moved');
    expect(moved.allocation.certificate.issuedAt).toBe(NOW + 10_000);
    expect(context.store.byGuid(1)).toEqual(moved.allocation);
    expect(moved.allocation).toMatchObject({ address: 'https://b.example.org', group: 'example.org', joinedAt: NOW });
  });

  it('that is out of date is told so before quotas are counted', () => {
    const context = boot({ groupMembersMax: 1 });
    join(context, outside(1, { incarnation: 3, address: 'https://a.example.org' }));
    join(context, outside(2));
    const record = outside(1, { incarnation: 2 });
    expect(errorOf(admit(context, { record, work: null }))).toEqual({ reason: 'stale-record', incarnation: 3 });
  });

  it('gets another certificate when half of its has passed, not before', () => {
    const context = boot();
    const first = join(context, outside(1));
    expect(join({ ...context, now: NOW + HOUR / 2 - 1 }, outside(1))).toEqual({ ...first, change: null });
    const renewed = join({ ...context, now: NOW + HOUR / 2 }, outside(1));
    expect(renewed.change).toBe('renewed');
    expect(renewed.allocation.certificate).toMatchObject({ issuedAt: NOW + HOUR / 2, expiresAt: NOW + 1.5 * HOUR });
  });

  it('gets one that lives the longer, the longer it has been a member', () => {
    const context = boot();
    join(context, outside(1));
    const { certificate } = join({ ...context, now: NOW + 48 * HOUR + 500 }, outside(1)).allocation;
    // Whole seconds.
    expect(certificate).toMatchObject({ issuedAt: NOW + 48 * HOUR, expiresAt: NOW + 96 * HOUR + 1_000 });
  });

  it('finds nothing stored before its certificate is signed', () => {
    const context = boot();
    expect(draftJoin(context, outside(1))).toMatchObject({
      ok: true,
      value: { change: 'new', allocation: { guid: 1 } },
    });
    expect(context.store.maxGuid()).toBe(0);
    const draft = draftJoin(context, outside(1));
    join(context, outside(2));
    if (!draft.ok) throw new Error(draft.error.reason);
    // Two drafts have the same GUID: the second to be committed must not take it.
    expect(() => commitJoin(context, draft.value)).toThrow('one after the other');
    expect(context.store.byGuid(1)?.publicKey).toBe(keyOf(2));
  });

  it.each([
    ['bad-key', { publicKey: 'x' }],
    ['bad-address', { address: 'a b' }],
  ])('with a record that is none is refused in the second half too: %s', (reason, changes) => {
    expect(errorOf(draftJoin(boot(), outside(1, changes)))).toMatchObject({ reason });
  });

  it('finds the network full where it is', () => {
    const context = boot();
    const last = join(context, outside(1)).allocation;
    const { store } = context;
    store.insert({ ...last, ...outside(2), guid: ROSTER_MEMBERS_MAX });
    // GUIDs run out only at their end: what counts is who lives.
    expect(draftJoin(context, outside(3)).ok).toBe(true);
    const full = { ...context, store: { ...store, countLiving: () => ROSTER_MEMBERS_MAX } };
    expect(errorOf(draftJoin(full, outside(3)))).toEqual({ reason: 'network-full', max: ROSTER_MEMBERS_MAX });
    expect(draftJoin(full, outside(2)).ok).toBe(true);
    store.insert({ ...last, ...outside(4), guid: GUID_MAX });
    expect(errorOf(draftJoin(context, outside(3)))).toMatchObject({ reason: 'network-full' });
  });
});

describe('a node of this deployment that lost its storage', () => {
  it('gets a new GUID, and its old one is told of to nobody', () => {
    const context = boot();
    join(context, selfRecord(1));
    join(context, selfRecord(2));
    const again = join({ ...context, now: NOW + 1_000 }, selfRecord(1, { publicKey: keyOf(77) }));
    expect(again).toMatchObject({ change: 'new', allocation: { guid: 3, address: 'local:/n/1' } });
    const later = { ...context, now: NOW + 1_000 };
    expect(context.store.page(0, 9, later.now).map(({ guid }) => guid)).toEqual([2, 3]);
  });

  it('is one thing, peers outside that share an address another: none ends the membership of the other', () => {
    const context = boot();
    join(context, outside(1));
    join(context, outside(2, { address: outside(1).address }));
    expect(context.store.page(0, 9, NOW).map(({ guid }) => guid)).toEqual([1, 2]);
  });
});

describe('a member that has left', () => {
  it('is told of to newcomers no more, until it comes back with a later record', () => {
    const context = boot();
    const leaver = outside(1);
    join(context, leaver);
    join(context, outside(2));
    const told = () => {
      const { members } = joined(context, join(context, outside(3)).allocation);
      return members.map(({ guid }) => guid);
    };
    expect(told()).toEqual([1, 2]);
    depart(context, leaver.publicKey, 0);
    expect(told()).toEqual([2]);
    // A word from before it came back changes nothing.
    expect(join(context, { ...leaver, incarnation: 1 })).toMatchObject({ change: 'moved', allocation: { guid: 1 } });
    depart(context, leaver.publicKey, 0);
    expect(told()).toEqual([1, 2]);
    depart(context, 'nobody', 0);
    // Nor does it matter that the boot node has not heard of the last record yet.
    depart(context, leaver.publicKey, 2);
    expect(told()).toEqual([2]);
  });

  it('has a certificate that ended in whole seconds, as all do', () => {
    const context = { ...boot(), now: NOW + 1_234 };
    join(context, outside(1));
    depart({ ...context, now: NOW + 5_678 }, outside(1).publicKey, 0);
    expect(context.store.byGuid(1)?.certificate.expiresAt).toBe(NOW + 5_000);
  });
});

describe('quotas', () => {
  const full = { reason: 'group-full', group: 'example.net', max: 2 };

  it('count those of a group that live: who vanished gives room', () => {
    const context = boot({ groupMembersMax: 2 });
    join(context, outside(1));
    join(context, outside(2));
    const ask = (record: SelfRecord, now = NOW) => errorOf(admit({ ...context, now }, { record, work: null }));
    expect(ask(outside(3))).toEqual(full);
    expect(ask(outside(3, { address: 'https://a.example.org' }))).toBeNull();
    expect(ask(outside(3), NOW + HOUR - 1)).toEqual(full);
    expect(ask(outside(3), NOW + HOUR)).toBeNull();
  });

  it('do not keep a member from what it has, but from moving to where others are, and from coming back late', () => {
    const context = boot({ groupMembersMax: 2 });
    join(context, outside(1));
    join(context, outside(3, { address: 'https://a.example.org' }));
    const later = { ...context, now: NOW + HOUR / 2 };
    join(later, outside(2));
    join(later, outside(3, { address: 'https://a.example.org' }));
    const ask = (record: SelfRecord, now: number) => errorOf(admit({ ...context, now }, { record, work: null }));
    // Its own renewal, and a move inside its group.
    expect(ask(outside(1), NOW + HOUR / 2)).toBeNull();
    expect(ask(outside(1, { address: 'https://m.example.net', incarnation: 1 }), NOW + HOUR / 2)).toBeNull();
    expect(ask(outside(3, { incarnation: 1 }), NOW + HOUR / 2)).toEqual(full);
    join({ ...context, now: NOW + HOUR }, outside(4));
    // Its certificate has run out, and another has its place.
    expect(ask(outside(1), NOW + HOUR)).toEqual(full);
  });
});

describe('the answer to a join', () => {
  const guids = (members: readonly { guid: number }[]) => members.map(({ guid }) => guid);
  const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, index) => first + index);

  it('tells all members of a small network, but not the joiner of itself', () => {
    const context = boot();
    for (let number = 1; number <= 10; number++) join(context, outside(number));
    const { allocation } = join(context, outside(4));
    const answer = joined(context, allocation);
    expect(guids(answer.members)).toEqual([1, 2, 3, 5, 6, 7, 8, 9, 10]);
    expect(answer).toMatchObject({ guid: 4, networkKey: keyOf(0), maxGuid: 10, certificate: allocation.certificate });
  });

  it('tells half old members and half new ones of a large network', () => {
    const context = boot();
    const half = MEMBERS_PAGE_MAX / 2;
    for (let number = 1; number <= 300; number++) join(context, outside(number));
    const { allocation } = join(context, outside(301));
    expect(guids(joined(context, allocation).members)).toEqual([...range(1, half), ...range(302 - half, 300)]);
    // Where the halves meet nobody is told twice.
    const middle = boot();
    for (let number = 1; number <= half + 10; number++) join(middle, outside(number));
    const last = join(middle, outside(half + 11)).allocation;
    expect(guids(joined(middle, last).members)).toEqual(range(1, half + 10));
  });

  it('tells of nobody whose certificate has run out, and neither does sync', () => {
    const context = boot();
    for (let number = 1; number <= 5; number++) join(context, outside(number));
    const later = { ...context, now: NOW + HOUR };
    join(later, outside(2));
    const { allocation } = join(later, outside(6));
    expect(guids(joined(later, allocation).members)).toEqual([2]);
    const request = {
      guid: 6,
      maxGuidNode: { guid: 6, address: 'x' },
      have: [[6, 6]] as const,
      members: [],
      digest: null,
      wanted: [],
      doubted: [],
    };
    expect(bootSync(later, request)).toMatchObject({ have: [[1, 6]], more: false });
    expect(guids(bootSync(later, request).members)).toEqual([2]);
    expect(bootSync(later, { ...request, have: null }).members).toEqual([]);
  });

  it('at sync is what the asker lacks, a page at a time', () => {
    const context = boot();
    for (let number = 1; number <= 300; number++) join(context, outside(number));
    const request = {
      guid: 6,
      maxGuidNode: { guid: 6, address: 'x' },
      members: [],
      digest: null,
      wanted: [],
      doubted: [],
    };
    const first = bootSync(context, { ...request, have: [[1, 100]] });
    expect(guids(first.members)).toEqual(range(101, 100 + MEMBERS_PAGE_MAX));
    expect(first.more).toBe(true);
    const second = bootSync(context, { ...request, have: [[1, 100 + MEMBERS_PAGE_MAX]] });
    expect(guids(second.members)).toEqual(range(101 + MEMBERS_PAGE_MAX, 300));
    expect(second.more).toBe(false);
    expect(second.maxGuidNode).toEqual({ guid: 300, address: 'https://n300.example.net' });
  });

  it('tells what a member signed of itself and nothing of what the boot node thinks', () => {
    const context = boot();
    const { allocation } = join(context, outside(1));
    const { group: _, joinedAt: __, ...told } = allocation;
    expect(toMember(allocation)).toEqual(told);
  });
});

describe('announcements', () => {
  it('tell of whoever is new, moved or renewed, once', () => {
    const context = boot();
    expect(announcement(context)).toBeNull();
    for (let number = 1; number <= 3; number++) join(context, outside(number));
    expect(announcedIn(context)).toEqual([[1, 2, 3]]);
    const found = announcement(context);
    announced(context.store, found?.guids ?? []);
    expect(announcement(context)).toBeNull();
    join(context, outside(2, { incarnation: 1 }));
    join(context, outside(1));
    expect(announcedIn(context)).toEqual([[2]]);
    const later = { ...context, now: NOW + HOUR };
    join(later, outside(3));
    join(later, outside(2, { incarnation: 2 }));
    expect(announcedIn(later)).toEqual([[3, 2]]);
  });

  it('do not lose who joins while they are sent', () => {
    const context = boot();
    join(context, outside(1));
    const found = announcement(context);
    join(context, outside(2));
    announced(context.store, found?.guids ?? []);
    expect(announcedIn(context)).toEqual([[2]]);
  });

  it('do not tell of certificates of nodes of this deployment, which need none', () => {
    const context = boot();
    join(context, selfRecord(1));
    expect(announcedIn(context)).toEqual([[1]]);
    announced(context.store, [1]);
    expect(join({ ...context, now: NOW + HOUR }, selfRecord(1)).change).toBe('renewed');
    expect(announcement(context)).toBeNull();
    join(context, selfRecord(1, { incarnation: 1, address: 'local:/n/7' }));
    expect(announcedIn(context)).toEqual([[1]]);
  });

  it('hold so many members and fit a message, even where records are as long as they may be', () => {
    const context = boot();
    const count = 2 * ANNOUNCED_MEMBERS_MAX + 1;
    for (let number = 1; number <= count; number++) {
      const record = outside(number, {
        address: `https://n${number}.`.padEnd(ADDRESS_CHARS_MAX, 'x'),
        incarnation: Number.MAX_SAFE_INTEGER - 1,
        capabilities: Array.from({ length: CAPABILITIES_MAX }, () => 'c'.repeat(CAPABILITY_CHARS_MAX)),
      });
      join(context, record);
    }
    expect(announcedIn(context).map((guids) => guids.length)).toEqual([
      ANNOUNCED_MEMBERS_MAX,
      ANNOUNCED_MEMBERS_MAX,
      1,
    ]);
    for (const body of announcement(context)?.bodies ?? []) {
      expect(utf8Length(body)).toBeLessThanOrEqual(MESSAGE_BYTES_MAX);
    }
  });

  it('go down the tree through the nodes of this deployment, which bring them to all others', () => {
    const context = boot({ fanout: 2 });
    for (const slot of [1, 2, 3]) join(context, selfRecord(slot));
    join(context, outside(4));
    const bodies = (announcement(context)?.bodies ?? []).map((body) => seal(body, NO_SIGNATURE));
    const legs = announcementJobs(context, bodies).flatMap(({ bundles }) => bundles.flatMap((bundle) => bundle.legs));
    expect(legs.map(({ to, address, outside: elsewhere }) => [to, address, elsewhere])).toEqual([
      [3, 'local:/n/3', null],
      [2, 'local:/n/2', null],
    ]);
    // The arcs are one after the other: every GUID, that of the peer outside included, is somebody's.
    expect(legs.map(({ range }) => range)).toEqual([
      { from: legs[1]?.range.to === 0 ? legs[0]?.range.from : null, to: legs[1]?.range.from },
      { from: legs[0]?.range.to, to: 0 },
    ]);
  });

  /** Announcements of a boot node that hosts nobody, to six members elsewhere, of whom the last has just joined. */
  function announcedElsewhere() {
    const context = boot({ fanout: 2, probationMs: 60_000 });
    for (let number = 1; number <= 5; number++) join(context, outside(number));
    const now = NOW + 60_000;
    join({ ...context, now }, outside(6));
    join({ ...context, now }, outside(7, { capabilities: ['sync'] }));
    const bodies = (announcement(context)?.bodies ?? []).map((body) => seal(body, NO_SIGNATURE));
    return { context: { ...context, now }, jobs: announcementJobs({ ...context, now }, bodies) };
  }
  const legsOf = (jobs: readonly Job[]) => jobs.flatMap(({ bundles }) => bundles.flatMap(({ legs }) => legs));

  it('go to members elsewhere where no node is hosted, but hang on no newcomer', () => {
    const { jobs } = announcedElsewhere();
    expect(legsOf(jobs).map(({ to, outside: key }) => [to, key])).toEqual([
      [5, { publicKey: keyOf(5), isTrusted: true }],
      [3, { publicKey: keyOf(3), isTrusted: true }],
    ]);
    // One arc after the other, all around: nobody is left out.
    const [first, second] = legsOf(jobs).map(({ range }) => range);
    expect([first?.from, first?.to, second?.to]).toEqual([GUID_MAX, second?.from, 0]);
  });

  it('that a member elsewhere does not take go to the others in its range, one after the other', () => {
    const { context, jobs } = announcedElsewhere();
    const asked = new Set<number>();
    let given = jobs;
    for (let rounds = 0; given.length > 0; rounds++) {
      expect(rounds).toBeLessThan(10);
      for (const { to } of legsOf(given)) {
        expect(asked).not.toContain(to);
        asked.add(to);
      }
      given = given.flatMap((job) => announcementFailover(context, job));
    }
    expect([...asked].toSorted()).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('are given up where too many have failed', () => {
    const { context, jobs } = announcedElsewhere();
    const tired = Array.from({ length: FAILOVERS_MAX }, (_, index) => 100 + index);
    const job = (without: readonly number[]) =>
      jobs.map((given) => ({ ...given, bundles: given.bundles.map((bundle) => ({ ...bundle, without })) }));
    expect(job(tired.slice(1)).flatMap((given) => announcementFailover(context, given))).not.toEqual([]);
    expect(job(tired).flatMap((given) => announcementFailover(context, given))).toEqual([]);
  });
});
