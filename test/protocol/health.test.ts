import { expect, it } from 'vitest';
import { Health } from '../../src/protocol/health.ts';
import { member, outsider } from '../support/signed.ts';
import { Machine } from './machine.ts';

it('one failure is no sign of being ill, many are, up to a limit, and each answer is one of being well', () => {
  const health = new Health();
  health.failed();
  expect(health.patience).toBe(0);
  for (let count = 0; count < 20; count++) health.failed();
  expect(health.score).toBe(8);
  expect(health.patience).toBe(7);
  for (let count = 0; count < 20; count++) health.ok();
  expect(health.score).toBe(0);
});

it('a node that nobody answers blames itself first: its peers have more tries', () => {
  const machine = new Machine([2, 3, 4, 6].map((guid) => member(guid)));
  const failAll = () => {
    machine.now += 10_000;
    for (const guid of [2, 3, 4, 6]) machine.submit({ type: 'sync-failed', guid, reason: 'silent' });
  };
  for (let round = 0; round < 3; round++) failAll();
  expect(machine.state.health.score).toBe(4);
  // Of MAX_FAILURES 3.
  expect(machine.stateOf(2)).toBe('suspect');
  for (let round = 0; round < 3; round++) failAll();
  expect(machine.stateOf(2)).toBe('ignored');
});

it('a peer that fails alone is ignored after MAX_FAILURES, whoever else answers', () => {
  const machine = new Machine([2, 3].map((guid) => member(guid)));
  for (let round = 0; round < 3; round++) {
    machine.now += 10_000;
    machine.submit({ type: 'sync-failed', guid: 2, reason: 'silent' });
    machine.answerSync(3);
  }
  expect(machine.stateOf(2)).toBe('ignored');
});

it('an alarm that comes much too late is a sign of being ill', () => {
  const machine = new Machine([member(2)]);
  machine.now = (machine.state.timers.get('sync')?.at ?? 0) + 10_000;
  machine.submit({ type: 'alarm' });
  expect(machine.state.health.score).toBe(0);
  machine.now = (machine.state.timers.get('sync')?.at ?? 0) + 10_001;
  machine.submit({ type: 'alarm' });
  expect(machine.state.health.score).toBe(1);
});

it('a node that is answered again is well, and only peers that were well tell it that it is not', () => {
  const machine = new Machine([outsider(9), ...[2, 3, 4].map((guid) => member(guid))]);
  machine.submit({ type: 'probe-failed', guid: 9, reason: 'silent' });
  machine.submit({ type: 'sync-failed', guid: 2, reason: 'silent' });
  machine.now += 10_000;
  machine.submit({ type: 'sync-failed', guid: 2, reason: 'silent' });
  expect(machine.state.health.score).toBe(1);
  machine.submit({ type: 'sync-failed', guid: 3, reason: 'silent' });
  expect(machine.state.health.score).toBe(2);
  machine.answerSync(4);
  expect(machine.state.health.score).toBe(1);
  machine.answerProbe(9);
  expect(machine.state.health.score).toBe(0);
});
