import { expect, it } from 'vitest';
import { Observed } from '../../src/protocol/observed.ts';
import { outsider } from '../support/signed.ts';
import { Machine, NOW } from './machine.ts';

const HOUR = 3_600_000;

it('three operators who agree are believed, and more than half of all who say anything', () => {
  const observed = new Observed();
  observed.note('a.net', '192.0.2.1', NOW);
  observed.note('b.net', '192.0.2.1', NOW);
  // The same operator again is no further one.
  observed.note('b.net', '192.0.2.1', NOW);
  expect(observed.agreed(NOW)).toBeNull();
  observed.note('c.net', '192.0.2.1', NOW);
  expect(observed.agreed(NOW)).toBe('192.0.2.1');
  for (const liar of ['x.net', 'y.net', 'z.net']) observed.note(liar, '203.0.113.9', NOW);
  expect(observed.agreed(NOW)).toBeNull();
  observed.note('x.net', '192.0.2.1', NOW);
  expect(observed.agreed(NOW)).toBe('192.0.2.1');
  expect(observed.agreed(NOW + HOUR + 1)).toBeNull();
});

it('of very many the latest are remembered', () => {
  const observed = new Observed();
  for (let count = 0; count < 10_000; count++)
    observed.note(`n${count}.net`, count < 9_800 ? '192.0.2.1' : '192.0.2.2', NOW);
  expect(observed.agreed(NOW)).toBe('192.0.2.2');
});

it('only what a trusted peer says at sync counts', () => {
  const guids = [11, 12, 13];
  const machine = new Machine(guids.map((guid) => outsider(guid, { address: `https://www.op${guid}.net` })));
  const tell = () => guids.forEach((guid) => machine.answerSync(guid, { callerHost: '192.0.2.1' }));
  tell();
  expect(machine.state.observed.agreed(machine.now)).toBeNull();
  machine.trust(...guids);
  tell();
  expect(machine.state.observed.agreed(machine.now)).toBe('192.0.2.1');
});
