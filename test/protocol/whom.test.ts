import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IMPATIENT_MS, PATIENT_MS, PROBES_MAX } from '../../src/protocol/limits.ts';
import { Roster } from '../../src/protocol/roster.ts';
import type { Peer } from '../../src/protocol/types.ts';
import {
  candidates,
  canSync,
  hasCandidate,
  isHosted,
  keepers,
  patience,
  probePeers,
  standsNext,
  syncPeers,
} from '../../src/protocol/whom.ts';
import { createMemoryNodeStore } from '../../src/store/memory-store.ts';
import { seededRandom } from '../support/network.ts';
import { member, outsider } from '../support/signed.ts';

const HOSTED = 'local:/n/';
const NOW = 1_700_000_000_000;
const PROBATION = 60_000;

/** What became of a peer outside. */
type Story = 'told' | 'proved' | 'alive' | 'suspect' | 'ignored' | 'unreachable' | 'left';

const STORIES: readonly Story[] = ['told', 'proved', 'alive', 'suspect', 'ignored', 'unreachable', 'left'];

function tell(known: Roster, guid: number, story: Story, capabilities = outsider(guid).capabilities): void {
  known.learn(outsider(guid, { capabilities }), NOW);
  if (story === 'told') return;
  if (story === 'unreachable') return void known.failed(guid, NOW);
  known.seen(guid, NOW, true);
  if (story === 'proved') return;
  known.seen(guid, NOW + PROBATION);
  const failures = { suspect: 1, ignored: 3 }[story as string] ?? 0;
  for (let count = 0; count < failures; count++) known.failed(guid, NOW + count * 10_000);
  if (story === 'left') known.left(guid, 0, NOW);
}

function roster(stories: Readonly<Record<number, Story | 'hosted'>>): Roster {
  const policy = { maxFailures: 3, probationMs: PROBATION, guidTimeoutMs: 3_600_000, hostedPrefix: HOSTED };
  const made = new Roster(createMemoryNodeStore().roster, policy, () => undefined);
  for (const [guid, story] of Object.entries(stories)) {
    if (story === 'hosted') made.learn(member(Number(guid)), NOW);
    else tell(made, Number(guid), story);
  }
  return made;
}

const get = (from: Roster, guid: number): Peer => {
  const peer = from.get(guid);
  if (!peer) throw new Error(`no peer ${guid}`);
  return peer;
};

/** A peer of each standing: 1 hosted to 8 left. */
const oneOfEach = (): Roster =>
  roster({
    1: 'hosted',
    2: 'told',
    3: 'proved',
    4: 'alive',
    5: 'suspect',
    6: 'ignored',
    7: 'unreachable',
    8: 'left',
  });

describe('messages are sent to', () => {
  it('whoever is there; a subtree hangs only on who is alive', () => {
    const known = oneOfEach();
    const found = candidates(known, HOSTED).sort((a, b) => a.guid - b.guid);
    expect(found).toEqual([
      { guid: 1, trusted: true, inside: true },
      { guid: 2, trusted: false, inside: false },
      { guid: 3, trusted: false, inside: false },
      { guid: 4, trusted: true, inside: false },
      { guid: 5, trusted: false, inside: false },
    ]);
  });

  it('who says that it takes them; nodes of this deployment need not say so', () => {
    const known = roster({});
    tell(known, 2, 'alive', ['sync']);
    tell(known, 3, 'alive', ['deliveries']);
    known.learn(member(4, { capabilities: [] }), NOW);
    expect(
      candidates(known, HOSTED)
        .map(({ guid }) => guid)
        .sort(),
    ).toEqual([3, 4]);
  });
});

describe('a node that has left', () => {
  it('sends to those who are ignored as well, on whom nothing hangs, and not to others who have left', () => {
    const found = candidates(oneOfEach(), HOSTED, null, true);
    expect(found.map(({ guid }) => guid)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(found.filter(({ trusted }) => trusted).map(({ guid }) => guid)).toEqual([1, 4]);
  });

  it('leaves things with those whom it trusts, nodes of its deployment first', () => {
    const known = oneOfEach();
    expect(keepers(known, HOSTED, 9)).toEqual([1, 4]);
    known.learn(member(9), NOW);
    expect(keepers(known, HOSTED, 9)).toEqual([1, 9, 4]);
    expect(keepers(known, HOSTED, 2)).toEqual([1, 9]);
  });
});

describe('the one to tell of who is gone', () => {
  it('is the next before it in the ring of those who are there', () => {
    const known = roster({ 3: 'hosted', 6: 'ignored', 9: 'hosted' });
    // From 8 it is 7 6 5, from 9 it is 8 7 6 5, from 3 it is 2 1 and all the way round.
    expect(standsNext(known, 8, 5)).toBe(true);
    expect(standsNext(known, 10, 5)).toBe(false);
    expect(standsNext(known, 2, 5)).toBe(false);
    expect(standsNext(roster({}), 2, 5)).toBe(true);
  });
});

describe('anybody to send to', () => {
  it.each<[Story | 'hosted', boolean]>([
    ['hosted', true],
    ['told', true],
    ['suspect', true],
    ['ignored', false],
    ['left', false],
  ])('is there with one that is %s: %s', (story, isThere) => {
    expect(hasCandidate(roster({ 2: 'ignored', 3: story, 4: 'left' }), HOSTED)).toBe(isThere);
    expect(hasCandidate(roster({}), HOSTED)).toBe(false);
  });
});

describe('a node synchronises with', () => {
  it.each<[Story | 'hosted', boolean]>([
    ['hosted', true],
    ['told', false],
    ['proved', true],
    ['alive', true],
    ['suspect', true],
    ['ignored', false],
    ['unreachable', false],
    ['left', false],
  ])('one that is %s: %s', (story, can) => {
    expect(canSync(roster({ 2: story }).get(2), HOSTED)).toBe(can);
    expect(canSync(null, HOSTED)).toBe(false);
  });

  it('who says that it can; nodes of this deployment need not say so', () => {
    const known = roster({});
    tell(known, 2, 'alive', ['deliveries']);
    tell(known, 3, 'alive', ['sync']);
    known.learn(member(4, { capabilities: [] }), NOW);
    expect([2, 3, 4].map((guid) => canSync(known.get(guid), HOSTED))).toEqual([false, true, true]);
  });

  it('its primary peers, each with the first backup that can where it cannot', () => {
    // From 9 of 9 the primary peers are 8 7 5 1; backups of 5 are 4 3 2, of 7 it is 6.
    const all = {
      1: 'alive',
      2: 'alive',
      3: 'alive',
      4: 'alive',
      5: 'alive',
      6: 'alive',
      7: 'alive',
      8: 'hosted',
    } as const;
    const guids = (stories: Readonly<Record<number, Story | 'hosted'>>) =>
      syncPeers(roster({ ...all, ...stories }), HOSTED, 9, 9).map(({ guid }) => guid);
    expect(guids({})).toEqual([8, 7, 5, 1]);
    expect(guids({ 5: 'told' })).toEqual([8, 7, 4, 1]);
    expect(guids({ 5: 'ignored', 4: 'left' })).toEqual([8, 7, 3, 1]);
    expect(guids({ 7: 'unreachable', 6: 'told' })).toEqual([8, 5, 1]);
    expect(guids({ 5: 'suspect', 7: 'proved' })).toEqual([8, 7, 5, 1]);
    expect(syncPeers(roster({}), HOSTED, 9, 9)).toEqual([]);
    expect(syncPeers(roster({}), HOSTED, 1, 1)).toEqual([]);
  });

  it('for no longer than it has earned', () => {
    const known = roster({ 2: 'proved', 3: 'alive', 4: 'suspect' });
    expect([2, 3, 4].map((guid) => patience(get(known, guid)))).toEqual([IMPATIENT_MS, PATIENT_MS, IMPATIENT_MS]);
  });

  it('a peer of this deployment by its address alone', () => {
    expect(isHosted({ address: 'local:/n/7' }, HOSTED)).toBe(true);
    expect(isHosted({ address: 'https://x.example.net/local:/n/7' }, HOSTED)).toBe(false);
  });
});

describe('a round probes', () => {
  it('those that never proved themselves and those in trouble, never those that are well or have left', () => {
    const known = oneOfEach();
    const rng = seededRandom(1);
    const found = new Set<number>();
    for (let round = 0; round < 200; round++)
      for (const { guid } of probePeers(known, [], PROBATION, NOW, rng)) found.add(guid);
    expect([...found].sort()).toEqual([2, 5, 6, 7]);
  });

  it('a newcomer surely, one in trouble the seldomer the longer', () => {
    const known = roster({ 2: 'told' });
    tell(known, 3, 'alive');
    for (let count = 0; count < 20; count++) known.failed(3, NOW + count * 10_000);
    const rng = seededRandom(1);
    const rounds = Array.from({ length: 1_000 }, () =>
      probePeers(known, [], PROBATION, NOW, rng).map(({ guid }) => guid),
    );
    expect(rounds.every((guids) => guids.includes(2))).toBe(true);
    const seldom = rounds.filter((guids) => guids.includes(3)).length;
    // One round in eight at the least.
    expect(seldom).toBeGreaterThan(80);
    expect(seldom).toBeLessThan(180);
  });

  it('few, each once, nobody who is asked anyway, however many there are', () => {
    const story = fc.constantFrom(...STORIES);
    fc.assert(
      fc.property(fc.array(story, { maxLength: 60 }), fc.nat(), (stories, seed) => {
        const known = roster(Object.fromEntries(stories.map((told, index) => [index + 1, told])));
        const asked = known.sorted().filter(({ guid }) => guid % 3 === 0);
        const found = probePeers(known, asked, PROBATION, NOW, seededRandom(seed)).map(({ guid }) => guid);
        expect(found.length).toBeLessThanOrEqual(PROBES_MAX);
        expect(new Set(found).size).toBe(found.length);
        expect(found.filter((guid) => guid % 3 === 0)).toEqual([]);
        const states = found.map((guid) => stories[guid - 1]);
        expect(states.filter((told) => told === 'alive' || told === 'proved' || told === 'left')).toEqual([]);
        const due = stories.filter((told, index) => told === 'told' && (index + 1) % 3 > 0).length;
        expect(found.length).toBeGreaterThanOrEqual(Math.min(PROBES_MAX, due));
      }),
    );
  });

  it('who proved itself once more when its probation is over, so that it becomes trusted', () => {
    const known = roster({ 3: 'proved', 4: 'alive' });
    const found = (now: number) => probePeers(known, [], PROBATION, now, () => 0).map(({ guid }) => guid);
    expect(found(NOW + PROBATION - 1)).toEqual([]);
    expect(found(NOW + PROBATION)).toEqual([3]);
    known.seen(3, NOW + PROBATION);
    expect(found(NOW + PROBATION)).toEqual([]);
  });

  it('all of them in the end', () => {
    const known = roster(Object.fromEntries(Array.from({ length: 50 }, (_, index) => [index + 1, 'told' as const])));
    const rng = seededRandom(3);
    const found = new Set<number>();
    for (let round = 0; round < 200; round++)
      for (const { guid } of probePeers(known, [], PROBATION, NOW, rng)) found.add(guid);
    expect(found.size).toBe(50);
  });
});
