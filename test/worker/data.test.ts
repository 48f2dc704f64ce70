// Data of every kind, through HTTP and the queue: stored unchanged everywhere, or refused with an error that says what and where.
import { beforeAll, describe, expect, it } from 'vitest';
import { JSON_DEPTH_MAX, MESSAGE_BYTES_MAX } from '../../src/protocol/limits.ts';
import { bindings, call, callsOf, everywhere, startNetwork, total } from './support.ts';

async function post(text: string, slot = 2) {
  const { status, body } = await call(`/n/${slot}/api/v1/messages`, {
    method: 'POST',
    headers: { 'authorization': `Bearer ${bindings.ADMIN_TOKEN}`, 'content-type': 'application/json' },
    body: text,
  });
  return { status, body: body as { id: string; detail: string; errors?: { path: string; message: string }[] } };
}

/** `[[…[value]…]]` with so many brackets. */
const nested = (depth: number, value = '1') => `${'['.repeat(depth)}${value}${']'.repeat(depth)}`;

beforeAll(() => startNetwork());

describe('data', () => {
  it.each([
    ['nothing', '{}'],
    ['one byte', '{"a":1}'],
    ['unicode in keys and values', '{"ключ🗝":"значение\\u0000 \\ud83d\\ude00 é é \\u2028"}'],
    ['the deepest that is allowed', `{"deep":${nested(JSON_DEPTH_MAX - 1)}}`],
    [
      'numbers at the ends of what a double holds',
      '{"n":[9007199254740991,-9007199254740991,1.7976931348623157e308,5e-324,0.1,1e21]}',
    ],
    ['keys that mean something elsewhere', '{"constructor":1,"toString":null,"id":"x","data":{"data":{}},"":[]}'],
    ['an event that nobody knows', '{"event":{"name":"COFFEE","args":{"cups":[1,2]}}}'],
  ])('%s comes out at the other end as it went in', async (_, data) => {
    const sent = await post(`{"data":${data}}`);
    expect(sent.status).toBe(202);
    await everywhere([sent.body.id]);
    const { body } = await call(`/n/15/api/v1/messages/${sent.body.id}`);
    expect((body as { data: unknown }).data).toEqual(JSON.parse(data));
  });

  it('of the largest size goes through, one byte more is refused with both numbers', async () => {
    const sized = (bytes: number) => `{"data":{"text":"${'é'.repeat(Math.floor(bytes / 2))}${'x'.repeat(bytes % 2)}"}}`;
    // What is left of a message beside its text: found by asking.
    const probe = await post(sized(MESSAGE_BYTES_MAX));
    expect(probe.status).toBe(413);
    const told = Number(/\d{5,}/.exec(probe.body.detail.replace(String(MESSAGE_BYTES_MAX), ''))?.[0]);
    const room = MESSAGE_BYTES_MAX - (told - MESSAGE_BYTES_MAX);
    // The nonce is a random number: its length varies by a few digits.
    const fits = await post(sized(room - 16));
    expect(fits.status).toBe(202);
    await everywhere([fits.body.id]);
    const over = await post(sized(room + 17));
    expect(over.status).toBe(413);
    expect(over.body.detail).toContain(String(MESSAGE_BYTES_MAX));
  });

  it.each([
    ['one level too deep', `{"data":{"deep":${nested(JSON_DEPTH_MAX)}}}`, 400],
    ['a number that no double holds', '{"data":{"n":9007199254740993}}', 400],
    ['a number beyond all doubles', '{"data":{"n":[1e400]}}', 400],
    ['more digits than a double has', '{"data":{"pi":3.14159265358979323846}}', 400],
    ['NaN', '{"data":{"n":NaN}}', 400],
    ['a key twice', '{"data":{"a":1,"a":2}}', 400],
    ['__proto__', '{"data":{"__proto__":{"admin":true}}}', 400],
    ['a lone surrogate', '{"data":{"text":"\\ud800"}}', 400],
    ['data that is no object', '{"data":[1]}', 422],
    ['data and event', '{"data":{},"event":{"name":"X","args":{}}}', 422],
    ['a key that is not known', '{"data":{},"tll":5}', 422],
    ['a ttl of nothing', '{"data":{},"ttl":0}', 422],
  ])('%s is refused, and the error says where', async (_, text, status) => {
    const before = await total('pychain_messages_originated_total');
    const answer = await post(text);
    expect(answer.status).toBe(status);
    expect(answer.body.errors?.[0]?.path ?? answer.body.detail).not.toBe('');
    expect(answer.body.errors?.length).toBeGreaterThan(0);
    expect(await total('pychain_messages_originated_total')).toBe(before);
  });

  it('lives as long as its ttl says', async () => {
    const sent = await post('{"data":{"brief":true},"ttl":3600}');
    const message = await callsOf(2).message(sent.body.id);
    expect((message?.expiresAt ?? 0) - (message?.broadcastAt ?? 0)).toBe(3_600_000);
  });
});
