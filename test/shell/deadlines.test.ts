import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Deadlines } from '../../src/shell/deadlines.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const never = () => new Promise<never>(() => undefined);

/** What became of a call so far. */
function followed(call: Promise<unknown>): { outcome: unknown } {
  const seen: { outcome: unknown } = { outcome: 'waiting' };
  call.then(
    (value) => (seen.outcome = value),
    (cause: Error) => (seen.outcome = cause.message),
  );
  return seen;
}

test('a call that does not end in time is given up, each by its own limit, whatever the order', async () => {
  const deadlines = new Deadlines();
  const late = followed(deadlines.limit(never(), 5_000, 'slow'));
  await vi.advanceTimersByTimeAsync(1_000);
  const soon = followed(deadlines.limit(never(), 500, 'hung'));
  const last = followed(deadlines.limit(never(), 6_000, 'slower'));
  await vi.advanceTimersByTimeAsync(499);
  expect([late.outcome, soon.outcome, last.outcome]).toEqual(['waiting', 'waiting', 'waiting']);
  await vi.advanceTimersByTimeAsync(1);
  expect(soon.outcome).toBe('hung: no answer within 500 ms');
  await vi.advanceTimersByTimeAsync(3_500);
  expect([late.outcome, last.outcome]).toEqual(['slow: no answer within 5000 ms', 'waiting']);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(last.outcome).toBe('slower: no answer within 6000 ms');
});

test('what ends in time gives its own outcome, and leaves no timer behind', async () => {
  const deadlines = new Deadlines();
  const good = followed(deadlines.limit(Promise.resolve('done'), 500, 'quick'));
  const bad = followed(deadlines.limit(Promise.reject(new Error('refused')), 500, 'quick'));
  await vi.advanceTimersByTimeAsync(0);
  expect([good.outcome, bad.outcome]).toEqual(['done', 'refused']);
  expect(vi.getTimerCount()).toBe(0);
});

test('any number of calls has one timer', () => {
  const deadlines = new Deadlines();
  for (let call = 0; call < 100; call++) void deadlines.limit(never(), 500 + call, 'call');
  expect(vi.getTimerCount()).toBe(1);
});
