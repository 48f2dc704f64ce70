// What the commands say of answers that no pychain network gives.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createClient } from '../../src/cli/client.ts';
import { isNoneOfOurs } from '../support/watch-fetch.ts';

let answer = { status: 200, type: 'text/plain', body: '' };
const server = createServer((_request, response) => {
  response.writeHead(answer.status, { 'content-type': answer.type }).end(answer.body);
});
beforeEach(async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening');
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

function client(token: string | null = null) {
  // Safe: a server that listens on TCP has an address with a port.
  const url = isNoneOfOurs(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  return createClient({ url, token });
}

test.each([
  [200, 'text/html', '<html>'],
  [200, 'application/json', 'hello'],
  [404, 'text/html; charset=utf-8', '<html>'],
  [404, 'text/plain', 'Not Found'],
  [404, 'application/json', '{"error":"no"}'],
])('%i %s is not of a pychain network', async (status, type, body) => {
  answer = { status, type, body };
  const asked = client();
  await expect(asked.status(1)).rejects.toMatchObject({
    exitCode: 1,
    message: `${asked.url}: answers, but is not a pychain network`,
  });
});

test('a problem of the network, or of a proxy before it, is told as what it is', async () => {
  answer = { status: 404, type: 'application/problem+json', body: '{"title":"no such node"}' };
  await expect(client().status(9)).rejects.toMatchObject({ message: 'no such node', status: 404 });
  answer = { status: 502, type: 'text/html', body: '<html>' };
  await expect(client().status(1)).rejects.toThrow('HTTP 502');
});

test('a token that is refused is called what the commands call it', async () => {
  answer = { status: 401, type: 'application/problem+json', body: '{"detail":"the operator token is wrong"}' };
  await expect(client('wrong').broadcast(1, { data: {} }, null)).rejects.toThrow('not the admin token');
});
