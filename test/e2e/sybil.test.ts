// A crowd that joins and vanishes, small: `npm run sybil` runs the thousand of docs/security.md.
import { expect, it } from 'vitest';
import { measureSybil } from '../../bench/sybil.ts';

it('a crowd joins and vanishes: honest broadcasts arrive once everywhere, nobody waits, and it is forgotten', async () => {
  const options = { honest: 6, sybils: 100, powBits: 6, guidTimeoutSeconds: 15, parallel: 16, broadcasts: 10 };
  const report = await measureSybil(options);
  expect(report).toMatchObject({ joined: 100, missing: 0, duplicates: 0, deliveriesPerNode: 1, trouble: [] });
  expect(report.bitsAtTheEnd).toBeGreaterThan(options.powBits);
  expect(report.waitPerRoundMs).toBeLessThan(1_000);
});
