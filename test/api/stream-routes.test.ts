// What the stream's route makes of a request; the stream itself is in test/worker/stream.test.ts.
import { expect, test } from 'vitest';
import { asked, NODE, problemOf, setUp } from './fakes.ts';

const request = async (query: string, headers: Readonly<Record<string, string>> = {}) => {
  const { app, calls } = setUp();
  const response = await app.request(`${NODE}/stream${query}`, { headers });
  return { response, asked: asked(calls)[0]?.args[0] };
};

test.each([
  ['', {}, { transport: 'events', cursor: null, events: [], network: null }],
  ['?cursor=now&event=A', {}, { transport: 'events', cursor: 'now', events: ['A'], network: null }],
  [
    '?event=A&event=B',
    { Upgrade: 'WebSocket' },
    { transport: 'websocket', cursor: null, events: ['A', 'B'], network: null },
  ],
  // An EventSource that comes back sends the query that it began with.
  ['?cursor=now', { 'Last-Event-ID': '7' }, { transport: 'events', cursor: '7', events: [], network: null }],
  ['?cursor=5', { 'Last-Event-ID': '' }, { transport: 'events', cursor: '5', events: [], network: null }],
  [
    '',
    { 'CF-Connecting-IP': '2001:db8::7' },
    { transport: 'events', cursor: null, events: [], network: '2001:db8:0:0' },
  ],
])('%s %j', async (query, headers, expected) => {
  const { response, asked: got } = await request(query, headers);
  expect([response.status, got]).toEqual([200, expected]);
  expect(response.headers.get('Cache-Control')).toBe('no-store');
});

test.each([
  ['unknown-cursor', 422, 'invalid-input'],
  ['too-many-readers', 503, 'too-many-readers'],
  ['not-here', 404, 'no-such-stream'],
] as const)('a node that refuses with %s', async (refusal, status, slug) => {
  const { app } = setUp({ node: { stream: async () => refusal } });
  const response = await app.request(`${NODE}/stream?cursor=3`);
  expect([response.status, (await problemOf(response)).slug]).toEqual([status, slug]);
  expect(response.headers.has('Retry-After')).toBe(status === 503);
});

test.each([
  ['cursor=', 'cursor'],
  [`cursor=${'1'.repeat(257)}`, 'cursor'],
  ['event=', 'event[0]'],
  [`event=${'x'.repeat(129)}`, 'event[0]'],
  [Array(9).fill('event=x').join('&'), 'event'],
  // 8 names of 128 bytes are 1,024, of two bytes a character they are more.
  [
    Array(8)
      .fill(`event=${'%C3%A9'.repeat(65)}`)
      .join('&'),
    'event',
  ],
])('%.40s is refused, naming the field', async (query, path) => {
  const { response, asked: got } = await request(`?${query}`);
  expect([response.status, (await problemOf(response)).errors[0]?.path, got]).toEqual([422, path, undefined]);
});
