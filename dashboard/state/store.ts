// Holds the state. Whoever draws at its own pace hears of receipts at once; components are told at most some times a second.
import type { Arrival } from './message-book.ts';
import { initialState, reduce, type Action, type State } from './state.ts';

/** Shortest time between two renderings of what changes by itself, milliseconds. */
const RENDER_MS = 250;

export class Store {
  #state: State = initialState();
  #render: () => void = () => undefined;
  readonly #hearers = new Set<(arrivals: readonly Arrival[]) => void>();
  #renderedAt = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;

  get state(): State {
    return this.#state;
  }

  /** The one who renders. */
  onRender(render: () => void): void {
    this.#render = render;
  }

  /** Tells of receipts as they come; gives what ends that. */
  onArrivals(hear: (arrivals: readonly Arrival[]) => void): () => void {
    this.#hearers.add(hear);
    return () => this.#hearers.delete(hear);
  }

  dispatch(action: Action): void {
    this.#state = reduce(this.#state, action);
    const { book } = this.#state;
    const now = performance.now() / 1000;
    if (action.type === 'summaries') book.summarise(action.summaries, now);
    if (action.type === 'receipts') {
      const arrivals = book.fold(action.messages, now);
      if (arrivals.length > 0) for (const hear of this.#hearers) hear(arrivals);
    }
    // What a person did shows at once.
    const isUrgent = action.type === 'select-node' || action.type === 'select-message' || action.type === 'operator';
    this.#schedule(isUrgent ? 0 : this.#renderedAt + RENDER_MS - performance.now());
  }

  #schedule(ms: number): void {
    if (this.#timer !== null) {
      if (ms > 0) return;
      clearTimeout(this.#timer);
    }
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        this.#renderedAt = performance.now();
        this.#render();
      },
      Math.max(0, ms),
    );
  }
}
