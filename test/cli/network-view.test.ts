// When `pychain up` says that a network is ready.
import { expect, test } from 'vitest';
import type { Client, NodeName } from '../../src/cli/client.ts';
import { NetworkView } from '../../src/cli/network-view.ts';

const STOP = new AbortController().signal;

/** A client whose nodes answer like this. */
function clientOf(answers: Readonly<Record<string, object>>): Client {
  const status = async (node: NodeName) => {
    const answer = answers[String(node)];
    if (!answer) throw new Error(`${node} does not answer`);
    return answer;
  };
  // Safe: the view asks for nothing else.
  return { status } as unknown as Client;
}

const node = (guid: number, maxGuid: number, alive: number) => ({
  guid,
  max_guid: maxGuid,
  peers: { alive },
  left_at: null,
});

test('every node knows all others: also where the boot node gives no GUID up to one that nobody has', async () => {
  const boot = { guid: 0, max_guid: 700, peers: { alive: 2 } };
  const view = new NetworkView([clientOf({ boot, 1: node(1, 2, 1), 2: node(2, 2, 1) })], 2);
  await view.refresh('not-ready', STOP);
  expect([view.ready, view.joinedCount]).toEqual([true, 2]);
});

test('also where one has left that the others have forgotten: what it knew is nothing to wait for', async () => {
  const boot = { guid: 0, max_guid: 3, peers: { alive: 3 } };
  const gone = { ...node(3, 4, 2), left_at: 1_700_000_000 };
  const view = new NetworkView([clientOf({ boot, 1: node(1, 2, 1), 2: node(2, 2, 1), 3: gone })], 3);
  await view.refresh('all', STOP);
  expect(view.ready).toBe(true);
});

test('not while one does not know the highest that another knows, or has not joined', async () => {
  const boot = { guid: 0, max_guid: 3, peers: { alive: 3 } };
  const behind = new NetworkView([clientOf({ boot, 1: node(1, 2, 1), 2: node(3, 3, 2) })], 2);
  await behind.refresh('all', STOP);
  expect(behind.ready).toBe(false);
  const missing = new NetworkView([clientOf({ boot, 1: node(1, 1, 1) })], 2);
  await missing.refresh('all', STOP);
  expect([missing.ready, missing.joined.length]).toEqual([false, 1]);
});

test('nodes of all deployments, each of which knows the others', async () => {
  const boot = { guid: 0, max_guid: 2, peers: { alive: 2 } };
  const first = clientOf({ boot, 1: node(1, 2, 1) });
  const both = new NetworkView([first, clientOf({ 1: node(2, 2, 1) })], 1);
  await both.refresh('all', STOP);
  expect([both.ready, both.rows.map(({ deployment, slot, status }) => [deployment, slot, status?.guid])]).toEqual([
    true,
    [
      [1, 1, 1],
      [2, 1, 2],
    ],
  ]);
  const apart = new NetworkView([first, clientOf({ 1: node(2, 2, 0) })], 1);
  await apart.refresh('all', STOP);
  expect(apart.ready).toBe(false);
});

test('one that has left is waited for by nobody, and waits for nobody', async () => {
  const boot = { guid: 0, max_guid: 3, peers: { alive: 3 } };
  const stays = (peers: object) => ({ ...node(1, 3, 0), peers });
  const gone = { ...node(3, 3, 0), left_at: 1_700_000_000 };
  const other = { ...node(2, 3, 0), peers: { alive: 1, left: 1 } };
  const view = new NetworkView([clientOf({ boot, 1: stays({ alive: 1, left: 1 }), 2: other, 3: gone })], 3);
  await view.refresh('all', STOP);
  expect(view.ready).toBe(true);
  // Who has left does not count as one that is known.
  const behind = new NetworkView([clientOf({ boot, 1: stays({ alive: 0, left: 1 }), 2: other, 3: gone })], 3);
  await behind.refresh('all', STOP);
  expect(behind.ready).toBe(false);
});
