// A node on a server moves while the boot node is down: `npm run move` runs the same at any size.
import { expect, it } from 'vitest';
import { measureMove } from '../../bench/move.ts';

it('is found again at another address and port within two sync intervals, with the boot node down', async () => {
  // It takes two or three seconds on a busy machine, whatever the interval: its process starts meanwhile, too.
  const report = await measureMove({ nodes: 2, peers: 2, interval: 4, jitter: 1 });
  const { guids, addresses, others, duplicates, intervals } = report;
  expect(intervals).toBeLessThanOrEqual(2);
  expect(others).toBe(3);
  expect(guids).toEqual([4, 4]);
  expect(addresses[1]).toMatch(/^http:\/\/127\.0\.0\.2:/);
  expect(addresses[1]).not.toBe(addresses[0]);
  expect(duplicates).toBe(0);
});
