import { describe, expect, it } from 'vitest';
import { readFileSync } from 'node:fs';
import { parse } from 'smol-toml';
import { REPAIR_MINUTES, SYNC_CRON, tick, TICK_CALLS_MAX, windowOf, type TickPorts } from '../../src/cron/tick.ts';

function ports(nodeCount: number, options: Partial<TickPorts> = {}) {
  const seen = { prepared: [] as number[], woken: [] as number[], announced: 0, events: [] as string[] };
  const made: TickPorts = {
    nodeCount,
    members: async () => nodeCount,
    prepare: async (slot) => void seen.prepared.push(slot),
    wake: async (slot) => void seen.woken.push(slot),
    announce: async () => void seen.announced++,
    log: (...[event]) => void seen.events.push(event),
    ...options,
  };
  return { seen, made };
}

describe('cron tick', () => {
  it('is what wrangler.toml schedules, in every network', () => {
    const config = parse(readFileSync('wrangler.toml', 'utf8')) as { triggers: { crons: string[] } };
    expect(config.triggers.crons).toEqual([SYNC_CRON]);
  });

  it.each([1, 4, TICK_CALLS_MAX, TICK_CALLS_MAX + 1, 1_000, 2_345])(
    'looks after every one of %i nodes in ten minutes, or as fast as it may, and no more often: each look costs',
    async (nodeCount) => {
      const woken = new Set<number>();
      let looks = 0;
      for (let minute = 0; minute < Math.max(REPAIR_MINUTES, Math.ceil(nodeCount / TICK_CALLS_MAX)); minute++) {
        const { seen, made } = ports(nodeCount);
        await tick(SYNC_CRON, 1_700_000_040_000 + minute * 60_000, made);
        expect(seen.woken.length).toBeLessThanOrEqual(TICK_CALLS_MAX);
        expect(seen.announced).toBe(1);
        for (const slot of seen.woken) woken.add(slot);
        looks += seen.woken.length;
      }
      expect(looks).toBe(nodeCount);
      expect([...woken].sort((a, b) => a - b)).toEqual(Array.from({ length: nodeCount }, (_, index) => index + 1));
    },
  );

  it('wakes one after the other while members are missing, so that GUIDs follow slots', async () => {
    let running = 0;
    let most = 0;
    const { made } = ports(20, {
      members: async () => 3,
      wake: async () => {
        most = Math.max(most, ++running);
        await Promise.resolve();
        running--;
      },
    });
    await tick(SYNC_CRON, 0, made);
    expect(most).toBe(1);
  });

  it('a new network is there after a tick a hundred nodes, in the order of slots', async () => {
    let members = 0;
    const order: number[] = [];
    const wake = async (slot: number) => {
      order.push(slot);
      members++;
    };
    for (const minute of [0, 2, 4]) {
      await tick(SYNC_CRON, minute * 60_000, ports(250, { members: async () => members, wake }).made);
    }
    expect(order).toEqual(Array.from({ length: 250 }, (_, index) => index + 1));
  });

  it('wakes a node that others joined in front of, too', async () => {
    // Members of other deployments: counting them says nothing about our slots.
    const woken = new Set<number>();
    const wake = async (slot: number) => void woken.add(slot);
    for (let minute = 0; minute < 4; minute++) {
      await tick(SYNC_CRON, minute * 60_000, ports(10, { members: async () => 7, wake }).made);
    }
    expect(woken.size).toBe(10);
  });

  it.each([150, 350])('every one of %i slots has its turn while one is missing', async (nodeCount) => {
    const woken = new Set<number>();
    const wake = async (slot: number) => void woken.add(slot);
    for (let minute = 0; minute < 20; minute++) {
      await tick(SYNC_CRON, minute * 60_000, ports(nodeCount, { members: async () => nodeCount - 1, wake }).made);
    }
    expect(woken.size).toBe(nodeCount);
  });

  it('nodes are woken also while the boot node does not answer', async () => {
    const { seen, made } = ports(4, { members: async () => Promise.reject(new Error('away')) });
    await tick(SYNC_CRON, 0, made);
    expect(seen.woken).toEqual([1, 2, 3, 4]);
    expect(seen.events).toContain('boot_unreachable');
  });

  it('a node that fails does not keep the others asleep', async () => {
    const woken: number[] = [];
    const { seen, made } = ports(6, {
      prepare: async (slot) => {
        if (slot === 4) throw new Error('overloaded');
      },
      wake: async (slot) => {
        if (slot === 2) throw new Error('overloaded');
        woken.push(slot);
      },
    });
    for (let minute = 0; minute < REPAIR_MINUTES; minute++) await tick(SYNC_CRON, minute * 60_000, made);
    expect(woken).toEqual([1, 3, 4, 5, 6]);
    expect(seen.events).toContain('wake_failed');
    expect(seen.announced).toBe(REPAIR_MINUTES);
  });

  it('a schedule without code is an error', async () => {
    const { seen, made } = ports(4);
    await expect(tick('*/5 * * * *', 0, made)).rejects.toThrow('*/5 * * * *');
    expect(seen.woken).toEqual([]);
  });

  it('windows hold slots that exist', () => {
    expect(windowOf(0, 1, 1)).toEqual([1]);
    expect(windowOf(60_000, 1, 10)).toEqual([]);
    expect(windowOf(60_000, 150, 1)).toEqual(Array.from({ length: 75 }, (_, index) => 76 + index));
    expect(windowOf(60_000, 150, 10)).toEqual(Array.from({ length: 15 }, (_, index) => 16 + index));
  });
});
