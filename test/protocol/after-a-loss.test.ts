// What a node keeps for the day on which its boot node has lost its storage, and what it does then.
import { describe, expect, it } from 'vitest';
import { certificate, keyOf, outsider, selfRecord } from '../support/signed.ts';
import { lines, Machine, only, SELF } from './machine.ts';

const HOUR = 3_600_000;

/** A member that vanishes, and is forgotten when its certificate has run out. */
const passing = (machine: Machine, guid: number) =>
  outsider(guid, { certificate: certificate({ issuedAt: machine.now, expiresAt: machine.now + HOUR }) });

function joined(machine: Machine, changes: object = {}) {
  const { address } = selfRecord(SELF);
  const life = certificate({ issuedAt: machine.now, expiresAt: machine.now + 100 * HOUR });
  const told = { guid: SELF, address, incarnation: 0, certificate: life, networkKey: keyOf(0), maxGuid: SELF };
  return machine.effectsOf({ type: 'join-accepted', joined: { ...told, members: [], ...changes } });
}

describe('the highest GUID that a node has seen', () => {
  it('stays, when its holder is forgotten and after eviction', () => {
    const machine = new Machine([]);
    machine.know(passing(machine, 40), outsider(7));
    expect(machine.state.seenGuid).toBe(40);
    machine.now += HOUR;
    machine.round();
    expect([machine.state.maxGuid, machine.state.seenGuid]).toEqual([7, 40]);
    machine.reload();
    expect([machine.state.maxGuid, machine.state.seenGuid]).toEqual([7, 40]);
    machine.know(outsider(41));
    expect(machine.state.seenGuid).toBe(41);
    machine.reload();
    expect(machine.state.seenGuid).toBe(41);
  });

  it('costs a row only where no record tells it', () => {
    const machine = new Machine([]);
    machine.know(passing(machine, 40));
    expect(machine.store.meta.get('seen_guid')).toBeNull();
    machine.now += HOUR;
    machine.round();
    expect(machine.store.meta.get('seen_guid')).toBe('40');
    // Not again in later rounds.
    const rows = () => {
      const before = machine.store.rowsWritten();
      machine.round();
      return machine.store.rowsWritten() - before;
    };
    const second = rows();
    expect(rows()).toBe(second);
    machine.store.meta.set('seen_guid', 'unreadable');
    machine.reload();
    expect(machine.state.seenGuid).toBe(SELF);
  });

  it('is what the boot node says of it too, unless it is another boot node', () => {
    const machine = new Machine(null);
    joined(machine, { maxGuid: 900 });
    expect(machine.state.seenGuid).toBe(900);
    expect(lines(joined(machine, { maxGuid: 2_000, networkKey: keyOf(9) }), 'membership_conflict')).toHaveLength(1);
    machine.reload();
    expect(machine.state.seenGuid).toBe(900);
  });

  it('is nothing that anybody claims', () => {
    const machine = new Machine([outsider(7)]);
    machine.answerSync(7, { maxGuidNode: { guid: 1_000, address: 'x' }, have: [[1, 1_000]] });
    const request = {
      guid: 7,
      maxGuidNode: { guid: 1_000, address: 'x' },
      have: [],
      members: [],
      digest: null,
      wanted: [],
      doubted: [],
    };
    machine.submit({ type: 'sync-asked', request, caller: 7 });
    expect(machine.state.seenGuid).toBe(7);
  });
});

describe('a node whose operator names another key of the network', () => {
  const named = { networkKey: keyOf(9) };

  it('asks the boot node at once, and takes that key with the GUID that it has', () => {
    const machine = new Machine(null);
    joined(machine);
    expect(only(machine.effectsOf({ type: 'wake' }), 'join')).toEqual([]);
    Object.assign(machine.config, named);
    expect(only(machine.effectsOf({ type: 'wake' }), 'join')).toHaveLength(1);
    joined(machine, named);
    expect(machine.state.membership).toMatchObject({ guid: SELF, ...named });
    expect(only(machine.effectsOf({ type: 'wake' }), 'join')).toEqual([]);
  });
});
