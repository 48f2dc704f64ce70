// The stream as Server-Sent Events, over `fetch`: for nodes, and platforms, without WebSockets. Nothing is read before it is wanted, so a slow
// reader holds the node up by the connection alone.
import { readFrame } from './checks.ts';
import { OPEN_MS_MAX, SILENCE_MS_MAX, type StreamConnection } from './connection.ts';
import { cutOff, PychainError, timedOut, unexpected, unreachable } from './error.ts';
import { EventParser } from './event-parser.ts';
import { problemOf, readText, reasonOf, type Fetch } from './http.ts';
import type { StreamFrame } from './types.ts';

class EventConnection implements StreamConnection {
  readonly transport = 'events';
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #abort: AbortController;
  readonly #decoder = new TextDecoder();
  readonly #parser = new EventParser();
  readonly #events: string[] = [];

  constructor(body: ReadableStream<Uint8Array>, abort: AbortController) {
    this.#reader = body.getReader();
    this.#abort = abort;
  }

  async next(): Promise<StreamFrame> {
    for (;;) {
      const data = this.#events.shift();
      if (data === undefined) {
        this.#events.push(...this.#parser.push(await this.#read()));
        continue;
      }
      const frame = readFrame(data);
      if (frame?.type === 'end') throw cutOff(`the node ended the stream: ${frame.reason}`);
      if (frame) return frame;
    }
  }

  /** It is by reading on that one acknowledges here. */
  acknowledge(): void {}

  close(): void {
    this.#abort.abort();
    // Not every `fetch` ends a body by its signal; one that has ended has nothing to cancel.
    this.#reader.cancel().catch(() => undefined);
  }

  async #read(): Promise<string> {
    let isSilent = false;
    const timer = setTimeout(() => {
      isSilent = true;
      this.close();
    }, SILENCE_MS_MAX);
    try {
      const { done, value } = await this.#reader.read();
      if (done) throw cutOff(isSilent ? 'the node was silent for too long' : 'the node ended the stream');
      return this.#decoder.decode(value, { stream: true });
    } catch (cause) {
      if (cause instanceof PychainError) throw cause;
      throw cutOff(isSilent ? 'the node was silent for too long' : reasonOf(cause));
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Opens a stream of events. Rejects with a PychainError where the node refuses or does not answer. */
export async function openEvents(url: string, fetch: Fetch, signal?: AbortSignal): Promise<StreamConnection> {
  const abort = new AbortController();
  const giveUp = () => abort.abort();
  const timer = setTimeout(giveUp, OPEN_MS_MAX);
  signal?.addEventListener('abort', giveUp);
  try {
    const headers = { accept: 'text/event-stream' };
    const response = await fetch(url, { headers, redirect: 'manual', cache: 'no-store', signal: abort.signal });
    if (!response.ok) throw problemOf(response, await readText(response, url), url);
    const type = response.headers.get('content-type') ?? '';
    if (!type.startsWith('text/event-stream') || !response.body) {
      await response.body?.cancel();
      throw unexpected(`${url}: answers, but with no stream of events: is it a node of a pychain network?`);
    }
    return new EventConnection(response.body, abort);
  } catch (cause) {
    if (cause instanceof PychainError) throw cause;
    if (abort.signal.aborted) throw timedOut(`${url}: no answer within ${OPEN_MS_MAX / 1000} s`);
    throw unreachable(`${url}: ${reasonOf(cause)}`, cause);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', giveUp);
  }
}
