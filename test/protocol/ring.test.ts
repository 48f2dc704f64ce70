import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backupPeers, primaryPeers, ringFrom } from '../../src/protocol/ring.ts';

describe("ring rules (values of the original's own tests)", () => {
  it.each([
    [5, 9, [5, 4, 3, 2, 1, 9, 8, 7, 6]],
    [1, 9, [1, 9, 8, 7, 6, 5, 4, 3, 2]],
    [1, 1, [1]],
  ])('network of g=%i, m=%i', (guid, maxGuid, expected) => {
    expect(ringFrom(guid, maxGuid)).toEqual(expected);
  });

  it.each([
    [9, 9, [8, 7, 5, 1]],
    [5, 9, [4, 3, 1, 6]],
    [1, 4, [4, 3]],
    [1, 1, []],
  ])('primary peers of g=%i, m=%i', (guid, maxGuid, expected) => {
    expect(primaryPeers(guid, maxGuid)).toEqual(expected);
  });

  it.each([
    [6, 2, 8, 9, [1, 9]],
    [9, 7, 5, 9, [6]],
    [9, 1, 9, 9, []],
    [1, 3, 1, 4, [2]],
  ])('backup peers of g=%i between %i and %i, m=%i', (guid, first, second, maxGuid, expected) => {
    expect([...backupPeers(guid, first, second, maxGuid)]).toEqual(expected);
  });

  it.each([
    [0, 9],
    [10, 9],
    [1.5, 9],
    [NaN, 9],
  ])('g=%d outside 1..%i is an error', (guid, maxGuid) => {
    expect(() => ringFrom(guid, maxGuid)).toThrow(RangeError);
    expect(() => primaryPeers(guid, maxGuid)).toThrow(RangeError);
    expect(() => backupPeers(1, guid, 2, maxGuid)).toThrow(RangeError);
  });
});

const ring = fc
  .integer({ min: 1, max: 300 })
  .chain((maxGuid) => fc.tuple(fc.integer({ min: 1, max: maxGuid }), fc.constant(maxGuid)));

describe('ring properties', () => {
  it('the network holds every GUID once and starts with oneself', () => {
    fc.assert(
      fc.property(ring, ([guid, maxGuid]) => {
        const all = ringFrom(guid, maxGuid);
        expect(all[0]).toBe(guid);
        expect([...all].sort((a, b) => a - b)).toEqual(Array.from({ length: maxGuid }, (_, index) => index + 1));
      }),
    );
  });

  it("primary peers are the ring's entries at powers of two, so the sync graph is connected", () => {
    fc.assert(
      fc.property(ring, ([guid, maxGuid]) => {
        const all = ringFrom(guid, maxGuid);
        const expected = all.filter((_, distance) => distance > 0 && Number.isInteger(Math.log2(distance)));
        expect(primaryPeers(guid, maxGuid)).toEqual(expected);
        expect(maxGuid === 1 || expected[0] === all[1]).toBe(true);
      }),
    );
  });

  it('primary peers and the backups between them are the whole ring', () => {
    fc.assert(
      fc.property(ring, ([guid, maxGuid]) => {
        const primaries = primaryPeers(guid, maxGuid);
        const backups = primaries.flatMap((peer, index) => [
          ...backupPeers(guid, peer, primaries[index + 1] ?? peer, maxGuid),
        ]);
        expect(new Set([guid, ...primaries, ...backups]).size).toBe(maxGuid);
      }),
    );
  });
});
