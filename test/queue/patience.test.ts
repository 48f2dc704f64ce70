// How long a node may keep a batch waiting.
import { expect, it } from 'vitest';
import { IMPATIENT_MS } from '../../src/protocol/limits.ts';
import { DELIVER_TIMEOUT_MS, Patience } from '../../src/queue/patience.ts';

const A = 'local:/n/1';
const B = 'local:/n/2';

it('who used up all of its time gets little for a while, and others what they had', () => {
  const patience = new Patience();
  expect(patience.limit(A, 0)).toBe(DELIVER_TIMEOUT_MS);
  patience.failed(A, 0, DELIVER_TIMEOUT_MS);
  expect(patience.limit(A, DELIVER_TIMEOUT_MS + 1)).toBe(IMPATIENT_MS);
  expect(patience.limit(B, DELIVER_TIMEOUT_MS + 1)).toBe(DELIVER_TIMEOUT_MS);
  expect(patience.limit(A, DELIVER_TIMEOUT_MS + 60_000)).toBe(DELIVER_TIMEOUT_MS);
});

it('who fails at once keeps nobody waiting', () => {
  const patience = new Patience();
  patience.failed(A, 0, 3);
  expect(patience.limit(A, 4)).toBe(DELIVER_TIMEOUT_MS);
});

it('who answers has all of its time again', () => {
  const patience = new Patience();
  patience.failed(A, 0, DELIVER_TIMEOUT_MS);
  patience.answered(A);
  expect(patience.limit(A, DELIVER_TIMEOUT_MS + 1)).toBe(DELIVER_TIMEOUT_MS);
});

it('who is slow, and gets little time, gets all of it again in the end, however often that little was too little', () => {
  const patience = new Patience();
  patience.failed(A, 0, DELIVER_TIMEOUT_MS);
  let now = DELIVER_TIMEOUT_MS;
  for (; now < 60_000; now += 1_000) {
    const limit = patience.limit(A, now);
    if (limit === DELIVER_TIMEOUT_MS) break;
    patience.failed(A, now, now + limit);
  }
  expect(now).toBeLessThan(60_000);
});
