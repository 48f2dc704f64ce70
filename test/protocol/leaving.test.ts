import { expect, it } from 'vitest';
import { draftFarewell } from '../../src/protocol/leaving.ts';
import { sealMessage } from '../../src/protocol/message.ts';
import { readPage } from '../../src/protocol/reading.ts';
import { TestNetwork } from '../support/network.ts';
import { NO_SIGNATURE } from '../support/signed.ts';

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
  expect(network.originate(3, { no: true })).toMatchObject({ results: [{ error: { reason: 'left' } }] });
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
