import { describe, expect, it } from 'vitest';
import { IMPATIENT_MS, PROBES_MAX } from '../../src/protocol/limits.ts';
import { certificate, keyOf, member, outsider } from '../support/signed.ts';
import { asked, lines, Machine, only, probed } from './machine.ts';

const someone = () => new Machine([outsider(7)]);

/** A call of a peer outside, at which it is heard of. */
const hear = (machine: Machine, guid: number) =>
  machine.effectsOf({
    type: 'sync-asked',
    request: {
      guid,
      maxGuidNode: { guid, address: 'x' },
      have: null,
      members: [],
      digest: null,
      wanted: [],
      doubted: [],
    },
    caller: guid,
  });

describe('a probe', () => {
  it('asks where the member says that it is, for its key, and not for long', () => {
    const machine = someone();
    const [probe] = only(machine.round(), 'probe');
    expect(probe).toEqual({
      type: 'probe',
      to: { guid: 7, address: 'https://n7.example.net', publicKey: keyOf(7) },
      timeoutMs: IMPATIENT_MS,
    });
  });

  it('that is answered proves that the peer is there; one after its probation makes it trusted', () => {
    const machine = someone();
    expect(lines(machine.answerProbe(7), 'peer_proved')).toMatchObject([{ fields: { guid: 7, state: 'probation' } }]);
    expect(machine.state.roster.get(7)).toMatchObject({ proved: true, state: 'probation' });
    expect(lines(machine.answerProbe(7), 'peer_proved')).toEqual([]);
    machine.now += machine.config.probationMs;
    expect(lines(machine.answerProbe(7), 'peer_proved')).toMatchObject([{ fields: { guid: 7, state: 'alive' } }]);
    expect(machine.state.counters.get('probes_answered')).toBe(3);
    machine.reload();
    expect(machine.stateOf(7)).toBe('alive');
  });

  it('that is answered tells what the peer can do, and its later certificate', () => {
    const machine = someone();
    const told = certificate({ issuedAt: 2_000 });
    machine.submit({ type: 'probe-answered', guid: 7, capabilities: ['sync'], certificate: told });
    expect(machine.state.roster.get(7)).toMatchObject({ capabilities: ['sync'], certificate: told });
    machine.submit({ type: 'probe-answered', guid: 7, capabilities: [], certificate: certificate() });
    expect(machine.state.roster.get(7)).toMatchObject({ capabilities: [], certificate: told });
  });

  it('that fails costs a newcomer all its credit, and a member a third', () => {
    const machine = new Machine([outsider(7), outsider(8)]);
    machine.trust(8);
    const failed = (guid: number) => machine.effectsOf({ type: 'probe-failed', guid, reason: 'timeout' });
    expect(lines(failed(7), 'probe_failed')).toMatchObject([
      { fields: { guid: 7, state: 'ignored', reason: 'timeout' } },
    ]);
    expect([failed(8), machine.stateOf(8)][1]).toBe('suspect');
    machine.now += 10_000;
    failed(8);
    machine.now += 10_000;
    failed(8);
    expect(machine.stateOf(8)).toBe('ignored');
    machine.answerProbe(8);
    expect(machine.stateOf(8)).toBe('alive');
    expect(machine.state.counters.get('probes_failed')).toBe(4);
  });

  it('that is answered by something that is no such peer drops it, and it does not come back unchanged', () => {
    const machine = someone();
    const effects = machine.effectsOf({ type: 'probe-refused', guid: 7, fault: 'other-network' });
    const fields = { guid: 7, address: 'https://n7.example.net', reason: 'other-network' };
    expect(lines(effects, 'peer_refused')).toMatchObject([{ level: 'WARNING', fields }]);
    expect(machine.state.counters.get('peers_refused_other-network')).toBe(1);
    machine.know(outsider(7));
    expect(machine.stateOf(7)).toBeNull();
    machine.know(outsider(7, { incarnation: 1 }));
    expect(machine.stateOf(7)).toBe('probation');
  });

  it('of a peer that was forgotten meanwhile changes nothing', () => {
    const machine = new Machine();
    machine.answerProbe(99);
    machine.submit({ type: 'probe-failed', guid: 99, reason: 'timeout' });
    machine.submit({ type: 'probe-refused', guid: 99, fault: 'not-pychain' });
    expect(machine.state.roster.size).toBe(0);
  });

  it('under way is not begun again', () => {
    const machine = someone();
    expect(probed(machine.round())).toEqual([7]);
    for (let round = 0; round < 10; round++) expect(probed(machine.round())).toEqual([]);
    machine.submit({ type: 'probe-failed', guid: 7, reason: 'timeout' });
    expect(probed(machine.roundUntil((effects) => probed(effects).length > 0))).toEqual([7]);
  });
});

describe('a round', () => {
  it('probes a few of a thousand newcomers, all at once', () => {
    const machine = new Machine(Array.from({ length: 1_000 }, (_, index) => outsider(index + 10)));
    const found = probed(machine.round());
    expect(found).toHaveLength(PROBES_MAX);
    for (const guid of found) machine.submit({ type: 'probe-failed', guid, reason: 'timeout' });
    expect(probed(machine.round()).filter((guid) => found.includes(guid)).length).toBeLessThan(PROBES_MAX);
  });

  it('probes nobody whom it asks anyway', () => {
    const machine = new Machine([outsider(4), outsider(3)]);
    machine.answerProbe(4);
    machine.submit({ type: 'probe-failed', guid: 4, reason: 'timeout' });
    expect(machine.stateOf(4)).toBe('suspect');
    const effects = machine.round();
    expect(asked(effects)).toEqual([4]);
    expect(probed(effects)).toEqual([3]);
  });

  it('asks a node of this deployment that is in trouble, instead of probing it', () => {
    const machine = new Machine([member(1), member(2), member(3), member(4)]);
    for (let count = 0; count < 3; count++) {
      machine.now += 10_000;
      machine.submit({ type: 'sync-failed', guid: 2, reason: 'down' });
    }
    expect(machine.stateOf(2)).toBe('ignored');
    const effects = Array.from({ length: 50 }, () => {
      const found = machine.round();
      for (const guid of asked(found)) if (guid !== 2) machine.answerSync(guid);
      return found;
    }).flat();
    expect(probed(effects)).toEqual([]);
    expect(asked(effects)).toContain(2);
  });
});

describe('who calls', () => {
  it('has not proved that it can be called: it is looked at', () => {
    const machine = someone();
    expect(probed(hear(machine, 7))).toEqual([7]);
    expect(machine.state.roster.get(7)).toMatchObject({ state: 'probation', proved: false });
  });

  it('in trouble is looked at too, and stays in trouble until it answers', () => {
    const machine = someone();
    machine.trust(7);
    machine.submit({ type: 'probe-failed', guid: 7, reason: 'timeout' });
    expect(probed(hear(machine, 7))).toEqual([7]);
    expect(machine.stateOf(7)).toBe('suspect');
  });

  it('is looked at now and then, however often it calls', () => {
    const machine = someone();
    const found = Array.from({ length: 100 }, () => {
      machine.now += 500;
      const effects = hear(machine, 7);
      machine.submit({ type: 'probe-failed', guid: 7, reason: 'timeout' });
      return probed(effects);
    });
    expect(found.flat()).toHaveLength(2);
  });

  it('and is well is not looked at', () => {
    const machine = someone();
    machine.answerProbe(7);
    expect(probed(hear(machine, 7))).toEqual([]);
    machine.trust(7);
    expect(probed(hear(machine, 7))).toEqual([]);
    expect(probed(hear(machine, 99))).toEqual([]);
  });

  it('from this deployment is there: it is called the way it calls', () => {
    const machine = new Machine([member(3)]);
    machine.submit({ type: 'sync-failed', guid: 3, reason: 'down' });
    expect(machine.stateOf(3)).toBe('suspect');
    hear(machine, 3);
    expect(machine.stateOf(3)).toBe('alive');
  });

  it('having left is not looked at, and stays away', () => {
    const machine = someone();
    machine.hearEvent(7, 'PEER_LEAVING', { guid: 7, incarnation: 0 });
    expect(probed(hear(machine, 7))).toEqual([]);
    expect(machine.stateOf(7)).toBe('left');
  });
});

describe('the time that peers without trust cost', () => {
  const waited = (machine: Machine) => machine.state.counters.get('untrusted_wait_ms');

  it('is counted once where they are waited for at the same time', () => {
    const machine = new Machine([outsider(7), outsider(8), outsider(9)]);
    expect(probed(machine.round())).toHaveLength(3);
    machine.now += 100;
    machine.answerProbe(7);
    machine.now += 200;
    machine.submit({ type: 'probe-refused', guid: 8, fault: 'not-pychain' });
    expect(waited(machine)).toBe(0);
    machine.now += 500;
    machine.submit({ type: 'probe-failed', guid: 9, reason: 'timeout' });
    expect(waited(machine)).toBe(800);
  });

  it('is counted from the first to the last, whenever they begin', () => {
    const machine = new Machine([outsider(7)]);
    expect(probed(machine.round())).toEqual([7]);
    machine.know(outsider(8));
    machine.now += 300;
    expect(probed(hear(machine, 8))).toEqual([8]);
    // An answer that nobody waits for ends no wait.
    machine.answerProbe(99);
    machine.answerProbe(99);
    machine.now += 200;
    machine.answerProbe(7);
    machine.now += 400;
    expect(waited(machine)).toBe(0);
    machine.answerProbe(8);
    expect(waited(machine)).toBe(900);
  });

  it('adds up over rounds, and answers to nothing cost nothing', () => {
    const machine = someone();
    for (let round = 1; round <= 3; round++) {
      machine.roundUntil((effects) => probed(effects).length > 0);
      machine.now += 250;
      machine.submit({ type: 'probe-failed', guid: 7, reason: 'timeout' });
      machine.now += 10_000;
      machine.submit({ type: 'probe-failed', guid: 7, reason: 'timeout' });
      expect(waited(machine)).toBe(round * 250);
    }
  });

  it('holds syncs with them, and not those with whom is trusted', () => {
    const machine = new Machine([outsider(4), outsider(3)]);
    machine.answerProbe(4);
    expect(asked(machine.round())).toEqual([4]);
    machine.now += 300;
    machine.answerSync(4);
    machine.now += 500;
    machine.submit({ type: 'probe-failed', guid: 3, reason: 'timeout' });
    // 300 ms of both at once, then 500 ms of the probe alone.
    expect(waited(machine)).toBe(800);
    machine.trust(4);
    const before = waited(machine);
    expect(asked(machine.round())).toEqual([4]);
    machine.now += 3_000;
    machine.submit({ type: 'sync-failed', guid: 4, reason: 'timeout' });
    expect(waited(machine)).toBe(before);
  });
});
