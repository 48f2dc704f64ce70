import { describe, expect, test } from 'vitest';
import {
  asked,
  BODY_ROUTES,
  NODE,
  problemOf,
  send,
  sendTo,
  setUp,
  signatureOf,
  TOKEN,
  type BodyRoute,
} from './fakes.ts';

const BODY_BYTES_MAX = 262_144;

describe.each(BODY_ROUTES)('body of $method $path, signing: $signing', (route: BodyRoute) => {
  const { path, body, ok } = route;
  /** What a request is answered; throws unless it is a refusal that reached no gateway. */
  const refused = async (init: RequestInit) => {
    const { app, calls } = setUp();
    const response = await app.request(path, init);
    const problem = await problemOf(response);
    if (asked(calls).length > 0) throw new Error(`refused, and yet the gateway was asked: ${JSON.stringify(calls)}`);
    return { ...problem, status: response.status, headers: response.headers };
  };
  const padded = (bytes: number) => {
    const text = JSON.stringify(body);
    return text + ' '.repeat(bytes - text.length);
  };
  /** A body that comes in pieces; `bytes` is what is signed of it. */
  const streamed = (
    stream: ReadableStream<Uint8Array>,
    headers: Record<string, string> = {},
    bytes = new Uint8Array(),
  ): RequestInit => {
    const all = { ...headers, ...signatureOf(route, bytes) };
    // Node.js wants `duplex`, which some types of RequestInit do not know.
    const init: RequestInit & { duplex: 'half' } = { ...send(route.method, '', all), body: stream, duplex: 'half' };
    return init;
  };

  test.each([
    'application/json',
    'application/json; charset=utf-8',
    'application/json ; charset=utf-8',
    'APPLICATION/JSON;charset="UTF-8"',
    'application/vnd.pychain+json',
  ])('type %s passes', async (type) => {
    expect((await setUp().app.request(path, sendTo(route, body, { 'Content-Type': type }))).status).toBe(ok);
  });

  test('a byte order mark, white space and identity encoding pass', async () => {
    const init = sendTo(route, `\ufeff ${JSON.stringify(body, null, 2)}\r\n`, { 'Content-Encoding': 'identity' });
    expect((await setUp().app.request(path, init)).status).toBe(ok);
  });

  test('of the limit passes, one byte more does not', async () => {
    expect((await setUp().app.request(path, sendTo(route, padded(BODY_BYTES_MAX)))).status).toBe(ok);
    expect(await refused(sendTo(route, padded(BODY_BYTES_MAX + 1)))).toMatchObject({
      status: 413,
      slug: 'body-too-large',
    });
  });

  test('in many pieces, cut inside a character, passes', async () => {
    const bytes = new TextEncoder().encode(
      JSON.stringify({ ...body, ...(path.endsWith('/messages') ? { data: { a: '😀' } } : {}) }),
    );
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
        controller.close();
      },
    });
    expect((await setUp().app.request(path, streamed(stream, {}, bytes))).status).toBe(ok);
  });

  test('too long by its Content-Length: not read at all', async () => {
    let pulled = 0;
    const stream = new ReadableStream<Uint8Array>(
      {
        pull() {
          pulled++;
        },
      },
      { highWaterMark: 0 },
    );
    expect(await refused(streamed(stream, { 'Content-Length': String(BODY_BYTES_MAX + 1) }))).toMatchObject({
      status: 413,
      slug: 'body-too-large',
    });
    expect(pulled).toBe(0);
  });

  test.each([{}, { 'Content-Length': '10' }])(
    'without end, Content-Length %j: 413, and the stream is cancelled',
    async (headers) => {
      let cancelled = false;
      const stream = new ReadableStream<Uint8Array>({
        pull: (controller) => controller.enqueue(new Uint8Array(10_000).fill(0x20)),
        cancel() {
          cancelled = true;
          // Whoever waits for this waits for ever.
          return new Promise(() => undefined);
        },
      });
      expect(await refused(streamed(stream, headers))).toMatchObject({ status: 413, slug: 'body-too-large' });
      expect(cancelled).toBe(true);
    },
  );

  test('that breaks off: 400', async () => {
    const stream = new ReadableStream<Uint8Array>({ pull: (controller) => controller.error(new Error('reset')) });
    const problem = await refused(streamed(stream));
    expect(problem).toMatchObject({ status: 400, slug: 'malformed-body' });
    expect(problem.detail).not.toContain('reset');
  });

  test.each([
    'text/plain',
    'application/octet-stream',
    'application/jsonx',
    'text/json',
    'application/x-www-form-urlencoded',
    'multipart/form-data',
    'application/json; charset=latin1',
    'json',
  ])('type %s: 415', async (type) => {
    const problem = await refused(sendTo(route, body, { 'Content-Type': type }));
    expect(problem).toMatchObject({ status: 415, slug: 'unsupported-media-type' });
    expect(problem.headers.get('Accept')).toBe('application/json');
  });

  test('no type: 415', async () => {
    const bytes = new TextEncoder().encode(JSON.stringify(body));
    const headers = { Authorization: `Bearer ${TOKEN}`, ...signatureOf(route, bytes) };
    expect(await refused({ method: route.method, headers, body: bytes })).toMatchObject({
      status: 415,
      slug: 'unsupported-media-type',
    });
  });

  test.each(['gzip', 'deflate', 'br', 'identity, gzip'])('Content-Encoding %s: 415', async (encoding) => {
    const problem = await refused(sendTo(route, body, { 'Content-Encoding': encoding }));
    expect(problem).toMatchObject({ status: 415, slug: 'unsupported-media-type' });
    expect(problem.headers.get('Accept-Encoding')).toBe('identity');
  });

  test('empty: 400', async () => {
    expect(await refused(sendTo(route, ''))).toMatchObject({ status: 400, slug: 'malformed-body' });
    const headers = {
      'Content-Type': 'application/json',
      'Authorization': `Bearer ${TOKEN}`,
      ...signatureOf(route, ''),
    };
    expect(await refused({ method: route.method, headers })).toMatchObject({ status: 400, slug: 'malformed-body' });
  });

  test('not UTF-8: 400', async () => {
    for (const bytes of [
      [0x22, 0xff, 0x22],
      [0x22, 0xed, 0xa0, 0x80, 0x22],
      [0x22, 0xc0, 0xaf, 0x22],
      [0x22, 0xf0, 0x9f],
    ]) {
      const sent = Uint8Array.from(bytes);
      const init = send(route.method, '', signatureOf(route, sent));
      expect(await refused({ ...init, body: sent })).toMatchObject({
        status: 400,
        slug: 'malformed-body',
      });
    }
  });

  test('nested 100,000 deep: 400', async () => {
    expect(await refused(sendTo(route, '['.repeat(100_000) + ']'.repeat(100_000)))).toMatchObject({
      status: 400,
      slug: 'malformed-body',
    });
    expect(await refused(sendTo(route, `{"data":${'{"a":'.repeat(40_000)}1${'}'.repeat(40_001)}`))).toMatchObject({
      status: 400,
      slug: 'malformed-body',
    });
  });

  test.each([
    ['{', ''],
    ['{"a":1,}', ''],
    ['nope', ''],
    ['{"data":{"a":1,"a":2}}', 'data.a'],
    ['{"data":{"__proto__":{"x":1}}}', 'data.__proto__'],
    ['{"data":{"n":9007199254740993}}', 'data.n'],
    ['{"data":{"n":[1e400]}}', 'data.n[0]'],
    ['{"data":{"s":"\\ud800"}}', 'data.s'],
    ['{"guid":1,"guid":2}', 'guid'],
  ])('%s: 400 that names %j', async (text, place) => {
    const problem = await refused(sendTo(route, text));
    expect(problem).toMatchObject({ status: 400, slug: 'malformed-body' });
    expect(problem.errors.map((error) => error.path)).toEqual([place]);
  });
});

test('data of the greatest depth reaches the node as it was', async () => {
  const { app, calls } = setUp();
  let data: object = {};
  for (let depth = 1; depth < 64; depth++) data = { a: data };
  expect((await app.request(`${NODE}/messages`, send('POST', { data }))).status).toBe(202);
  expect(calls[0]?.args[0]).toMatchObject([{ data }]);
  expect((await app.request(`${NODE}/messages`, send('POST', { data: { a: data } }))).status).toBe(400);
});
