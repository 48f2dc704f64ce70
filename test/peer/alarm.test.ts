// The alarm of a Node.js node.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Alarm } from '../../src/peer/alarm.ts';

const START = 1_700_000_000_000;
const DAY = 86_400_000;

beforeEach(() => void vi.useFakeTimers({ now: START }));
afterEach(() => void vi.useRealTimers());

describe('an alarm', () => {
  const rung: number[] = [];
  beforeEach(() => void rung.splice(0));
  const make = () =>
    new Alarm(
      () => void rung.push(Date.now() - START),
      () => undefined,
    );

  it('rings once, at its time, also in the past', () => {
    const alarm = make();
    alarm.set(START + 5_000);
    vi.advanceTimersByTime(4_999);
    expect(rung).toEqual([]);
    vi.advanceTimersByTime(DAY);
    expect(rung).toEqual([5_000]);
    alarm.set(START);
    vi.advanceTimersByTime(0);
    expect(rung).toHaveLength(2);
  });

  it('is the last that was set', () => {
    const alarm = make();
    for (const seconds of [1, 9, 3]) alarm.set(START + seconds * 1_000);
    vi.advanceTimersByTime(DAY);
    expect(rung).toEqual([3_000]);
    alarm.set(Date.now() + 1_000);
    alarm.set(null);
    vi.advanceTimersByTime(DAY);
    expect(rung).toEqual([3_000]);
  });

  it('waits longer than a timer can', () => {
    make().set(START + 40 * DAY);
    vi.advanceTimersByTime(40 * DAY - 1);
    expect(rung).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(rung).toEqual([40 * DAY]);
  });

  it('follows the clock, which may be set', () => {
    make().set(START + DAY);
    vi.setSystemTime(START + DAY);
    vi.advanceTimersByTime(30_000);
    expect(rung).toHaveLength(1);
  });

  it('rings again where what it rang for failed', () => {
    let calls = 0;
    const told: unknown[] = [];
    const failing = () => {
      if (++calls === 1) throw new Error('a full disk');
    };
    new Alarm(failing, (cause) => told.push(cause)).set(START);
    vi.advanceTimersByTime(29_999);
    expect(calls).toBe(1);
    expect(told).toEqual([new Error('a full disk')]);
    vi.advanceTimersByTime(1);
    expect(calls).toBe(2);
    vi.advanceTimersByTime(DAY);
    expect(calls).toBe(2);
  });

  it('that was stopped rings no more', () => {
    const alarm = make();
    alarm.set(START + 1_000);
    alarm.stop();
    alarm.set(START + 2_000);
    vi.advanceTimersByTime(DAY);
    expect(rung).toEqual([]);
  });
});
