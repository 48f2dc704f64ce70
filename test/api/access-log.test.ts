import { expect, test } from 'vitest';
import { ID, NODE, send, setUp } from './fakes.ts';

test('each request but those of watchers leaves a line at DEBUG in the log of the node that was asked, and of none that does not exist', async () => {
  const { app, accesses } = setUp();
  for (const path of [
    '/n/3/api/v1/members',
    '/n/3/api/v1/status',
    '/n/3/api/v1/nowhere',
    '/api/v1/members',
    '/n/99/api/v1/status',
    '/',
    `/${'x'.repeat(5_000)}`,
  ]) {
    await app.request(path);
  }
  expect(accesses.map(({ node, level, fields }) => [node, level, fields['status']])).toEqual([
    ['3', 'DEBUG', 200],
    ['3', 'DEBUG', 404],
    ['boot', 'DEBUG', 200],
    ['worker', 'DEBUG', 404],
    ['worker', 'DEBUG', 200],
    ['worker', 'DEBUG', 404],
  ]);
  expect(String(accesses.at(-1)?.fields['path']).length).toBeLessThanOrEqual(200);
});

test('the line of a request that made a message names it, as the lines of nodes do', async () => {
  const { app, accesses } = setUp();
  await app.request(`${NODE}/messages`, send('POST', { data: { a: 1 } }));
  await app.request(`${NODE}/messages`);
  expect(accesses.map(({ fields }) => fields['message'])).toEqual([ID.slice(0, 12), undefined]);
});
