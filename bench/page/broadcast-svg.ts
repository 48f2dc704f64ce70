// One broadcast as a moving picture: an SVG that needs no script, so that it also moves where only pictures are shown, such as a README. It has a ground of its own,
// since such a picture does not know whether what is around it is light or dark. Who wants nothing to move sees how it ended.

export interface Arrival {
  readonly guid: number;
  /** Seconds since the broadcast. */
  readonly after: number;
  readonly hops: number;
  /** Null: the originator's own, or it is not known. */
  readonly from: number | null;
}

/** What `GET /beacon/messages/{id}` says of a message that reached all. */
export interface Reached {
  readonly members: number;
  readonly duplicates: number;
  /** Seconds. */
  readonly t95: number;
  readonly t100: number;
  readonly hops_max: number;
  /** As they came. */
  readonly receipts: readonly Arrival[];
}

const WIDTH = 840;
const HEIGHT = 400;
const RING = { x: 204, y: 200, radius: 162, dot: 6 } as const;
/** Of GUIDs, around the ring. */
const NUMBERS_MAX = 12;
const PANEL_X = 448;
const CHART = { x: PANEL_X, y: 224, width: 344, height: 88 } as const;

/** How long the way is shown, about; seconds. */
const SHOWN_S = 5;
const SLOWER = [1, 2, 5, 10, 20, 30, 40, 50, 75, 100, 150, 200, 300, 500] as const;
const LEAD_S = 0.7;
const HOLD_S = 3.2;
const FADE_S = 0.5;

/** Draws it. Its times are the real ones, all of them the same number of times slower. */
export function broadcastSvg(message: Reached): string {
  const { members, receipts, t95, t100, hops_max: hops, duplicates } = message;
  const slower = slowdown(t100);
  const clock = new Clock(slower, t100);
  const tree = treeOf(message, clock);
  const count = counterOf(message, clock);
  const once = duplicates === 0 ? 'each node got it once' : `${duplicates} came twice`;
  const label = `A broadcast reaches ${receipts.length} of ${members} nodes, 95 % of them after ${ms(t95)}.`;
  const text = (y: number, className: string, content: string) =>
    `<text x="${PANEL_X}" y="${y}" class="${className}">${content}</text>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${label}">
<style>
${STYLE}
@media (prefers-reduced-motion: no-preference) {
.go * { animation-duration: ${clock.loop.toFixed(2)}s; animation-iteration-count: infinite; animation-timing-function: linear }
${[FADE(clock), ...tree.rules, ...count.rules, ...sweepOf(clock)].join('\n')}
}
</style>
<rect x=".5" y=".5" width="${WIDTH - 1}" height="${HEIGHT - 1}" rx="14" class="ground"/>
<g class="go">
${tree.shapes.join('\n')}
${text(74, 'soft', `One message, ${members} nodes, ${slower} times slower`)}
${count.shapes.join('\n')}
${text(192, 'soft', `of ${members} nodes have it`)}
${curveOf(message)}
<text x="${CHART.x + CHART.width}" y="336" class="soft small end">${timesOf(t95, t100)}</text>
${text(366, 'soft small', `${receipts.length - 1} copies sent, ${once}, ${hops} hops at most`)}
</g>
</svg>
`;
}

const STYLE = `.ground { fill: #0e1216; stroke: #262d35 }
text { fill: #e8ecef; font: 400 16px ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif; font-variant-numeric: tabular-nums }
.soft { fill: #98a3ad }
.small { font-size: 13.5px }
.guid { font-size: 11px; text-anchor: middle }
.end { text-anchor: end }
.n { font-size: 72px; font-weight: 300; letter-spacing: -0.03em; opacity: 0 }
.n.last { opacity: 1 }
.edge { fill: none; stroke: #ff9a62; stroke-width: 1.3; stroke-opacity: 0.75; stroke-dasharray: 1 2 }
.dot { fill: #262d35; stroke: #4b5662 }
.lit { fill: #ff9a62 }
.first { stroke: #e8ecef; stroke-width: 2.5; fill: #ff9a62 }
.axis { stroke: #262d35 }
.mark { stroke: #98a3ad; stroke-dasharray: 3 4 }
.curve { fill: none; stroke: #ff9a62; stroke-width: 2 }
.cover { fill: #0e1216; transform: scaleX(0); transform-box: fill-box; transform-origin: 100% 50% }`;

/** Places of real times in the loop. */
class Clock {
  /** Seconds. */
  readonly loop: number;
  readonly end: number;
  readonly #slower: number;

  constructor(slower: number, t100: number) {
    this.#slower = slower;
    this.end = LEAD_S + t100 * slower;
    this.loop = this.end + HOLD_S;
  }

  /** Of a real time, as CSS writes it. */
  at(after: number): string {
    return this.percent(LEAD_S + Math.max(0, after) * this.#slower);
  }

  percent(seconds: number): string {
    return `${Number(((seconds / this.loop) * 100).toFixed(2))}%`;
  }
}

function slowdown(t100: number): number {
  const wanted = SHOWN_S / Math.max(t100, 1e-3);
  return SLOWER.reduce((best, one) => (Math.abs(one - wanted) < Math.abs(best - wanted) ? one : best));
}

const FADE = (clock: Clock) =>
  `.way { animation-name: way } @keyframes way { 0%,${clock.percent(clock.loop - FADE_S)} { opacity: 1 } 100% { opacity: 0 } }`;

interface Drawn {
  readonly shapes: readonly string[];
  readonly rules: readonly string[];
}

/** Nodes in the order of their GUIDs, clockwise from the top, and the way of each copy. */
function treeOf({ receipts }: Reached, clock: Clock): Drawn {
  const guids = receipts.map(({ guid }) => guid).toSorted((a, b) => a - b);
  const places = new Map(guids.map((guid, index) => [guid, (index / guids.length) * 2 * Math.PI - Math.PI / 2]));
  const times = new Map(receipts.map(({ guid, after }) => [guid, after]));
  const dots: string[] = [];
  const edges: string[] = [];
  const lit: string[] = [];
  const numbers = guids.flatMap((guid, index) =>
    index % Math.ceil(guids.length / NUMBERS_MAX) === 0 ? [numberOf(guid, places.get(guid) ?? 0)] : [],
  );
  const rules: string[] = [];
  for (const { guid, after, from } of receipts) {
    const to = places.get(guid) ?? 0;
    const at = pointAt(to);
    const start = from === null ? undefined : places.get(from);
    dots.push(`<circle cx="${at.x}" cy="${at.y}" r="${RING.dot}" class="dot"/>`);
    lit.push(
      `<circle cx="${at.x}" cy="${at.y}" r="${RING.dot}" class="${start === undefined ? 'first' : 'lit'}" id="d${guid}"/>`,
    );
    rules.push(
      `#d${guid} { animation-name: d${guid} } @keyframes d${guid} { 0%,${clock.at(after)} { opacity: 0; animation-timing-function: step-end } ${clock.at(after + 1e-4)},100% { opacity: 1 } }`,
    );
    if (start === undefined || from === null) continue;
    // A clock that is off must not make it arrive before it set out.
    const sentAt = Math.min(times.get(from) ?? 0, after);
    edges.push(`<path pathLength="1" class="edge" id="e${guid}" d="${curveBetween(start, to)}"/>`);
    rules.push(
      `#e${guid} { animation-name: e${guid} } @keyframes e${guid} { 0%,${clock.at(sentAt)} { stroke-dashoffset: 1 } ${clock.at(after)},100% { stroke-dashoffset: 0 } }`,
    );
  }
  return { shapes: [...numbers, ...dots, '<g class="way">', ...edges, ...lit, '</g>'], rules };
}

function numberOf(guid: number, angle: number): string {
  const { x, y } = pointAt(angle, RING.radius + 19);
  return `<text x="${x}" y="${y + 4}" class="soft guid">${guid}</text>`;
}

function pointAt(angle: number, distance: number = RING.radius) {
  return {
    x: Number((RING.x + Math.cos(angle) * distance).toFixed(1)),
    y: Number((RING.y + Math.sin(angle) * distance).toFixed(1)),
  };
}

/** Inside of the ring: flat between neighbours, deep between those across. */
function curveBetween(from: number, to: number): string {
  const turn = Math.atan2(Math.sin(to - from), Math.cos(to - from));
  const control = pointAt(from + turn / 2, RING.radius * (0.92 - 0.62 * (Math.abs(turn) / Math.PI)));
  const [a, b] = [pointAt(from), pointAt(to)];
  return `M${a.x} ${a.y}Q${control.x} ${control.y} ${b.x} ${b.y}`;
}

/** The share that has it: one text for each number, of which one is seen at a time. */
function counterOf({ members, receipts }: Reached, clock: Clock): Drawn {
  const starts = new Map<number, string>([[0, '0%']]);
  for (const [index, { after }] of receipts.entries()) {
    const share = Math.floor(((index + 1) / members) * 100 + 1e-9);
    if (!starts.has(share)) starts.set(share, clock.at(after));
  }
  // Numbers that would be seen at no time at all are left out.
  const steps = [...starts].filter(([, start], index, all) => all[index + 1]?.[1] !== start);
  const shapes: string[] = [];
  const rules: string[] = [];
  for (const [index, [share, start]] of steps.entries()) {
    const end = steps[index + 1]?.[1];
    shapes.push(
      `<text x="${PANEL_X - 3}" y="150" class="n${end === undefined ? ' last' : ''}" id="n${share}">${share} %</text>`,
    );
    const before = start === '0%' ? '' : '0% { opacity: 0 } ';
    const after = end === undefined ? '' : ` ${end} { opacity: 0 }`;
    rules.push(
      `#n${share} { animation-name: n${share}; animation-timing-function: step-end } @keyframes n${share} { ${before}${start} { opacity: 1 }${after} 100% { opacity: ${end === undefined ? 1 : 0} } }`,
    );
  }
  return { shapes, rules };
}

/** How many had it when. */
function curveOf({ members, receipts, t95, t100 }: Reached): string {
  const { x, y, width, height } = CHART;
  const place = (after: number) => Number(((Math.max(0, after) / t100) * width).toFixed(1));
  const level = (count: number) => Number((height - 2 - (count / members) * (height - 6)).toFixed(1));
  const steps = receipts.map(({ after }, index) => `H${place(after)}V${level(index + 1)}`).join('');
  const mark = place(t95);
  return `<svg x="${x}" y="${y}" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<path d="M0 ${level(0)}${steps}" class="curve"/>
<rect width="${width}" height="${height}" class="cover"/>
<path d="M0 ${height - 0.5}H${width}" class="axis"/>
<path d="M${mark} 0V${height}" class="mark"/>
</svg>`;
}

/** The curve is uncovered as time goes on. */
function sweepOf(clock: Clock): string[] {
  return [
    `.cover { animation-name: cover } @keyframes cover { 0%,${clock.at(0)} { transform: scaleX(1) } ${clock.percent(clock.end)},100% { transform: scaleX(0) } }`,
  ];
}

function timesOf(t95: number, t100: number): string {
  const most = `95 % after ${ms(t95)}`;
  return ms(t95) === ms(t100) ? most : `${most}, all after ${ms(t100)}`;
}

function ms(seconds: number): string {
  return `${Math.round(seconds * 1000)} ms`;
}
