// Without a beacon: the streams of some hosted nodes, each of which tells what has come to it, when, and over how many hops.
import type { Message } from '../../src/client/client.ts';
import type { ReceiptsOf } from '../state/message-book.ts';
import type { Link } from '../state/state.ts';
import type { Store } from '../state/store.ts';
import { clientOf, reasonOf } from './api.ts';

/** Nodes that are followed. Each brings whole messages, and a node lets one network have 250 readers at most. */
export const FOLLOWED_MAX = 16;

export interface Followed {
  readonly slot: number;
  readonly guid: number;
}

export class NodeFeed {
  readonly #store: Store;
  readonly #signal: AbortSignal;
  readonly #guids = new Set<number>();
  readonly #open = new Set<number>();
  /** Those that have answered, or have not. */
  readonly #tried = new Set<number>();

  constructor(store: Store, signal: AbortSignal) {
    this.#store = store;
    this.#signal = signal;
  }

  /** Follows these nodes too, until the signal. */
  follow(nodes: readonly Followed[]): void {
    const news = nodes.filter(({ guid }) => !this.#guids.has(guid)).slice(0, FOLLOWED_MAX - this.#guids.size);
    for (const node of news) {
      this.#guids.add(node.guid);
      // It refuses for good, as one that is gone may: the others go on.
      void this.#read(node).catch((error: unknown) => this.#closed(node.guid, reasonOf(error), 0));
    }
    if (news.length > 0) this.#store.dispatch({ type: 'source', source: 'nodes', followed: this.#guids.size });
  }

  async #read({ slot, guid }: Followed): Promise<void> {
    // What was sent while the line was cut comes when it is there again.
    for await (const event of clientOf(slot).stream({ cursor: 'now', signal: this.#signal })) {
      if (event.type === 'connected') this.#opened(guid);
      else if (event.type === 'disconnected') this.#closed(guid, event.error.message, event.retryMs);
      else if (event.type === 'messages') this.#take(guid, event.messages);
    }
  }

  #take(guid: number, all: readonly Message[]): void {
    // The boot node's announcements are no broadcasts of the ring's nodes.
    const messages = all.filter(({ originator }) => originator.guid !== 0);
    if (messages.length === 0) return;
    const receipts = messages.map((message) => receiptsAt(guid, message, this.#guids));
    this.#store.dispatch({ type: 'receipts', messages: receipts });
    for (const { id, data } of messages) {
      if (!this.#store.state.contents.has(id))
        this.#store.dispatch({ type: 'content', id, text: JSON.stringify(data) });
    }
  }

  #opened(guid: number): void {
    this.#open.add(guid);
    this.#tell(guid, null);
  }

  #closed(guid: number, reason: string, retryMs: number): void {
    this.#open.delete(guid);
    this.#tell(guid, { status: 'cut', reason, retryAt: Date.now() + retryMs });
  }

  /** It is live once all have been tried: what is sent before is not heard of by those that come later. */
  #tell(guid: number, cut: Link | null): void {
    this.#tried.add(guid);
    if (this.#signal.aborted) return;
    if (this.#open.size > 0 && this.#tried.size === this.#guids.size) {
      if (this.#store.state.link.status !== 'open') this.#store.dispatch({ type: 'link', link: { status: 'open' } });
    } else if (this.#open.size === 0 && cut) this.#store.dispatch({ type: 'link', link: cut });
  }
}

/** A message at a node, as a receipt. Over one hop it came from the originator itself; over more, nobody says from whom. */
function receiptsAt(guid: number, message: Message, followed: ReadonlySet<number>): ReceiptsOf {
  const { id, originator, broadcast_timestamp, received_at, hops } = message;
  const from = hops === 1 ? originator.guid : null;
  const receipt = [guid, guid === originator.guid ? 0 : received_at - broadcast_timestamp, hops, from] as const;
  // One that is not followed tells nothing, but it has what it sent.
  const isElsewhere = !followed.has(originator.guid);
  const own = isElsewhere ? [[originator.guid, 0, 0, null] as const] : [];
  return {
    id,
    originator: originator.guid,
    broadcast_timestamp,
    members: followed.size + (isElsewhere ? 1 : 0),
    duplicates: 0,
    receipts: [...own, receipt],
  };
}
