// Whatever is sent, no route answers 5xx, and a refused request reaches no gateway.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { JsonValue } from '../../src/protocol/types.ts';
import {
  asked,
  BODY_ROUTES,
  BOOT,
  broadcast,
  deliveriesBody,
  ID,
  joinBody,
  NODE,
  send,
  sendTo,
  setUp,
  signatureOf,
  syncBody,
} from './fakes.ts';

const GOOD = [
  { data: { a: 1 } },
  { event: { name: 'X', args: {} }, ttl: 1 },
  broadcast,
  { ...broadcast, id: ID, broadcast_timestamp: 1 },
  syncBody,
  joinBody,
  deliveriesBody,
];

/** One app for all runs of a property, since making one takes longer than a request; its notes are emptied before each. */
function reusedSetup(): () => ReturnType<typeof setUp> {
  const setup = setUp();
  return () => {
    setup.calls.length = 0;
    setup.logged.length = 0;
    return setup;
  };
}

/** Values that one could think of for a field. */
const odd = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom<JsonValue>(
    null,
    0,
    -1,
    1.5,
    2 ** 31,
    2 ** 53,
    1e308,
    '',
    '0',
    ID,
    'http://h',
    'x'.repeat(300),
    [],
    {},
    [[1, 2]],
    [[2, 1]],
    { guid: 0 },
  ),
);

/** A good body with fields replaced, removed and added. */
const mutated = fc
  .tuple(
    fc.constantFrom(...GOOD),
    fc.dictionary(fc.constantFrom(...GOOD.flatMap((body) => Object.keys(body)), 'have', 'members', 'extra'), odd),
  )
  .map(([body, changes]) => JSON.stringify({ ...body, ...changes }));

const text = fc.oneof(
  { weight: 3, arbitrary: mutated },
  fc.jsonValue().map((value) => JSON.stringify(value)),
  fc.string({ unit: 'binary' }),
  fc
    .tuple(mutated, fc.nat(), fc.nat())
    .map(([body, from, to]) => body.slice(from % body.length, to % (body.length + 1))),
);

test.each(BODY_ROUTES)('$method $path, signing: $signing', async (route) => {
  const fresh = reusedSetup();
  await fc.assert(
    fc.asyncProperty(text, async (body) => {
      const { app, calls, logged } = fresh();
      const response = await app.request(route.path, sendTo(route, body));
      expect(response.status).toBeLessThan(500);
      expect(asked(calls).length).toBe(response.status < 300 ? 1 : 0);
      expect(logged).toEqual([]);
      await response.text();
    }),
    { numRuns: 300 },
  );
});

test.each(BODY_ROUTES)('bytes to $method $path, signing: $signing', async (route) => {
  const fresh = reusedSetup();
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1 }), async (bytes) => {
      const { app, calls } = fresh();
      const body = Uint8Array.from(bytes);
      const response = await app.request(route.path, { ...send(route.method, '', signatureOf(route, body)), body });
      expect([400, 422]).toContain(response.status);
      expect(asked(calls)).toEqual([]);
    }),
    { numRuns: 100 },
  );
});

test('any path, method and query', async () => {
  const segment = fc.oneof(
    fc.constantFrom(
      'n',
      '1',
      '0',
      'api',
      'v1',
      'status',
      'members',
      'messages',
      'nodes',
      'sync',
      'network',
      'join',
      'broadcast',
      ID,
      '%2e%2e',
      '%',
      '%ff',
      '',
    ),
    fc.string(),
  );
  const base = fc.constantFrom('', NODE, BOOT, '/n/1', '/n/%31/api/v1');
  const path = fc
    .tuple(base, fc.array(segment, { maxLength: 4 }), fc.string())
    .map(
      ([start, segments, query]) =>
        `http://localhost${start}/${segments.map((part) => part.replace(/[#?]/g, '')).join('/')}?${query}`,
    )
    .filter((url) => URL.canParse(url));
  const fresh = reusedSetup();
  await fc.assert(
    fc.asyncProperty(
      path,
      fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'),
      async (url, method) => {
        const { app, logged } = fresh();
        const response = await app.request(url, { method });
        expect(response.status).toBeLessThan(500);
        expect(response.headers.get('Cache-Control')).toBe('no-store');
        expect(logged).toEqual([]);
        await response.text();
      },
    ),
    { numRuns: 1_000 },
  );
});

test('headers', async () => {
  const fresh = reusedSetup();
  const value = fc.string().map((raw) => raw.replace(/[^\x20-\x7e]/g, ''));
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(
        'Content-Type',
        'Content-Length',
        'Content-Encoding',
        'Authorization',
        'Idempotency-Key',
        'X-Request-Id',
      ),
      value,
      async (name, given) => {
        const { app, calls, logged } = fresh();
        const response = await app.request(`${NODE}/messages`, send('POST', { data: {} }, { [name]: given }));
        expect(response.status).toBeLessThan(500);
        expect(calls.length).toBe(response.status === 202 ? 1 : 0);
        expect(logged).toEqual([]);
      },
    ),
    { numRuns: 300 },
  );
});
