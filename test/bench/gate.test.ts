import { expect, test } from 'vitest';
import { Gate } from '../../bench/speed/gate.ts';

test('so many at once, the others in turn, also after one that failed', async () => {
  const gate = new Gate();
  let [open, most] = [0, 0];
  const work = async (index: number) => {
    most = Math.max(most, ++open);
    await Promise.resolve();
    open--;
    if (index === 7) throw new Error('refused');
    return index;
  };
  const all = Array.from({ length: 1_000 }, (_, index) => gate.through(() => work(index)));
  const outcomes = await Promise.allSettled(all);
  expect(outcomes.flatMap((one) => (one.status === 'fulfilled' ? [] : [String(one.reason)]))).toEqual([
    'Error: refused',
  ]);
  expect([most, open]).toEqual([400, 0]);
});
