import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TokenBucket } from '../../src/protocol/token-bucket.ts';

const NOW = 1_700_000_000_000;

describe('a token bucket', () => {
  it('gives its burst at once, then so many a second', () => {
    const bucket = new TokenBucket(10, 100, NOW);
    expect(Array.from({ length: 101 }, () => bucket.take(1, NOW))).toEqual([...Array(100).fill(true), false]);
    expect(bucket.take(1, NOW + 99)).toBe(false);
    expect(bucket.take(1, NOW + 100)).toBe(true);
    expect(bucket.take(1, NOW + 100)).toBe(false);
    expect(bucket.take(11, NOW + 1_100)).toBe(false);
    expect(bucket.take(10, NOW + 1_100)).toBe(true);
  });

  it('a refusal costs nothing', () => {
    const bucket = new TokenBucket(1, 10, NOW);
    expect(bucket.take(11, NOW)).toBe(false);
    expect(bucket.take(10, NOW)).toBe(true);
  });

  it('is full again after a rest, and never holds more than its burst', () => {
    const bucket = new TokenBucket(1, 10, NOW);
    expect(bucket.isFull(NOW)).toBe(true);
    bucket.take(10, NOW);
    expect(bucket.isFull(NOW + 9_999)).toBe(false);
    expect(bucket.isFull(NOW + 10_000)).toBe(true);
    expect(bucket.take(11, NOW + 1e9)).toBe(false);
  });

  it('loses nothing by a clock that steps back', () => {
    const bucket = new TokenBucket(1, 10, NOW);
    expect(bucket.take(10, NOW - 3_600_000)).toBe(true);
    expect(bucket.take(10, NOW + 10_000)).toBe(true);
  });

  it('never gives more than burst and rate allow, whatever the clock does', () => {
    const step = fc.tuple(fc.integer({ min: -5_000, max: 5_000 }), fc.integer({ min: 1, max: 8 }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const bucket = new TokenBucket(5, 20, NOW);
        let [now, latest, taken] = [NOW, NOW, 0];
        for (const [passed, cost] of steps) {
          now += passed;
          latest = Math.max(latest, now);
          if (bucket.take(cost, now)) taken += cost;
          expect(taken).toBeLessThanOrEqual(20 + ((latest - NOW) / 1000) * 5 + 1e-6);
        }
      }),
    );
  });
});
