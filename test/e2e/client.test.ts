// What applications use: the client's stream over bad lines, the example, and the command that shows a stream.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { broadcast, eventually, startMeasured, TOKEN, type Measured } from '../../bench/network.ts';
import { PychainClient } from '../../src/client/client.ts';
import { startCuttingProxy } from '../support/cutting-proxy.ts';

const ROOT = join(import.meta.dirname, '../..');
const MESSAGES = 200;
const CUTS = 10;

let network: Measured;
beforeAll(async () => {
  network = await startMeasured(2, { NETWORK_SYNC_INTERVAL: '3600' });
});
afterAll(() => network.dispose());

it.each(['websocket', 'events'] as const)(
  'a stream that is cut goes on: each message once, in order (%s)',
  async (transport) => {
    const proxy = await startCuttingProxy(network.url);
    const url = `${proxy.url}/n/2`;
    const client = new PychainClient({ url, token: TOKEN, ...(transport === 'events' && { WebSocket: null }) });
    const { cursor } = await client.messagePage({ limit: 500 });
    const stop = new AbortController();
    const seen: string[] = [];
    let cuts = 0;
    const reading = (async () => {
      for await (const event of client.stream({ cursor, signal: stop.signal })) {
        if (event.type === 'connected') expect(event.transport).toBe(transport);
        if (event.type === 'gap') throw new Error('a gap');
        if (event.type !== 'messages') continue;
        // The boot node's announcements may still be on their way.
        seen.push(...event.messages.filter(({ originator }) => originator.guid !== 0).map(({ id }) => id));
        // In the middle of what is under way.
        if (seen.length > (cuts + 1) * (MESSAGES / CUTS / 2) && cuts < CUTS) {
          cuts++;
          proxy.cut();
        }
      }
    })();
    const ids: string[] = [];
    for (let n = 0; n < MESSAGES; n++) ids.push(await broadcast(network, 1, { transport, n }));
    await eventually('all of them', async () => seen.length >= ids.length);
    stop.abort();
    await reading;
    expect(seen).toEqual(ids);
    expect(cuts).toBeGreaterThan(2);
    await proxy.close();
  },
);

it('messages that are given together come in their order at another node, once though they are sent again; with a bad one none comes', async () => {
  const [from, to] = [1, 2].map((slot) => new PychainClient({ url: `${network.url}/n/${slot}`, token: TOKEN }));
  if (!from || !to) throw new Error('assertion failed: two nodes');
  const { cursor } = await to.messagePage({ limit: 500 });
  const contents = Array.from({ length: 100 }, (_, n) => ({ together: n }));
  const bad = { text: 'x'.repeat(70_000) };
  await expect(from.broadcastAll([...contents.slice(0, 10), bad])).rejects.toMatchObject({
    status: 413,
    detail: expect.stringMatching(/^messages\[10\]: /),
  });
  const accepted = await from.broadcastAll(contents, { idempotencyKey: 'together' });
  expect(await from.broadcastAll(contents, { idempotencyKey: 'together' })).toEqual(accepted);
  const came = async () => {
    const { messages } = await to.messagePage({ cursor, limit: 500 });
    return messages.filter(({ data }) => 'together' in data);
  };
  await eventually('all of them', async () => (await came()).length >= contents.length);
  expect((await came()).map(({ data }) => data)).toEqual(contents);
  expect((await came()).map(({ id }) => id)).toEqual(accepted.map(({ id }) => id));
});

it('the example runs: it sends a message, and sees it come', async () => {
  const { code, lines } = await run('examples/client.mjs', [`${network.url}/n/1`, TOKEN]);
  expect([code, lines[0], lines.at(-1)]).toEqual([0, 'node 1 of the network pychain', '1 {"hello":"world"}']);
});

it('`pychain stream` shows what comes, as JSON lines, until it is stopped', async () => {
  const args = ['stream', '2', '--url', network.url, '--json', '--event', 'SHOWN'];
  const shown = run('src/cli/main.ts', args, 1);
  // It begins with what comes from now on: sent until it has one.
  const sending = new AbortController();
  const sent = (async () => {
    while (!sending.signal.aborted) await broadcast(network, 1, { event: { name: 'SHOWN', args: {} } });
  })();
  const { code, lines } = await shown.finally(() => sending.abort());
  await sent;
  expect(code).toBe(0);
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ data: { event: { name: 'SHOWN' } }, cursor: expect.any(String) });
});

/** Runs a script of ours to its end, or until so many lines came, when it is told to stop. */
async function run(script: string, args: readonly string[], until = Infinity) {
  // With the condition, `pychain-edge` is src/.
  const all = ['-C', 'pychain-source', join(ROOT, script), ...args];
  const child = spawn(process.execPath, all, { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    if (lines.length === until) child.kill('SIGINT');
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, lines };
}
