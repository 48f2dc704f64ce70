// Messages from outside whose originator is not known: wanted for a while, then refused, and not asked for again unless it is known by then.
import { expect, it } from 'vitest';
import { Unverified } from '../../src/protocol/unverified.ts';

const TRIES = 8;
const REMEMBERED_MAX = 10_000;
const nobody = () => false;

it('a message is wanted later eight times, then refused for as long as it lives', () => {
  const unverified = new Unverified();
  for (let count = 0; count < TRIES; count++) {
    expect(unverified.wasRefused('a', nobody)).toBe(false);
    expect(unverified.isWantedLater('a', 7)).toBe(true);
  }
  // The queue's next try may still bring it, when its originator is known.
  expect(unverified.wasRefused('a', nobody)).toBe(false);
  for (let count = 0; count < 3; count++) expect(unverified.isWantedLater('a', 7)).toBe(false);
  expect(unverified.wasRefused('a', nobody)).toBe(true);
  expect(unverified.isWantedLater('b', 7)).toBe(true);
});

it('a message that was refused is asked for again when its originator has come to be known', () => {
  const unverified = new Unverified();
  for (let count = 0; count <= TRIES; count++) unverified.isWantedLater('a', 7);
  expect(unverified.wasRefused('a', (guid) => guid === 8)).toBe(true);
  expect(unverified.wasRefused('a', (guid) => guid === 7)).toBe(false);
});

it('remembers the latest, up to a limit', () => {
  const unverified = new Unverified();
  for (let count = 0; count <= TRIES; count++) for (const id of ['a', 'b']) unverified.isWantedLater(id, 7);
  for (let index = 2; index < REMEMBERED_MAX; index++) unverified.isWantedLater(String(index), 7);
  expect(unverified.wasRefused('a', nobody)).toBe(true);
  unverified.isWantedLater('one more', 7);
  expect([unverified.wasRefused('a', nobody), unverified.wasRefused('b', nobody)]).toEqual([false, true]);
});
