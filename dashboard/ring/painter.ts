// Draws the ring on a canvas. The dots are drawn once and kept until something of them changes; what moves is drawn over them, lines of one strength
// in one path, so that a frame with thousands of copies under way takes a few milliseconds.
import { NODE_STATES, type NodeState } from '../state/nodes.ts';
import { curveBetween, labelsOf, partOf, type Curve, type RingLayout } from './layout.ts';
import type { Palette } from './palette.ts';
import type { Playback } from './playback.ts';
import { drawMark, IS_OUTLINE } from './shapes.ts';
import { FADE_MS, type Stage } from './stage.ts';

/** From the chosen node to a peer of its roster. */
export interface Chord {
  readonly guid: number;
  readonly state: NodeState;
  /** It is one of those that the node synchronises with first. */
  readonly isPrimary: boolean;
}

export interface Scene {
  readonly layout: RingLayout;
  /** By index of the layout. */
  readonly states: readonly NodeState[];
  readonly palette: Palette;
  readonly stage: Stage;
  readonly selected: number | null;
  readonly hovered: number | null;
  readonly chords: readonly Chord[];
}

/** Radius of a copy under way. */
const HEAD = 2.2;
/** Strengths that lines and lights are drawn in. */
const STRENGTHS = 6;
/** Smallest dot that a halo fits around. */
const HALO_DOT_MIN = 5;
/** Of a tree that stays. */
const KEPT = 0.34;

export class RingPainter {
  readonly #context: CanvasRenderingContext2D;
  readonly #canvas: HTMLCanvasElement;
  readonly #dots: HTMLCanvasElement;
  readonly #curves = new WeakMap<Playback, { readonly layout: RingLayout; readonly curves: Curve[] }>();
  #drawn: readonly unknown[] = [];
  #ratio = 1;

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas;
    this.#dots = document.createElement('canvas');
    this.#context = contextOf(canvas);
  }

  /** Draws the scene as it is at `now`, page time. */
  draw(scene: Scene, now: number): void {
    const { layout, stage } = scene;
    this.#resize(layout.size);
    this.#drawDots(scene);
    const context = this.#context;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    context.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    this.#drawChords(scene);
    for (const playback of stage.playbacks) this.#drawTree(scene, playback, now);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(this.#dots, 0, 0);
    context.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    this.#drawLights(scene, now);
    this.#drawCursor(scene);
  }

  #resize(size: number): void {
    this.#ratio = Math.min(2, window.devicePixelRatio || 1);
    const pixels = Math.round(size * this.#ratio);
    if (this.#canvas.width === pixels) return;
    for (const canvas of [this.#canvas, this.#dots]) {
      canvas.width = pixels;
      canvas.height = pixels;
    }
    this.#drawn = [];
  }

  #drawDots({ layout, states, palette }: Scene): void {
    const wanted = [layout, states, palette];
    if (wanted.every((part, index) => part === this.#drawn[index])) return;
    this.#drawn = wanted;
    const context = contextOf(this.#dots);
    context.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    context.clearRect(0, 0, layout.size, layout.size);
    const { x, y, dot, centre, radius } = layout;
    if (layout.rows === 1) {
      context.beginPath();
      context.arc(centre, centre, radius, 0, 2 * Math.PI);
      context.strokeStyle = palette.line;
      context.lineWidth = 1;
      context.stroke();
    }
    for (const state of NODE_STATES) {
      context.beginPath();
      for (const [index, its] of states.entries()) {
        if (its === state) drawMark(context, state, x[index] ?? 0, y[index] ?? 0, dot);
      }
      context.strokeStyle = context.fillStyle = palette.states[state];
      context.lineWidth = Math.max(1.2, dot * 0.32);
      if (IS_OUTLINE[state]) context.stroke();
      else context.fill();
    }
    context.fillStyle = palette.soft;
    context.font = '12px system-ui, sans-serif';
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    for (const label of labelsOf(layout)) context.fillText(String(label.guid), label.x, label.y);
  }

  #drawChords({ layout, chords, selected, palette }: Scene): void {
    const from = selected === null ? undefined : layout.indexes.get(selected);
    if (from === undefined) return;
    const context = this.#context;
    for (const isPrimary of [false, true]) {
      for (const state of NODE_STATES) {
        context.beginPath();
        for (const chord of chords) {
          const to = layout.indexes.get(chord.guid);
          if (chord.state !== state || chord.isPrimary !== isPrimary || to === undefined) continue;
          trace(context, curveBetween(layout, from, to));
        }
        context.strokeStyle = palette.states[state];
        context.globalAlpha = isPrimary ? 0.85 : chords.length > 200 ? 0.1 : 0.3;
        context.lineWidth = isPrimary ? 1.6 : 1;
        context.stroke();
      }
    }
    context.globalAlpha = 1;
  }

  #drawTree({ layout, stage, palette }: Scene, playback: Playback, now: number): void {
    const context = this.#context;
    const isKept = playback === stage.pinned;
    const { starts, ends, senders, spread } = playback;
    const lines = Array.from({ length: STRENGTHS }, () => new Path2D());
    const used = new Set<number>();
    const heads = new Path2D();
    const curves = this.#curvesOf(playback, layout);
    for (let index = 0; index < starts.length; index++) {
      const [start = NaN, end = NaN, sender = null] = [starts[index], ends[index], senders[index]];
      const from = sender === null ? undefined : layout.indexes.get(sender);
      const to = layout.indexes.get(spread.guids[index] ?? 0);
      if (from === undefined || to === undefined || !(now >= start)) continue;
      const left = now < end ? 1 : 1 - (now - end) / FADE_MS;
      const strength = Math.max(left, isKept ? KEPT : 0);
      if (strength <= 0) continue;
      const bucket = Math.min(STRENGTHS - 1, Math.floor(strength * STRENGTHS));
      const curve = (curves[index] ??= curveBetween(layout, from, to));
      const shown = now < end ? partOf(curve, ease((now - start) / (end - start))) : curve;
      const path = lines[bucket];
      if (path) trace(path, shown);
      used.add(bucket);
      if (now < end) dab(heads, shown[4], shown[5]);
    }
    context.strokeStyle = palette.accent;
    context.lineCap = 'round';
    context.lineWidth = layout.guids.length > 200 ? 0.9 : 1.5;
    const most = layout.guids.length > 200 ? 0.55 : 0.9;
    for (const bucket of used) {
      const path = lines[bucket];
      context.globalAlpha = ((bucket + 0.5) / STRENGTHS) * most;
      if (path) context.stroke(path);
    }
    context.globalAlpha = 1;
    context.lineWidth = HEAD * 2;
    context.stroke(heads);
  }

  /** Where the copies of a message go: reckoned once, for as long as the dots stay where they are. */
  #curvesOf(playback: Playback, layout: RingLayout): Curve[] {
    const known = this.#curves.get(playback);
    if (known?.layout === layout) return known.curves;
    const curves: Curve[] = [];
    this.#curves.set(playback, { layout, curves });
    return curves;
  }

  /** A light on whoever has just got a message (a halo, where there is room for one), and a mark on whoever has the one that is kept. */
  #drawLights({ layout, stage, palette }: Scene, now: number): void {
    const context = this.#context;
    context.lineCap = 'round';
    const halos = new Float64Array(layout.guids.length);
    const light = (guid: number, at: number) => {
      const index = layout.indexes.get(guid);
      const left = 1 - (now - at) / FADE_MS;
      if (index !== undefined && left > (halos[index] ?? 0) && left <= 1) halos[index] = left;
    };
    for (const [guid, at] of stage.lit) light(guid, at);
    for (const { spread, ends } of stage.playbacks) {
      for (let index = 0; index < ends.length; index++) light(spread.guids[index] ?? 0, ends[index] ?? NaN);
    }
    const paths = Array.from({ length: STRENGTHS }, () => new Path2D());
    const hasRoom = layout.dot >= HALO_DOT_MIN;
    for (let index = 0; index < halos.length; index++) {
      const left = halos[index] ?? 0;
      const path = left <= 0 ? undefined : paths[Math.min(STRENGTHS - 1, Math.floor(left * STRENGTHS))];
      if (!path) continue;
      const [x = 0, y = 0] = [layout.x[index], layout.y[index]];
      const radius = layout.dot + 1.5 + (1 - left) * layout.dot * 1.3;
      if (!hasRoom) dab(path, x, y);
      else {
        path.moveTo(x + radius, y);
        path.arc(x, y, radius, 0, 2 * Math.PI);
      }
    }
    context.strokeStyle = palette.accent;
    context.lineWidth = hasRoom ? Math.max(1, Math.min(2, layout.dot * 0.3)) : layout.dot * 2 + 1;
    for (const [bucket, path] of paths.entries()) {
      context.globalAlpha = (bucket + 0.5) / STRENGTHS;
      context.stroke(path);
    }
    context.globalAlpha = 1;
    this.#drawHolders(layout, stage.pinned, now);
  }

  #drawHolders(layout: RingLayout, pinned: Playback | null, now: number): void {
    if (!pinned) return;
    const context = this.#context;
    const path = new Path2D();
    for (const [position, guid] of pinned.spread.guids.entries()) {
      const index = layout.indexes.get(guid);
      if (index === undefined || !pinned.hasArrived(position, now)) continue;
      dab(path, layout.x[index] ?? 0, layout.y[index] ?? 0);
    }
    context.lineWidth = Math.max(2.2, layout.dot * 0.84);
    context.stroke(path);
  }

  #drawCursor({ layout, selected, hovered, palette }: Scene): void {
    const context = this.#context;
    for (const [guid, width] of [
      [hovered, 1.2],
      [selected, 2],
    ] as const) {
      const index = guid === null ? undefined : layout.indexes.get(guid);
      if (index === undefined) continue;
      context.beginPath();
      context.arc(layout.x[index] ?? 0, layout.y[index] ?? 0, layout.dot + 5, 0, 2 * Math.PI);
      context.strokeStyle = palette.ink;
      context.lineWidth = width;
      context.stroke();
    }
  }
}

function contextOf(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const context = canvas.getContext('2d');
  if (!context) throw new Error('this browser draws no canvas');
  return context;
}

function trace(path: Path2D | CanvasRenderingContext2D, [x0, y0, cx, cy, x1, y1]: Curve): void {
  path.moveTo(x0, y0);
  path.quadraticCurveTo(cx, cy, x1, y1);
}

/** A dot, as a line without length that is stroked with round ends: cheaper than a circle where there are thousands. */
function dab(path: Path2D, x: number, y: number): void {
  path.moveTo(x, y);
  path.lineTo(x + 0.01, y);
}

/** Sets out fast and arrives slowly. */
function ease(t: number): number {
  return 1 - (1 - t) ** 2;
}
