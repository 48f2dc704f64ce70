// What nodes have, read again and again: only what came since is read, so that thousands of messages can be watched.
import { getJson, inParallel } from './network.ts';

interface Page {
  readonly messages: readonly { readonly id: string }[];
  readonly next: string | null;
}

export class Arrivals {
  readonly #nodes: readonly { readonly base: string; readonly ids: Set<string>; cursor: string | null }[];

  /** Of the nodes with these base URLs. */
  constructor(bases: readonly string[]) {
    this.#nodes = bases.map((base) => ({ base, ids: new Set(), cursor: null }));
  }

  /** Reads what has come. */
  async read(): Promise<void> {
    await inParallel(this.#nodes, async (node) => {
      for (let more = true; more;) {
        const query = node.cursor === null ? '' : `&cursor=${node.cursor}`;
        const page = (await getJson(`${node.base}/api/v1/messages?limit=500${query}`)) as Page;
        for (const { id } of page.messages) node.ids.add(id);
        more = page.next !== null;
        // Without one it was the last page: that one is read again, it may have got longer.
        node.cursor = page.next ?? node.cursor;
      }
    });
  }

  /** Pairs of node and message that have not been seen. */
  missing(ids: readonly string[]): number {
    let sum = 0;
    for (const node of this.#nodes) for (const id of ids) if (!node.ids.has(id)) sum++;
    return sum;
  }
}
