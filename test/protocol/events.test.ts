import { describe, expect, it } from 'vitest';
import { writeMember } from '../../src/protocol/member.ts';
import { DEAD_PEER, PEER_JOINED, PEER_LEAVING } from '../../src/protocol/message.ts';
import type { Member } from '../../src/protocol/types.ts';
import { certificate, keyOf, member, outsider } from '../support/signed.ts';
import { asked, lines, Machine, only, probed, SELF } from './machine.ts';

const joinedEvent = (members: readonly Member[]) => ({ members: members.map(writeMember) });

describe('DEAD_PEER', () => {
  it('of anybody leads to a look at the peer and to nothing else', () => {
    const machine = new Machine([outsider(7), outsider(8)]);
    machine.trust(7, 8);
    const before = machine.roster();
    const effects = machine.hearEvent(8, DEAD_PEER, { guid: 7 });
    expect(probed(effects)).toEqual([7]);
    expect(machine.roster()).toBe(before);
    // What the look finds is what counts.
    machine.answerProbe(7);
    expect(machine.stateOf(7)).toBe('alive');
  });

  it('does not have one peer looked at again and again', () => {
    const machine = new Machine([outsider(7)]);
    machine.trust(7);
    expect(probed(machine.hearEvent(9, DEAD_PEER, { guid: 7 }))).toEqual([7]);
    machine.answerProbe(7);
    for (let count = 0; count < 10; count++) {
      machine.now += 2_900;
      expect(probed(machine.hearEvent(9, DEAD_PEER, { guid: 7 }))).toEqual([]);
    }
    machine.now += 1_000;
    expect(probed(machine.hearEvent(9, DEAD_PEER, { guid: 7 }))).toEqual([7]);
  });

  it('of a thousand peers has a few looked at', () => {
    const guids = Array.from({ length: 1_000 }, (_, index) => index + 10);
    const machine = new Machine(guids.map((guid) => outsider(guid)));
    const before = machine.roster();
    const found = guids.flatMap((guid) => probed(machine.hearEvent(9, DEAD_PEER, { guid })));
    expect(found).toHaveLength(8);
    expect(machine.roster()).toBe(before);
    // As they are done there is room for others.
    for (const guid of found) machine.answerProbe(guid);
    expect(guids.flatMap((guid) => probed(machine.hearEvent(9, DEAD_PEER, { guid })))).toHaveLength(8);
  });

  it('of a node of this deployment has it asked', () => {
    const machine = new Machine([member(3)]);
    expect(asked(machine.hearEvent(9, DEAD_PEER, { guid: 3 }))).toEqual([3]);
    expect(machine.stateOf(3)).toBe('alive');
  });

  it.each([SELF, 99, 0, -1, 1.5, '7', null, [7]])('of %j, who is nobody to look at, changes nothing', (guid) => {
    const machine = new Machine([outsider(7)]);
    const before = machine.roster();
    const effects = machine.hearEvent(9, DEAD_PEER, { guid });
    expect(only(effects, 'probe')).toEqual([]);
    expect(only(effects, 'sync')).toEqual([]);
    if (guid !== 99 && guid !== 0) expect(lines(effects, 'suspicion')).toEqual([]);
    expect(machine.roster()).toBe(before);
  });

  it('of who has left changes nothing', () => {
    const machine = new Machine([outsider(7)]);
    machine.hearEvent(7, PEER_LEAVING, { guid: 7, incarnation: 0 });
    expect(probed(machine.hearEvent(9, DEAD_PEER, { guid: 7 }))).toEqual([]);
    expect(machine.stateOf(7)).toBe('left');
  });
});

describe('PEER_LEAVING', () => {
  it('of the leaver itself is believed, and outlives a restart', () => {
    const machine = new Machine([outsider(7)]);
    machine.trust(7);
    const effects = machine.hearEvent(7, PEER_LEAVING, { guid: 7, incarnation: 0 });
    expect(lines(effects, 'peer_left')).toMatchObject([{ fields: { guid: 7 } }]);
    machine.reload();
    expect(machine.stateOf(7)).toBe('left');
    // Told twice.
    expect(lines(machine.hearEvent(7, PEER_LEAVING, { guid: 7, incarnation: 0 }), 'peer_left')).toEqual([]);
  });

  it.each([
    ['of another', 8, { guid: 7, incarnation: 9 }],
    ['of the boot node', 0, { guid: 7, incarnation: 9 }],
    ['that names nobody', 7, { incarnation: 9 }],
    ['without an incarnation', 7, { guid: 7 }],
    ['with a text for an incarnation', 7, { guid: 7, incarnation: '9' }],
    ['with an incarnation below 0', 7, { guid: 7, incarnation: -1 }],
    ['with an incarnation that none can be above', 7, { guid: 7, incarnation: 2 ** 53 }],
    ['with a fraction', 7, { guid: 7, incarnation: 0.5 }],
    ['of this node itself', SELF, { guid: SELF, incarnation: 9 }],
  ])('%s is refused', (_, from, args) => {
    const machine = new Machine([outsider(7), outsider(8)]);
    machine.trust(7, 8);
    const before = machine.roster();
    const effects = machine.hearEvent(from, PEER_LEAVING, args);
    expect(lines(effects, 'event_refused')).toMatchObject([{ level: 'WARNING', fields: { guid: from } }]);
    expect(machine.roster()).toBe(before);
  });

  it('that is true but from before its return changes nothing', () => {
    const machine = new Machine([outsider(7)]);
    const bye = { guid: 7, incarnation: 0 };
    machine.hearEvent(7, PEER_LEAVING, bye);
    machine.know(outsider(7, { incarnation: 1 }));
    machine.trust(7);
    const before = machine.roster();
    const effects = machine.hearEvent(7, PEER_LEAVING, bye);
    expect(lines(effects, 'peer_left')).toEqual([]);
    expect(machine.roster()).toBe(before);
    expect(machine.stateOf(7)).toBe('alive');
  });

  it('of the last life is not undone by older news, but by a return', () => {
    const machine = new Machine([outsider(7)]);
    machine.hearEvent(7, PEER_LEAVING, { guid: 7, incarnation: 3 });
    machine.know(outsider(7, { incarnation: 2 }), outsider(7, { incarnation: 3 }));
    expect(machine.stateOf(7)).toBe('left');
    machine.know(outsider(7, { incarnation: 4 }));
    expect(machine.stateOf(7)).toBe('probation');
  });
});

describe('PEER_LEAVING of one that is not known yet', () => {
  const learnt = (machine: Machine, ...told: Member[]) => {
    machine.know(...told);
    return machine.state.roster.get(7)?.incarnation ?? null;
  };

  it('counts when its record comes, until a later one does', () => {
    const machine = new Machine([member(3)]);
    machine.hearEvent(7, PEER_LEAVING, { guid: 7, incarnation: 4 });
    // Said again of an earlier life, which is older news.
    machine.hearEvent(7, PEER_LEAVING, { guid: 7, incarnation: 2 });
    expect(machine.state.roster.isNews(outsider(7, { incarnation: 4 }))).toBe(false);
    expect(learnt(machine, outsider(7, { incarnation: 3 }), outsider(7, { incarnation: 4 }))).toBeNull();
    expect(machine.state.roster.isNews(outsider(7, { incarnation: 5 }))).toBe(true);
    expect(learnt(machine, outsider(7, { incarnation: 5 }))).toBe(5);
  });
});

describe('PEER_JOINED', () => {
  it('of the boot node tells of members', () => {
    const machine = new Machine();
    const effects = machine.hearEvent(0, PEER_JOINED, joinedEvent([outsider(7), member(8)]));
    expect(lines(effects, 'peers_added')).toMatchObject([{ fields: { guids: [7, 8], count: 2, max_guid: 8 } }]);
    expect([machine.stateOf(7), machine.stateOf(8)]).toEqual(['probation', 'alive']);
  });

  it.each([7, SELF, 99])('of %i is refused', (from) => {
    const machine = new Machine([outsider(7)]);
    machine.trust(7);
    const before = machine.roster();
    const effects = machine.hearEvent(from, PEER_JOINED, joinedEvent([outsider(50), outsider(7, { incarnation: 5 })]));
    expect(lines(effects, 'event_refused')).toHaveLength(1);
    expect(machine.roster()).toBe(before);
  });

  it('that is old, another key or this node itself changes nothing', () => {
    const machine = new Machine([outsider(7, { incarnation: 3, certificate: certificate({ issuedAt: 5_000 }) })]);
    machine.trust(7);
    const before = machine.roster();
    const told = [
      outsider(7, { incarnation: 2, certificate: certificate({ issuedAt: 5_000 }) }),
      outsider(7, { incarnation: 3, address: 'https://b.example.net', certificate: certificate({ issuedAt: 4_000 }) }),
      outsider(7, { incarnation: 9, publicKey: keyOf(77) }),
      outsider(SELF, { incarnation: 9 }),
      outsider(SELF, { incarnation: 9, publicKey: keyOf(77) }),
      outsider(88, { publicKey: keyOf(SELF) }),
    ];
    expect(lines(machine.hearEvent(0, PEER_JOINED, joinedEvent(told)), 'peers_added')).toEqual([]);
    expect(machine.roster()).toBe(before);
    expect(machine.state.guid).toBe(SELF);
  });

  it('that comes when a certificate has run out does not bring its member back', () => {
    const machine = new Machine();
    const told = [
      outsider(7, { certificate: certificate({ expiresAt: machine.now }) }),
      outsider(8, { certificate: certificate({ expiresAt: machine.now + 1_000 }) }),
    ];
    machine.hearEvent(0, PEER_JOINED, joinedEvent(told));
    expect([machine.stateOf(7), machine.stateOf(8)]).toEqual([null, 'probation']);
  });

  it('with records that are none tells of the others', () => {
    const machine = new Machine();
    machine.hearEvent(0, PEER_JOINED, { members: [null, {}, writeMember(outsider(7)), 'x'] });
    expect(machine.state.roster.sorted().map(({ guid }) => guid)).toEqual([7]);
    for (const members of [null, {}, 'x', 7]) machine.hearEvent(0, PEER_JOINED, { members });
    machine.hearEvent(0, PEER_JOINED, {});
    expect(machine.state.roster.size).toBe(1);
  });

  it('tells of a member whose certificate was renewed, without another probation', () => {
    const machine = new Machine([outsider(7)]);
    machine.trust(7);
    machine.hearEvent(0, PEER_JOINED, joinedEvent([outsider(7, { certificate: certificate({ issuedAt: 2_000 }) })]));
    expect(machine.state.roster.get(7)).toMatchObject({ state: 'alive', certificate: { issuedAt: 2_000 } });
  });
});

describe('other events', () => {
  it("are the application's: passed on and nothing else", () => {
    const machine = new Machine([outsider(7)]);
    const before = machine.roster();
    const effects = machine.hearEvent(7, 'peer_leaving', { guid: 7, incarnation: 9 });
    expect(lines(effects, 'event_passed_on')).toHaveLength(1);
    expect(machine.roster()).toBe(before);
    const [long] = lines(machine.hearEvent(7, 'x'.repeat(10_000), {}), 'event_passed_on');
    expect(long?.fields['name']).toHaveLength(64);
  });
});
