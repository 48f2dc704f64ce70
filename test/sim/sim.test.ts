// The simulator over fixed seeds, and over known bugs that it must find. `npm run sim` runs more and larger ones.
import { describe, expect, it } from 'vitest';
import { MUTATIONS } from '../../sim/mutations.ts';
import { runSeed } from '../../sim/run.ts';

const SEEDS = Array.from({ length: 20 }, (_, index) => index + 1);
const NODES_MAX = 12;
/** Every known bug is found within fewer; `npm run sim -- --mutations` has patience for 200. */
const MUTATION_SEEDS = 100;

describe('a simulated network', () => {
  it.each(SEEDS)('keeps all rules with seed %i', (seed) => {
    const { violation } = runSeed(seed, { nodesMax: NODES_MAX });
    expect(violation).toBeNull();
  });

  it.each([
    ['a message whose originator is gone made its target busy for ever', 543, 12],
    ['what nobody can check any more was asked for at every sync', 40_119, 20],
    ['a busy target counted as failed', 7354, 20],
    ['a failure that was heard of before the handover was through left a copy owed to nobody', 20_897, 20],
  ])('keeps them where once %s', (_, seed, nodesMax) => {
    expect(runSeed(seed, { nodesMax }).violation).toBeNull();
  });

  it('does the same again with the same seed', () => {
    const [first, second] = [runSeed(6, { nodesMax: NODES_MAX }), runSeed(6, { nodesMax: NODES_MAX })];
    expect(second).toEqual(first);
    expect(first.stats.crashes).toBeGreaterThan(0);
  });

  it('sends a message once to each node where nothing fails', () => {
    const { plan, stats } = runSeed(4, { nodesMax: NODES_MAX });
    expect(plan).toMatchObject({ loss: 0, crash: 0, partitions: 0, queueTwice: 0, newcomers: 0 });
    expect(stats.sends).toBe(stats.messages * (plan.nodes - 1));
    expect(stats.duplicates).toBe(0);
  });
});

describe('the rules', () => {
  it.each(MUTATIONS)('notice where $name', ({ hooks }) => {
    const found = () => {
      for (let seed = 1; seed <= MUTATION_SEEDS; seed++) {
        const { violation } = runSeed(seed, { nodesMax: NODES_MAX, hooks: hooks() });
        if (violation) return violation.rule;
      }
      return null;
    };
    expect(found()).not.toBeNull();
  });
});
