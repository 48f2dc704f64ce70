// What is said of many measurements.

/** The value below which a share (0 to 1) of the values is; NaN where there are none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** How steep the line is that fits points best (least squares); NaN where there are fewer than two. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const [x, y] = [mean(points.map(([at]) => at)), mean(points.map(([, value]) => value))];
  const sum = (term: (dx: number, dy: number) => number) => points.reduce((all, [a, b]) => all + term(a - x, b - y), 0);
  return sum((dx, dy) => dx * dy) / sum((dx) => dx * dx);
}
