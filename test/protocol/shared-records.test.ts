import { describe, expect, it } from 'vitest';
import { numberOf, readBlock, writeBlock } from '../../src/protocol/peer-blocks.ts';
import { Roster } from '../../src/protocol/roster.ts';
import { textOfMember } from '../../src/protocol/shared-records.ts';
import type { Member, Peer } from '../../src/protocol/types.ts';
import { createMemoryNodeStore } from '../../src/store/memory-store.ts';
import { member } from '../support/signed.ts';

const NOW = 1_700_000_000_000;
const POLICY = { maxFailures: 3, probationMs: 60_000, guidTimeoutMs: 3_600_000, hostedPrefix: 'local:/n/' };

/** A record as it comes over a call: the same words in other objects. */
function told(guid: number, changes: Partial<Member> = {}): Member {
  return structuredClone({ ...member(guid), ...changes });
}

/** The peer that a node of its own knows after it was told. */
function learned(...records: readonly Member[]): Peer {
  const roster = new Roster(createMemoryNodeStore().roster, POLICY, () => undefined);
  for (const record of records) roster.learn(record, NOW);
  const peer = roster.get(records[0]?.guid ?? 0);
  if (!peer) throw new Error('assertion failed: it was told of');
  return peer;
}

describe('member records of nodes in one process', () => {
  it('are in memory once, told or read from a store', () => {
    const [one, other] = [learned(told(70_001)), learned(told(70_001))];
    expect(other.certificate).toBe(one.certificate);
    expect(other.capabilities).toBe(one.capabilities);
    const read = readBlock({ id: numberOf(70_001), body: writeBlock([one]) })?.peers[0];
    expect(read).toEqual(one);
    expect(read?.certificate).toBe(one.certificate);
  });

  it.each<[string, Partial<Member>]>([
    ['address', { address: 'local:/n/7777' }],
    ['key', { publicKey: member(3).publicKey }],
    ['incarnation', { incarnation: 5 }],
    ['capabilities', { capabilities: ['deliver'] }],
    ['GUID', { guid: 4 }],
    ['certificate', { certificate: { ...member(2).certificate, expiresAt: NOW + 1 } }],
  ])('are not shared where another %s stands in them', (_, changes) => {
    const genuine = learned(told(2));
    const other = told(2, changes);
    const before = structuredClone(other);
    expect(learned(other)).toMatchObject(before);
    expect(JSON.parse(textOfMember(other))).toEqual(before);
    expect(learned(told(2))).toEqual(genuine);
    expect(JSON.parse(textOfMember(told(2)))).toEqual(told(2));
  });

  it('are stored as the peer is now: what it was found to be able to do, and a later certificate', () => {
    const peer = learned(told(9));
    const changed = { ...peer, capabilities: ['deliver'], state: 'suspect', failures: 2 } as const;
    expect(readBlock({ id: 0, body: writeBlock([changed]) })?.peers).toEqual([changed]);
    const later = { ...peer, certificate: { ...peer.certificate, issuedAt: NOW + 1 } };
    expect(readBlock({ id: 0, body: writeBlock([later]) })?.peers).toEqual([later]);
    expect(readBlock({ id: 0, body: writeBlock([peer]) })?.peers).toEqual([peer]);
  });
});
