// A member that floods, small: `npm run flood` prints a larger one.
import { expect, it } from 'vitest';
import { measureBootFlood } from '../../bench/boot-flood.ts';
import { measureFlood } from '../../bench/flood.ts';

it('a member floods: others lose nothing, what it may do is bounded, it is shut out, and heard again after silence', async () => {
  const report = await measureFlood({ nodes: 4, requests: 300, parallel: 16, waitForReturn: true });
  expect(report).toMatchObject({ honestMissing: 0, duplicates: 0, isShutOut: true, trouble: [] });
  expect(report.honestMessages).toBeGreaterThan(0);
  // It tried 300 requests of 20 messages each: some were slowed down, and no more was taken than the rates allow in this time.
  expect(report.valid['429']).toBeGreaterThan(0);
  expect(report.taken).toBeLessThanOrEqual(1_000 + 100 * Math.ceil(report.seconds));
  expect(report.invalid['429']).toBeGreaterThan(250);
  expect(report.heardAgainAfterSeconds).not.toBeNull();
});

it('strangers flood the boot node: none of them gets a GUID, call-backs are few, and a newcomer is let in meanwhile', async () => {
  const report = await measureBootFlood(60, 32);
  expect(report).toMatchObject({ guidsLost: 0, trouble: [] });
  // Four to one address group at once, whatever comes.
  expect(report.callBacksMax).toBeLessThanOrEqual(4);
  const statuses = Object.keys(report.answers).map((answer) => answer.replace(/^.* /, ''));
  expect(new Set(statuses)).toEqual(new Set(['401', '403', '422', '503']));
});
