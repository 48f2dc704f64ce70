// The moving picture of a broadcast: its times are the real ones, and it tells the same where nothing moves.
import { expect, it } from 'vitest';
import { broadcastSvg, type Reached } from '../../bench/page/broadcast-svg.ts';

/** 3 sends to 1 and 4, 4 to 2. */
const MESSAGE: Reached = {
  members: 4,
  duplicates: 0,
  t95: 0.1,
  t100: 0.1,
  hops_max: 2,
  receipts: [
    { guid: 3, after: 0, hops: 0, from: null },
    { guid: 1, after: 0.04, hops: 1, from: 3 },
    { guid: 4, after: 0.05, hops: 1, from: 3 },
    { guid: 2, after: 0.1, hops: 2, from: 4 },
  ],
};

const framesOf = (svg: string, name: string) => svg.split(`@keyframes ${name} {`)[1]?.split('\n')[0] ?? '';
const loopOf = (svg: string) => Number(/animation-duration: ([\d.]+)s/.exec(svg)?.[1]);
const secondsAt = (svg: string, frames: string) =>
  [...frames.matchAll(/([\d.]+)%/g)].map(([, share]) => (Number(share) / 100) * loopOf(svg));

it('draws each copy from when its sender had the message to when it came', () => {
  const svg = broadcastSvg(MESSAGE);
  const slower = Number(/(\d+) times slower/.exec(svg)?.[1]);
  const [, firstStart = 0, firstEnd = 0] = secondsAt(svg, framesOf(svg, 'e1'));
  const [, lastStart = 0, lastEnd = 0] = secondsAt(svg, framesOf(svg, 'e2'));
  expect((firstEnd - firstStart) / slower).toBeCloseTo(0.04, 3);
  expect((lastStart - firstStart) / slower).toBeCloseTo(0.05, 3);
  expect((lastEnd - lastStart) / slower).toBeCloseTo(0.05, 3);
  expect(svg.match(/class="edge"/g)).toHaveLength(3);
});

it('without motion shows how it ended, and says it in words', () => {
  const svg = broadcastSvg(MESSAGE);
  expect(svg).toMatch(/class="n last" id="n100">100 %</);
  expect(svg).toContain('aria-label="A broadcast reaches 4 of 4 nodes, 95 % of them after 100 ms."');
  const style = svg.slice(0, svg.indexOf('@media (prefers-reduced-motion: no-preference)'));
  expect(style).not.toContain('animation');
});

it('counts up, and says no more than was heard', () => {
  const svg = broadcastSvg(MESSAGE);
  expect([...svg.matchAll(/id="n(\d+)"/g)].map(([, share]) => Number(share))).toEqual([0, 25, 50, 75, 100]);
  expect(svg).toContain('3 copies sent, each node got it once, 2 hops at most');
  expect(broadcastSvg({ ...MESSAGE, duplicates: 2 })).toContain('2 came twice');
});
