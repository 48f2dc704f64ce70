// What the tests in workerd share. They talk to the Worker as its callers do: HTTP, cron, queue, and RPC where nothing else shows.
// oxlint-disable-next-line no-restricted-imports -- this is where it is watched
import { SELF } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import type { Env } from '../../src/durable/env.ts';
import { nodeStub } from '../../src/durable/stubs.ts';
import { SETTLE_MS } from '../../src/protocol/limits.ts';
import type { NodeCalls } from '../../src/shell/node-calls.ts';
import { checkAnswer } from '../support/answers.ts';

export const bindings = env as unknown as Env & { readonly NODE_COUNT: string; readonly ADMIN_TOKEN: string };

export const NODE_COUNT = Number(bindings.NODE_COUNT);

export const SLOTS = Array.from({ length: NODE_COUNT }, (_, index) => index + 1);

/** The object of a slot, for evicting it and ringing its alarm. */
export function objectOf(slot: number): DurableObjectStub {
  return bindings.NODES.get(bindings.NODES.idFromName(String(slot)));
}

export function callsOf(slot: number): NodeCalls {
  return nodeStub(bindings, slot);
}

/** Waits until `probe` gives something: polls, and fails after ten seconds with what it last saw. */
export async function eventually<T>(what: string, probe: () => Promise<T | null | false>): Promise<T> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const found = await probe();
    if (found !== null && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`${what}: not within ten seconds`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** What `read` gives once it has stayed the same for longer than anybody waits before writing something down; nodes, if not told otherwise. */
export async function atRest<T>(read: () => Promise<T>, waitsMs = SETTLE_MS): Promise<T> {
  let last = '';
  let since = Date.now();
  return await eventually('rest', async () => {
    const now = await read();
    const text = JSON.stringify(now);
    if (text !== last) since = Date.now();
    last = text;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return Date.now() - since > waitsMs + 250 ? now : null;
  });
}

/** Has the Worker answer; what is below `/api/v1` is held against the document. `input` may be a path. */
export async function serve(input: string | Request, init?: RequestInit): Promise<Response> {
  const asked = typeof input === 'string' && input.startsWith('/') ? `https://pychain.example${input}` : input;
  const response = await SELF.fetch(asked, init);
  await checkAnswer(asked, init, response);
  return response;
}

export async function call(path: string, init: RequestInit = {}): Promise<{ status: number; body: unknown }> {
  const response = await serve(path, init);
  const text = await response.text();
  return { status: response.status, body: text === '' ? null : JSON.parse(text) };
}

/** Originates a message as an operator does, and gives its id. */
export async function broadcast(slot: number, data: object, headers: Record<string, string> = {}): Promise<string> {
  const { status, body } = await call(`/n/${slot}/api/v1/messages`, {
    method: 'POST',
    headers: { 'authorization': `Bearer ${bindings.ADMIN_TOKEN}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ data }),
  });
  if (status !== 202) throw new Error(`broadcast answered ${status}: ${JSON.stringify(body)}`);
  return (body as { id: string }).id;
}

/** Several with one request; gives their ids in order. */
export async function broadcastAll(slot: number, all: readonly object[]): Promise<string[]> {
  const { status, body } = await call(`/n/${slot}/api/v1/messages/batch`, {
    method: 'POST',
    headers: { 'authorization': `Bearer ${bindings.ADMIN_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify({ messages: all.map((data) => ({ data })) }),
  });
  if (status !== 202) throw new Error(`broadcast answered ${status}: ${JSON.stringify(body)}`);
  return (body as { messages: { id: string }[] }).messages.map(({ id }) => id);
}

/** Everybody joins, hears of everybody, and has made its first sync round. */
export async function startNetwork(): Promise<void> {
  for (const slot of SLOTS) await callsOf(slot).wake();
  await eventually('all know all', async () => {
    const statuses = await Promise.all(SLOTS.map((slot) => callsOf(slot).status()));
    const ready = statuses.every(
      ({ peers, nextSyncAt, time }) => peers['alive'] === NODE_COUNT - 1 && (nextSyncAt ?? 0) > time + 10_000,
    );
    return ready;
  });
}

/** Sum of a metric over all nodes. */
export async function total(metric: string, labels: Record<string, string> = {}): Promise<number> {
  const all = await Promise.all(SLOTS.map((slot) => callsOf(slot).samples()));
  return all
    .flat()
    .filter(
      (sample) =>
        sample.name === metric && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
    )
    .reduce((sum, sample) => sum + sample.value, 0);
}

/** Waits until every node has the message. */
export async function everywhere(ids: readonly string[]): Promise<void> {
  await eventually(`${ids.length} messages at every node`, async () => {
    for (const slot of SLOTS) {
      for (const id of ids) if ((await callsOf(slot).message(id)) === null) return false;
    }
    return true;
  });
}
