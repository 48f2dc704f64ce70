// Receipts, in whatever order they come, become what is known of each message.
import { describe, expect, it } from 'vitest';
import { MessageBook, MESSAGES_MAX, type ReceiptsOf, type Summary } from '../../dashboard/state/message-book.ts';

function receipts(id: string, of: ReceiptsOf['receipts'], members = 4): ReceiptsOf {
  return { id, originator: 1, broadcast_timestamp: 1_000, members, duplicates: 0, receipts: of };
}

function summary(id: string, more: Partial<Summary> = {}): Summary {
  const counts = { members: 4, received: 4, missing: 0, hops_max: 2, duplicates: 1 };
  return { id, originator: 1, broadcast_timestamp: 900, ...counts, t50: 0.1, t95: 0.2, t100: 0.2, ...more };
}

describe('a message', () => {
  it('has its times as soon as enough members have it, not before', () => {
    const book = new MessageBook();
    book.fold(
      [
        receipts('a', [
          [1, 0, 0, null],
          [3, 0.3, 2, 2],
        ]),
      ],
      0,
    );
    const spread = book.get('a');
    expect([spread?.coverage, spread?.timeTo(0.5), spread?.timeTo(0.95), spread?.hopsMax]).toEqual([0.5, 0.3, null, 2]);
    book.fold(
      [
        receipts('a', [
          [2, 0.1, 1, 1],
          [4, 0.2, 1, 1],
        ]),
      ],
      0,
    );
    expect([spread?.coverage, spread?.timeTo(0.5), spread?.timeTo(1)]).toEqual([1, 0.1, 0.3]);
    expect([...(spread?.sorted() ?? [])]).toEqual([0, 0.1, 0.2, 0.3]);
  });

  it('counts a receipt that comes again once, and tells that there is no news', () => {
    const book = new MessageBook();
    const same = receipts('a', [[1, 0, 0, null]]);
    expect(book.fold([same], 0)).toMatchObject([{ first: 0 }]);
    expect(book.fold([same], 0)).toEqual([]);
    expect(book.get('a')?.received).toBe(1);
  });

  it('is never there before it was sent, whatever clocks say', () => {
    const book = new MessageBook();
    book.fold([receipts('a', [[2, -3, 1, 1]])], 0);
    expect(book.get('a')?.timeTo(0.5)).toBe(null);
    expect([...(book.get('a')?.sorted() ?? [])]).toEqual([0]);
  });

  it('that this page has not seen come is what the beacon reckoned, until its receipts are read', () => {
    const book = new MessageBook();
    book.summarise([summary('a')], 0);
    const spread = book.get('a');
    expect([spread?.coverage, spread?.timeTo(0.95), spread?.guids]).toEqual([1, 0.2, []]);
    book.fold(
      [
        receipts(
          'a',
          [1, 2, 3, 4].map((guid) => [guid, guid, 1, null] as const),
        ),
      ],
      0,
    );
    expect(spread?.timeTo(1)).toBe(4);
  });
});

describe('the book', () => {
  it('gives the latest first, wherever they were heard of', () => {
    const book = new MessageBook();
    book.fold([receipts('b', [])], 0);
    book.summarise([summary('c', { broadcast_timestamp: 2_000 }), summary('a', { broadcast_timestamp: 10 })], 0);
    expect(book.newest(2).map(({ id }) => id)).toEqual(['c', 'b']);
  });

  it('has a limit: the one heard of first gives way', () => {
    const book = new MessageBook();
    for (let n = 0; n <= MESSAGES_MAX; n++) book.fold([receipts(`m${n}`, [])], 0);
    expect([book.size, book.get('m0'), book.get('m1')?.id]).toEqual([MESSAGES_MAX, null, 'm1']);
  });
});
