// What the hosted nodes of a network say of themselves, asked in rounds; the table and the readiness check read it.
import { ProblemError, type Client } from './client.ts';
import { errorLine } from './errors.ts';
import type { NodeStatus } from './schemas.ts';

/** One hosted node as last seen. */
export interface NodeRow {
  /** Which of the network's deployments, from 1. */
  readonly deployment: number;
  readonly slot: number;
  /** Null while it has not joined, or does not answer. */
  readonly status: NodeStatus | null;
  /** Why there is no status. */
  readonly problem: string | null;
}

/** Requests in flight at the same time. */
const PARALLEL = 16;
/** When nobody has joined for this long, the nodes themselves are asked. */
const STALL_MS = 15_000;

/** Keeps the last status of every hosted node. */
export class NetworkView {
  readonly #clients: readonly Client[];
  readonly #rows: NodeRow[];
  /** How many have joined by the boot node's word; null where that is not here. */
  #bootMembers: number | null = 0;
  #bootChangedAt = performance.now();

  /** A client a deployment, that with the boot node first, and how many nodes each has. */
  constructor(clients: readonly Client[], nodes: number) {
    this.#clients = clients;
    const slots = Array.from({ length: nodes }, (_, index) => index + 1);
    this.#rows = clients.flatMap((_, index) =>
      slots.map((slot) => ({ deployment: index + 1, slot, status: null, problem: null })),
    );
  }

  /** All nodes, by deployment and slot. */
  get rows(): readonly NodeRow[] {
    return this.#rows;
  }

  /** Nodes that have a GUID. */
  get joined(): readonly NodeRow[] {
    return this.#rows.filter(hasJoined);
  }

  /**
   * Every node has joined and knows all members: its roster holds as many peers as there are other nodes, and it knows
   * the highest GUID that there is.
   */
  get ready(): boolean {
    return this.#rows.every((row) => this.#isReady(row));
  }

  /** Asks the nodes: all of them, or those that are not ready yet. */
  async refresh(which: 'all' | 'not-ready', stop: AbortSignal): Promise<void> {
    // Ready nodes are asked again when someone joined since: they have to hear of it too.
    await this.#askBoot();
    if (which === 'not-ready' && this.#joinsGoOn()) return;
    const wanted = [...this.#rows.entries()].filter(([, row]) => which === 'all' || !this.#isReady(row));
    const next = wanted.values();
    await Promise.all(
      Array.from({ length: Math.min(PARALLEL, wanted.length) }, async () => {
        for (const [index, row] of next) {
          if (stop.aborted) return;
          this.#rows[index] = await this.#ask(row);
        }
      }),
    );
  }

  /** How many nodes have joined, as far as is known: the boot node hears of a join before anyone asks the node. */
  get joinedCount(): number {
    return Math.max(this.joined.length, Math.min(this.#bootMembers ?? 0, this.#rows.length));
  }

  /**
   * A question makes a node join that has not. While cron lets them join in order, asking would only get in its way; when
   * joins stall the nodes are asked all the same, since some may have GUIDs of an earlier run.
   */
  #joinsGoOn(): boolean {
    const all = this.#bootMembers === null || this.#bootMembers >= this.#rows.length;
    return !all && performance.now() - this.#bootChangedAt < STALL_MS;
  }

  #isReady(row: NodeRow): boolean {
    if (row.status === null || row.status.guid === null) return false;
    if (row.status.left_at !== null) return true;
    const members = this.#rows.filter(({ status }) => (status?.left_at ?? null) === null).length;
    const known = Object.entries(row.status.peers).reduce(
      (sum, [state, count]) => sum + (state === 'left' ? 0 : count),
      0,
    );
    return row.status.max_guid >= this.#maxGuid() && known >= members - 1;
  }

  #maxGuid(): number {
    return this.#rows.reduce(
      // Not by the boot node's word: the highest GUIDs that it ever gave may be nobody's any more. Nor by that of one that has left.
      (max, { status }) =>
        (status?.left_at ?? null) !== null ? max : Math.max(max, status?.guid ?? 0, status?.max_guid ?? 0),
      0,
    );
  }

  async #askBoot(): Promise<void> {
    const before = this.#bootMembers;
    try {
      this.#bootMembers = (await this.#clients[0]?.status('boot'))?.peers['alive'] ?? 0;
    } catch (error) {
      // A deployment that joined a network elsewhere hosts no boot node; its nodes' word is all there is.
      if (error instanceof ProblemError && error.status === 404) this.#bootMembers = null;
    }
    if (this.#bootMembers !== before) this.#bootChangedAt = performance.now();
  }

  async #ask({ deployment, slot }: NodeRow): Promise<NodeRow> {
    try {
      const status = (await this.#clients[deployment - 1]?.status(slot)) ?? null;
      return { deployment, slot, status, problem: null };
    } catch (error) {
      return { deployment, slot, status: null, problem: errorLine(error) };
    }
  }
}

/** Whether the node has a GUID. */
export function hasJoined(row: NodeRow): boolean {
  return row.status !== null && row.status.guid !== null;
}
