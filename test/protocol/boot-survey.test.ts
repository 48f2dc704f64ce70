import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BackupHead } from '../../src/protocol/backup-file.ts';
import {
  admit,
  announcement,
  commitJoin,
  draftJoin,
  joined,
  renewal,
  type BootContext,
} from '../../src/protocol/boot.ts';
import { beginSurvey, endSurvey, knownKey, phaseOf, readSurvey } from '../../src/protocol/boot-phase.ts';
import { checkHead, takeBatch, takeFloor, takeHead } from '../../src/protocol/boot-restore.ts';
import { surveyed, surveySlots, takeBack, type Surveyed, type Tenure } from '../../src/protocol/boot-survey.ts';
import { highWater, raiseFloor } from '../../src/protocol/guid-floor.ts';
import type { Allocation, BootStore } from '../../src/protocol/store.ts';
import type { SelfRecord } from '../../src/protocol/types.ts';
import { createMemoryBootStore } from '../../src/store/memory-store.ts';
import { TEST_CONFIG } from '../support/network.ts';
import { certificate, keyOf, NO_SIGNATURE, selfRecord } from '../support/signed.ts';

const NOW = 1_700_000_000_000;
const HOUR = 3_600_000;
const OWN = keyOf(100);
const PINNED = keyOf(200);

/** A boot object that has just begun, as far as it can tell. */
function begun(config: Partial<BootContext['config']> = {}): BootContext {
  const store = createMemoryBootStore();
  beginSurvey(store);
  const fixed = { now: NOW, rng: () => 0.5, address: 'local:', secret: '00'.repeat(32), recentJoins: 0 };
  return { ...fixed, networkKey: OWN, config: { ...TEST_CONFIG, newcomerCertificateMs: HOUR, ...config }, store };
}

const held = (guid: number, changes: Partial<Tenure> = {}): Tenure => ({
  guid,
  seenGuid: guid,
  networkKey: OWN,
  certificate: certificate({ issuedAt: NOW, expiresAt: NOW + 5 * HOUR }),
  ...changes,
});

const node = (slot: number, tenure: Tenure | null): [number, Surveyed] => [slot, { record: selfRecord(slot), tenure }];

const outside = (number: number) => selfRecord(number, { address: `https://n${number}.example.net` });

function survey(on: BootContext, nodeCount: number, ...answers: [number, Surveyed][]): number[] {
  return surveyed(on, nodeCount, surveySlots(on.store, nodeCount, 1_000), new Map(answers));
}

/** A join, signed; null where it is refused. */
function join(on: BootContext, record: SelfRecord): Allocation | null {
  const draft = draftJoin(on, record);
  if (!draft.ok) return null;
  const { allocation, change } = draft.value;
  const signed = { ...allocation, certificate: { ...allocation.certificate, signature: NO_SIGNATURE } };
  on.store.transaction(() => commitJoin(on, { allocation: signed, change }));
  return signed;
}

const reasonOf = (on: BootContext, record: SelfRecord) => {
  const draft = draftJoin(on, record);
  return draft.ok ? null : draft.error.reason;
};

describe('a boot object that has just begun', () => {
  it('gives no GUID before all its nodes have answered, to nobody', () => {
    const on = begun();
    const refused = () => [reasonOf(on, selfRecord(1)), reasonOf(on, outside(2)), phaseOf(on)];
    expect(refused()).toEqual(['surveying', 'surveying', 'surveying']);
    expect(admit(on, { record: outside(2), work: null })).toEqual({ ok: false, error: { reason: 'surveying' } });
    survey(on, 3, node(1, null), node(2, null));
    expect(refused()).toEqual(['surveying', 'surveying', 'surveying']);
    survey(on, 3, node(3, null));
    expect([phaseOf(on), join(on, selfRecord(1))?.guid, join(on, outside(2))?.guid]).toEqual(['open', 1, 2]);
  });

  it('asks each slot once, those that do not answer again, and never all at the same time', () => {
    const on = begun();
    const asked: number[][] = [];
    const silent = new Set([2, 5]);
    for (let round = 0; round < 6; round++) {
      const slots = surveySlots(on.store, 5, 2);
      asked.push(slots);
      if (round === 4) silent.clear();
      surveyed(on, 5, slots, new Map(slots.filter((slot) => !silent.has(slot)).map((slot) => node(slot, null))));
    }
    expect(asked).toEqual([[1, 2], [3, 4], [5], [2, 5], [2, 5], []]);
    expect(phaseOf(on)).toBe('open');
  });

  it('remembers how far it is', () => {
    const on = begun();
    surveyed(on, 9, [1, 2, 3], new Map([node(1, null), node(3, held(7))]));
    beginSurvey(on.store);
    expect(readSurvey(on.store)).toEqual({ next: 4, missed: [2], isDone: false });
    expect([highWater(on.store), on.store.byGuid(7)?.publicKey]).toEqual([7, keyOf(3)]);
  });

  it('is done where there are fewer nodes by now than it has asked', () => {
    const on = begun();
    surveyed(on, 9, [1, 2, 3], new Map([node(1, null), node(2, null), node(3, null)]));
    expect(surveySlots(on.store, 2, 9)).toEqual([]);
    surveyed(on, 2, [], new Map());
    expect(phaseOf(on)).toBe('open');
  });

  it('of an earlier version, which has allocations, goes on with what it has', () => {
    const store = createMemoryBootStore();
    const on = { ...begun(), store };
    store.insert({ ...selfRecord(1), guid: 4, certificate: certificate(), group: 'g', joinedAt: NOW });
    beginSurvey(store);
    expect([phaseOf(on), join(on, outside(2))?.guid]).toEqual(['open', 5]);
  });

  it('waits for no node any more when its operator has said from where on GUIDs are free', () => {
    const on = begun();
    survey(on, 2, node(1, held(1)));
    expect(reasonOf(on, outside(9))).toBe('surveying');
    expect(takeFloor(on, 41).ok).toBe(true);
    expect([phaseOf(on), join(on, outside(9))?.guid]).toEqual(['open', 42]);
    expect(takeFloor(on, 5).ok).toBe(true);
    expect(join(on, outside(10))?.guid).toBe(43);
  });
});

describe('what nodes hold', () => {
  it('stays theirs, and newcomers start above all that any of them has seen', () => {
    const on = begun();
    survey(on, 3, node(1, held(2, { seenGuid: 4 })), node(2, held(1, { seenGuid: 17 })), node(3, null));
    expect(joined(on, join(on, selfRecord(1)) as Allocation)).toMatchObject({ guid: 2, maxGuid: 17 });
    expect(join(on, selfRecord(3))?.guid).toBe(18);
    const answer = joined(on, join(on, outside(9)) as Allocation);
    expect([answer.guid, answer.maxGuid, answer.members.map(({ guid }) => guid)]).toEqual([19, 19, [1, 2, 18]]);
  });

  it('is taken with its record and certificate, and nobody is told again', () => {
    const on = begun();
    const tenure = held(6);
    survey(on, 1, node(1, tenure));
    expect(on.store.byGuid(6)).toMatchObject({ ...selfRecord(1), certificate: tenure.certificate });
    expect(announcement(on)).toBeNull();
    // Its certificate lives for five hours, longer than a newcomer's: it had been a member for as long when it got it.
    expect(on.store.byGuid(6)?.joinedAt).toBe(NOW - 5 * HOUR);
  });

  it('without a certificate, from before there were any, is told of to nobody until it has one', () => {
    const on = begun();
    survey(on, 1, node(1, held(6, { certificate: null, networkKey: null })));
    expect([phaseOf(on), on.store.page(0, 9, NOW)]).toEqual(['open', []]);
    expect(join(on, selfRecord(1))).toMatchObject({ guid: 6, certificate: { issuedAt: NOW } });
  });

  it('is told at each join too: a node that this store never heard of keeps its GUID', () => {
    const on = begun();
    endSurvey(on.store);
    expect(takeBack(on, selfRecord(1), held(3, { seenGuid: 8 })).ok).toBe(true);
    expect([join(on, selfRecord(1))?.guid, join(on, selfRecord(2))?.guid]).toEqual([3, 9]);
  });

  it('is not taken where another key has the GUID; what the node has seen counts all the same', () => {
    const on = begun();
    expect(survey(on, 2, node(1, held(3)), node(2, held(3, { seenGuid: 30 })))).toEqual([2]);
    expect(takeBack(on, selfRecord(2), held(3))).toEqual({ ok: false, error: { reason: 'guid-taken', guid: 3 } });
    expect(on.store.byGuid(3)?.publicKey).toBe(keyOf(1));
    expect(highWater(on.store)).toBe(30);
  });

  it('takes the place of who was there before at the same address', () => {
    const on = begun();
    endSurvey(on.store);
    join(on, selfRecord(1, { publicKey: keyOf(50) }));
    takeBack(on, selfRecord(1), held(4));
    expect(on.store.page(0, 9, NOW).map(({ guid }) => guid)).toEqual([4]);
  });
});

describe('a boot object whose nodes are of a network with another key', () => {
  function lost(config: Partial<BootContext['config']> = {}): BootContext {
    const on = begun(config);
    const pinned = { networkKey: PINNED };
    survey(on, 3, node(1, held(1, pinned)), node(2, held(2, { ...pinned, seenGuid: 7 })), node(3, null));
    return on;
  }

  it('has lost its storage: it lets in nodes of its own, above all that was seen, and nobody else', () => {
    const on = lost();
    expect([phaseOf(on), knownKey(on)]).toEqual(['lost', PINNED]);
    expect(admit(on, { record: outside(9), work: null })).toEqual({ ok: false, error: { reason: 'lost' } });
    expect(reasonOf(on, outside(9))).toBe('lost');
    const answer = joined(on, join(on, selfRecord(3)) as Allocation);
    expect(answer).toMatchObject({ guid: 8, networkKey: PINNED, maxGuid: 8 });
    expect(answer.members.map(({ guid }) => guid)).toEqual([1, 2]);
  });

  it('makes no certificate in place of one by the network’s key', () => {
    const on = { ...lost(), now: NOW + 4 * HOUR };
    const before = on.store.byGuid(1);
    expect(draftJoin(on, selfRecord(1))).toEqual({ ok: true, value: { allocation: before, change: null } });
    const moved = selfRecord(1, { incarnation: 1, address: 'local:/n/9' });
    expect(draftJoin(on, moved)).toMatchObject({
      value: { change: 'moved', allocation: { address: 'local:/n/9', certificate: before?.certificate } },
    });
  });

  it('knows so from the first node that tells it, also before it has heard from all', () => {
    const on = begun();
    const record = selfRecord(2);
    // Due, so that a boot node that is well would certify anew.
    const tenure = held(2, {
      networkKey: PINNED,
      certificate: certificate({ issuedAt: NOW - HOUR, expiresAt: NOW + 1 }),
    });
    expect(takeBack(on, record, tenure).ok).toBe(true);
    expect([phaseOf(on), knownKey(on)]).toEqual(['surveying', PINNED]);
    const answer = joined(on, join(on, record) as Allocation);
    expect(answer).toMatchObject({ guid: 2, networkKey: PINNED, certificate: tenure.certificate });
    expect(admit(on, { record: outside(9), work: null })).toEqual({ ok: false, error: { reason: 'lost' } });
  });

  it('is not what a stray node says later', () => {
    const on = begun();
    endSurvey(on.store);
    takeBack(on, selfRecord(2), held(2, { networkKey: PINNED }));
    expect([phaseOf(on), knownKey(on)]).toEqual(['open', OWN]);
  });

  it('announces nobody: it would look forged outside', () => {
    const on = lost();
    join(on, selfRecord(3));
    expect(announcement(on)).toBeNull();
    expect(announcement({ ...on, networkKey: PINNED })?.guids).toEqual([8]);
  });

  it('is well again with the key', () => {
    const on = { ...lost(), networkKey: PINNED };
    expect([phaseOf(on), knownKey(on), join(on, outside(9))?.guid]).toEqual(['open', PINNED, 8]);
  });

  it('goes on with its own key where the operator names that one, and certifies anew', () => {
    const on = lost({ networkKey: OWN });
    expect([phaseOf(on), knownKey(on), join(on, outside(9))?.guid]).toEqual(['open', OWN, 8]);
    const old = on.store.byGuid(1) as Allocation;
    expect(renewal(on, old)).toMatchObject({
      change: 'renewed',
      allocation: { guid: 1, certificate: { issuedAt: NOW, signature: '' } },
    });
  });

  it('stays lost where the operator has named the network’s key all along', () => {
    expect(phaseOf(lost({ networkKey: PINNED }))).toBe('lost');
  });
});

describe('whatever is lost and restored', () => {
  interface World {
    on: BootContext;
    /** What the hosted nodes hold, by slot. */
    readonly nodes: Map<number, Tenure>;
    /** Who got which GUID, ever, by the answers that were given. */
    readonly given: Map<number, string>;
    readonly backups: { readonly head: BackupHead; readonly allocations: readonly Allocation[] }[];
    /** Each new object has a key of its own. */
    losses: number;
  }

  const NODES = 4;
  type Step = (world: World) => void;

  /** A failure prints what was done, not how. */
  const named = (name: string, run: Step): Step => Object.assign(run, { [fc.toStringMethod]: () => name });

  const joinAs =
    (record: SelfRecord, slot: number | null): Step =>
    (world) => {
      const { on, nodes, given } = world;
      // A deployment's own nodes come first: what none of them has heard of, nobody can tell after a loss.
      if (slot === null && nodes.size === 0) return;
      const tenure = slot === null ? undefined : nodes.get(slot);
      if (tenure && !takeBack(on, record, tenure).ok) throw new Error(`GUID ${tenure.guid} is another's`);
      const allocation = join(on, record);
      if (!allocation) return;
      const { guid, publicKey } = allocation;
      expect(given.get(guid) ?? publicKey).toBe(publicKey);
      given.set(guid, publicKey);
      if (slot !== null) {
        expect(tenure?.guid ?? guid).toBe(guid);
        nodes.set(slot, held(guid, { seenGuid: highWater(on.store) }));
      }
      // Announcements reach the nodes; one that was away learns of it at sync.
      for (const [known, other] of nodes) nodes.set(known, { ...other, seenGuid: Math.max(other.seenGuid, guid) });
    };

  const loseStorage: Step = (world) => {
    world.on = { ...begun(), networkKey: keyOf(1_000 + ++world.losses) };
  };

  const ask =
    (silent: number): Step =>
    ({ on, nodes }) => {
      const slots = surveySlots(on.store, NODES, 2);
      const heard = slots.filter((slot) => slot !== silent).map((slot) => node(slot, nodes.get(slot) ?? null));
      expect(surveyed(on, NODES, slots, new Map(heard))).toEqual([]);
    };

  const backUp: Step = ({ on, backups }) => {
    const { store, networkKey } = on;
    const head = { network: TEST_CONFIG.network, networkKey, privateKey: networkKey, maxGuid: highWater(store) };
    backups.push({ head, allocations: store.all(0, 1_000) });
  };

  /** Takes the first `upTo` allocations of a backup. */
  const restore =
    (which: number, upTo: number): Step =>
    (world) => {
      const { backups, on } = world;
      const backup = backups[which % Math.max(1, backups.length)];
      if (!backup) return;
      const checked = checkHead(on, backup.head);
      if (!checked.ok) return;
      takeHead(on, backup.head);
      if (checked.value.changesKey) world.on = { ...on, networkKey: backup.head.networkKey };
      const isLast = upTo >= backup.allocations.length;
      const taken = takeBatch(on.store, backup.allocations.slice(0, upTo), isLast);
      if (taken.ok) return;
      // Somebody from outside who is in this backup, but not in the one that was restored, has come again meanwhile.
      expect(taken.error.field).toBe('guid');
      expect(takeFloor(world.on, 1).ok).toBe(true);
    };

  const slots = fc.integer({ min: 1, max: NODES });
  const outsiders = fc
    .integer({ min: 10, max: 20 })
    .map((number) => named(`join from outside ${number}`, joinAs(outside(number), null)));
  const restores = fc
    .tuple(fc.nat(5), fc.nat(12))
    .map(([which, upTo]) => named(`restore ${upTo} of ${which}`, restore(which, upTo)));
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 4, arbitrary: slots.map((slot) => named(`join ${slot}`, joinAs(selfRecord(slot), slot))) },
    { weight: 2, arbitrary: outsiders },
    { weight: 4, arbitrary: fc.nat(NODES).map((silent) => named(`ask all but ${silent}`, ask(silent))) },
    { weight: 1, arbitrary: fc.constant(named('lose', loseStorage)) },
    { weight: 1, arbitrary: fc.constant(named('back up', backUp)) },
    { weight: 1, arbitrary: restores },
  );

  it('no GUID is given twice, and no hosted node is offered another GUID or key', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (steps) => {
        const world: World = { on: begun(), nodes: new Map(), given: new Map(), backups: [], losses: 0 };
        for (const run of steps) run(world);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('the floor', () => {
  it('only rises, and is what answers tell', () => {
    const store: BootStore = createMemoryBootStore();
    expect(highWater(store)).toBe(0);
    raiseFloor(store, 5);
    raiseFloor(store, 3);
    expect(highWater(store)).toBe(5);
    store.insert({ ...selfRecord(1), guid: 9, certificate: certificate(), group: 'g', joinedAt: NOW });
    expect(highWater(store)).toBe(9);
    raiseFloor(store, 7);
    expect(highWater(store)).toBe(9);
  });
});
