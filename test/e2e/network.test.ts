// Whole networks in workerd, small: `npm run coverage` and `npm run crash` run the same at any size.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { measureCoverage } from '../../bench/coverage.ts';
import { measureCrashes } from '../../bench/crash.ts';
import {
  broadcast,
  eventually,
  getJson,
  inParallel,
  messagesOf,
  startMeasured,
  TOKEN,
  totals,
} from '../../bench/network.ts';
import { doctor } from '../../src/cli/doctor.ts';
import type { Finding } from '../../src/cli/doctor-checks.ts';
import { printed } from '../support/printed.ts';
import { seededRandom } from '../support/network.ts';

describe('a local network', () => {
  it.each([
    [4, 64],
    [16, 4],
    [64, 64],
  ])(
    '%i nodes, fan-out %i: every message at every node, exactly once, within the bound of hops',
    async (nodes, fanout) => {
      const run = await measureCoverage(
        { deployments: 1, nodes, peers: 0, fanout, single: 10, atOnce: 20 },
        seededRandom(nodes),
      );
      expect(run).toMatchObject({ messages: 30, missing: 0, deliveriesPerNode: 1, trouble: [] });
      expect(run.hopsMax).toBeLessThanOrEqual(run.hopsBound);
    },
  );

  it('all know one highest GUID and each other before any of them comes to its second sync round', async () => {
    const network = await startMeasured(16, { NETWORK_SYNC_INTERVAL: '3600' });
    try {
      const slots = Array.from({ length: 16 }, (_, index) => index + 1);
      const statuses = await inParallel(slots, (slot) => getJson(`${network.url}/n/${slot}/api/v1/status`));
      for (const status of statuses) expect(status).toMatchObject({ max_guid: 16, peers: { alive: 15 } });
      expect((await totals(network)).get('pychain_sync_rounds_total')).toBeLessThanOrEqual(16);
      // And whoever looks it over, from outside, finds it well.
      const asked = { token: TOKEN, probe: true, json: true, timeout: '10' };
      const [told] = await printed(() => doctor(network.url, asked));
      const { findings } = JSON.parse(told ?? '') as { findings: Finding[] };
      expect(findings.filter(({ result }) => result !== 'ok')).toEqual([]);
      expect(findings.at(-1)).toMatchObject({ check: 'probe', found: expect.stringContaining('all 16') });
    } finally {
      await network.dispose();
    }
  });

  it('a thousand messages from each of four nodes, as fast as they are accepted: none lost, all readable in order', async () => {
    const network = await startMeasured(4, { NETWORK_SYNC_INTERVAL: '3600' });
    try {
      const slots = [1, 2, 3, 4];
      const ids = await Promise.all(
        slots.map((slot) =>
          inParallel(
            Array.from({ length: 1_000 }, (_, index) => index),
            (index) => broadcast(network, slot, { slot, index }),
          ),
        ),
      );
      const expected = new Set(ids.flat());
      expect(expected.size).toBe(4_000);
      await eventually(
        'all delivered',
        async () => ((await totals(network)).get('pychain_deliveries_total{result="new"}') ?? 0) >= 12_000,
      );
      const read = await inParallel(slots, (slot) => messagesOf(network, slot));
      for (const messages of read) {
        expect(messages.map(({ id }) => id).sort()).toEqual([...expected].sort());
      }
      for (const messages of read) {
        const times = messages.map((message) => message.received_at);
        expect(times).toEqual([...times].sort((a, b) => a - b));
      }
      // The same pages again give the same order: a cursor is a place in it.
      expect((await messagesOf(network, 2)).map(({ id }) => id)).toEqual(read[1]?.map(({ id }) => id));
      expect((await totals(network)).get('pychain_deliveries_total{result="duplicate"}')).toBe(0);
      expect(network.trouble).toEqual([]);
    } finally {
      await network.dispose();
    }
  });
});

describe('a network that is killed', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pychain-crash-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  // Three nodes, of which each synchronises with both others: what only one of them has left is everywhere after one round of each.
  it('comes back with the same GUIDs, and every accepted message is everywhere within two sync intervals', async () => {
    const kills = [
      { after: 'start', ms: 900 },
      { after: 'check', ms: 400 },
      { after: 'ready', ms: 300 },
    ] as const;
    const report = await measureCrashes({ nodes: 3, kills, interval: 20, jitter: 5, folder });
    expect(report).toMatchObject({ kills: 3, checks: 2, late: 0, lost: 0, guidChanges: 0, guidTwice: 0 });
    expect(report.accepted).toBeGreaterThan(0);
  });
});
