// Large networks, small: what `npm run sim:scale` measures for 10,000 nodes must hold for a few hundred too.
import { describe, expect, it } from 'vitest';
import { scaleSvg } from '../../sim/scale-plot.ts';
import { brokenRules, scaleMarkdown, scaleTable } from '../../sim/scale-report.ts';
import { hopsBound, runScale, SCENARIOS, type Scenario, type ScaleResult } from '../../sim/scale.ts';
import { Spread } from '../../sim/spread.ts';

const SIZES = [100, 500] as const;
const run = (nodes: number, scenario: Scenario, fanout = 64) => runScale({ nodes, scenario, fanout, seed: 1 });

describe.each(SIZES)('a network of %i nodes', (nodes) => {
  it('brings each message once to each node, in as few hops as there can be', () => {
    const result = run(nodes, 'healthy');
    expect(result).toMatchObject({ messages: 4, missing: 0, sends: 1, arrivals: 1, deliveries: 1, violation: null });
    expect(result.hops).toBe(2);
    expect(result.counts).toMatchObject({ new: 4 * (nodes - 1), duplicate: 0, rejected: 0, busy: 0 });
    expect(result.syncs).toBeGreaterThan(nodes);
  });

  it('reaches all who live where every tenth is dead and nobody knows', () => {
    const result = run(nodes, 'dead');
    expect(result).toMatchObject({ live: 0.9 * nodes, missing: 0, deliveries: 1, violation: null });
    expect(result.sends).toBeGreaterThan(1);
    expect(result.sends).toBeLessThan(2);
    // Half of them before anybody could be missed, all before the second failover.
    expect(result.t50).toBeLessThan(5_000);
    expect(result.t100).toBeGreaterThan(5_000);
    expect(result.t100).toBeLessThan(16_000);
  });

  it('reaches all where three of ten requests and answers are lost', () => {
    const result = run(nodes, 'loss');
    expect(result).toMatchObject({ missing: 0, deliveries: 1, violation: null });
    expect(result.counts.syncsFailed / result.syncs).toBeGreaterThan(0.4);
    expect(result.arrivals).toBeGreaterThan(1);
    expect(result.sends).toBeLessThan(5);
  });

  it('that was cut in two for ten minutes has everything everywhere within two sync intervals', () => {
    const result = run(nodes, 'halves');
    expect(result).toMatchObject({ missing: 0, deliveries: 1, violation: null });
    // Half of the nodes had nothing of the other half before.
    expect(result.t95).toBeGreaterThan(150_000);
    expect(result.healedIntervals).toBeGreaterThan(0);
    expect(result.healedIntervals).toBeLessThanOrEqual(2);
    expect(result.sends).toBeLessThan(4);
  });
});

describe('what is printed of large networks', () => {
  const results = SCENARIOS.map((scenario) => run(20, scenario, 4));

  it('is a table with a row a result', () => {
    expect(scaleTable(results).split('\n')).toHaveLength(4 + results.length);
    expect(scaleMarkdown(results).split('\n')).toHaveLength(2 + results.length + 1 + 3);
    expect(scaleMarkdown(results)).toContain('| 20 | healthy | 0 | 1.000 | 1.000 | 2 (3) |');
  });

  it('is a drawing with a mark a value, for light and for dark pages', () => {
    const svg = scaleSvg(results);
    expect(svg.match(/<title>/g)).toHaveLength(3 * results.length);
    expect(svg).toContain('prefers-color-scheme:dark');
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
    expect(scaleSvg([{ ...healthy(), t100: null }]).match(/<title>/g)).toHaveLength(2);
  });

  it('says what does not hold', () => {
    expect(results.flatMap(brokenRules)).toEqual([]);
    const broken: Partial<ScaleResult>[] = [
      { missing: 1 },
      { arrivals: 1.001 },
      { sends: 1.001 },
      { hops: 4 },
      { violation: { rule: 'a rule', detail: 'what broke it', atMs: 1 } },
      { scenario: 'halves', healedIntervals: 2.01 },
      { scenario: 'halves', healedIntervals: null },
    ];
    for (const changes of broken) expect(brokenRules({ ...healthy(), ...changes })).toHaveLength(1);
  });

  function healthy(): ScaleResult {
    const [result] = results;
    if (!result) throw new Error('no result');
    return result;
  }
});

describe('the bound of hops', () => {
  it.each([
    [1, 64, 0],
    [2, 64, 1],
    [64, 64, 1],
    [65, 64, 2],
    [4_096, 64, 2],
    [4_097, 64, 3],
    [100_000, 64, 3],
    [100_000, 2, 17],
  ])('of %i nodes with a fan-out of %i is %i', (nodes, fanout, hops) => {
    expect(hopsBound(nodes, fanout)).toBe(hops);
  });
});

describe('how a message spreads', () => {
  it('is told by shares of the nodes that are to get it', () => {
    const spread = new Spread('id', 1_000, 4);
    for (const now of [1_010, 1_020, 1_030]) spread.reach(now);
    expect([0, 0.25, 0.5, 0.75, 0.76, 1].map((share) => spread.after(share))).toEqual([10, 10, 20, 30, null, null]);
    expect(spread.isDone).toBe(false);
    spread.reach(1_500);
    expect(spread.isDone).toBe(true);
    expect(spread.after(1)).toBe(500);
  });
});
