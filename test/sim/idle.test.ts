import { expect, it } from 'vitest';
import { runIdle } from '../../sim/idle.ts';

it('an idle node costs less than a cent a month, however many there are', () => {
  for (const nodes of [1, 16, 64]) {
    const { rounds, rows, requests, dollars } = runIdle(nodes, 6, 1);
    // A round each quarter of an hour, and half of that more.
    expect(rounds).toBeGreaterThan(60 / 15 / 1.5 - 0.1);
    expect(rounds).toBeLessThan(60 / 15);
    // The timer and the alarm; nothing else is written.
    expect(rows / (rounds * 730)).toBeCloseTo(2, 1);
    expect(requests).toBeLessThan(20_000);
    expect(dollars).toBeLessThan(0.01);
  }
});
