// The client inside a Worker: the same calls, with the platform's fetch.
import { beforeAll, expect, it } from 'vitest';
import { PychainClient } from '../../src/client/client.ts';
import { checkAnswer } from '../support/answers.ts';
import { bindings, serve, startNetwork } from './support.ts';

beforeAll(() => startNetwork());

it('asks, broadcasts and follows a stream', async () => {
  const client = new PychainClient({
    url: 'https://pychain.example/n/3',
    token: bindings.ADMIN_TOKEN,
    fetch: serve,
    WebSocket: null,
  });
  expect(await client.status()).toMatchObject({ network: 'test', address: expect.stringMatching(/\/n\/3$|3$/) });
  const { cursor } = await client.messagePage();
  const { id } = await client.broadcast({ said: 'in a Worker' });
  expect((await client.message(id))?.data).toEqual({ said: 'in a Worker' });
  const seen: string[] = [];
  for await (const event of client.stream({ cursor })) {
    if (event.type === 'messages') seen.push(...event.messages.map((message) => message.id));
    if (seen.includes(id)) break;
  }
  expect(seen.filter((one) => one === id)).toEqual([id]);
  await expect(
    new PychainClient({ url: 'https://pychain.example/n/3', fetch: serve }).broadcast({}),
  ).rejects.toMatchObject({ status: 401 });
});

it('is answered here too as the document says, or the test fails', async () => {
  const wrong = checkAnswer('/n/3/api/v1/status', undefined, Response.json({ network: 1 }));
  await expect(wrong).rejects.toThrow(/network must be string/);
});
