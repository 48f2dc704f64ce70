import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NONCES_MAX } from '../../src/protocol/limits.ts';
import { Nonces } from '../../src/protocol/nonces.ts';
import { createMemoryNodeStore } from '../../src/store/memory-store.ts';

const NOW = 1_700_000_000_000;
const SOON = NOW + 60_000;

const open = (store = createMemoryNodeStore()) => ({ store, nonces: new Nonces(store.nonces) });
const rows = (store: ReturnType<typeof createMemoryNodeStore>) =>
  [...store.nonces.all()].map(({ body }) => body.split('\n').length);

describe('a nonce', () => {
  it('is good for one request', () => {
    const { nonces } = open();
    expect(nonces.use(1, 'a', SOON, NOW)).toBe('fresh');
    expect(nonces.use(1, 'a', SOON, NOW + 59_999)).toBe('replayed');
    expect(nonces.use(1, 'b', SOON, NOW)).toBe('fresh');
    expect(nonces.size).toBe(2);
  });

  it('of one caller is not used up by another', () => {
    const { nonces } = open();
    expect(nonces.use(1, 'a', SOON, NOW)).toBe('fresh');
    expect(nonces.use(2, 'a', SOON, NOW)).toBe('fresh');
  });

  it('is remembered until its request has expired, and its row is deleted after that', () => {
    const { nonces, store } = open();
    // The latest end of a bucket is half a minute after the request has expired.
    const expiresAt = NOW + 60_001;
    nonces.use(1, 'a', expiresAt, NOW);
    expect(nonces.use(1, 'a', expiresAt, expiresAt - 1)).toBe('replayed');
    expect(rows(store)).toEqual([1]);
    nonces.use(1, 'b', expiresAt + 120_000, expiresAt + 30_000);
    expect(rows(store)).toEqual([1]);
    expect(nonces.size).toBe(1);
    expect([...store.nonces.all()][0]?.body).toBe('1 b');
  });

  it('is still known after an eviction', () => {
    const { nonces, store } = open();
    for (let count = 0; count < 600; count++) nonces.use(count % 7, `n${count}`, SOON + (count % 3) * 30_000, NOW);
    const again = new Nonces(store.nonces);
    expect(again.size).toBe(600);
    for (let count = 0; count < 600; count++) {
      expect(again.use(count % 7, `n${count}`, SOON + (count % 3) * 30_000, NOW)).toBe('replayed');
    }
    expect(again.use(1, 'new', SOON, NOW)).toBe('fresh');
    expect(new Nonces(store.nonces).size).toBe(601);
    // What was loaded is forgotten in its time as well.
    again.use(1, 'later', SOON + 900_000, SOON + 600_000);
    expect(rows(store)).toEqual([1]);
  });

  it('costs one row, and rows do not grow for ever', () => {
    const { nonces, store } = open();
    for (let count = 0; count < 1_000; count++) {
      const before = store.rowsWritten();
      nonces.use(1, `n${count}`, SOON, NOW);
      expect(store.rowsWritten()).toBe(before + 1);
    }
    expect(rows(store)).toEqual([256, 256, 256, 232]);
  });

  it('is refused where there is no room, and that passes', () => {
    const { nonces, store } = open();
    for (let count = 0; count < NONCES_MAX; count++) expect(nonces.use(1, `n${count}`, SOON, NOW)).toBe('fresh');
    expect(nonces.use(2, 'x', SOON, NOW)).toBe('full');
    expect(nonces.use(1, 'n0', SOON, NOW)).toBe('replayed');
    expect(nonces.size).toBe(NONCES_MAX);
    expect(new Nonces(store.nonces).use(2, 'x', SOON, NOW)).toBe('full');
    const later = SOON + 60_000;
    expect(nonces.use(2, 'x', later + 60_000, later)).toBe('fresh');
    expect(nonces.size).toBe(1);
    expect(rows(store)).toEqual([1]);
  });

  it('is never taken twice while its request is valid, whatever comes between and however often it is evicted', () => {
    const step = fc.record({
      guid: fc.integer({ min: 1, max: 2 }),
      nonce: fc.constantFrom('a', 'b', 'c'),
      lives: fc.integer({ min: 1, max: 120_000 }),
      passed: fc.nat(20_000),
      evicted: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const store = createMemoryNodeStore();
        let nonces = new Nonces(store.nonces);
        // A request as its signature fixes it: who, which nonce, until when.
        const taken: { guid: number; nonce: string; expiresAt: number }[] = [];
        let now = NOW;
        for (const { guid, nonce, lives, passed, evicted } of steps) {
          now += passed;
          if (evicted) nonces = new Nonces(store.nonces);
          for (const request of taken) {
            if (request.expiresAt <= now) continue;
            expect(nonces.use(request.guid, request.nonce, request.expiresAt, now)).toBe('replayed');
          }
          const request = { guid, nonce, expiresAt: now + lives };
          if (nonces.use(guid, nonce, request.expiresAt, now) === 'fresh') taken.push(request);
        }
      }),
    );
  });
});
