// What is remembered, and what is forgotten.
import { expect, it } from 'vitest';
import { Recent } from '../../src/protocol/recent.ts';

it('keeps the newest values, no more characters than it may, and none that is longer than that', () => {
  const recent = new Recent<number>(10);
  recent.set('aaaa', 1, 4);
  recent.set('bbbb', 2, 4);
  expect([recent.get('aaaa'), recent.get('bbbb')]).toEqual([1, 2]);
  // The same key again takes no room.
  for (let again = 0; again < 5; again++) recent.set('aaaa', 1, 4);
  expect(recent.get('bbbb')).toBe(2);
  recent.set('cc', 3, 2);
  expect([recent.get('aaaa'), recent.get('bbbb'), recent.get('cc')]).toEqual([1, 2, 3]);
  recent.set('d', 4, 1);
  expect([recent.get('aaaa'), recent.get('bbbb'), recent.get('cc'), recent.get('d')]).toEqual([undefined, 2, 3, 4]);
  recent.set('eeeeeeeeeee', 5, 11);
  expect([recent.get('eeeeeeeeeee'), recent.get('d')]).toEqual([undefined, 4]);
  recent.set('ffffffffff', 6, 10);
  expect([recent.get('bbbb'), recent.get('d'), recent.get('ffffffffff')]).toEqual([undefined, undefined, 6]);
});
