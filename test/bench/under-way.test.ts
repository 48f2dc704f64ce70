// When a message of the networks that we compare with counts as being everywhere.
import { expect, it } from 'vitest';
import { UnderWay } from '../../bench/peers/under-way.mjs';

/** Three nodes, and the keys of the messages that were told to be everywhere. */
function threeNodes() {
  const everywhere: string[] = [];
  return { underWay: new UnderWay(3, ({ all }) => void everywhere.push(all)), everywhere };
}

it('a message is everywhere once each node has it, its originator too, however often it came', () => {
  const { underWay, everywhere } = threeNodes();
  underWay.begin('a');
  for (const node of [1, 2, 2, 1]) underWay.came('a', node);
  expect([everywhere, underWay.missing(['a'])]).toEqual([[], 1]);
  underWay.came('a', 3);
  underWay.came('a', 3);
  expect([everywhere, underWay.missing(['a'])]).toEqual([['a'], 0]);
});

it('what is missing is counted by message and node; what was refused, or never sent, is no message', () => {
  const { underWay, everywhere } = threeNodes();
  for (const key of ['a', 'b', 'refused']) underWay.begin(key);
  underWay.came('a', 1);
  underWay.refused('refused');
  underWay.came('refused', 1);
  underWay.came('of another network', 1);
  expect([everywhere, underWay.missing(['a', 'b']), underWay.missing(['b'])]).toEqual([[], 5, 3]);
});
