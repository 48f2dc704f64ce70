// Where the nodes of a ring are drawn. No DOM.

export interface RingLayout {
  /** Side of the square, CSS pixels. */
  readonly size: number;
  readonly centre: number;
  /** Of the outermost row. */
  readonly radius: number;
  /** Radius of a dot. */
  readonly dot: number;
  /** Rows of dots, one inside the other: as many as are needed for them not to touch. */
  readonly rows: number;
  /** Ascending. Clockwise from the top. */
  readonly guids: readonly number[];
  readonly x: Float64Array;
  readonly y: Float64Array;
  readonly indexes: ReadonlyMap<number, number>;
}

/** Room around the ring for the numbers. */
const MARGIN = 30;
const ROWS_MAX = 8;
const LABEL_PX = 30;
/** Below this distance a finger means the dot. */
const REACH_PX = 14;

/** Places the nodes with these GUIDs, ascending, in a square. */
export function layoutRing(guids: readonly number[], size: number): RingLayout {
  const centre = size / 2;
  const radius = Math.max(10, centre - MARGIN);
  const dot = dotRadius(guids.length) * Math.min(1, Math.max(0.7, size / 560));
  const spacing = dot * 2 + 2.5;
  const rows = Math.min(ROWS_MAX, Math.max(1, Math.ceil((guids.length * spacing) / (2 * Math.PI * radius))));
  const x = new Float64Array(guids.length);
  const y = new Float64Array(guids.length);
  const indexes = new Map<number, number>();
  for (const [index, guid] of guids.entries()) {
    const angle = angleOf(index, guids.length);
    const distance = radius - (index % rows) * spacing;
    x[index] = centre + Math.cos(angle) * distance;
    y[index] = centre + Math.sin(angle) * distance;
    indexes.set(guid, index);
  }
  return { size, centre, radius, dot, rows, guids, x, y, indexes };
}

export interface RingLabel {
  readonly guid: number;
  readonly x: number;
  readonly y: number;
}

/** The numbers around the ring: as many as there is room for. */
export function labelsOf({ guids, centre, radius, dot }: RingLayout): RingLabel[] {
  const room = Math.max(1, Math.floor((2 * Math.PI * radius) / LABEL_PX));
  const step = niceStep(guids.length / room);
  const distance = radius + Math.max(14, dot + 11);
  return guids.flatMap((guid, index) => {
    // Round numbers are easier to count on from; the last would stand too close to the first.
    const isFirst = index === 0;
    if (step > 1 && !isFirst && (guid % step !== 0 || guids.length - index < step / 2)) return [];
    const angle = angleOf(index, guids.length);
    return [{ guid, x: centre + Math.cos(angle) * distance, y: centre + Math.sin(angle) * distance }];
  });
}

/** Index of the node at a point; -1: there is none. */
export function nodeAt({ x, y, dot }: RingLayout, px: number, py: number): number {
  let best = -1;
  let least = Math.max(REACH_PX, dot + 4) ** 2;
  for (let index = 0; index < x.length; index++) {
    const distance = ((x[index] ?? 0) - px) ** 2 + ((y[index] ?? 0) - py) ** 2;
    if (distance < least) {
      least = distance;
      best = index;
    }
  }
  return best;
}

/** A quadratic curve: from, control point, to. */
export type Curve = readonly [x0: number, y0: number, cx: number, cy: number, x1: number, y1: number];

/** From one node to another, inside of the ring and around its middle, which is kept free. */
export function curveBetween(layout: RingLayout, from: number, to: number): Curve {
  const { x, y, centre, radius } = layout;
  const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = [x[from], y[from], x[to], y[to]];
  const a = Math.atan2(y0 - centre, x0 - centre);
  let turn = Math.atan2(y1 - centre, x1 - centre) - a;
  if (turn > Math.PI) turn -= 2 * Math.PI;
  if (turn <= -Math.PI) turn += 2 * Math.PI;
  // Neighbours are joined by a flat curve; those across by one that keeps clear of the middle.
  const depth = 0.94 - 0.16 * Math.min(1, Math.abs(turn) / (Math.PI / 2));
  const angle = a + turn / 2;
  return [x0, y0, centre + Math.cos(angle) * radius * depth, centre + Math.sin(angle) * radius * depth, x1, y1];
}

/** The beginning of a curve, up to `t` of it (0..1). */
export function partOf([x0, y0, cx, cy, x1, y1]: Curve, t: number): Curve {
  const ax = x0 + (cx - x0) * t;
  const ay = y0 + (cy - y0) * t;
  const bx = cx + (x1 - cx) * t;
  const by = cy + (y1 - cy) * t;
  return [x0, y0, ax, ay, ax + (bx - ax) * t, ay + (by - ay) * t];
}

function angleOf(index: number, count: number): number {
  return -Math.PI / 2 + (index / Math.max(1, count)) * 2 * Math.PI;
}

function dotRadius(count: number): number {
  if (count <= 16) return 9;
  if (count <= 64) return 6.5;
  if (count <= 256) return 4.4;
  return 3;
}

/** 1, 2, 5, 10, 20, 50 …: the first that is not smaller. */
function niceStep(least: number): number {
  for (let decade = 1; ; decade *= 10) {
    for (const factor of [1, 2, 5]) if (factor * decade >= least) return factor * decade;
  }
}
