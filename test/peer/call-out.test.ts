// Calls of a Node.js node to peers: only to the public internet, unless peers are local.
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createCallOut, isPublicAddress, lookUpPublic } from '../../src/peer/call-out.ts';

let server: Server | null = null;
afterEach(() => void server?.close());

async function listen(answer: RequestListener): Promise<number> {
  const made = createServer(answer);
  server = made;
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve));
  return (made.address() as AddressInfo).port;
}

const never = new AbortController().signal;
const signal = () => AbortSignal.timeout(20_000);

describe('an address', () => {
  it.each(['1.1.1.1', '93.184.215.14', '172.32.0.1', '2606:4700:4700::1111', '2a00:1450:4001::1'])(
    '%s is public',
    (address) => expect(isPublicAddress(address)).toBe(true),
  );

  it.each([
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '127.0.0.1',
    '127.255.255.254',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:1.1.1.1',
    '::127.0.0.1',
    '64:ff9b::7f00:1',
    '2001:0:4136:e378::1',
    '2002:7f00:1::',
    '2001:db8::1',
    'fc00::1',
    'fd12:3456::1',
    'fe80::1',
    'ff02::1',
    'localhost',
    '',
  ])('%s is not', (address) => expect(isPublicAddress(address)).toBe(false));
});

describe('a call', () => {
  it('does not go to a name that leads inwards', async () => {
    let calls = 0;
    const port = await listen((_, response) => response.end(String(++calls)));
    const call = createCallOut(false, never);
    const called = call(new Request(`http://localhost:${port}/`), { signal: signal() });
    await expect(called).rejects.toThrow(/localhost leads to .*, which is not public/);
    await expect(call(new Request(`http://127.0.0.1:${port}/`), { signal: signal() })).rejects.toThrow(
      'literal address',
    );
    await expect(call(new Request(`http://[::1]:${port}/`), { signal: signal() })).rejects.toThrow('literal address');
    expect(calls).toBe(0);
  });

  it('looks a name up as the system does, for one address or all', async () => {
    const ask = (all: boolean) =>
      new Promise<string>((resolve) => {
        lookUpPublic('localhost', { all }, (error) => resolve(error?.message ?? 'found'));
      });
    expect(await ask(true)).toContain('not public');
    expect(await ask(false)).toContain('not public');
  });

  it('brings method, headers and body, and the answer back', async () => {
    const port = await listen((request, response) => {
      let body = '';
      request.on('data', (chunk) => (body += String(chunk)));
      request.on('end', () => {
        response.writeHead(201, { 'x-told': String(request.headers['x-asked']) });
        response.end(`${request.method} ${request.url} ${body}`);
      });
    });
    const init = { method: 'POST', body: 'ü', headers: { 'x-asked': 'yes' } };
    const response = await createCallOut(true, never)(new Request(`http://127.0.0.1:${port}/a?b`, init), {
      signal: signal(),
    });
    expect([response.status, response.headers.get('x-told')]).toEqual([201, 'yes']);
    expect(await response.text()).toBe('POST /a?b ü');
  });

  it('follows no redirect', async () => {
    const port = await listen((_, response) => {
      response.writeHead(302, { location: '/elsewhere' });
      response.end();
    });
    const response = await createCallOut(true, never)(new Request(`http://127.0.0.1:${port}/`), { signal: signal() });
    expect(response.status).toBe(302);
  });

  it.each(['its time is over', 'the node stops'])('ends when %s, also in the middle of an answer', async (why) => {
    const port = await listen((_, response) => {
      response.writeHead(200);
      response.write('half');
    });
    const [late, stop] = [new AbortController(), new AbortController()];
    const call = createCallOut(true, stop.signal);
    const response = await call(new Request(`http://127.0.0.1:${port}/`), { signal: late.signal });
    const read = response.text();
    (why === 'the node stops' ? stop : late).abort(new Error(why));
    await expect(read).rejects.toThrow(/abort|over|stops/i);
    server?.closeAllConnections();
  });
});
