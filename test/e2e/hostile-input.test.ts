// Input that means harm, to every endpoint of a running network: what no honest client sends, and what fast-check makes of the API's own
// description. Never a 5xx, never a stack, and what is refused changes nothing.
import fc from 'fast-check';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, getJson, startMeasured, TOKEN, type Measured } from '../../bench/network.ts';
import type { JsonObject } from '../../src/protocol/types.ts';
import { OutsideHost, type OutsidePeer } from '../../bench/outside-peer.ts';
import { arbitraryOf, mutated, type JsonSchema } from '../support/schema-arbitrary.ts';

const NODES = 3;
/** Members that call in turn: one alone would be slowed down before it has tried much. */
const CALLERS = 12;

let network: Measured;
let host: OutsideHost;
const callers: OutsidePeer[] = [];
let turn = 0;

const nextCaller = (): OutsidePeer => {
  const caller = callers[turn++ % callers.length];
  if (!caller) throw new Error('no callers');
  return caller;
};

beforeAll(async () => {
  network = await startMeasured(NODES, {
    LOCAL_PEERS: 'on',
    POW_BITS: '4',
    GROUP_MEMBERS: '100',
    NETWORK_SYNC_INTERVAL: '3600',
    MESSAGE_TTL: '86400',
  });
  host = await OutsideHost.open();
  for (let index = 0; index < CALLERS; index++) {
    const peer = await host.peer('pychain');
    if ((await peer.join(network.url)).status !== 200) throw new Error('a caller cannot join');
    callers.push(peer);
  }
  // Their announcement comes some seconds later, and changes every node.
  await eventually('everybody knows the callers', async () => {
    for (let slot = 1; slot <= NODES; slot++) {
      const page = (await getJson(`${network.url}/n/${slot}/api/v1/members?limit=128`)) as { members: unknown[] };
      if (page.members.length !== NODES + CALLERS) return false;
    }
    return true;
  });
  await settledState();
});

afterAll(async () => {
  await network.dispose();
  await host.close();
});

type Signing = 'none' | 'operator' | 'member' | 'key';

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Longer than this file takes. */
const LONG_SECONDS = 7_200;
const began = Date.now() / 1000;

/** In place of a status: the server closed the connection. A refusal too. */
const HUNG_UP = 499;

interface Target {
  readonly method: 'POST' | 'PUT';
  readonly path: string;
  readonly signing: Signing;
}

const BODY_TARGETS: readonly Target[] = [
  { method: 'POST', path: '/n/1/api/v1/messages', signing: 'operator' },
  { method: 'PUT', path: '/n/1/api/v1/broadcast', signing: 'operator' },
  { method: 'PUT', path: '/n/1/api/v1/broadcast', signing: 'member' },
  { method: 'POST', path: '/n/1/api/v1/sync', signing: 'none' },
  { method: 'POST', path: '/n/1/api/v1/sync', signing: 'member' },
  { method: 'POST', path: '/api/v1/sync', signing: 'none' },
  { method: 'POST', path: '/n/1/api/v1/deliveries', signing: 'member' },
  { method: 'POST', path: '/n/1/api/v1/deliveries', signing: 'none' },
  { method: 'PUT', path: '/api/v1/network/join', signing: 'key' },
  { method: 'PUT', path: '/api/v1/network/join', signing: 'none' },
];

async function send(
  target: Target,
  body: Uint8Array<ArrayBuffer>,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const { method, path, signing } = target;
  const url = `${network.url}${path}`;
  const base: Record<string, string> = { 'content-type': 'application/json' };
  if (signing === 'operator') base['authorization'] = `Bearer ${TOKEN}`;
  if (signing === 'member' || signing === 'key') {
    const options = signing === 'key' ? { credential: null } : {};
    const request = await nextCaller().request({ method, url, body }, options);
    for (const [name, value] of request.headers) base[name] = value;
  }
  try {
    const response = await fetch(url, { method, headers: { ...base, ...headers }, body });
    return { status: response.status, text: await response.text() };
  } catch (cause) {
    // A large body of which nothing was read: the server answers and hangs up, and the client may see only that.
    if (body.byteLength > 100_000) return { status: HUNG_UP, text: '' };
    throw cause;
  }
}

/** What anybody can see of the network, but for times and counters. */
async function state(): Promise<unknown> {
  const nodes = await Promise.all(
    [1, 2, 3].map(async (slot) => {
      const base = `${network.url}/n/${slot}/api/v1`;
      const { members } = (await getJson(`${base}/members?limit=128`)) as { members: JsonObject[] };
      const { messages } = (await getJson(`${base}/messages?limit=500`)) as { messages: JsonObject[] };
      const known = members.map(({ guid, address, public_key: key, incarnation }) => [guid, address, key, incarnation]);
      // One that may run out meanwhile would be a change that nobody made: callers choose how long theirs live.
      const lasting = messages.filter((message) => Number(message['expires_at']) > began + LONG_SECONDS);
      return { known, ids: lasting.map(({ id }) => id) };
    }),
  );
  const { max_guid: maxGuid } = (await getJson(`${network.url}/api/v1/status`)) as { max_guid: number };
  return { nodes, maxGuid };
}

/** The state once what was accepted is everywhere: nothing changes any more. */
async function settledState(): Promise<unknown> {
  let last = JSON.stringify(await state());
  return await eventually('rest', async () => {
    const now = await state();
    const text = JSON.stringify(now);
    if (text === last) return now;
    last = text;
    return false;
  });
}

const bytes = (text: string) => new TextEncoder().encode(text);

/** A JSON body with the evil where any schema would let it pass: under a key that nobody knows. */
const evil = (value: string) => bytes(`{"data":{"x":${value}},"extra":${value}}`);

const HARM: [what: string, body: Uint8Array<ArrayBuffer>, headers?: Record<string, string>][] = [
  ['a body of 10 MB', bytes(`{"data":"${'x'.repeat(10_000_000)}"}`)],
  ['a gzip bomb', new Uint8Array(gzipSync(Buffer.alloc(50_000_000, 32))), { 'content-encoding': 'gzip' }],
  ['a gzip bomb that says nothing of it', new Uint8Array(gzipSync(Buffer.alloc(50_000_000, 32)))],
  ['100,000 brackets', evil(`${'['.repeat(100_000)}${']'.repeat(100_000)}`)],
  ['100,000 braces that do not close', bytes('{"a":'.repeat(40_000))],
  ['a key twice', bytes('{"data":{"a":1,"a":2}}')],
  ['__proto__', evil('{"__proto__":{"isAdmin":true}}')],
  ['invalid UTF-8', Uint8Array.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])],
  ['NaN', evil('NaN')],
  ['Infinity', evil('-Infinity')],
  ['2^53+1', evil('9007199254740993')],
  ['1e400', evil('1e400')],
  ['a lone surrogate', evil('"\\ud800"')],
  ['nothing', bytes('')],
  ['a list', bytes('[]')],
  ['null', bytes('null')],
  ['HTML', bytes('<html></html>'), { 'content-type': 'text/html' }],
];

describe.each(BODY_TARGETS)('$method $path, signed by $signing', (target) => {
  it.each(HARM)('refuses %s, and nothing changes', async (...[, body, headers = {}]) => {
    const before = await state();
    const { status, text } = await send(target, body, headers);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
    expect(text).not.toMatch(/\bat .*\.(ts|js):\d+/);
    expect(await state()).toEqual(before);
  });

  it('refuses a body without end as soon as it is too long', async () => {
    let sent = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 65_536;
        // The server hangs up long before; this is for the case that it does not.
        if (sent > 200_000_000) controller.error(new Error('it took everything'));
        else controller.enqueue(new Uint8Array(65_536).fill(0x20));
      },
    });
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    if (target.signing === 'operator') headers['authorization'] = `Bearer ${TOKEN}`;
    if (target.signing === 'member' || target.signing === 'key') {
      const options = target.signing === 'key' ? { credential: null } : {};
      const outgoing = { method: target.method, url: `${network.url}${target.path}`, body: ' ' } as const;
      for (const [name, value] of (await nextCaller().request(outgoing, options)).headers) headers[name] = value;
    }
    const init = { method: target.method, headers, body: endless, duplex: 'half' } as RequestInit;
    const status = await fetch(`${network.url}${target.path}`, init).then(
      (response) => response.status,
      () => 'hung up' as const,
    );
    expect([401, 413, 'hung up']).toContain(status);
    expect(sent).toBeLessThan(200_000_000);
  });
});

interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: JsonSchema }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: JsonSchema }>> };
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>> };
}

const RUNS = 40;

/** What these do goes on by itself for seconds, so no state could be told from another; leave.test.ts has an operator call them. */
const LATE_EFFECTS = ['/network/leave', '/network/return'];

describe.each(['/n/2/api/v1', '/api/v1'])('every endpoint of %s, fuzzed from its own description', (base) => {
  it('answers below 500, without a stack, and a refusal changes nothing', async () => {
    const document = (await getJson(`${network.url}${base}/openapi.json`)) as Document;
    const { schemas } = document.components;
    const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
    );
    expect(operations.length).toBeGreaterThan(8);
    let known = await state();
    for (const { path, method, operation } of operations) {
      const parameters = fc.record(
        Object.fromEntries(
          (operation.parameters ?? []).map(({ name, schema }) => [name, mutated(arbitraryOf(schema, schemas))]),
        ),
      );
      const schema = operation.requestBody?.content['application/json']?.schema;
      const body = schema ? mutated(arbitraryOf(schema, schemas)) : fc.constant(undefined);
      const strangers = ['none', 'member', 'key'] as const;
      const signing = fc.constantFrom<Signing>(
        ...strangers,
        ...(LATE_EFFECTS.includes(path) ? [] : ['operator' as const]),
      );
      await fc.assert(
        fc.asyncProperty(parameters, body, signing, async (given, json, signed) => {
          const answer = await call(base, path, method, operation, given, json, signed);
          expect(answer.status).toBeLessThan(500);
          expect(answer.text).not.toMatch(/\bat .*\.(ts|js):\d+/);
          if (answer.status >= 400) expect(await state()).toEqual(known);
          else if (method !== 'GET') known = await settledState();
        }),
        { numRuns: RUNS },
      );
    }
    expect(network.trouble).toEqual([]);
  });
});

async function call(
  base: string,
  template: string,
  method: string,
  operation: Operation,
  given: Readonly<Record<string, unknown>>,
  json: unknown,
  signing: Signing,
): Promise<Answer> {
  const text = (value: unknown) => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));
  const path = template.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(text(given[name])) || '0');
  const query = new URLSearchParams();
  const headers: Record<string, string> = {};
  for (const { name, in: place } of operation.parameters ?? []) {
    if (given[name] === undefined) continue;
    if (place === 'query') query.set(name, text(given[name]));
    // fetch takes no other characters in a header, and no Upgrade at all: stream.test.ts has WebSockets.
    if (place === 'header' && name.toLowerCase() !== 'upgrade')
      headers[name] = text(given[name])
        .replace(/[^\x20-\x7e]/g, '')
        .trim();
  }
  const suffix = query.size > 0 ? `?${query}` : '';
  if (method === 'GET') {
    const response = await fetch(`${network.url}${base}${path}${suffix}`, { headers });
    return { status: response.status, text: await response.text() };
  }
  const target = { method: method as Target['method'], path: `${base}${path}${suffix}`, signing };
  return await send(target, bytes(JSON.stringify(json) ?? ''), headers);
}
