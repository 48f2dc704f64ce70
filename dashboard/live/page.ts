// What goes on behind the page: the feeds that fill the store, and what people do.
import type { Store } from '../state/store.ts';
import { askAt, clientOf, reasonOf } from './api.ts';
import { details, receiptsIn } from './beacon.ts';
import { followBeacon, hasBeacon } from './beacon-feed.ts';
import { watchFigures } from './figures-feed.ts';
import { inspectNode } from './inspect.ts';
import { watchLogs } from './logs-feed.ts';
import { NodeFeed, type Followed } from './node-feed.ts';
import { OperatorCalls } from './operator.ts';
import { watchRoster } from './overview.ts';
import { Retry } from './retry.ts';
import { rest } from './waiting.ts';

/** About as long as news of a member take, milliseconds. */
const SPREAD_MS = 1_000;

export class Page {
  readonly store: Store;
  readonly operator: OperatorCalls;
  readonly #wake = new EventTarget();
  readonly #stop = new AbortController();
  #inspecting = new AbortController();

  constructor(store: Store) {
    this.store = store;
    this.operator = new OperatorCalls(store, () => {
      this.refresh();
      // By then the node that is asked has heard of it too.
      setTimeout(() => this.refresh(), SPREAD_MS);
    });
  }

  start(): void {
    const { signal } = this.#stop;
    addEventListener('online', () => this.refresh());
    void watchRoster(this.store, this.#wake, signal);
    void watchFigures(this.store, this.#wake, signal);
    void this.#follow(signal);
  }

  /** Asks everything again now, and connects again at once where the line was cut. */
  refresh(): void {
    this.#wake.dispatchEvent(new Event('wake'));
  }

  selectNode(guid: number | null): void {
    if (guid === this.store.state.selectedNode) return;
    this.#inspecting.abort();
    this.#inspecting = new AbortController();
    this.store.dispatch({ type: 'select-node', guid });
    if (guid === null) return;
    const { signal } = this.#inspecting;
    void inspectNode(this.store, guid, this.#wake, signal);
    void watchLogs(this.store, this.operator, guid, this.#wake, signal);
  }

  /** Shows a message until another is chosen; null: always the latest. */
  async selectMessage(id: string | null): Promise<void> {
    if (id !== null) await this.#complete(id);
    this.store.dispatch({ type: 'select-message', id });
    if (id !== null) void this.#readContent(id);
  }

  /** Reads the receipts of a message that this page has not seen come. */
  async #complete(id: string): Promise<void> {
    const { source, book } = this.store.state;
    const spread = book.get(id);
    if (source !== 'beacon' || !spread || spread.guids.length >= spread.received) return;
    try {
      const told = await askAt(null, `/beacon/messages/${encodeURIComponent(id)}`, details);
      this.store.dispatch({ type: 'receipts', messages: [receiptsIn(told)] });
    } catch {
      // What is known of it is shown.
    }
  }

  async #readContent(id: string): Promise<void> {
    const { contents, nodes } = this.store.state;
    if (contents.has(id)) return;
    const slot = [...nodes.values()].find((node) => node.slot !== null && node.state === 'alive')?.slot ?? null;
    if (slot === null) return;
    try {
      const message = await clientOf(slot).message(id);
      const text = message === null ? 'No longer in the mempool of that node.' : JSON.stringify(message.data);
      this.store.dispatch({ type: 'content', id, text });
    } catch (error) {
      this.store.dispatch({ type: 'content', id, text: reasonOf(error) });
    }
  }

  /** Finds out whom to follow, and follows. */
  async #follow(signal: AbortSignal): Promise<void> {
    const retry = new Retry();
    while (!signal.aborted) {
      let reason: string;
      try {
        if (await hasBeacon(signal)) {
          this.store.dispatch({ type: 'source', source: 'beacon' });
          return await followBeacon(this.store, this.#wake, signal);
        }
        return await this.#followNodes(signal);
      } catch (error) {
        reason = reasonOf(error);
      }
      if (signal.aborted) return;
      const ms = Math.min(2_000, retry.cut(Date.now()));
      // Before the first answer the page is loading, which it says elsewhere.
      if (this.store.state.phase === 'error') {
        this.store.dispatch({ type: 'link', link: { status: 'cut', reason, retryAt: Date.now() + ms } });
      }
      await rest(ms, this.#wake, signal);
    }
  }

  /** Without a beacon: nodes that join later are followed too. */
  async #followNodes(signal: AbortSignal): Promise<void> {
    const feed = new NodeFeed(this.store, signal);
    this.store.dispatch({ type: 'source', source: 'nodes', followed: 0 });
    while (!signal.aborted) {
      const nodes = [...this.store.state.nodes.values()];
      feed.follow(nodes.flatMap(({ slot, guid }): Followed[] => (slot === null ? [] : [{ slot, guid }])));
      await rest(nodes.length === 0 ? 250 : 2_000, this.#wake, signal);
    }
  }
}
