// Where nodes are drawn: in order, apart from each other, inside of the square, whatever their number.
import { describe, expect, it } from 'vitest';
import { curveBetween, labelsOf, layoutRing, nodeAt, partOf } from '../../dashboard/ring/layout.ts';

const guids = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

describe('layoutRing', () => {
  it.each([
    [1, 300],
    [4, 700],
    [48, 300],
    [1_000, 300],
    [1_000, 720],
  ])('%i nodes in %i pixels: all inside, and no two on one place', (count, size) => {
    const layout = layoutRing(guids(count), size);
    const places = new Set<string>();
    for (let index = 0; index < count; index++) {
      const [x = NaN, y = NaN] = [layout.x[index], layout.y[index]];
      const distance = Math.hypot(x - layout.centre, y - layout.centre);
      expect(distance).toBeGreaterThan(size / 6);
      expect(distance).toBeLessThanOrEqual(size / 2 - layout.dot);
      places.add(`${x.toFixed(1)} ${y.toFixed(1)}`);
    }
    expect(places.size).toBe(count);
  });

  it('a thousand dots have room in rows, four stand in one', () => {
    expect(layoutRing(guids(4), 700).rows).toBe(1);
    const { rows, x, y, dot } = layoutRing(guids(1_000), 700);
    expect(rows).toBeGreaterThan(1);
    const gap = Math.hypot((x[0] ?? 0) - (x[rows] ?? 0), (y[0] ?? 0) - (y[rows] ?? 0));
    expect(gap).toBeGreaterThanOrEqual(dot * 2);
  });

  it('goes clockwise from the top, by GUID', () => {
    const { x, y, centre } = layoutRing([3, 7, 8, 20], 400);
    expect([x[0], (y[0] ?? 0) < centre]).toEqual([centre, true]);
    expect((x[1] ?? 0) > centre).toBe(true);
    expect((x[3] ?? 0) < centre).toBe(true);
  });
});

it('a click on a dot finds its node, one in the middle finds none', () => {
  const layout = layoutRing(guids(1_000), 700);
  for (const index of [0, 333, 999]) expect(nodeAt(layout, layout.x[index] ?? 0, layout.y[index] ?? 0)).toBe(index);
  expect(nodeAt(layout, 350, 350)).toBe(-1);
});

it('numbers around the ring: all where there is room, round ones where there is not', () => {
  expect(labelsOf(layoutRing(guids(24), 700)).map(({ guid }) => guid)).toEqual(guids(24));
  const labels = labelsOf(layoutRing(guids(1_000), 700)).map(({ guid }) => guid);
  expect(labels.length).toBeGreaterThan(20);
  expect(labels.length).toBeLessThan(80);
  expect(labels.slice(1).every((guid) => guid % 10 === 0)).toBe(true);
});

it('curves keep the middle free, and a part of one lies on it', () => {
  const layout = layoutRing(guids(24), 600);
  for (let to = 1; to < 24; to++) {
    const curve = curveBetween(layout, 0, to);
    for (let t = 0; t <= 1; t += 0.1) {
      const [, , , , x, y] = partOf(curve, t);
      expect(Math.hypot(x - 300, y - 300)).toBeGreaterThan(layout.radius * 0.35);
    }
    expect(partOf(curve, 1).map(Math.round)).toEqual(curve.map(Math.round));
  }
});
