// A client of one node of a pychain network, for browsers, Workers and Node.js: it uses nothing but what all of them have.
import * as checks from './checks.ts';
import type { Check } from './checks.ts';
import { PychainError } from './error.ts';
import { ask, type Fetch, type Target } from './http.ts';
import { pause, pauseMs } from './pause.ts';
import { followStream, type StreamEvent, type StreamOptions } from './stream.ts';
import type { Accepted, JsonObject, Member, Message, MessagePage, NamedEvent, NodeStatus } from './types.ts';
import type { WebSocketClass } from './web-socket.ts';

export { PychainError, type InputFault } from './error.ts';
export type { StreamEvent, StreamOptions } from './stream.ts';
export type { Accepted, JsonObject, JsonValue, Member, Message, MessagePage, NamedEvent, NodeStatus } from './types.ts';

export interface ClientOptions {
  /** The node: `https://network.example.org/n/3`, or the address of a node of its own. */
  readonly url: string;
  /** The operator's token: `broadcast` needs it. */
  readonly token?: string | undefined;
  /** How long one answer may take, milliseconds; 15,000 unless given. */
  readonly timeoutMs?: number | undefined;
  /** In place of the platform's `fetch`. */
  readonly fetch?: Fetch | undefined;
  /** In place of the platform's `WebSocket`; null: streams are Server-Sent Events. */
  readonly WebSocket?: WebSocketClass | null | undefined;
}

export interface CallOptions {
  /** Gives the call up: it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface PageOptions extends CallOptions {
  /** Where to go on; without it from the oldest on. */
  readonly cursor?: string | undefined;
  /** Messages a page, 500 at most; 100 unless given. */
  readonly limit?: number | undefined;
}

export interface BroadcastOptions extends CallOptions {
  /** How long mempools keep it, seconds; the network's MESSAGE_TTL unless given. */
  readonly ttl?: number | undefined;
  /** The same key gives the same message, not another, for as long as the node keeps it; one is drawn unless given. */
  readonly idempotencyKey?: string | undefined;
}

const TIMEOUT_MS = 15_000;
const TIMEOUT_MS_MAX = 600_000;

/** How long a broadcast is tried again where the answer was lost, or the node was busy. Milliseconds. */
const BROADCAST_MS = 30_000;

const MEMBERS_PAGE = 100;
const KEY_BYTES = 16;

/**
 * Speaks to one node. Calls reject with a PychainError where the node refuses, cannot be reached, does not answer in time, or answers what
 * no node does.
 */
export class PychainClient {
  /** Base URL of the node, without a trailing slash. */
  readonly url: string;
  readonly #target: Target;
  readonly #WebSocket: WebSocketClass | null;

  /** Throws a TypeError that names the option which is wrong. Nothing is sent yet. */
  constructor(options: ClientOptions) {
    const { token, timeoutMs = TIMEOUT_MS, fetch: given, WebSocket: Given } = options;
    if (!(timeoutMs >= 1 && timeoutMs <= TIMEOUT_MS_MAX)) {
      throw new TypeError(`timeoutMs ${timeoutMs}: give milliseconds from 1 to ${TIMEOUT_MS_MAX}`);
    }
    if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
      throw new TypeError('token: give visible ASCII characters, without spaces');
    }
    this.url = baseUrl(options.url);
    this.#target = {
      api: `${this.url}/api/v1`,
      token: token ?? null,
      timeoutMs,
      // Called as a function of its own: browsers refuse it as a method of another object.
      fetch: given ?? ((url, init) => fetch(url, init)),
    };
    const own = typeof WebSocket === 'undefined' ? null : WebSocket;
    this.#WebSocket = Given === undefined ? own : Given;
  }

  /** Who the node is, and how it fares. */
  status({ signal }: CallOptions = {}): Promise<NodeStatus> {
    return ask(this.#target, '/status', checks.nodeStatus, { signal });
  }

  /** A member that the node knows; null: it knows none with this GUID. */
  member(guid: number, { signal }: CallOptions = {}): Promise<Member | null> {
    return orNull(ask(this.#target, `/members/${encodeURIComponent(guid)}`, checks.member, { signal }));
  }

  /** All members that the node knows, in ascending order of GUID, a page at a time. */
  async *members({ signal }: CallOptions = {}): AsyncGenerator<Member, void> {
    let cursor: string | null = null;
    do {
      const query: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const page = await ask(this.#target, `/members?limit=${MEMBERS_PAGE}${query}`, checks.memberPage, { signal });
      yield* page.members;
      cursor = page.next;
    } while (cursor !== null);
  }

  /** A page of the node's messages, in the order of their arrival. */
  messagePage({ cursor, limit, signal }: PageOptions = {}): Promise<MessagePage> {
    const query = new URLSearchParams();
    if (cursor !== undefined) query.set('cursor', cursor);
    if (limit !== undefined) query.set('limit', String(limit));
    return ask(this.#target, `/messages?${query}`, checks.messagePage, { signal });
  }

  /** The node's messages in the order of their arrival, a page at a time; ends with the newest. `stream` goes on from there. */
  async *messages(options: PageOptions = {}): AsyncGenerator<Message, void> {
    let { cursor } = options;
    for (;;) {
      const page = await this.messagePage({ ...options, cursor });
      yield* page.messages;
      if (page.next === null) return;
      cursor = page.next;
    }
  }

  /** A message; null: the node has it not, or not any more. */
  message(id: string, { signal }: CallOptions = {}): Promise<Message | null> {
    return orNull(ask(this.#target, `/messages/${encodeURIComponent(id)}`, checks.message, { signal }));
  }

  /**
   * Has the node give a message to all: an object, or an event by its name (which is an object with the key `event`). Resolves when the
   * node has stored it. Where the answer is lost, or the node is busy, it is sent again with the same Idempotency-Key, so that the message
   * is one; for up to half a minute, and no longer than `ttl`, after which a node has forgotten the key.
   */
  async broadcast(content: JsonObject | NamedEvent, options: BroadcastOptions = {}): Promise<Accepted> {
    return await this.#give('/messages', bodyOf(content, options.ttl), checks.accepted, options);
  }

  /**
   * The same of several, 100 and 256 KiB at most: the node stores all of them, or none (then the error names the one that is wrong), and they
   * cost it one request and one row. Readers of this node see them in this order. Gives what became of each, in the same order.
   */
  async broadcastAll(
    contents: readonly (JsonObject | NamedEvent)[],
    options: BroadcastOptions = {},
  ): Promise<readonly Accepted[]> {
    if (contents.length === 0) return [];
    const body = { messages: contents.map((content) => bodyOf(content, options.ttl)) };
    return (await this.#give('/messages/batch', body, checks.acceptedAll(contents.length), options)).messages;
  }

  async #give<T>(path: string, body: object, check: Check<T>, options: BroadcastOptions): Promise<T> {
    const { ttl, idempotencyKey = drawKey(), signal } = options;
    const deadline = Date.now() + Math.min(BROADCAST_MS, (ttl ?? Infinity) * 1000);
    const headers = { 'idempotency-key': idempotencyKey };
    for (let failures = 0; ; failures++) {
      try {
        return await ask(this.#target, path, check, { method: 'POST', body, headers, signal });
      } catch (error) {
        if (!(error instanceof PychainError && isPassing(error))) throw error;
        const ms = pauseMs(failures, error.retryAfterMs);
        if (Date.now() + ms >= deadline) throw error;
        await pause(ms, signal);
        signal?.throwIfAborted();
      }
    }
  }

  /**
   * The node's messages as they come, in order: `for await (const event of client.stream())`. It connects again by itself, goes on after
   * the last message, and tells what was missed; each message comes once. What is asked of the node waits for the application: it may take
   * its time with an event, and at most some hundred KiB are kept for it. Ends with the signal, or when the loop is left; throws where the
   * node refuses for good. Another process goes on with the `cursor` of the last event that was dealt with.
   */
  stream(options: StreamOptions = {}): AsyncGenerator<StreamEvent, void> {
    const { api, fetch: ownFetch } = this.#target;
    return followStream({ url: `${api}/stream`, fetch: ownFetch, WebSocket: this.#WebSocket }, options);
  }
}

function baseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isPlain = url !== null && url.search === '' && url.hash === '' && url.username === '' && url.password === '';
  if (url && isPlain && /^https?:$/.test(url.protocol)) return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
  throw new TypeError(`url ${text}: give the http or https URL of a node, such as https://network.example.org/n/1`);
}

async function orNull<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof PychainError && error.type === 'urn:pychain:problem:not-found') return null;
    throw error;
  }
}

/** Whether a later attempt may do: the message may be there already, or the node has no room now. */
function isPassing({ status, type }: PychainError): boolean {
  if (status === null) return !type.endsWith(':unexpected-answer');
  return status === 429 || status === 502 || status === 503 || status === 504;
}

/** Both forms give the same message; with the name on its own the node checks it. */
function isNamedEvent(content: JsonObject | NamedEvent): content is NamedEvent {
  const event = content['event'];
  if (Object.keys(content).length !== 1 || typeof event !== 'object' || event === null) return false;
  return 'name' in event && Object.keys(event).every((key) => key === 'name' || key === 'args');
}

function bodyOf(content: JsonObject | NamedEvent, ttl: number | undefined): object {
  return { ...(isNamedEvent(content) ? content : { data: content }), ...(ttl !== undefined && { ttl }) };
}

function drawKey(): string {
  // Not randomUUID, which browsers have over https alone.
  const bytes = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
