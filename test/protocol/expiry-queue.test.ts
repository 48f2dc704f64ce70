import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ExpiryQueue } from '../../src/protocol/expiry-queue.ts';

test('gives what has expired, soonest first, whatever was put in and taken out before', () => {
  const step = fc.oneof(fc.record({ put: fc.nat(50) }), fc.record({ now: fc.nat(50) }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const queue = new ExpiryQueue<{ expiresAt: number }>();
      const model: number[] = [];
      for (const one of steps) {
        if ('put' in one) {
          queue.push({ expiresAt: one.put });
          model.push(one.put);
          continue;
        }
        const soonest = Math.min(...model);
        const expected = soonest <= one.now ? soonest : null;
        expect(queue.popExpired(one.now)?.expiresAt ?? null).toBe(expected);
        if (expected !== null) model.splice(model.indexOf(expected), 1);
      }
    }),
  );
});
