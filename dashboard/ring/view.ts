// The ring on the page: keeps its canvas as large as its place, and draws frames for as long as anything on it changes.
import { primaryPeers } from '../../src/protocol/ring.ts';
import { NODE_STATES, type NodeState } from '../state/nodes.ts';
import type { Spread } from '../state/message-book.ts';
import type { State } from '../state/state.ts';
import type { Store } from '../state/store.ts';
import { isStill } from '../ui/motion.ts';
import { onTheme } from '../ui/theme.ts';
import { layoutRing, type RingLayout } from './layout.ts';
import { readPalette, type Palette } from './palette.ts';
import { RingPainter, type Chord } from './painter.ts';
import { Stage } from './stage.ts';

export class RingView {
  readonly #place: HTMLElement;
  readonly #store: Store;
  readonly #painter: RingPainter;
  readonly #stage = new Stage(isStill());
  readonly #onProgress: (percent: number | null) => void;
  readonly #closers: (() => void)[] = [];
  #palette: Palette;
  #layout: RingLayout | null = null;
  #states: readonly NodeState[] = [];
  #chords: readonly Chord[] = [];
  #state: State | null = null;
  #hovered: number | null = null;
  #shown: Spread | null = null;
  #frame = 0;

  /** `onProgress` is told how far the message in the middle is shown to have come, in whole percent. */
  constructor(place: HTMLElement, store: Store, onProgress: (percent: number | null) => void) {
    this.#place = place;
    this.#onProgress = onProgress;
    this.#store = store;
    const canvas = document.createElement('canvas');
    canvas.setAttribute('aria-hidden', 'true');
    place.append(canvas);
    this.#painter = new RingPainter(canvas);
    this.#palette = readPalette(place);
    const observer = new ResizeObserver(() => this.#arrange());
    observer.observe(place);
    this.#closers.push(
      () => observer.disconnect(),
      () => canvas.remove(),
      () => cancelAnimationFrame(this.#frame),
      onTheme(() => {
        this.#palette = readPalette(place);
        this.#draw();
      }),
      store.onArrivals((arrivals) => {
        this.#stage.hear(arrivals, performance.now());
        this.#draw();
      }),
    );
  }

  get layout(): RingLayout | null {
    return this.#layout;
  }

  update(state: State, shown: Spread | null, hovered: number | null): void {
    const before = this.#state;
    this.#shown = shown;
    this.#state = state;
    this.#hovered = hovered;
    if (before?.nodes !== state.nodes) this.#arrange();
    if (before?.inspection !== state.inspection) this.#chords = chordsOf(state);
    if ((before?.selectedMessage ?? null) !== state.selectedMessage) {
      const { selectedMessage: id } = state;
      this.#stage.pin(id === null ? null : this.#store.state.book.get(id), performance.now());
    }
    this.#draw();
  }

  close(): void {
    for (const close of this.#closers) close();
  }

  /** Places the dots anew, where there are others or the place has another size. */
  #arrange(): void {
    if (!this.#state) return;
    const { nodes } = this.#state;
    const size = Math.floor(this.#place.clientWidth);
    const guids = [...nodes.keys()];
    const isSame = this.#layout?.size === size && sameNumbers(this.#layout.guids, guids);
    if (!isSame) this.#layout = layoutRing(guids, size);
    this.#states = Array.from(nodes.values(), ({ state }) => state);
    this.#draw();
  }

  /** Draws with the next frame, and on until all is at rest. */
  #draw(): void {
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      const now = performance.now();
      this.#stage.sweep(now);
      if (!this.#layout || !this.#state) return;
      this.#painter.draw(
        {
          layout: this.#layout,
          states: this.#states,
          palette: this.#palette,
          stage: this.#stage,
          selected: this.#state.selectedNode,
          hovered: this.#hovered,
          chords: this.#chords,
        },
        now,
      );
      const progress = this.#shown && this.#stage.progressOf(this.#shown, now);
      this.#onProgress(progress === null ? null : Math.floor(progress * 100));
      if (this.#stage.isMoving(now)) this.#draw();
    });
  }
}

/** Peers in the roster of the chosen node, those first in the ring's order that it synchronises with. */
function chordsOf({ inspection }: State): Chord[] {
  if (!inspection) return [];
  const { guid, roster, status } = inspection;
  const primary = new Set(status && guid <= status.max_guid ? primaryPeers(guid, status.max_guid) : []);
  return roster.flatMap(({ guid: peer, state: said }) => {
    const state = NODE_STATES.find((known) => known === said);
    return state ? [{ guid: peer, state, isPrimary: primary.has(peer) }] : [];
  });
}

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index]);
}
