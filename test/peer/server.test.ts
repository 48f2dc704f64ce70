// The HTTP server of a Node.js node: whatever a caller says in its head, the request is one to this node, from where it came from.
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { CLIENT_HEADER, serve, type Listening, type ServeOptions } from '../../src/peer/server.ts';
import { isNoneOfOurs } from '../support/watch-fetch.ts';

const ADDRESS = 'https://me.example.org';

let listening: Listening | null = null;
afterEach(async () => {
  await listening?.close(0);
});

/** A server, and what its app was asked, as lines. */
async function start(changes: Partial<ServeOptions> = {}): Promise<{ url: string; port: number; seen: string[] }> {
  const seen: string[] = [];
  listening = await serve({
    fetch: async (request) => {
      const client = request.headers.get(CLIENT_HEADER) ?? '-';
      seen.push(`${request.method} ${request.url} ${client} ${await request.text()}`);
      return new Response('ok');
    },
    host: '127.0.0.1',
    port: 0,
    address: ADDRESS,
    proxyHeader: null,
    ...changes,
  });
  const { port } = listening;
  return { url: isNoneOfOurs(`http://127.0.0.1:${port}`), port, seen };
}

/** A request as it is on the wire. */
async function raw(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.end(text.replaceAll('\n', '\r\n'));
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}

describe('a request', () => {
  it.each([
    ['with the host header of another node', 'GET /api/v1/status?nonce=1 HTTP/1.1\nHost: other.example.org\n'],
    ['for a whole URL', 'GET http://other.example.org/api/v1/status?nonce=1 HTTP/1.1\nHost: other.example.org\n'],
  ])('%s is one to this node', async (_what, head) => {
    const { port, seen } = await start();
    expect(await raw(port, `${head}Connection: close\n\n`)).toContain('200 OK');
    expect(seen).toEqual([`GET ${ADDRESS}/api/v1/status?nonce=1 - `]);
  });

  it('keeps its method and body', async () => {
    const { url, seen } = await start();
    await fetch(`${url}/api/v1/sync`, { method: 'POST', body: 'a body' });
    expect(seen).toEqual([`POST ${ADDRESS}/api/v1/sync - a body`]);
  });

  it('cannot say itself where it comes from', async () => {
    const { url, seen } = await start();
    await fetch(`${url}/x`, { headers: { [CLIENT_HEADER]: '203.0.113.1', 'x-real-ip': '203.0.113.2' } });
    expect(seen).toEqual([`GET ${ADDRESS}/x - `]);
  });

  it('comes from an IPv4 address in its own form, also where the system maps it', async () => {
    const { url, seen } = await start({ proxyHeader: 'X-Real-IP' });
    await fetch(`${url}/x`, { headers: { 'x-real-ip': '::ffff:203.0.113.2' } });
    expect(seen).toEqual([`GET ${ADDRESS}/x 203.0.113.2 `]);
  });

  it('comes from whom the proxy says', async () => {
    const { url, seen } = await start({ proxyHeader: 'X-Real-IP' });
    await fetch(`${url}/x`, { headers: { 'x-real-ip': '203.0.113.2' } });
    expect(seen).toEqual([`GET ${ADDRESS}/x 203.0.113.2 `]);
  });
});

describe('closing', () => {
  it('lets a request end, and takes no other', async () => {
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<Response>();
    const { url } = await start({
      fetch: () => {
        asked.resolve();
        return answer.promise;
      },
    });
    const first = fetch(url);
    await asked.promise;
    const closed = listening?.close(30_000);
    await expect(fetch(url)).rejects.toThrow('fetch failed');
    answer.resolve(new Response('late'));
    expect(await (await first).text()).toBe('late');
    await closed;
  });

  it('does not wait for ever', async () => {
    const asked = Promise.withResolvers<void>();
    const { url } = await start({
      fetch: () => {
        asked.resolve();
        return new Promise(() => undefined);
      },
    });
    const cut = fetch(url).catch((error: Error) => error.message);
    await asked.promise;
    await listening?.close(1);
    expect(await cut).toBe('fetch failed');
  });
});
