import { describe, expect, it } from 'vitest';
import type { Context, Effect, Reply } from '../../src/protocol/effects.ts';
import { draftFarewell } from '../../src/protocol/leaving.ts';
import { MEMPOOL_MESSAGES_MAX, REPAIRS_MAX } from '../../src/protocol/limits.ts';
import { sealMessage } from '../../src/protocol/message.ts';
import { readPage } from '../../src/protocol/reading.ts';
import { TestNetwork } from '../support/network.ts';
import { member, NO_SIGNATURE, outsider, selfRecord } from '../support/signed.ts';
import { asked, lines, Machine, only, probed, SELF } from './machine.ts';

function leave(network: TestNetwork, slot: number): void {
  const { driver } = network.node(slot);
  const drafted = draftFarewell(driver.context());
  if (!drafted.ok) throw new Error(drafted.error.reason);
  const message = sealMessage(drafted.value, NO_SIGNATURE);
  const farewell = { data: message.content.data, ttlSeconds: null, idempotencyKey: null, message };
  expect(driver.submit({ type: 'leave', farewell })).toEqual({ type: 'left', result: { ok: true, value: null } });
}

function stateOf(network: TestNetwork, at: number, of: number): string | undefined {
  const { driver } = network.node(at);
  return driver.state.roster.get(network.node(of).driver.state.guid ?? 0)?.state;
}

function started(nodes: number, fanout = 2): TestNetwork {
  const network = new TestNetwork(nodes, { fanout });
  network.start();
  return network;
}

it('a node that leaves is gone for all at once, and nothing more is sent to it', () => {
  const network = started(8);
  leave(network, 3);
  network.settle();
  for (const { slot } of network.nodes) if (slot !== 3) expect(stateOf(network, slot, 3)).toBe('left');
  const before = network.node(3).driver.state.mempool.size;
  network.originate(1, { after: true });
  network.settle();
  expect(network.node(3).driver.state.mempool.size).toBe(before);
  for (const { slot, driver } of network.nodes) if (slot !== 3) expect(driver.state.mempool.size).toBe(before + 1);
});

it('what a leaver accepted before still reaches all, also those who are away when it leaves, and after a restart', () => {
  const network = started(8);
  network.node(5).down = true;
  network.originate(3, { last: 'words' });
  // Everything that the node wanted done is lost: it was stopped between the commit and its effects.
  network.losesEffectsOf.add(3);
  leave(network, 3);
  network.settle();
  network.losesEffectsOf.clear();
  network.restart(3);
  network.node(3).driver.submit({ type: 'wake' });
  network.settle();
  network.node(5).down = false;
  network.advance(300_000);
  for (const { driver, slot } of network.nodes) {
    const texts = readPage(driver.state.mempool, null, 500, network.now)?.messages.map(({ data }) => data) ?? [];
    expect(slot === 3 || texts.some((data) => data['last'] === 'words')).toBe(true);
  }
  expect(network.node(3).driver.state.repairs.size).toBe(0);
});

it('a node that has left takes nothing and answers nobody, and one that did not hear of it finds another way', () => {
  const network = started(8);
  network.node(1).down = true;
  leave(network, 3);
  network.settle();
  network.node(1).down = false;
  const { driver } = network.node(3);
  expect(stateOf(network, 1, 3)).toBe('alive');
  network.originate(1, { to: 'all' });
  network.advance(10_000);
  for (const { slot, driver: other } of network.nodes) {
    if (slot === 3) continue;
    const found = readPage(other.state.mempool, null, 500, network.now)?.messages.some(
      ({ data }) => data['to'] === 'all',
    );
    expect(found).toBe(true);
  }
  const request = {
    guid: 1,
    maxGuidNode: { guid: 8, address: 'x' },
    have: [],
    members: [],
    digest: null,
    wanted: [],
    doubted: [],
  };
  expect(driver.submit({ type: 'sync-asked', request, caller: 1 })).toEqual({ type: 'sync', answer: null });
  expect(network.originate(3, { no: true })).toMatchObject({ taken: { error: { error: { reason: 'left' } } } });
  expect(draftFarewell(driver.context())).toEqual({ ok: false, error: { reason: 'left' } });
});

it('a node that left comes to rest: when its messages have run out there is nothing to wake for', () => {
  const network = started(4);
  leave(network, 3);
  network.advance(network.config.messageTtlMs + 200_000);
  const { driver, alarm } = network.node(3);
  expect(driver.state.mempool.size).toBe(0);
  expect(alarm).toBeNull();
  driver.submit({ type: 'wake' });
  expect(network.node(3).alarm).toBeNull();
  expect(driver.state.guid).toBe(3);
});

it('a node that left comes back with its GUID, as a later incarnation, and gets what it missed', () => {
  const network = started(8);
  leave(network, 3);
  network.settle();
  network.originate(1, { missed: true });
  network.advance(100_000);
  network.renew(3);
  network.node(3).driver.submit({ type: 'return' });
  network.settle();
  network.announce();
  network.advance(200_000);
  for (const { slot } of network.nodes) if (slot !== 3) expect(stateOf(network, slot, 3)).toBe('alive');
  const { state } = network.node(3).driver;
  expect(state.guid).toBe(3);
  expect(readPage(state.mempool, null, 500, network.now)?.messages.some(({ data }) => data['missed'] === true)).toBe(
    true,
  );
});

it('a node that left comes back while the boot node is away: it tells all itself, and they believe it of itself alone', () => {
  const network = started(8);
  leave(network, 3);
  network.settle();
  network.bootIsAway = true;
  network.renew(3);
  network.node(3).driver.submit({ type: 'return' });
  network.advance(30_000);
  for (const { slot } of network.nodes) if (slot !== 3) expect(stateOf(network, slot, 3)).toBe('alive');
  // Once, however long the boot node is away.
  network.advance(300_000);
  const said = [...network.arrivals.keys()].filter(
    (body) => body.includes('PEER_JOINED') && body.includes('"guid":3}'),
  );
  expect(said).toHaveLength(1);
});

/** One machine leaves. */
function leaveAs(machine: Machine): { reply: Reply; effects: Effect[] } {
  machine.take();
  const { now, config, state } = machine;
  const context: Context = { now, config, state, self: machine.self, rng: () => 0 };
  const drafted = draftFarewell(context);
  if (!drafted.ok) throw new Error(drafted.error.reason);
  const message = sealMessage(drafted.value, NO_SIGNATURE);
  const farewell = { data: message.content.data, ttlSeconds: null, idempotencyKey: null, message };
  const reply = machine.submit({ type: 'leave', farewell });
  return { reply, effects: machine.take() };
}

/** Messages that applications give to it. */
function originate(machine: Machine, count: number): string[] {
  const messages = Array.from({ length: count }, () => machine.message({ originator: { guid: SELF, address: 'x' } }));
  const originations = messages.map((message) => ({
    data: message.content.data,
    ttlSeconds: null,
    idempotencyKey: null,
    message,
  }));
  machine.submit({ type: 'originate', originations });
  return messages.map(({ id }) => id);
}

/** Lets the queue take all that is handed over. Returns what went to whom. */
function handOverAll(machine: Machine, effects: readonly Effect[]) {
  const legs: { to: number; bodies: readonly string[]; single: boolean }[] = [];
  for (let [next] = only(effects, 'hand-over'); next;) {
    for (const job of [...next.jobs, ...next.outbound])
      for (const bundle of job.bundles)
        for (const { to, range } of bundle.legs)
          legs.push({ to, bodies: bundle.bodies, single: range.from === to && range.to === to - 1 });
    [next] = only(machine.effectsOf({ type: 'handed-over', id: next.id }), 'hand-over');
  }
  return legs;
}

describe('a leaver', () => {
  it('says with which incarnation it leaves, once, and not where there is no room for that', () => {
    const machine = new Machine([member(3)]);
    machine.rename(selfRecord(SELF, { incarnation: 4 }));
    const farewell = draftFarewell({
      now: machine.now,
      config: machine.config,
      state: machine.state,
      self: machine.self,
      rng: () => 0,
    });
    expect(farewell).toMatchObject({
      value: { content: { data: { event: { name: 'PEER_LEAVING', args: { guid: SELF, incarnation: 4 } } } } },
    });
    machine.state.mempool.hasRoom = () => false;
    expect(leaveAs(machine).reply).toEqual({
      type: 'left',
      result: { ok: false, error: { reason: 'mempool-full', max: MEMPOOL_MESSAGES_MAX } },
    });
    expect(machine.state.leftAt).toBeNull();
  });

  it('leaves what it accepted with four members, its own deployment first, and tries those in trouble', () => {
    const machine = new Machine([outsider(1), ...[2, 3, 4, 6, 7, 8].map((guid) => member(guid))]);
    machine.trust(1);
    for (let failure = 0; failure < 3; failure++) {
      machine.now += 10_000;
      machine.submit({ type: 'sync-failed', guid: 2, reason: 'gone' });
    }
    expect(machine.stateOf(2)).toBe('ignored');
    handOverAll(machine, machine.take());
    originate(machine, 600);
    handOverAll(machine, machine.take());
    // Was ignored when they were sent, answered once, and does not now: nobody has brought it anything.
    machine.submit({ type: 'sync-failed', guid: 8, reason: 'gone' });
    expect(machine.stateOf(8)).toBe('suspect');
    const other = machine.delivery();
    machine.submit({ type: 'deliver', deliveries: [other], newest: null, bringer: null });
    const copies = new Map<number, number>();
    const legs = handOverAll(machine, leaveAs(machine).effects);
    for (const { to, bodies, single } of legs)
      if (single && bodies.length > 1) copies.set(to, (copies.get(to) ?? 0) + bodies.length);
    // Its messages and the farewell; what came from others is with others.
    expect(legs.flatMap(({ bodies }) => bodies)).not.toContain(other.body);
    expect(machine.state.repairs.size).toBe(0);
    expect(new Map([...copies].sort(([a], [b]) => a - b))).toEqual(
      new Map([2, 3, 4, 6, 7, 8].map((to) => [to, 600 + 1])),
    );
  });

  it('has a range that failed go to one that it ignored, where nobody else is there', () => {
    const machine = new Machine([member(2), member(3)]);
    for (let failure = 0; failure < 3; failure++) {
      machine.now += 10_000;
      machine.submit({ type: 'sync-failed', guid: 2, reason: 'gone' });
    }
    const ids = originate(machine, 1);
    handOverAll(machine, machine.take());
    handOverAll(machine, leaveAs(machine).effects);
    const leg = { to: 3, range: { from: 4, to: 5 }, attempt: 0, without: [], answered: false, ids };
    const effects = machine.effectsOf({ type: 'undeliverable', legs: [leg], reason: 'gone' });
    expect(handOverAll(machine, effects)).toMatchObject([{ to: 2, bodies: { length: 1 }, single: false }]);
  });

  it('does not lose what it owes over copies of what it accepted, however much that was', () => {
    const machine = new Machine(Array.from({ length: 40 }, (_, index) => member(index + 10)));
    for (let guid = 30; guid < 46; guid++) {
      for (let failure = 0; failure < 3; failure++) {
        machine.now += 10_000;
        machine.submit({ type: 'sync-failed', guid, reason: 'gone' });
        for (let other = 10; other < 15; other++) machine.answerSync(other);
      }
      expect(machine.stateOf(guid)).toBe('ignored');
    }
    originate(machine, 30_000);
    const owed = Array.from({ length: REPAIRS_MAX - 100 }, (_, index) => index);
    for (const index of owed) {
      machine.state.repairs.add({
        dueAt: machine.now + 60_000,
        attempt: 1,
        range: { from: 20, to: 10 },
        without: [],
        ids: [String(index)],
      });
    }
    const { effects } = leaveAs(machine);
    expect(lines(effects, 'repair_dropped')).toEqual([]);
    const kept = machine.state.repairs.due(Infinity).filter(([, { attempt }]) => attempt === 1);
    expect(kept).toHaveLength(REPAIRS_MAX - 100);
  });

  it('holds nothing up for one that it had asked, and asks and refutes nothing more', () => {
    const machine = new Machine([member(3), member(4), outsider(7)]);
    const newest = { guid: 3, address: 'local:/n/3', maxGuid: 9 };
    machine.submit({ type: 'deliver', deliveries: [machine.delivery()], newest, bringer: null });
    expect(machine.state.catchingUp).not.toBeNull();
    const { effects } = leaveAs(machine);
    expect(only(effects, 'hand-over')).toHaveLength(1);
    const later = [
      ...machine.answerSync(3, { callerState: 'left', more: true, members: [member(9)] }),
      ...machine.effectsOf({ type: 'sync-failed', guid: 4, reason: 'gone' }),
      ...machine.effectsOf({ type: 'wake' }),
      ...machine.hearEvent(3, 'DEAD_PEER', { guid: SELF }),
      ...machine.effectsOf({ type: 'reached', guid: 7 }),
    ];
    expect(probed(later)).toEqual([]);
    expect(asked(later)).toEqual([]);
    expect(only(later, 'renew-self')).toEqual([]);
    expect(only(later, 'join')).toEqual([]);
  });

  it('has left after an eviction too, takes no message from anybody, and once it is back it is back for good', () => {
    const machine = new Machine([member(3)]);
    leaveAs(machine);
    machine.reload();
    expect(machine.state.leftAt).toBe(machine.now);
    const before = machine.state.mempool.size;
    const deliver = { type: 'deliver', deliveries: [machine.delivery()], newest: null, bringer: null } as const;
    expect(machine.submit(deliver)).toEqual({ type: 'none' });
    originate(machine, 1);
    expect(machine.state.mempool.size).toBe(before);
    machine.submit({ type: 'return' });
    machine.reload();
    expect(machine.state.leftAt).toBeNull();
    expect(machine.submit(deliver)).toMatchObject({ type: 'delivered', outcomes: ['new'] });
  });

  it('that was joining says and asks nothing more, however that ends, and is not kept waiting when it comes back', () => {
    const machine = new Machine([member(3)]);
    machine.round();
    machine.rename(selfRecord(SELF, { incarnation: 1 }));
    expect(only(machine.effectsOf({ type: 'wake' }), 'join')).toHaveLength(1);
    leaveAs(machine);
    expect(only(machine.effectsOf({ type: 'wake' }), 'join')).toEqual([]);
    machine.rename(selfRecord(SELF, { incarnation: 2 }));
    expect(only(machine.effectsOf({ type: 'return' }), 'join')).toHaveLength(1);
    // What it missed is asked for at once.
    expect(machine.state.timers.get('sync')?.at).toBeLessThanOrEqual(machine.now + 1_000);
    leaveAs(machine);
    const failed = machine.effectsOf({ type: 'join-failed', reason: 'away' });
    expect(only(failed, 'say')).toEqual([]);
    machine.now += 60_000;
    machine.rename(selfRecord(SELF, { incarnation: 3 }));
    expect(only(machine.effectsOf({ type: 'return' }), 'join')).toHaveLength(1);
    // Whoever asks twice is not made to sync again.
    machine.submit({ type: 'alarm' });
    const before = machine.state.timers.get('sync');
    machine.submit({ type: 'return' });
    expect(machine.state.timers.get('sync')).toEqual(before);
  });
});
