// How a message is shown spreading: along its tree, nobody before the one that sent it there.
import { describe, expect, it } from 'vitest';
import { Playback } from '../../dashboard/ring/playback.ts';
import { FADE_MS, Stage } from '../../dashboard/ring/stage.ts';
import { MessageBook, type ReceiptsOf } from '../../dashboard/state/message-book.ts';

const TREE: ReceiptsOf['receipts'] = [
  [1, 0, 0, null],
  [2, 0.1, 1, 1],
  [3, 0.2, 2, 2],
];

function message(id: string, receipts: ReceiptsOf['receipts'], members = 3): ReceiptsOf {
  return { id, originator: 1, broadcast_timestamp: 0, members, duplicates: 0, receipts };
}

function spreadOf(receipts: ReceiptsOf['receipts']) {
  const book = new MessageBook();
  const [arrival] = book.fold([message('a', receipts)], 0);
  if (!arrival) throw new Error('no news');
  return { book, spread: arrival.spread };
}

describe('a playback', () => {
  it('sends a copy out when its sender has the message, in whatever order receipts came', () => {
    const { spread } = spreadOf(TREE.toReversed());
    const playback = new Playback(spread, 1_000, false);
    playback.extend(1_000);
    const at = (guid: number) => spread.indexOf(guid);
    expect(playback.senders).toEqual([2, 1, null]);
    expect(playback.starts[at(2)]).toBeGreaterThanOrEqual(1_000);
    expect(playback.starts[at(3)]).toBeGreaterThanOrEqual(playback.ends[at(2)] ?? Infinity);
    expect(playback.endsAt).toBe(playback.ends[at(3)]);
    expect([playback.hasArrived(at(1), 1_000), playback.hasArrived(at(3), 1_000)]).toEqual([true, false]);
  });

  it('waits for the receipt of a sender, but not for ever', () => {
    const { spread } = spreadOf([[3, 0.2, 2, 2]]);
    const playback = new Playback(spread, 0, false);
    playback.extend(0);
    expect(playback.ends).toEqual([NaN]);
    playback.extend(5_000);
    expect([playback.ends, playback.senders]).toEqual([[5_000], [null]]);
  });

  it('does not move for those who do not want it', () => {
    const { spread } = spreadOf(TREE);
    const playback = new Playback(spread, 7, true);
    playback.extend(7);
    expect(playback.ends).toEqual([7, 7, 7]);
  });
});

describe('the stage', () => {
  it('plays a message until it has faded, then forgets it', () => {
    const stage = new Stage(false);
    const book = new MessageBook();
    stage.hear(book.fold([message('a', TREE)], 0), 0);
    const end = stage.playbacks[0]?.endsAt ?? NaN;
    expect(stage.isMoving(end)).toBe(true);
    stage.sweep(end + FADE_MS);
    expect([stage.playbacks, stage.isMoving(end + FADE_MS)]).toEqual([[], false]);
  });

  it('tells how far a message is shown to have come: what is drawn is slower than what is known', () => {
    const stage = new Stage(false);
    const book = new MessageBook();
    stage.hear(book.fold([message('a', TREE)], 0), 0);
    const [playback] = stage.playbacks;
    if (!playback) throw new Error('nothing is played');
    const at = (now: number) => stage.progressOf(playback.spread, now);
    expect([at(0), at(playback.ends[1] ?? NaN), at(playback.endsAt)]).toEqual([1 / 3, 2 / 3, 1]);
    expect(stage.progressOf(spreadOf(TREE).spread, 0)).toBe(null);
  });

  it('keeps the one that was chosen, and comes to rest', () => {
    const stage = new Stage(false);
    const { spread } = spreadOf(TREE);
    stage.pin(spread, 0);
    stage.sweep(60_000);
    expect([stage.playbacks.length, stage.isMoving(60_000)]).toEqual([1, false]);
    stage.pin(null, 60_000);
    expect(stage.playbacks).toEqual([]);
  });

  it('shows so many trees as can be told apart; of other messages nodes only light up', () => {
    const stage = new Stage(false);
    const book = new MessageBook();
    for (const id of ['a', 'b', 'c', 'd']) stage.hear(book.fold([message(id, TREE, 1_000)], 0), 0);
    expect(stage.playbacks.map(({ spread }) => spread.id)).toEqual(['a', 'b', 'c']);
    expect([...stage.lit.keys()]).toEqual([1, 2, 3]);
    stage.sweep(FADE_MS * 10);
    expect([stage.lit.size, stage.isMoving(FADE_MS * 10)]).toEqual([0, false]);
  });
});
