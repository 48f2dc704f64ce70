// Which message is shown where nobody has chosen one.
import { describe, expect, it } from 'vitest';
import { latestOf } from '../../dashboard/state/latest.ts';
import { MessageBook, type Receipt } from '../../dashboard/state/message-book.ts';

const MEMBERS = 4;

/** A book that heard at `sent` seconds, page time, of a message that has reached so many of its members since. */
function bookOf(messages: readonly (readonly [sent: number, reached: number])[], members = MEMBERS): MessageBook {
  const book = new MessageBook();
  for (const [sent, reached] of messages) {
    const receipts = Array.from({ length: reached }, (_, index): Receipt => [index + 1, index / 100, index, null]);
    // The network's clock is not the page's.
    const times = { broadcast_timestamp: 5_000 + sent, members, duplicates: 0 };
    book.fold([{ id: `at ${sent}`, originator: 1, ...times, receipts }], sent);
  }
  return book;
}

const latest = (book: MessageBook, now: number) => {
  const { spread, isFollowed } = latestOf(book.newest(200), now) ?? {};
  return spread && [spread.id, isFollowed];
};

describe('without a choice', () => {
  it('a message that is alone is followed from its beginning', () => {
    expect(latest(bookOf([]), 0)).toBe(undefined);
    expect(latest(bookOf([[0, 1]]), 0.1)).toEqual(['at 0', true]);
    expect(latest(bookOf([[0, 4], [20, 1]]), 20.1)).toEqual(['at 20', true]); // prettier-ignore
    expect(latest(bookOf([[0, 4], [20, 4]]), 20.5)).toEqual(['at 20', true]); // prettier-ignore
  });

  it('of many in a row the newest is shown that has reached all, never one that has only begun', () => {
    const sent: [number, number][] = [];
    for (let count = 0; count < 100; count++) {
      // The last ones are on their way.
      const now = count / 10;
      sent.push([now, 1]);
      const reached = sent.map(([at]): [number, number] => [at, Math.min(MEMBERS, 1 + Math.floor((now - at) * 10))]);
      const spread = latestOf(bookOf(reached).newest(200), now);
      expect(spread?.spread.coverage).toBe(count < 3 ? (count + 1) / MEMBERS : 1);
      // It is drawn with others: the number waits for no picture of it.
      expect(spread?.isFollowed).toBe(count <= 3);
    }
  });

  it('one that does not reach all is shown once it had the time', () => {
    const book = bookOf([[0, 4], [0.5, 3], [1, 4], [1.1, 3]]); // prettier-ignore
    expect(latest(book, 1.2)).toEqual(['at 1', false]);
    expect(latest(book, 4)).toEqual(['at 1.1', false]);
  });

  it('a network whose nodes report the more seldom the more there are is given that time too', () => {
    const book = bookOf([[0, 1_000], [0.5, 400]], 1_000); // prettier-ignore
    expect(latest(book, 6)).toEqual(['at 0', true]);
    expect(latest(book, 8)).toEqual(['at 0.5', false]);
  });

  it('of more than are kept, none of which has reached all, the oldest is shown', () => {
    const book = bookOf(Array.from({ length: 300 }, (_, count) => [count / 1_000, 3]));
    expect(latest(book, 0.3)?.[0]).toBe('at 0.1');
  });
});
