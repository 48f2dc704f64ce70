// Clients that broadcast without a pause worth the name, until the network under them is killed.
import { setTimeout as sleep } from 'node:timers/promises';
import { tokenOf } from './killable.ts';

const CLIENTS = 8;
/** Pause of a client between two messages, milliseconds, as long as it does not hurry: an hour at full speed fills every mempool. */
const PAUSE_MS = 1_000;

export class Clients {
  readonly #options: { readonly nodes: number; readonly folder: string };
  readonly #url: string;
  readonly #accepted: Set<string>;
  #running: readonly Promise<void>[] = [];
  #pause = new AbortController();
  #isStopped = false;

  /** `accepted` takes the ids of what is answered with 202. */
  constructor(options: { readonly nodes: number; readonly folder: string }, url: string, accepted: Set<string>) {
    this.#options = options;
    this.#url = url;
    this.#accepted = accepted;
  }

  start(): void {
    this.#running = Array.from({ length: CLIENTS }, (_, client) => this.#run(client));
    // Looked at in `ended`.
    for (const client of this.#running) client.catch(() => undefined);
  }

  /** No pauses any more. */
  hurry(): void {
    this.#pause.abort();
  }

  /** From now on the network may go away: requests under way may fail. */
  stop(): void {
    this.#isStopped = true;
    this.#pause.abort();
  }

  /** Resolves when all clients have ended; rejects where one failed while the network should have been there. */
  async ended(): Promise<void> {
    await Promise.all(this.#running);
  }

  async #run(client: number): Promise<void> {
    const token = tokenOf(this.#options.folder);
    for (let index = 0; !this.#isStopped; index++) {
      const slot = 1 + ((client + index) % this.#options.nodes);
      try {
        await this.#originate(slot, token, index);
      } catch (cause) {
        if (!this.#isStopped) throw cause;
      }
      if (!this.#pause.signal.aborted)
        await sleep(PAUSE_MS, undefined, { signal: this.#pause.signal }).catch(() => undefined);
    }
  }

  async #originate(slot: number, token: string, index: number): Promise<void> {
    const response = await fetch(`${this.#url}/n/${slot}/api/v1/messages`, {
      method: 'POST',
      headers: { 'authorization': `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ data: { index } }),
    });
    if (response.status === 202) this.#accepted.add(((await response.json()) as { id: string }).id);
    else await response.body?.cancel();
  }
}
