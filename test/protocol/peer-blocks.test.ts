import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeBlock, numberOf, PeerBlocks, readBlock, writeBlock } from '../../src/protocol/peer-blocks.ts';
import { inRange } from '../../src/protocol/tree.ts';
import type { Guid, Peer } from '../../src/protocol/types.ts';
import { member } from '../support/signed.ts';

const NOW = 1_700_000_000_000;

function peer(guid: Guid, changes: Partial<Peer> = {}): Peer {
  const well = { state: 'alive', lastSeen: NOW, failures: 0, troubledSince: null, proved: true, since: NOW } as const;
  return { ...member(guid), ...well, ...changes };
}

/** GUIDs that share blocks, begin or end one, or are far away. */
const guid = fc.oneof(fc.integer({ min: 1, max: 200 }), fc.constantFrom(63, 64, 127, 128, 9_999, 2 ** 31 - 1));
const step = fc.record({ guid, does: fc.constantFrom('set', 'set', 'set', 'trouble', 'delete') });
const steps = fc.array(step, { maxLength: 120 });

/** The same steps in blocks and in a plain map. */
function both(list: readonly { readonly guid: Guid; readonly does: string }[]) {
  const blocks = new PeerBlocks();
  const map = new Map<Guid, Peer>();
  for (const { guid: at, does } of list) {
    const changed = peer(at, does === 'trouble' ? { state: 'suspect', failures: 1 } : {});
    if (does === 'delete') {
      blocks.delete(at);
      map.delete(at);
    } else {
      blocks.set(at, changed);
      map.set(at, changed);
    }
  }
  const ascending = [...map.values()].sort((a, b) => a.guid - b.guid);
  return { blocks, map, ascending };
}

describe('peers in blocks', () => {
  it('are those of a map, in order', () => {
    fc.assert(
      fc.property(steps, guid, (list, any) => {
        const { blocks, map, ascending } = both(list);
        expect(blocks.size).toBe(map.size);
        expect(blocks.get(any)).toBe(map.get(any));
        expect([...blocks.values()]).toEqual(ascending);
        expect(blocks.first).toBe(ascending[0]);
        expect(blocks.last).toBe(ascending.at(-1));
        expect(blocks.inBlock(numberOf(any))).toEqual(ascending.filter((one) => numberOf(one.guid) === numberOf(any)));
      }),
    );
  });

  it('tell who is restless', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const { blocks, ascending } = both(list);
        expect([...blocks.restless()]).toEqual(ascending.filter(({ state }) => state === 'suspect'));
      }),
    );
    const blocks = new PeerBlocks();
    const odd: Partial<Peer>[] = [{ state: 'left' }, { state: 'probation' }, { state: 'ignored' }, { proved: false }];
    for (const [index, changes] of odd.entries()) blocks.set(index + 1, peer(index + 1, changes));
    expect([...blocks.restless()].map((one) => one.guid)).toEqual([1, 2, 3, 4]);
  });

  it('on an arc come in ring order', () => {
    fc.assert(
      fc.property(steps, guid, guid, (list, from, to) => {
        const { blocks, ascending } = both(list);
        const range = { from, to };
        const descending = ascending.filter((one) => inRange(range, one.guid)).reverse();
        const below = descending.filter((one) => one.guid <= from);
        const expected = [...below, ...descending.filter((one) => one.guid > from)];
        expect([...blocks.onArc(range)]).toEqual(expected);
        const troubled = expected.filter(({ state }) => state === 'suspect');
        expect([...blocks.onArc(range, 'restless')]).toEqual(troubled);
      }),
    );
  });

  it('have runs that cover them and nobody else', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const { blocks, ascending } = both(list);
        const covered = [...blocks.runs()].flatMap(([first, last]) =>
          Array.from({ length: last - first + 1 }, (_, index) => first + index),
        );
        expect(covered).toEqual(ascending.map((one) => one.guid));
      }),
    );
  });

  it('count a change where a GUID comes or goes, and only there', () => {
    const blocks = new PeerBlocks();
    const counts = [blocks.changes];
    const note = (change: () => void) => {
      change();
      counts.push(blocks.changes);
    };
    note(() => blocks.set(7, peer(7)));
    note(() => blocks.set(7, peer(7, { state: 'suspect' })));
    note(() => blocks.set(8, peer(8)));
    note(() => blocks.delete(9));
    note(() => blocks.delete(7));
    note(() => blocks.adopt(makeBlock(1, [peer(64)])));
    expect(counts).toEqual([0, 1, 1, 2, 2, 3, 4]);
  });

  it('share a block that they took in, and leave it as it is', () => {
    const shared = makeBlock(0, [peer(1), peer(2)]);
    const [one, other] = [new PeerBlocks(), new PeerBlocks()];
    one.adopt(shared);
    other.adopt(shared);
    one.set(1, peer(1, { state: 'ignored' }));
    one.delete(2);
    expect([...other.values()]).toEqual([peer(1), peer(2)]);
    expect([...other.restless()]).toEqual([]);
    expect(other.size).toBe(2);
  });

  it('are read as they were written', () => {
    const block = makeBlock(1, [peer(64), peer(70, { state: 'left' })]);
    expect(readBlock({ id: 1, body: writeBlock(block.peers) })).toEqual(block);
  });

  it.each<[string, string]>([
    ['no JSON', '[{'],
    ['no list', '{}'],
    ['an empty one', '[]'],
    ['somebody else’s', writeBlock([peer(63)])],
    ['no order', writeBlock([peer(70), peer(64)])],
    ['one twice', writeBlock([peer(64), peer(64)])],
    ['no GUID', JSON.stringify([{ ...peer(64), guid: '64' }])],
    ['no state of ours', JSON.stringify([{ ...peer(64), state: 'asleep' }])],
    ['no certificate', JSON.stringify([{ ...peer(64), certificate: null }])],
  ])('are not read where there is %s', (_, body) => {
    expect(readBlock({ id: 1, body })).toBeNull();
  });
});
