import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bitsOf, checkWork, JoinRate, makeChallenge, requiredBits, solveWork } from '../../src/protocol/admission.ts';
import { CHALLENGE_MS, JOIN_RATE_HALF_LIFE_MS, JOINS_FREE, POW_BITS_MAX } from '../../src/protocol/limits.ts';
import { keyOf } from '../support/signed.ts';

const NOW = 1_700_000_000_000;
const SECRET = '11'.repeat(32);
const RANDOM = '2f'.repeat(16);
const ADDRESS = 'https://n1.example.net';
const BITS = 12;

const challenge = makeChallenge(SECRET, BITS, RANDOM, NOW);

function solve(text: string, publicKey = keyOf(1), address = ADDRESS): string {
  const solution = solveWork(text, publicKey, address, 0, 1_000_000);
  if (solution === null) throw new Error('not solved');
  return solution;
}

const solution = solve(challenge);
const check = (changes: { challenge?: string; solution?: string } = {}, now = NOW) =>
  checkWork(SECRET, { challenge, solution, ...changes }, keyOf(1), ADDRESS, now);

const refused = (error: string) => ({ ok: false, error });

describe('proof of work', () => {
  it('that was done is taken, whoever does it', () => {
    const random = fc.stringMatching(/^[0-9a-f]{32}$/);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 6 }), fc.nat(), random, (bits, number, drawn) => {
        const text = makeChallenge(SECRET, bits, drawn, NOW);
        expect(bitsOf(text)).toBe(bits);
        const found = solve(text, keyOf(number));
        expect(checkWork(SECRET, { challenge: text, solution: found }, keyOf(number), ADDRESS, NOW).ok).toBe(true);
      }),
    );
  });

  it('counts zero bits, not bytes', () => {
    for (let bits = 1; bits < BITS; bits++) {
      const text = makeChallenge(SECRET, bits, RANDOM, NOW);
      // The first solution to so many bits is not always one to one more, but it always is one to one less.
      const found = solve(text);
      expect(checkWork(SECRET, { challenge: text, solution: found }, keyOf(1), ADDRESS, NOW).ok).toBe(true);
      const earlier = Array.from({ length: parseInt(found, 36) }, (_, count) => count.toString(36));
      const passing = earlier.filter(
        (other) => checkWork(SECRET, { challenge: text, solution: other }, keyOf(1), ADDRESS, NOW).ok,
      );
      expect(passing).toEqual([]);
    }
  });

  it('on a challenge that was altered anywhere is worth nothing', () => {
    const position = fc.nat(challenge.length - 1);
    fc.assert(
      fc.property(position, fc.stringMatching(/^[0-9a-f.]$/), (at, character) => {
        fc.pre(challenge[at] !== character);
        const altered = challenge.slice(0, at) + character + challenge.slice(at + 1);
        expect(check({ challenge: altered })).toEqual(refused('bad-challenge'));
      }),
      { numRuns: 300 },
    );
  });

  it('on a challenge with fewer bits or a later end than was given is worth nothing', () => {
    const [expires = '', , random = '', mac = ''] = challenge.split('.');
    expect(check({ challenge: `${expires}.0.${random}.${mac}` })).toEqual(refused('bad-challenge'));
    expect(check({ challenge: `${Number(expires) + 1}.${BITS}.${random}.${mac}` })).toEqual(refused('bad-challenge'));
  });

  it.each(['', '....', '1.1.1.1', `${challenge}0`, ` ${challenge}`, `${challenge}\n`, challenge.toUpperCase()])(
    'on %j, which is no challenge, is worth nothing',
    (text) => {
      expect(check({ challenge: text })).toEqual(refused('bad-challenge'));
      if (text !== challenge.toUpperCase()) expect(() => solveWork(text, keyOf(1), ADDRESS, 0, 10)).toThrow(RangeError);
    },
  );

  it("on another boot node's challenge is worth nothing", () => {
    expect(check({ challenge: makeChallenge('33'.repeat(32), BITS, RANDOM, NOW) })).toEqual(refused('bad-challenge'));
  });

  it('comes in time or not at all', () => {
    expect(check({}, NOW + CHALLENGE_MS - 1).ok).toBe(true);
    expect(check({}, NOW + CHALLENGE_MS)).toEqual(refused('expired-challenge'));
  });

  it('is for one key at one address', () => {
    const work = { challenge, solution };
    expect(checkWork(SECRET, work, keyOf(2), ADDRESS, NOW)).toEqual(refused('work-missing'));
    expect(checkWork(SECRET, work, keyOf(1), `${ADDRESS}/2`, NOW)).toEqual(refused('work-missing'));
  });

  it.each(['', 'A', '-1', '1.5', 'é', ' ', 'z'.repeat(17)])('is not %j', (text) => {
    // Even where no bits are asked for.
    const free = makeChallenge(SECRET, 0, RANDOM, NOW);
    expect(check({ challenge: free, solution: text })).toEqual(refused('work-missing'));
  });

  it('goes on where it stopped', () => {
    const count = parseInt(solution, 36);
    expect(solveWork(challenge, keyOf(1), ADDRESS, 0, count)).toBeNull();
    expect(solveWork(challenge, keyOf(1), ADDRESS, count, 1)).toBe(solution);
  });
});

describe('the price', () => {
  it.each([
    [0, 16],
    [1, 16],
    [JOINS_FREE, 16],
    [JOINS_FREE + 1, 17],
    [JOINS_FREE * 2, 17],
    [JOINS_FREE * 2 + 1, 18],
    [JOINS_FREE * 16, 20],
    [JOINS_FREE * 1e6, POW_BITS_MAX],
  ])('after %i recent joins is %i bits where 16 are the least', (recent, bits) => {
    expect(requiredBits(16, recent)).toBe(bits);
  });

  it('never falls as more join, stays in its bounds, and is nothing where the operator wants none', () => {
    const count = fc.double({ min: 0, max: 1e12, noNaN: true });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: POW_BITS_MAX }), count, count, (least, a, b) => {
        const [fewer, more] = [Math.min(a, b), Math.max(a, b)];
        expect(requiredBits(least, fewer)).toBeLessThanOrEqual(requiredBits(least, more));
        expect(requiredBits(least, fewer)).toBeGreaterThanOrEqual(least);
        expect(requiredBits(least, more)).toBeLessThanOrEqual(POW_BITS_MAX);
        expect(requiredBits(0, more)).toBe(0);
      }),
    );
  });

  it('counts who joins, and forgets half of them in each half-life', () => {
    const rate = new JoinRate();
    expect(rate.recent(NOW)).toBe(0);
    for (let count = 0; count < 1_000; count++) rate.add(NOW);
    expect(rate.recent(NOW)).toBe(1_000);
    expect(rate.recent(NOW + JOIN_RATE_HALF_LIFE_MS)).toBeCloseTo(500);
    expect(rate.recent(NOW + 3 * JOIN_RATE_HALF_LIFE_MS)).toBeCloseTo(125);
    rate.add(NOW + JOIN_RATE_HALF_LIFE_MS);
    expect(rate.recent(NOW + JOIN_RATE_HALF_LIFE_MS)).toBeCloseTo(501);
  });

  it('does not explode or vanish when a clock steps back', () => {
    const rate = new JoinRate();
    for (let count = 0; count < 10; count++) rate.add(NOW);
    rate.add(NOW - 3_600_000);
    expect(rate.recent(NOW - 7_200_000)).toBe(11);
    expect(rate.recent(NOW)).toBe(11);
  });
});
