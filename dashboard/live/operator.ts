// What the operator may do, with the token. It is kept in memory, or where the operator says so for as long as the tab is open; nowhere else.
import { nullable, number, shape, whole, type Check } from '../../src/client/checks.ts';
import type { JsonObject } from '../../src/client/client.ts';
import { PychainError } from '../../src/client/error.ts';
import type { NodeView } from '../state/nodes.ts';
import type { Store } from '../state/store.ts';
import { askAt, clientOf, reasonOf } from './api.ts';

const KEY = 'pychain-admin-token';

const membership = shape<{ readonly guid: number | null; readonly left_at: number | null }>({
  guid: nullable(whole),
  left_at: nullable(number),
});

const anything: Check<object> = () => null;

export class OperatorCalls {
  readonly #store: Store;
  readonly #changed: () => void;
  #token: string | null;

  /** `changed` is called when what is known of the nodes may be so no more, or more can be known. */
  constructor(store: Store, changed: () => void) {
    this.#store = store;
    this.#changed = changed;
    this.#token = sessionStorage.getItem(KEY);
    store.dispatch({ type: 'operator', operator: { hasToken: this.#token !== null } });
  }

  /** Takes the token, unless a node refuses it. What nobody answers is taken too: the next call tells. */
  async takeToken(text: string, isKept: boolean): Promise<void> {
    const token = text.trim();
    if (!/^[\x21-\x7e]+$/.test(token)) return this.#say('failed', 'A token is made of visible ASCII characters.');
    this.#store.dispatch({ type: 'operator', operator: { isBusy: true, notice: null } });
    const refusal = await this.#refusalOf(token);
    this.#store.dispatch({ type: 'operator', operator: { isBusy: false } });
    if (refusal !== null) return this.#say('failed', refusal);
    this.#token = token;
    if (isKept) sessionStorage.setItem(KEY, token);
    this.#store.dispatch({ type: 'operator', operator: { hasToken: true, notice: null } });
    this.#changed();
  }

  forgetToken(): void {
    this.#token = null;
    sessionStorage.removeItem(KEY);
    this.#store.dispatch({ type: 'operator', operator: { hasToken: false, notice: null } });
  }

  /** Has a node originate a message: `text` is a JSON object. */
  async broadcast(slot: number, text: string): Promise<void> {
    const data = objectIn(text);
    if (data === null) return this.#say('failed', 'A message is a JSON object, such as {"hello": "world"}.');
    await this.#run(async (token) => {
      const { id } = await clientOf(slot, token).broadcast(data);
      this.#store.dispatch({ type: 'content', id, text: JSON.stringify(data) });
      return `Node ${slot} took it: ${id.slice(0, 8)}.`;
    });
  }

  /** Has a node leave the network, or come back. */
  async setMembership(slot: number, wanted: 'leave' | 'return'): Promise<void> {
    await this.#run(async (token) => {
      await askAt(slot, `/network/${wanted}`, membership, { method: 'POST' }, token);
      return wanted === 'leave' ? `Node ${slot} has left the network.` : `Node ${slot} is coming back.`;
    });
    this.#changed();
  }

  /** Asks a node what only the operator may know. Rejects with a PychainError, or with the signal's reason. */
  async read<T>(slot: number, path: string, check: Check<T>, signal: AbortSignal): Promise<T> {
    const token = this.#token ?? '';
    try {
      return await askAt(slot, path, check, { headers: bearer(token), signal });
    } catch (error) {
      if (this.#token === token && this.#isRefused(error)) this.#say('failed', reasonOf(error));
      throw error;
    }
  }

  /** Why a token is wrong; null: no node says that it is. */
  async #refusalOf(token: string): Promise<string | null> {
    const slot = [...this.#store.state.nodes.values()].find(isThere)?.slot ?? null;
    if (slot === null) return null;
    try {
      await askAt(slot, '/logs?limit=1', anything, { headers: bearer(token) });
    } catch (error) {
      if (isRefusal(error)) return reasonOf(error);
    }
    return null;
  }

  async #run(work: (token: string) => Promise<string>): Promise<void> {
    if (this.#token === null) return this.#say('failed', 'Give the operator’s token first.');
    this.#store.dispatch({ type: 'operator', operator: { isBusy: true, notice: null } });
    try {
      this.#say('done', await work(this.#token));
    } catch (error) {
      this.#isRefused(error);
      this.#say('failed', reasonOf(error));
    } finally {
      this.#store.dispatch({ type: 'operator', operator: { isBusy: false } });
    }
  }

  /** A token that is wrong stays so, and is forgotten. */
  #isRefused(error: unknown): boolean {
    if (!isRefusal(error)) return false;
    this.forgetToken();
    return true;
  }

  #say(kind: 'done' | 'failed', text: string): void {
    this.#store.dispatch({ type: 'operator', operator: { notice: { kind, text } } });
  }
}

function bearer(token: string): Readonly<Record<string, string>> {
  return { authorization: `Bearer ${token}` };
}

function isThere({ slot, state }: NodeView): boolean {
  return slot !== null && state === 'alive';
}

function isRefusal(error: unknown): boolean {
  return error instanceof PychainError && (error.status === 401 || error.status === 403);
}

function objectIn(text: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : null;
  } catch {
    return null;
  }
}
