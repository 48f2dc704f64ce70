// The results of large networks as an SVG: three plots over the number of nodes, a line a scenario. It is read on light and on dark pages,
// so it has no background, and its colours follow the reader's.
import { LABELS } from './scale-report.ts';
import { SCENARIOS, type Scenario, type ScaleResult } from './scale.ts';

const WIDTH = 300;
const HEIGHT = 220;
const MARGIN = { left: 46, right: 24, top: 40, bottom: 40 } as const;
const LEGEND = 30;
/** Between the marks of two scenarios, so that equal values do not hide each other. */
const ASIDE = 3;

interface Plot {
  readonly title: string;
  /** Null: there is no such value. */
  readonly value: (result: ScaleResult) => number | null;
  /** Values at which the axis is marked, ascending; the first and the last are its ends. */
  readonly ticks: (most: number) => readonly number[];
  readonly isLog: boolean;
}

const PLOTS: readonly Plot[] = [
  { title: 'hops at most', value: ({ hops }) => hops, ticks: wholeTicks, isLog: false },
  { title: 'sends a node and message', value: ({ sends }) => sends, ticks: wholeTicks, isLog: false },
  {
    title: 'seconds to all (halves: after the cut)',
    value: ({ scenario, t100, healedMs }) => inSeconds(scenario === 'halves' ? healedMs : t100),
    ticks: (most) => powersOfTen(0.1, most),
    isLog: true,
  },
];

/** Colours on light and on dark pages: told apart by who sees few colours too, as the marks are. */
const COLOURS: Readonly<Record<Scenario, readonly [light: string, dark: string]>> = {
  healthy: ['#00724f', '#3fce9f'],
  dead: ['#9a4b00', '#f2a65a'],
  loss: ['#a02070', '#ee8cc8'],
  halves: ['#1c5fae', '#7fb4f5'],
};

const MARKS: Readonly<Record<Scenario, (x: number, y: number) => string>> = {
  healthy: (x, y) => `M${x - 4} ${y}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z`,
  dead: (x, y) => `M${x - 4} ${y - 4}h8v8h-8z`,
  loss: (x, y) => `M${x} ${y - 5}l5 9h-10z`,
  halves: (x, y) => `M${x} ${y - 5}l5 5l-5 5l-5 -5z`,
};

/** The whole SVG. */
export function scaleSvg(results: readonly ScaleResult[]): string {
  const width = PLOTS.length * WIDTH;
  const height = HEIGHT + LEGEND;
  const shown = SCENARIOS.filter((scenario) => results.some((result) => result.scenario === scenario));
  const legend = shown.map(
    (scenario, index) =>
      `<g class="${scenario}"><path d="${MARKS[scenario](MARGIN.left + index * 120, 12)}"/>` +
      `<text x="${MARGIN.left + index * 120 + 10}" y="16">${LABELS[scenario]}</text></g>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title">`,
    '<title id="title">Broadcasts over the number of nodes: hops, sends and time, in four scenarios</title>',
    `<style>${style()}</style>`,
    ...legend,
    `<text x="${MARGIN.left + shown.length * 120}" y="16">over the number of nodes</text>`,
    ...PLOTS.map(
      (plot, index) => `<g transform="translate(${index * WIDTH} ${LEGEND})">${drawPlot(plot, results)}</g>`,
    ),
    '</svg>',
    '',
  ].join('\n');
}

function style(): string {
  const rules = (page: 0 | 1, ink: string, grid: string) =>
    `text{fill:${ink}}.grid{stroke:${grid}}` +
    SCENARIOS.map((scenario) => `.${scenario} path{fill:${COLOURS[scenario][page]}}`).join('') +
    SCENARIOS.map((scenario) => `.${scenario} polyline{stroke:${COLOURS[scenario][page]}}`).join('');
  return (
    `text{font:12px system-ui,sans-serif}polyline{fill:none;stroke-width:2}${rules(0, '#1f2328', '#d1d9e0')}` +
    `@media (prefers-color-scheme:dark){${rules(1, '#e6edf3', '#3d444d')}}`
  );
}

function drawPlot(plot: Plot, results: readonly ScaleResult[]): string {
  const sizes = [...new Set(results.map(({ nodes }) => nodes))].sort((a, b) => a - b);
  const values = results.map(plot.value).filter((value) => value !== null);
  const ticks = plot.ticks(Math.max(1, ...values));
  const [low = 0, high = 1] = [ticks[0], ticks.at(-1)];
  const x = axis(sizes[0] ?? 1, sizes.at(-1) ?? 1, MARGIN.left + 8, WIDTH - MARGIN.right - 8, true);
  const y = axis(low, high, HEIGHT - MARGIN.bottom, MARGIN.top, plot.isLog);
  const grid = ticks.map(
    (tick) =>
      `<path class="grid" d="M${MARGIN.left} ${y(tick)}H${WIDTH - MARGIN.right}"/>` +
      `<text x="${MARGIN.left - 6}" y="${y(tick) + 4}" text-anchor="end">${tick}</text>`,
  );
  const names = sizes.map(
    (nodes) =>
      `<text x="${x(nodes)}" y="${HEIGHT - MARGIN.bottom + 18}" text-anchor="middle">${nodes.toLocaleString('en')}</text>`,
  );
  const lines = SCENARIOS.map((scenario, index) => {
    const aside = ASIDE * (index - (SCENARIOS.length - 1) / 2);
    return drawLine(scenario, plot, results, (nodes) => round(x(nodes) + aside), y);
  });
  return `<text x="${MARGIN.left}" y="${MARGIN.top - 16}">${plot.title}</text>${[...grid, ...names, ...lines].join('')}`;
}

function drawLine(
  scenario: Scenario,
  plot: Plot,
  results: readonly ScaleResult[],
  x: (nodes: number) => number,
  y: (value: number) => number,
): string {
  const points = results.flatMap((result) => {
    const value = result.scenario === scenario ? plot.value(result) : null;
    return value === null ? [] : [{ nodes: result.nodes, value }];
  });
  const marks = points.map(
    ({ nodes, value }) =>
      `<path d="${MARKS[scenario](x(nodes), y(value))}"><title>${LABELS[scenario]}, ${nodes} nodes: ${round(value)}</title></path>`,
  );
  const line = points.map(({ nodes, value }) => `${x(nodes)},${y(value)}`).join(' ');
  return `<g class="${scenario}"><polyline points="${line}"/>${marks.join('')}</g>`;
}

/** Where a value between `low` and `high` is drawn. */
function axis(low: number, high: number, start: number, end: number, isLog: boolean): (value: number) => number {
  const scale = isLog ? Math.log10 : (value: number) => value;
  const span = scale(high) - scale(low) || 1;
  return (value) => round(start + ((scale(Math.max(value, low)) - scale(low)) / span) * (end - start));
}

function wholeTicks(most: number): number[] {
  const step = Math.ceil(most / 5);
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, index) => index * step);
}

function powersOfTen(least: number, most: number): number[] {
  const ticks = [least];
  while ((ticks.at(-1) ?? most) < most) ticks.push(round((ticks.at(-1) ?? least) * 10));
  return ticks;
}

function inSeconds(ms: number | null): number | null {
  return ms === null ? null : ms / 1000;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
