import { describe, expect, it } from 'vitest';
import {
  CALLS_BURST,
  CALLS_PER_SECOND,
  MESSAGES_BURST,
  MESSAGES_PER_SECOND,
  ORIGINATOR_BURST,
  ORIGINATOR_PER_SECOND,
  STANDINGS_MAX,
} from '../../src/protocol/limits.ts';
import { DEMERITS, Standings } from '../../src/protocol/standing.ts';

const NOW = 1_700_000_000_000;

/** Takes until nothing is given; returns how often it was. */
function drain(take: () => boolean): number {
  for (let count = 0; count < 1_000_000; count++) if (!take()) return count;
  throw new Error('there is no limit');
}

describe('rates', () => {
  it('limit the calls of one caller, and nobody else is any worse for it', () => {
    const standings = new Standings();
    expect(drain(() => standings.admit(1, NOW) === 'ok')).toBe(CALLS_BURST);
    expect(standings.admit(1, NOW)).toBe('limited');
    expect(standings.admit(2, NOW)).toBe('ok');
    expect(drain(() => standings.admit(1, NOW + 1_000) === 'ok')).toBe(CALLS_PER_SECOND);
    expect(standings.shutOut(NOW + 1_000)).toBe(0);
  });

  it('limit the messages that one caller brings', () => {
    const standings = new Standings();
    expect(drain(() => standings.takeMessage(1, NOW))).toBe(MESSAGES_BURST);
    expect(standings.takeMessage(2, NOW)).toBe(true);
    // Many at once are taken whole, or not at all.
    expect(standings.takeMessage(2, NOW, MESSAGES_BURST)).toBe(false);
    expect(standings.takeMessage(2, NOW, MESSAGES_BURST - 1)).toBe(true);
    expect(standings.takeMessage(2, NOW)).toBe(false);
    expect(drain(() => standings.takeMessage(1, NOW + 1_000))).toBe(MESSAGES_PER_SECOND);
    // Messages are counted apart from calls.
    expect(standings.admit(1, NOW)).toBe('ok');
  });

  it('limit the messages of one originator, whoever brings them', () => {
    const standings = new Standings();
    expect(drain(() => standings.takeOriginated(1, NOW))).toBe(ORIGINATOR_BURST);
    expect(standings.takeOriginated(2, NOW)).toBe(true);
    expect(drain(() => standings.takeOriginated(1, NOW + 1_000))).toBe(ORIGINATOR_PER_SECOND);
    // An originator is not a caller.
    expect(standings.takeMessage(1, NOW)).toBe(true);
  });
});

describe('who misbehaves', () => {
  it('is forgiven one mistake, and shut out for ten', () => {
    const standings = new Standings();
    for (let mistake = 1; mistake < 10; mistake++) expect(standings.blame(1, DEMERITS.invalid, NOW)).toBe(false);
    expect(standings.admit(1, NOW)).toBe('ok');
    expect(standings.blame(1, DEMERITS.invalid, NOW)).toBe(true);
    expect(standings.admit(1, NOW)).toBe('shut-out');
    expect(standings.admit(2, NOW)).toBe('ok');
    expect(standings.shutOut(NOW)).toBe(1);
  });

  it('is told of once, however often it offends', () => {
    const standings = new Standings();
    expect(Array.from({ length: 5 }, () => standings.blame(1, 100, NOW))).toEqual([true, false, false, false, false]);
  });

  it('is not shut out for a mistake now and then', () => {
    const standings = new Standings();
    for (let minute = 0; minute < 1_000; minute++) {
      expect(standings.blame(1, DEMERITS.invalid, NOW + minute * 15_000)).toBe(false);
    }
    expect(standings.shutOut(NOW + 15_000_000)).toBe(0);
  });

  it('comes back when it has been quiet', () => {
    const standings = new Standings();
    standings.blame(1, 100, NOW);
    // Asking while shut out costs what the half second that it waited was worth.
    expect(standings.admit(1, NOW + 25_000)).toBe('shut-out');
    expect(standings.admit(1, NOW + 25_500)).toBe('shut-out');
    expect(standings.admit(1, NOW + 26_501)).toBe('ok');
    expect(standings.shutOut(NOW + 26_501)).toBe(0);
  });

  it('never comes back as long as it goes on asking', () => {
    const standings = new Standings();
    standings.blame(1, 100, NOW);
    for (let call = 1; call < 2_000; call++) expect(standings.admit(1, NOW + call * 500)).toBe('shut-out');
  });

  it('is not held to account for ever, whatever it did', () => {
    const standings = new Standings();
    standings.blame(1, 1e9, NOW);
    expect(standings.shutOut(NOW + 35_000)).toBe(1);
    expect(standings.shutOut(NOW + 35_001)).toBe(0);
    expect(standings.admit(1, NOW + 35_001)).toBe('ok');
  });

  it('gains nothing by a clock that steps back', () => {
    const standings = new Standings();
    standings.blame(1, 100, NOW);
    expect(standings.admit(1, NOW - 3_600_000)).toBe('shut-out');
    expect(standings.admit(1, NOW + 20_000)).toBe('shut-out');
  });
});

describe('memory', () => {
  it('holds so many callers: where all of them are busy, the oldest is forgotten', () => {
    const standings = new Standings();
    for (let guid = 1; guid <= STANDINGS_MAX; guid++) standings.blame(guid, 100, NOW);
    expect(standings.shutOut(NOW)).toBe(STANDINGS_MAX);
    expect(standings.admit(STANDINGS_MAX + 1, NOW)).toBe('ok');
    expect(standings.shutOut(NOW)).toBe(STANDINGS_MAX - 1);
    expect(standings.admit(2, NOW)).toBe('shut-out');
  });

  it('forgets those at rest first, so that newcomers do not whitewash anybody', () => {
    const standings = new Standings();
    standings.blame(1, 200, NOW);
    drain(() => standings.admit(2, NOW) === 'ok');
    for (let guid = 3; guid <= STANDINGS_MAX; guid++) standings.admit(guid, NOW);
    const later = NOW + 1_000;
    for (let guid = 0; guid < STANDINGS_MAX / 2; guid++) standings.admit(STANDINGS_MAX + 1 + guid, later);
    expect(standings.admit(1, later)).toBe('shut-out');
    expect(drain(() => standings.admit(2, later) === 'ok')).toBe(CALLS_PER_SECOND);
  });

  it('holds so many originators in the same way', () => {
    const standings = new Standings();
    drain(() => standings.takeOriginated(1, NOW));
    for (let guid = 2; guid <= STANDINGS_MAX; guid++) standings.takeOriginated(guid, NOW);
    const later = NOW + 1_000;
    // All but the first are at rest by then.
    standings.takeOriginated(STANDINGS_MAX + 1, later);
    expect(drain(() => standings.takeOriginated(1, later))).toBe(ORIGINATOR_PER_SECOND);
    for (let guid = 2; guid <= STANDINGS_MAX; guid++) standings.takeOriginated(guid, later);
    // Nobody is at rest, so the oldest gives way.
    standings.takeOriginated(STANDINGS_MAX + 2, later);
    expect(drain(() => standings.takeOriginated(1, later))).toBe(ORIGINATOR_BURST);
  });
});
