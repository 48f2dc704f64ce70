import { describe, expect, it } from 'vitest';
import { writeMember } from '../../src/protocol/member.ts';
import { err } from '../../src/protocol/types.ts';
import { TestNetwork } from '../support/network.ts';
import { certificate, keyOf, outsider, sealed } from '../support/signed.ts';

function counts(network: TestNetwork, originators: ReadonlySet<number>) {
  const perNode = [...network.arrivals.values()].map((byNode) => [...byNode.values()]);
  return { copies: perNode.flat(), originators };
}

describe('joining and knowing each other', () => {
  it.each([1, 2, 4, 16, 64])('%i nodes get GUIDs 1..N, each once, and all know all', (size) => {
    const network = new TestNetwork(size);
    network.start();
    const guids = network.nodes.map((node) => node.driver.state.guid);
    expect([...guids].sort((a, b) => (a ?? 0) - (b ?? 0))).toEqual(
      Array.from({ length: size }, (_, index) => index + 1),
    );
    for (const node of network.nodes) {
      expect(node.driver.state.maxGuid).toBe(size);
      expect(node.driver.state.roster.size).toBe(size - 1);
    }
  });

  it('keeps its GUID over restarts and asks the boot node no more', () => {
    const network = new TestNetwork(3);
    network.start();
    const before = network.node(2).driver.state.guid;
    network.restart(2);
    network.node(2).driver.submit({ type: 'wake' });
    network.settle();
    expect(network.node(2).driver.state.guid).toBe(before);
    expect(network.boot.maxGuid()).toBe(3);
  });

  it('a join whose answer was lost is asked again and gives the same GUID', () => {
    const network = new TestNetwork(1);
    network.losesEffectsOf.add(1);
    network.node(1).driver.submit({ type: 'wake' });
    network.losesEffectsOf.delete(1);
    network.restart(1);
    network.advance(60_000);
    expect(network.node(1).driver.state.guid).toBe(1);
    expect(network.boot.maxGuid()).toBe(1);
  });

  it('a node that the boot forgot does not take a second GUID', () => {
    const network = new TestNetwork(2);
    network.start();
    const trust = { certificate: certificate(), networkKey: keyOf(0) };
    const joined = { guid: 7, address: 'local:/n/1', incarnation: 0, ...trust, maxGuid: 7, members: [] };
    network.node(1).driver.submit({ type: 'join-accepted', joined });
    expect(network.node(1).driver.state.guid).toBe(1);
    expect(network.logs.some((line) => line.event === 'membership_conflict' && line.level === 'CRITICAL')).toBe(true);
  });

  it('nodes that missed the announcement learn of newcomers at sync', () => {
    const network = new TestNetwork(8);
    for (const node of network.nodes) node.driver.submit({ type: 'wake' });
    network.settle();
    expect(network.node(1).driver.state.roster.size).toBe(0);
    network.advance(3 * 90_000);
    for (const node of network.nodes) expect(node.driver.state.roster.size).toBe(7);
  });

  it('a network that comes back under another URL tells all members', () => {
    const network = new TestNetwork(6);
    network.start();
    const moved = new TestNetwork(0, { hostedPrefix: 'https://new.example/n/' });
    Object.assign(moved, { boot: network.boot, incarnation: 1 });
    for (const node of network.nodes) {
      const copy = moved.addNode();
      Object.assign(copy, { store: node.store });
      moved.restart(copy.slot);
    }
    moved.start();
    for (const node of moved.nodes) {
      expect(node.driver.state.roster.sorted().every((peer) => peer.address.startsWith('https://new.example/n/'))).toBe(
        true,
      );
    }
    moved.originate(2, { moved: true });
    moved.settle();
    for (const node of moved.nodes)
      expect(moved.messagesAt(node.slot).map(({ data }) => data)).toEqual([{ moved: true }]);
  });
});

describe('broadcast', () => {
  it.each([
    [1, 4],
    [2, 4],
    [4, 2],
    [16, 4],
    [64, 4],
    [100, 32],
  ])('%i nodes, fan-out %i: every message at every node, once, in few hops', (size, fanout) => {
    const network = new TestNetwork(size, { fanout });
    network.start();
    network.arrivals.clear();
    for (let index = 0; index < 20; index++) network.originate((index % size) + 1, { index });
    network.settle();
    const { copies } = counts(network, new Set());
    expect(copies).toHaveLength(20 * (size - 1));
    expect(copies.every((copy) => copy === 1)).toBe(true);
    const bound = Math.ceil(Math.log(size) / Math.log(fanout) - 1e-9);
    for (const node of network.nodes) {
      const messages = network.messagesAt(node.slot);
      expect(messages.map(({ data }) => data['index']).sort((a, b) => Number(a) - Number(b))).toEqual([
        ...Array(20).keys(),
      ]);
      for (const message of messages) expect(message.hops).toBeLessThanOrEqual(bound);
    }
  });

  it('a handover that was lost with a crash after the commit is made after the restart', () => {
    const network = new TestNetwork(8);
    network.start();
    network.losesEffectsOf.add(3);
    network.originate(3, { precious: 1 });
    network.settle();
    expect(network.messagesAt(5)).toEqual([]);
    network.losesEffectsOf.delete(3);
    network.restart(3);
    network.node(3).driver.submit({ type: 'wake' });
    network.settle();
    for (const node of network.nodes) expect(network.messagesAt(node.slot)).toHaveLength(1);
  });

  it('a delegate that crashed between storing and forwarding forwards after the restart, not before the redelivery is known', () => {
    const network = new TestNetwork(16, { fanout: 2 });
    network.start();
    const before = network.jobs.length;
    for (const node of network.nodes) if (node.slot !== 1) network.losesEffectsOf.add(node.slot);
    network.originate(1, { deep: true });
    network.settle();
    expect(network.jobs.length).toBe(before + 1);
    network.losesEffectsOf.clear();
    for (const node of network.nodes) network.restart(node.slot);
    for (const node of network.nodes) node.driver.submit({ type: 'wake' });
    network.settle();
    for (const node of network.nodes) expect(network.messagesAt(node.slot)).toHaveLength(1);
  });

  it('is handed over once: a restart after that sends nothing again', () => {
    const network = new TestNetwork(8);
    network.start();
    network.originate(3, { once: 1 });
    network.settle();
    const jobs = network.jobs.length;
    for (const node of network.nodes) network.restart(node.slot);
    for (const node of network.nodes) node.driver.submit({ type: 'wake' });
    network.settle();
    expect(network.jobs.length).toBe(jobs);
  });

  it('a queue that refuses gets the same again after a pause', () => {
    const network = new TestNetwork(4);
    network.start();
    network.queueRefuses = true;
    network.originate(1, { later: 1 });
    network.advance(5_000);
    expect(network.messagesAt(2)).toEqual([]);
    network.queueRefuses = false;
    network.advance(70_000);
    for (const node of network.nodes) expect(network.messagesAt(node.slot)).toHaveLength(1);
    expect(network.node(1).driver.state.counters.get('handovers_failed')).toBeGreaterThan(0);
  });

  it('a duplicate that brings a larger range is forwarded for that range', () => {
    const network = new TestNetwork(8, { fanout: 2 });
    network.start();
    network.losesEffectsOf.add(1);
    network.originate(1, { late: 1 });
    const [entry] = network.node(1).driver.state.mempool.entriesOf(network.node(1).driver.state.mempool.lastSeq);
    const body = entry && network.node(1).driver.state.mempool.bodyOf(entry);
    if (!body) throw new Error('not stored');
    const deliver = (range: { from: number; to: number }) =>
      network
        .node(5)
        .driver.submit({ type: 'deliver', deliveries: [{ body, range, hops: 1 }], newest: null, bringer: null });
    expect(deliver({ from: 5, to: 4 })).toMatchObject({ type: 'delivered', outcomes: ['new'] });
    network.settle();
    expect(network.messagesAt(4)).toEqual([]);
    expect(deliver({ from: 5, to: 1 })).toMatchObject({ type: 'delivered', outcomes: ['duplicate'] });
    network.settle();
    for (const slot of [2, 3, 4, 5]) expect(network.messagesAt(slot)).toHaveLength(1);
    const jobs = network.jobs.length;
    expect(deliver({ from: 4, to: 2 })).toMatchObject({ type: 'delivered', outcomes: ['duplicate'] });
    network.settle();
    expect(network.jobs.length).toBe(jobs);
  });

  it('a target that was down gets the message when it is back, as long as the message lives', () => {
    const network = new TestNetwork(8, { fanout: 8 });
    network.start();
    network.node(4).down = true;
    for (let index = 0; index < 5; index++) network.originate(1, { patient: index });
    network.advance(100_000);
    const guid = network.node(4).driver.state.guid ?? 0;
    expect(network.node(1).driver.state.roster.get(guid)?.state).toBe('ignored');
    network.node(4).down = false;
    network.advance(400_000);
    for (const node of network.nodes) expect(network.messagesAt(node.slot)).toHaveLength(5);
  });

  it('a delegate that fails costs its group nothing: the range goes to another at once', () => {
    const network = new TestNetwork(16, { fanout: 2 });
    network.start();
    // The first delegate below 16 is 15: its whole half hangs on it.
    network.node(15).down = true;
    network.originate(16, { around: 1 });
    // No time passes: nothing waits for a timer.
    network.settle();
    const missing = network.nodes.filter(({ slot }) => slot !== 15 && network.messagesAt(slot).length !== 1);
    expect(missing.map(({ slot }) => slot)).toEqual([]);
    expect(network.node(16).driver.state.counters.get('failovers')).toBe(1);
    // The one that failed is owed its own copy.
    network.node(15).down = false;
    network.advance(120_000);
    expect(network.messagesAt(15)).toHaveLength(1);
  });

  it('so do many delegates that fail one after the other', () => {
    const network = new TestNetwork(32, { fanout: 2 });
    network.start();
    for (const slot of [31, 30, 29, 28]) network.node(slot).down = true;
    network.originate(32, { around: 4 });
    network.settle();
    const missing = network.nodes.filter(({ slot, down }) => !down && network.messagesAt(slot).length !== 1);
    expect(missing.map(({ slot }) => slot)).toEqual([]);
  });

  it('a whole range that is down is tried again from its start, after a pause', () => {
    const network = new TestNetwork(16, { fanout: 2, maxFailures: 100 });
    network.start();
    for (const slot of [15, 14, 13, 12, 11, 10, 9, 8, 7]) network.node(slot).down = true;
    network.originate(16, { around: 9 });
    network.settle();
    const reached = () => network.nodes.filter(({ slot }) => network.messagesAt(slot).length === 1).length;
    expect(reached()).toBe(7);
    for (const node of network.nodes) node.down = false;
    network.advance(120_000);
    expect(reached()).toBe(16);
  });
});

describe('what stands behind each promise', () => {
  it('a delegate that knows fewer members than the sender asks before it forwards', () => {
    const network = new TestNetwork(8, { fanout: 2 });
    for (const node of network.nodes) node.driver.submit({ type: 'wake' });
    network.settle();
    // Nobody was announced: each knows those that joined before it. Node 5 hears of the others from node 8.
    const { driver } = network.node(5);
    const request = {
      guid: 5,
      maxGuidNode: { guid: 5, address: 'local:/n/5' },
      have: [[5, 5]] as const,
      members: [],
      digest: null,
      wanted: [],
      doubted: [],
    };
    const reply = network.node(8).driver.submit({ type: 'sync-asked', request, caller: 5 });
    if (reply.type !== 'sync' || !reply.answer) throw new Error('no answer');
    driver.submit({ type: 'sync-answered', guid: 8, answer: { ...reply.answer, have: [[1, 8]] } });
    expect(network.node(1).driver.state.roster.size).toBe(0);
    // The ring from 5 is 4 3 2 1 8 7 6: node 1, which knows nobody, is the delegate for 1 8 7 6.
    network.originate(5, { reach: 'all' });
    network.settle();
    for (const node of network.nodes) expect(network.messagesAt(node.slot)).toHaveLength(1);
  });

  it('an answer to a handover of an earlier life settles nothing', () => {
    const network = new TestNetwork(4);
    network.start();
    const { driver } = network.node(1);
    network.queueRefuses = true;
    network.losesEffectsOf.add(1);
    network.originate(1, { kept: 1 });
    driver.submit({ type: 'handed-over', id: 12_345 });
    network.losesEffectsOf.delete(1);
    network.queueRefuses = false;
    network.restart(1);
    network.node(1).driver.submit({ type: 'wake' });
    network.settle();
    for (const node of network.nodes) expect(network.messagesAt(node.slot)).toHaveLength(1);
  });

  it('a message twice in one call with two ranges is forwarded for both', () => {
    const network = new TestNetwork(8, { fanout: 2 });
    network.start();
    network.losesEffectsOf.add(1);
    network.originate(1, { twice: 1 });
    const { mempool } = network.node(1).driver.state;
    const body = mempool.bodiesOf(mempool.lastSeq)[0];
    if (!body) throw new Error('not stored');
    const copies = [
      { body, range: { from: 5, to: 4 }, hops: 1 },
      { body, range: { from: 5, to: 1 }, hops: 1 },
    ];
    const reply = network.node(5).driver.submit({ type: 'deliver', deliveries: copies, newest: null, bringer: null });
    expect(reply).toMatchObject({ type: 'delivered', outcomes: ['new', 'duplicate'] });
    network.settle();
    for (const slot of [2, 3, 4, 5]) expect(network.messagesAt(slot)).toHaveLength(1);
  });

  it('a damaged last segment does not let numbers come again', () => {
    const network = new TestNetwork(4, { messageTtlMs: 10_000 });
    network.start();
    network.originate(1, { first: 1 });
    network.settle();
    const { store } = network.node(1);
    const seq = network.node(1).driver.state.mempool.lastSeq + 1;
    store.transaction(() => store.segments.append({ seq, expiresAt: network.now + 5, index: 'broken', body: '' }));
    network.restart(1);
    network.advance(300_000);
    network.restart(1);
    expect(network.node(1).driver.state.mempool.lastSeq).toBe(seq);
    network.originate(1, { second: 1 });
    network.settle();
    for (const node of network.nodes) expect(network.messagesAt(node.slot)).toHaveLength(1);
  });

  it('a node whose peers have all moved asks the boot node for them', () => {
    const network = new TestNetwork(4);
    network.start();
    const moved = new TestNetwork(0, { hostedPrefix: 'https://new.example/n/' });
    Object.assign(moved, { boot: network.boot, incarnation: 1 });
    for (const node of network.nodes) {
      const copy = moved.addNode();
      Object.assign(copy, { store: node.store });
      moved.restart(copy.slot);
      copy.driver.submit({ type: 'wake' });
      moved.settle();
    }
    // No announcement: the first to come back got the others' old addresses.
    moved.advance(600_000);
    moved.originate(1, { moved: 1 });
    moved.settle();
    for (const node of moved.nodes) expect(moved.messagesAt(node.slot)).toHaveLength(1);
  });

  it('a node that is announced before its join is answered does not become its own peer', () => {
    const network = new TestNetwork(3);
    network.start();
    const node = network.addNode();
    node.driver.submit({ type: 'wake' });
    network.announce();
    network.settle();
    expect(node.driver.state.guid).toBe(4);
    expect(node.driver.state.roster.get(4)).toBeNull();
    expect(node.driver.state.roster.size).toBe(3);
  });

  it('a queue that refuses again and again does not multiply what is owed to an ignored peer', () => {
    const network = new TestNetwork(4, { maxFailures: 1, syncIntervalMs: 3_600_000, syncJitterMs: 0 });
    network.start();
    network.advance(5_000);
    network.originate(1, { a: 1 });
    network.settle();
    const { driver } = network.node(1);
    const [entry] = driver.state.mempool.entriesOf(driver.state.mempool.lastSeq);
    if (!entry) throw new Error('not stored');
    // The range of node 3, which is ignored from now on, holds node 2 as well: this repair has a leg, and the queue refuses it.
    network.queueRefuses = true;
    const legs = [{ to: 3, range: { from: 3, to: 1 }, attempt: 0, without: [], answered: false, ids: [entry.id] }];
    driver.submit({ type: 'undeliverable', legs, reason: 'test' });
    network.advance(120_000);
    expect(driver.state.counters.get('handovers_failed')).toBeGreaterThan(3);
    expect(driver.state.roster.get(3)?.state).toBe('ignored');
    // The range, for node 2, and node 3's own copy.
    expect(driver.state.repairs.size).toBe(2);
    network.queueRefuses = false;
    network.advance(120_000);
    expect(driver.state.repairs.size).toBe(1);
    driver.submit({
      type: 'sync-asked',
      request: {
        guid: 3,
        maxGuidNode: { guid: 4, address: 'x' },
        have: null,
        members: [],
        digest: null,
        wanted: [],
        doubted: [],
      },
      caller: 3,
    });
    network.advance(120_000);
    expect(driver.state.repairs.size).toBe(0);
  });

  it('many legs that failed together are one repair a target and range', () => {
    const network = new TestNetwork(4);
    network.start();
    network.losesEffectsOf.add(1);
    for (let index = 0; index < 20; index++) network.originate(1, { index });
    const { state } = network.node(1).driver;
    const ids = state.mempool.seqsAfter(1).flatMap((seq) => state.mempool.entriesOf(seq).map(({ id }) => id));
    const legs = ids.map((id) => ({
      to: 3,
      range: { from: 3, to: 2 },
      attempt: 0,
      without: [],
      answered: false,
      ids: [id],
    }));
    network.node(1).driver.submit({ type: 'undeliverable', legs, reason: 'test' });
    expect(ids.length).toBeGreaterThanOrEqual(20);
    expect(network.node(1).driver.state.repairs.size).toBe(1);
    expect(network.node(1).driver.state.roster.get(3)?.failures).toBe(1);
  });

  it('a repair has a timer: it does not wait for the next sync round', () => {
    const network = new TestNetwork(4, { syncIntervalMs: 3_600_000, syncJitterMs: 0 });
    network.start();
    network.advance(5_000);
    network.node(3).down = true;
    network.originate(1, { a: 1 });
    network.settle();
    const alarm = network.node(1).alarm ?? Infinity;
    expect(alarm - network.now).toBeLessThanOrEqual(60_000);
    network.node(3).down = false;
    network.advance(60_000);
    expect(network.messagesAt(3)).toHaveLength(1);
  });

  it('an alarm that rang early is set again', () => {
    const network = new TestNetwork(2);
    network.start();
    const node = network.node(1);
    const due = node.alarm;
    node.alarm = null;
    node.driver.alarmRang();
    expect(node.alarm).toBe(due);
  });

  it('an input that fails leaves neither the store nor the memory half done', () => {
    const network = new TestNetwork(4);
    network.start();
    const { store, driver } = network.node(2);
    const { transaction } = store;
    const size = driver.state.mempool.size;
    // Everything is done in memory when the commit fails.
    Object.assign(store, {
      transaction: (body: () => unknown) =>
        transaction(() => {
          body();
          throw new Error('disk full');
        }),
    });
    expect(() => network.originate(2, { lost: 1 })).toThrow('disk full');
    Object.assign(store, { transaction });
    expect(driver.state.mempool.size).toBe(size);
    network.originate(2, { kept: 1 });
    network.settle();
    for (const node of network.nodes)
      expect(network.messagesAt(node.slot).map(({ data }) => data)).toEqual([{ kept: 1 }]);
  });

  it('an expired message is not taken, so it cannot come back after its segment has gone', () => {
    const network = new TestNetwork(2, { messageTtlMs: 10_000 });
    network.start();
    network.originate(1, { old: 1 });
    const { mempool } = network.node(1).driver.state;
    const body = mempool.bodiesOf(mempool.lastSeq)[0];
    if (!body) throw new Error('not stored');
    network.advance(300_000);
    const deliveries = [{ body, range: { from: 2, to: 1 }, hops: 1 }];
    const reply = network.node(2).driver.submit({ type: 'deliver', deliveries, newest: null, bringer: null });
    expect(reply).toMatchObject({ type: 'delivered', outcomes: ['rejected'] });
    expect(network.node(2).driver.state.mempool.size).toBe(0);
  });
});

describe('failed peers', () => {
  it('an ignored peer is asked now and then, and sent to again once it answers', () => {
    const network = new TestNetwork(32, { maxFailures: 1 });
    network.start();
    network.node(9).down = true;
    network.originate(1, { first: 1 });
    network.advance(300_000);
    const opinion = () => network.node(1).driver.state.roster.get(network.node(9).driver.state.guid ?? 0)?.state;
    expect(opinion()).toBe('ignored');
    network.node(9).down = false;
    // Its own rounds would tell its primary peers only; node 1 finds out by itself.
    network.node(9).alarm = null;
    // The longer it was away, the seldomer it is asked.
    network.advance(1_200_000);
    expect(opinion()).toBe('alive');
    network.originate(1, { second: 1 });
    network.settle();
    expect(network.messagesAt(9).map(({ data }) => data)).toContainEqual({ second: 1 });
  });

  it('a lost roster is asked for once, not at every input', () => {
    const network = new TestNetwork(4);
    network.start();
    network.node(2).store.roster.put(0, 'broken');
    network.restart(2);
    network.losesEffectsOf.add(2);
    const before = network.joins;
    for (let index = 0; index < 50; index++) network.originate(2, { index });
    expect(network.joins).toBe(before + 1);
    network.losesEffectsOf.delete(2);
    network.restart(2);
    network.advance(60_000);
    expect(network.node(2).driver.state.roster.size).toBe(3);
  });
});

describe('limits and bad input', () => {
  it('an unjoined node takes no message', () => {
    const network = new TestNetwork(1);
    const reply = network.originate(1, { a: 1 });
    expect(reply).toEqual({ type: 'originated', taken: err({ index: 0, error: { reason: 'not-joined' } }) });
  });

  it('the same idempotency key gives the same message, other data under it is refused', () => {
    const network = new TestNetwork(2);
    network.start();
    const first = network.originate(1, { a: 1 }, { idempotencyKey: 'k' });
    network.restart(1);
    network.now += 5;
    expect(network.originate(1, { a: 1 }, { idempotencyKey: 'k' })).toEqual(first);
    const other = network.originate(1, { a: 2 }, { idempotencyKey: 'k' });
    expect(other).toEqual({ type: 'originated', taken: err({ index: 0, error: { reason: 'key-reused' } }) });
    network.settle();
    expect(network.messagesAt(2)).toHaveLength(1);
  });

  it('what is no message is rejected and changes nothing', () => {
    const network = new TestNetwork(2);
    network.start();
    const rows = network.node(1).store.rowsWritten();
    const bodies = [
      '',
      '{}',
      'null',
      '[]',
      '{"a":1}',
      '{"network":"test"}',
      '\u0000',
      '{'.repeat(100_000),
      'x'.repeat(100_000),
    ];
    const deliveries = bodies.map((body) => ({ body: body as never, range: { from: 1, to: 0 }, hops: 1 }));
    const reply = network.node(1).driver.submit({ type: 'deliver', deliveries, newest: null, bringer: null });
    expect(reply).toMatchObject({ type: 'delivered', outcomes: bodies.map(() => 'rejected') });
    expect(network.node(1).store.rowsWritten()).toBe(rows);
    // A line a reason.
    expect(network.logs.filter(({ event }) => event === 'deliveries_rejected').length).toBeLessThan(5);
  });

  it('PEER_JOINED of anybody but the boot node is refused where it starts, and not believed where it arrives', () => {
    const network = new TestNetwork(3);
    network.start();
    const data = { event: { name: 'PEER_JOINED', args: { members: [writeMember(outsider(99))] } } };
    const refused = { reason: 'bad-data', path: 'data.event.name' };
    expect(network.originate(1, data)).toMatchObject({ taken: { ok: false, error: { error: refused } } });
    const forged = sealed(
      {
        network: 'test',
        data,
        originator: { guid: 1, address: 'local:/n/1' },
        broadcastAt: network.now,
        expiresAt: network.now + 1_000,
      },
      1,
    );
    const deliveries = [{ body: forged.sealed, range: { from: 2, to: 1 }, hops: 1 }];
    network.node(2).driver.submit({ type: 'deliver', deliveries, newest: null, bringer: null });
    expect(network.node(2).driver.state.maxGuid).toBe(3);
    expect(network.logs.map(({ event }) => event)).toContain('event_refused');
  });

  it('PEER_LEAVING of an application is refused: the node would be gone for all, for good, and not know it', () => {
    const network = new TestNetwork(3);
    network.start();
    for (const incarnation of [0, Number.MAX_SAFE_INTEGER]) {
      const reply = network.originate(1, { event: { name: 'PEER_LEAVING', args: { guid: 1, incarnation } } });
      const refused = { reason: 'bad-data', path: 'data.event.name' };
      expect(reply).toMatchObject({ taken: { ok: false, error: { error: refused } } });
    }
    network.settle();
    expect(network.node(2).driver.state.roster.get(1)?.state).toBe('alive');
  });

  it('an unauthenticated sync is told what it lacks and believed nothing', () => {
    const network = new TestNetwork(4);
    network.start();
    const members = [outsider(1000, { incarnation: 9 })];
    const maxGuidNode = { guid: 1000, address: 'http://evil.example' };
    const request = { guid: 77, maxGuidNode, have: [[3, 4]] as const, members, digest: null, wanted: [], doubted: [] };
    const reply = network.node(2).driver.submit({ type: 'sync-asked', request, caller: null });
    expect(reply.type === 'sync' && reply.answer?.members.map(({ guid }) => guid).sort()).toEqual([1, 2]);
    expect(network.node(2).driver.state.maxGuid).toBe(4);
  });

  it('expired messages go with their segments, and sequence numbers never come again', () => {
    const network = new TestNetwork(2, { messageTtlMs: 10_000 });
    network.start();
    network.originate(1, { short: 1 });
    network.settle();
    const { mempool } = network.node(2).driver.state;
    const last = mempool.lastSeq;
    expect(mempool.size).toBeGreaterThan(0);
    network.advance(200_000);
    expect(network.node(2).driver.state.mempool.size).toBe(0);
    expect([...network.node(2).store.segments.index()]).toEqual([]);
    network.restart(2);
    expect(network.node(2).driver.state.mempool.lastSeq).toBe(last);
  });

  it('a damaged row never stops a node: it starts, says so, and works on', () => {
    const network = new TestNetwork(4);
    network.start();
    const { store } = network.node(2);
    store.transaction(() => {
      store.segments.append({ seq: 50, expiresAt: network.now + 1_000, index: 'not json', body: 'x' });
      store.segments.append({
        seq: 51,
        expiresAt: network.now + 1_000,
        index: '{"at":1,"bytes":1,"items":[["id",1]]}',
        body: '',
      });
      store.roster.put(0, '[{"guid":"x"}]');
      store.repairs.put(1, '{}');
    });
    network.restart(2);
    network.originate(1, { still: 'here' });
    network.advance(200_000);
    expect(network.messagesAt(2)).toHaveLength(1);
    const rows = network.logs.filter((line) => line.event === 'row_damaged').map((line) => line.fields['table']);
    expect(rows.sort()).toEqual(['repairs', 'roster', 'segments', 'segments']);
    // Sync brought the lost roster back, and the damaged segments went with their time.
    expect(network.node(2).driver.state.roster.size).toBe(3);
    expect([...store.segments.index()].map(({ seq }) => seq)).not.toContain(50);
  });
});
