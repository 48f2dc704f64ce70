// What an API answers to `fetch` is held against its document in every test in Node.js, by what vitest.config.ts loads before each.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';

// What is asked for here is loaded later: it would watch by being loaded.
const watcher = () => import('./support/watch-fetch.ts');
const server = createServer((_request, response) => {
  response.setHeader('content-type', 'application/json').end('{"guid": "none"}');
});
const urlOf = (path: string, host = '127.0.0.1') => `http://${host}:${(server.address() as AddressInfo).port}${path}`;
beforeAll(async () => {
  await once(server.listen(0), 'listening');
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

it('finds an answer that is not as the document says, whether its caller reads it or not', async () => {
  await fetch(urlOf('/n/1/api/v1/status'));
  const response = await fetch(new Request(urlOf('/api/v1/members'), { method: 'HEAD' }));
  expect(response.status).toBe(200);
  await fetch(urlOf('/api/v1/messages/x'), { method: 'delete' });
  await response.body?.cancel();
  const faults = await (await watcher()).faultsFound();
  expect(faults).toEqual([
    expect.stringMatching(/^GET http\S+\/n\/1\/api\/v1\/status answered 200: .*guid must be integer/),
    expect.stringMatching(/^DELETE .* answered 200: it is not in the document$/),
  ]);
});

it('leaves out what is no API, and what a test says is none of ours', async () => {
  await fetch(urlOf('/wakes/3'));
  const { isNoneOfOurs, faultsFound } = await watcher();
  await fetch(isNoneOfOurs(urlOf('/api/v1/status', 'localhost')));
  expect(await faultsFound()).toEqual([]);
});
