// The share of members that have a message, over the time since it was sent.
import { useEffect, useRef } from 'preact/hooks';
import UPlot from 'uplot';
import { readPalette } from '../ring/palette.ts';
import type { Spread } from '../state/message-book.ts';
import { onTheme } from './theme.ts';
import { duration, percent } from './words.ts';

const HEIGHT = 190;
/** Points that are drawn: a chart has no more pixels. */
const POINTS_MAX = 400;
const MS = 1000;

interface Props {
  readonly spread: Spread;
  /** Another one: draw again. */
  readonly revision: number;
}

export function CoverageChart({ spread, revision }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot | null>(null);

  useEffect(() => {
    const element = place.current;
    if (!element) return undefined;
    const build = () => {
      plot.current?.destroy();
      plot.current = new UPlot(optionsOf(element), [[], []], element);
    };
    build();
    const observer = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    const forget = onTheme(() => {
      const data = plot.current?.data;
      build();
      if (data) plot.current?.setData(data);
    });
    return () => {
      forget();
      observer.disconnect();
      plot.current?.destroy();
    };
  }, []);

  useEffect(() => plot.current?.setData(pointsOf(spread)), [spread, revision]);

  const text = `After ${duration(spread.timeTo(1) ?? spread.sorted().at(-1) ?? null)} ${percent(spread.coverage)} of the members have it`;
  return <div class="chart" ref={place} role="img" aria-label={text} />;
}

/** Milliseconds and percent; where the receipts are not known, the three times that the beacon told. */
function pointsOf(spread: Spread): UPlot.AlignedData {
  const times = spread.sorted();
  const x = [0];
  const y = [0];
  const members = Math.max(1, spread.members);
  if (times.length > 0) {
    const step = Math.max(1, Math.floor(times.length / POINTS_MAX));
    for (let index = 0; index < times.length; index += step) add((times[index] ?? 0) * MS, (index + 1) / members);
    add((times.at(-1) ?? 0) * MS, times.length / members);
  } else {
    for (const share of [0.5, 0.95, 1] as const) {
      const seconds = spread.timeTo(share);
      if (seconds !== null) add(seconds * MS, share);
    }
  }
  return [x, y];

  function add(time: number, share: number): void {
    x.push(Math.max(time, x.at(-1) ?? 0));
    y.push(Math.min(100, share * 100));
  }
}

function optionsOf(element: HTMLElement): UPlot.Options {
  const { soft, line, accent } = readPalette(element);
  const font = '12px system-ui, sans-serif';
  const axis = { stroke: soft, font, ticks: { show: false }, grid: { stroke: line, width: 1 } };
  const stepped = UPlot.paths.stepped?.({ align: 1 });
  return {
    width: element.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    // On the right half of a time has room, since the last one may stand at the end.
    padding: [8, 28, 0, 0],
    scales: {
      x: { time: false, range: (_plot, _min, max) => [0, niceEnd(max)] },
      y: { range: [0, 100] },
    },
    axes: [
      { ...axis, grid: { show: false }, size: 28, space: 70, values: (_plot, ticks) => ticks.map(timeOf) },
      { ...axis, size: 46, values: (_plot, ticks) => ticks.map((tick) => `${tick} %`), splits: () => [0, 50, 95] },
    ],
    series: [
      {},
      { stroke: accent, width: 2, fill: `${accent}22`, points: { show: false }, ...(stepped && { paths: stepped }) },
    ],
  };
}

/** A little room after the last arrival. */
function niceEnd(max: number | null): number {
  return Math.max(10, (max ?? 0) * 1.08);
}

function timeOf(ms: number): string {
  if (ms === 0) return '';
  return ms >= MS ? `${(ms / MS).toLocaleString('en')} s` : `${ms} ms`;
}
