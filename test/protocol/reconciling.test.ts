// Mempools at network sync: what a node missed it gets, once, and where nothing differs nothing is said but a fingerprint.
import { describe, expect, it } from 'vitest';
import type { CounterName } from '../../src/protocol/counters.ts';
import { RECONCILE_AFTER_MS, WANTED_MAX } from '../../src/protocol/limits.ts';
import { TestNetwork } from '../support/network.ts';
import { member, outsider } from '../support/signed.ts';
import { Machine, MINE, only } from './machine.ts';

const ROUND_MS = 90_000;

/** Sum of a counter over all nodes. */
function total(network: TestNetwork, name: CounterName): number {
  return network.nodes.reduce((sum, { driver }) => sum + driver.state.counters.get(name), 0);
}

/** A network in which one node gets nothing and nobody knows: its deliveries are lost on their way. */
function withLosses(size: number, deaf: number, messages: number): TestNetwork {
  const network = new TestNetwork(size, { fanout: 64 });
  network.start();
  network.advance(5_000);
  network.losesDeliveriesTo.add(deaf);
  for (let index = 0; index < messages; index++) network.originate(1 + (index % (deaf - 1)), { index });
  network.settle();
  network.losesDeliveriesTo.delete(deaf);
  expect(network.messagesAt(deaf)).toHaveLength(0);
  return network;
}

describe('a node that missed messages without anybody knowing', () => {
  it('has them within two sync rounds, each delivered once', () => {
    const network = withLosses(8, 8, 20);
    network.advance(RECONCILE_AFTER_MS + 2 * ROUND_MS);
    for (const { slot } of network.nodes) expect(network.messagesAt(slot)).toHaveLength(20);
    expect(total(network, 'deliveries_duplicate')).toBe(0);
    expect(total(network, 'messages_wanted')).toBe(20);
    expect(total(network, 'messages_served')).toBe(20);
  });

  it('has as many as one exchange asks for, and the others in the next', () => {
    const network = withLosses(2, 2, WANTED_MAX + 100);
    network.advance(RECONCILE_AFTER_MS + 4 * ROUND_MS);
    expect(network.messagesAt(2)).toHaveLength(WANTED_MAX + 100);
  });

  it('gets nothing that has expired, and nothing that is about to', () => {
    const network = new TestNetwork(4, { fanout: 64 });
    network.start();
    network.advance(5_000);
    network.losesDeliveriesTo.add(4);
    network.originate(1, { short: 1 }, { ttlSeconds: 30 });
    network.originate(1, { long: 1 });
    network.settle();
    network.losesDeliveriesTo.delete(4);
    network.advance(3 * ROUND_MS);
    expect(network.messagesAt(4).map(({ data }) => data)).toEqual([{ long: 1 }]);
  });
});

it('a newcomer gets what was sent before it came', () => {
  const network = new TestNetwork(4);
  network.start();
  for (let index = 0; index < 10; index++) network.originate(1, { before: index });
  network.advance(60_000);
  const node = network.addNode();
  node.driver.submit({ type: 'wake' });
  network.announce();
  network.advance(2 * ROUND_MS);
  expect(network.messagesAt(5)).toHaveLength(10);
});

it('where nothing differs, an exchange is one frame, and nothing is sent', () => {
  const network = new TestNetwork(8);
  network.start();
  for (let index = 0; index < 50; index++) network.originate(1 + (index % 8), { index });
  network.advance(120_000);
  const before = { frames: total(network, 'reconcile_frames'), syncs: total(network, 'sync_asked') };
  network.advance(300_000);
  const frames = total(network, 'reconcile_frames') - before.frames;
  expect(frames).toBe(total(network, 'sync_asked') - before.syncs);
  expect(total(network, 'messages_wanted')).toBe(0);
  expect(total(network, 'deliveries_duplicate')).toBe(0);
});

it('what is under way is not compared: nobody asks for what is about to come', () => {
  const network = new TestNetwork(4);
  network.start();
  network.advance(5_000);
  network.losesDeliveriesTo.add(4);
  network.originate(1, { fresh: 1 });
  network.settle();
  // A round of everybody while the message is young.
  for (const { slot } of network.nodes) network.node(slot).driver.submit({ type: 'alarm' });
  network.advance(RECONCILE_AFTER_MS - 5_001);
  expect(total(network, 'messages_wanted')).toBe(0);
});

it('a caller that proves nothing is told nothing of the mempool', () => {
  const network = new TestNetwork(2);
  network.start();
  const maxGuidNode = { guid: 2, address: 'x' };
  const digest = { at: network.now, frame: { ranges: [[null, '0'.repeat(32)] as const] } };
  const request = { guid: 9, maxGuidNode, have: [], members: [], digest, wanted: ['ab'.repeat(32)], doubted: [] };
  const reply = network.node(1).driver.submit({ type: 'sync-asked', request, caller: null });
  expect(reply).toMatchObject({ type: 'sync', answer: { frame: null } });
  const known = network.node(1).driver.submit({ type: 'sync-asked', request: { ...request, guid: 2 }, caller: 2 });
  expect(known.type === 'sync' && known.answer?.frame).toBeTruthy();
});

describe('messages that were asked for', () => {
  const id = 'ab'.repeat(32);
  /** A peer has been asked for one that it says it has. */
  const asking = () => {
    const machine = new Machine([member(4)]);
    machine.round();
    const asked = only(machine.answerSync(4, { frame: { ranges: [[null, [id]]] } }), 'sync');
    expect(asked.map(({ request }) => request.wanted)).toEqual([[id]]);
    return machine;
  };
  const fail = (machine: Machine) => {
    machine.now += 5_000;
    const asked = only(machine.effectsOf({ type: 'sync-failed', guid: 4, reason: 'timeout' }), 'sync');
    return asked.map(({ to, request }) => [to.guid, request.wanted, request.digest]);
  };

  it('are asked for again where no answer came, twice, and that is one failure', () => {
    const machine = asking();
    expect(fail(machine)).toEqual([[4, [id], null]]);
    expect(fail(machine)).toEqual([[4, [id], null]]);
    expect(machine.state.roster.get(4)?.failures).toBe(0);
    expect(fail(machine)).toEqual([]);
    expect(machine.state.roster.get(4)?.failures).toBe(1);
  });

  it('are asked of one peer, which is told no doubts a second time, and of another when that took too long', () => {
    const machine = new Machine([member(2), member(3), member(4)]);
    machine.submit({ type: 'sync-failed', guid: 2, reason: 'silent' });
    const frame = { ranges: [[null, [id]] as const] };
    expect(only(machine.round(), 'sync').every(({ request }) => request.doubted.length === 1)).toBe(true);
    const wanted = (guid: number) => only(machine.answerSync(guid, { frame }), 'sync').map(({ request }) => request);
    expect(wanted(4)).toMatchObject([{ wanted: [id], doubted: [] }]);
    expect(wanted(3)).toEqual([]);
    machine.answerSync(4);
    machine.round();
    expect(wanted(3)).toMatchObject([{ wanted: [id] }]);
  });

  it('are not asked for that were refused, their originator being unknown, until it is known', () => {
    const machine = new Machine([member(4)]);
    for (let count = 0; count < 9; count++) machine.state.unverified.isWantedLater(id, 77);
    const frame = { ranges: [[null, [id]] as const] };
    machine.round();
    expect(only(machine.answerSync(4, { frame }), 'sync')).toEqual([]);
    machine.know(outsider(77));
    machine.round();
    expect(only(machine.answerSync(4, { frame }), 'sync')).toMatchObject([{ request: { wanted: [id] } }]);
  });

  it('are not where there was an answer, or they have come', () => {
    const answered = asking();
    expect(only(answered.answerSync(4), 'sync')).toEqual([]);
    expect(fail(answered)).toEqual([]);
    const machine = new Machine([member(4)]);
    const message = machine.message();
    machine.round();
    machine.answerSync(4, { frame: { ranges: [[null, [message.id]]] } });
    const deliveries = [{ body: message.sealed, range: MINE, hops: 1 }];
    machine.submit({ type: 'deliver', deliveries, newest: null, bringer: null });
    expect(fail(machine)).toEqual([]);
  });
});
