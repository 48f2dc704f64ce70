// A webhook that fails in every way there is, and comes back: it gets every message, and nobody else notices.
import { createHmac } from 'node:crypto';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Response as BindingResponse } from 'miniflare';
import type { Handler } from '../../src/cli/local-network.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  broadcast,
  eventually,
  inParallel,
  messagesOf,
  startMeasured,
  totals,
  type Measured,
} from '../../bench/network.ts';

const NODES = 4;
const MESSAGES = 60;
const HANDLER_NODE = 2;
const SECRET = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;

/** How it answers, one after the other; then it takes everything. */
const ANSWERS: readonly ((response: ServerResponse) => unknown)[] = [
  (response) => response.writeHead(500).end(),
  // Hangs, and breaks off.
  (response) => setTimeout(() => response.destroy(), 1_000),
  (response) => response.writeHead(302, { Location: '/elsewhere' }).end(),
];

interface Asked {
  readonly path: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
  readonly isTaken: boolean;
}

const asked: Asked[] = [];
let server: Server;
let network: Measured;
beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const answer = ANSWERS[asked.length];
      const body = Buffer.concat(chunks).toString();
      asked.push({ path: request.url ?? '', headers: request.headers, body, isTaken: answer === undefined });
      if (answer) answer(response);
      else response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  network = await startMeasured(NODES, {
    NETWORK_SYNC_INTERVAL: '3600',
    LOCAL_PEERS: 'on',
    HANDLER_NODE: String(HANDLER_NODE),
    HANDLER_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    HANDLER_SECRET: SECRET,
  });
});
afterAll(async () => {
  await network.dispose();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const idsOf = (batches: readonly Asked[]) =>
  batches.flatMap(({ body }) => (JSON.parse(body) as { messages: { id: string }[] }).messages.map(({ id }) => id));

it('gets each message at least once, in order; deliveries go on as if it were not there', async () => {
  const ids = await inParallel(
    Array.from({ length: MESSAGES }, (_, index) => index),
    (index) => broadcast(network, (index % NODES) + 1, { index }),
  );
  // While the handler fails: long before it has taken any.
  await eventually('all messages everywhere', async () => {
    const counts = await inParallel([1, 2, 3, 4], async (slot) => (await messagesOf(network, slot)).length);
    return counts.every((count) => count === MESSAGES);
  });
  await eventually('the handler has all', async () => {
    const taken = new Set(idsOf(asked.filter(({ isTaken }) => isTaken)));
    return ids.every((id) => taken.has(id));
  });
  const taken = idsOf(asked.filter(({ isTaken }) => isTaken));
  const stored = (await messagesOf(network, HANDLER_NODE)).map(({ id }) => id);
  expect(taken.filter((id) => ids.includes(id))).toEqual(stored);
  expect(new Set(asked.map(({ path }) => path))).toEqual(new Set(['/hook']));
  for (const { headers, body } of asked) {
    const [id, time] = [String(headers['webhook-id']), String(headers['webhook-timestamp'])];
    const key = Buffer.from(SECRET.slice(6), 'base64');
    const signature = createHmac('sha256', key).update(`${id}.${time}.${body}`).digest('base64');
    expect(headers['webhook-signature']).toBe(`v1,${signature}`);
    expect(Math.abs(Date.now() / 1000 - Number(time))).toBeLessThan(60);
    expect(body).toContain(`"guid":${HANDLER_NODE}`);
  }
  const sums = await totals(network);
  expect(sums.get('pychain_handler_batches_total{result="failed"}')).toBe(ANSWERS.length);
  expect(sums.get('pychain_handler_missed_total')).toBe(0);
  expect(sums.get('pychain_deliveries_total{result="new"}')).toBeGreaterThanOrEqual(MESSAGES * (NODES - 1));
  expect(sums.get('pychain_deliveries_total{result="duplicate"}')).toBe(0);
  expect(network.trouble).toEqual([]);
});

it('a service binding is called in the same way, without a signature; what it throws at comes again', async () => {
  const batches: { readonly ids: readonly string[]; readonly isSigned: boolean }[] = [];
  let calls = 0;
  const handler: Handler = async (request) => {
    const { messages } = (await request.json()) as { messages: { id: string }[] };
    if (++calls === 1) throw new Error('the application has a bug');
    batches.push({ ids: messages.map(({ id }) => id), isSigned: request.headers.has('webhook-signature') });
    return new BindingResponse(null, { status: 204 });
  };
  const bound = await startMeasured(2, { NETWORK_SYNC_INTERVAL: '3600' }, { handler });
  try {
    const ids: string[] = [];
    for (let index = 0; index < 10; index++) ids.push(await broadcast(bound, 2, { index }));
    await eventually('the application has all', async () => {
      const taken = new Set(batches.flatMap((batch) => batch.ids));
      return ids.every((id) => taken.has(id));
    });
    expect(batches.flatMap((batch) => batch.ids).filter((id) => ids.includes(id))).toEqual(
      (await messagesOf(bound, 1)).map(({ id }) => id),
    );
    expect(batches.some(({ isSigned }) => isSigned)).toBe(false);
    expect(calls).toBeGreaterThan(1);
  } finally {
    await bound.dispose();
  }
});
