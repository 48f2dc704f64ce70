import { afterEach, describe, expect, it, vi } from 'vitest';
import { giveToHandler, type HandlerTarget } from '../../src/shell/handler-client.ts';
import { webhookHeaders } from '../../src/crypto/webhook-signature.ts';
import { HANDLER_MS_MAX } from '../../src/protocol/limits.ts';
import { ID, stored } from '../api/fakes.ts';

const NOW = 1_700_000_000_500;
const SOURCE = { network: 'test', guid: 3, address: 'local:/n/3' };
const WEBHOOK = { url: 'https://app.example/hook', secret: `whsec_${'a'.repeat(32)}` };

afterEach(() => vi.restoreAllMocks());

/** Gives a handler one message; tells what it was asked. */
async function give(response: Response, webhook: HandlerTarget['webhook'] = WEBHOOK) {
  const asked: { url: string; init: RequestInit }[] = [];
  const fetch = async (url: string, init: RequestInit) => {
    asked.push({ url, init });
    return response;
  };
  const given = giveToHandler({ webhook, fetch, now: () => NOW }, SOURCE, [stored]);
  return { given, asked };
}

describe('a handler', () => {
  it('is sent a signed batch, whose id is the same each time', async () => {
    const { given, asked } = await give(new Response(null, { status: 204 }));
    await given;
    const [{ url, init } = { url: '', init: {} }] = asked;
    const body = String(init.body);
    expect(url).toBe(WEBHOOK.url);
    expect(JSON.parse(body)).toMatchObject({
      type: 'messages',
      timestamp: '2023-11-14T22:13:20.500Z',
      network: 'test',
      node: { guid: 3, address: 'local:/n/3' },
      messages: [{ id: ID, data: stored.data, received_at: stored.receivedAt / 1000 }],
    });
    const headers = new Headers(init.headers);
    const id = headers.get('webhook-id') ?? '';
    expect(id).toMatch(/^messages_[0-9a-f]{64}$/);
    const expected = await webhookHeaders(WEBHOOK.secret, id, 1_700_000_000, body);
    expect(Object.fromEntries(headers)).toEqual({ 'content-type': 'application/json', ...expected });
    const again = await give(new Response(null, { status: 204 }));
    await again.given;
    expect(new Headers(again.asked[0]?.init.headers).get('webhook-id')).toBe(id);
  });

  it('that is a binding needs no signature', async () => {
    const { given, asked } = await give(new Response('ok'), null);
    await given;
    expect(asked[0]?.url).toBe('https://handler/messages');
    expect(new Headers(asked[0]?.init.headers).has('webhook-signature')).toBe(false);
  });

  it.each([301, 400, 429, 500])('that answers %i has not taken it, and redirects are not followed', async (status) => {
    const { given, asked } = await give(new Response(null, { status, headers: { Location: 'https://else.example/' } }));
    await expect(given).rejects.toThrow(`answered ${status}`);
    expect([asked.length, asked[0]?.init.redirect]).toEqual([1, 'manual']);
  });

  it('may answer endlessly: nobody reads it', async () => {
    let isCancelled = false;
    const endless = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
      cancel: () => {
        isCancelled = true;
      },
    });
    const { given } = await give(new Response(endless));
    await given;
    expect(isCancelled).toBe(true);
  });

  it('that hangs is given up after its time', async () => {
    const over = new AbortController();
    const timeout = vi.spyOn(AbortSignal, 'timeout').mockReturnValue(over.signal);
    const fetch = (_url: string, init: RequestInit) =>
      new Promise<Response>((_, reject) => init.signal?.addEventListener('abort', () => reject(new Error('too late'))));
    const given = giveToHandler({ webhook: null, fetch, now: () => NOW }, SOURCE, [stored]);
    over.abort();
    await expect(given).rejects.toThrow('too late');
    expect(timeout).toHaveBeenCalledWith(HANDLER_MS_MAX);
  });
});
