// The beacon's stream at the real objects: the rules of readers are those of a node's stream, test/worker/stream.test.ts.
import { evictDurableObject } from 'cloudflare:test';
import { beforeAll, expect, it } from 'vitest';
import { beaconObject, heardBy } from './beacon-support.ts';
import { broadcast, eventually, NODE_COUNT, serve, startNetwork } from './support.ts';

interface Frame {
  readonly type: string;
  readonly cursor: string;
  readonly members?: number;
  readonly messages?: readonly {
    id: string;
    originator: number;
    members: number;
    receipts: readonly [guid: number, after: number, hops: number, from: number | null][];
  }[];
}

const PATH = '/api/v1/beacon/stream';

async function connect(query: string, acks = true) {
  const { webSocket: socket } = await serve(`${PATH}?${query}`, { headers: { Upgrade: 'websocket' } });
  if (!socket) throw new Error('no socket');
  const frames: Frame[] = [];
  socket.addEventListener('message', ({ data }) => {
    const frame = JSON.parse(String(data)) as Frame;
    frames.push(frame);
    if (acks && frame.type === 'receipts') socket.send(JSON.stringify({ ack: frame.cursor }));
  });
  socket.accept();
  await eventually('hello', async () => frames.length > 0);
  return { socket, frames };
}

/** GUIDs of the receipts of a message, in the order in which they were told. */
const guidsOf = (frames: readonly Frame[], id: string) =>
  frames.flatMap(({ messages = [] }) =>
    messages.filter((message) => message.id === id).flatMap(({ receipts }) => receipts.map(([guid]) => guid)),
  );

beforeAll(() => startNetwork());

it('tells of each receipt once as it is heard, in few frames, and the beacon may sleep between', async () => {
  const { socket, frames } = await connect('cursor=now');
  expect(frames[0]).toMatchObject({ type: 'hello', network: 'test', members: NODE_COUNT });
  for (let times = 0; times < 2; times++) {
    const id = await broadcast(1, { times });
    await eventually('all receipts', async () => guidsOf(frames, id).length === NODE_COUNT);
    expect(new Set(guidsOf(frames, id)).size).toBe(NODE_COUNT);
    const { receipts } = await heardBy(id, NODE_COUNT);
    const told = frames.flatMap(({ messages = [] }) => messages.find((message) => message.id === id)?.receipts ?? []);
    expect(told.toSorted(([a], [b]) => a - b)).toEqual(
      receipts
        .map(({ guid, after, hops, from }) => [guid, after, hops, from])
        .toSorted(([a = 0], [b = 0]) => Number(a) - Number(b)),
    );
    expect(frames.length).toBeLessThan(12);
    await evictDurableObject(beaconObject());
  }
  socket.close();
});

it('goes on after the cursor of the last frame, also over an eviction, and tells who comes anew what is kept', async () => {
  const first = await connect('cursor=now');
  const id = await broadcast(2, { a: 1 });
  await eventually('all receipts', async () => new Set(guidsOf(first.frames, id)).size === NODE_COUNT);
  first.socket.close();
  const next = await broadcast(3, { b: 1 });
  await heardBy(next, NODE_COUNT);
  // Stored by then.
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  await evictDurableObject(beaconObject());
  const again = await connect(`cursor=${first.frames.at(-1)?.cursor}`);
  await eventually('what came meanwhile', async () => new Set(guidsOf(again.frames, next)).size === NODE_COUNT);
  expect(again.frames.map(({ type }) => type)).not.toContain('gap');
  const all = await connect('');
  await eventually('all that is kept', async () => new Set(guidsOf(all.frames, id)).size === NODE_COUNT);
});

it('is the same over Server-Sent Events', async () => {
  const response = await serve(`${PATH}?cursor=now`);
  expect(response.headers.get('Content-Type')).toBe('text/event-stream; charset=utf-8');
  const source = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  const id = await broadcast(4, { c: 1 });
  let text = '';
  const frames = () =>
    text.split('\n\n').flatMap((event) => /^(?:retry: \d+\n)?id: \d+\ndata: (.*)$/.exec(event)?.[1] ?? []).map((data) => JSON.parse(data) as Frame); // prettier-ignore
  while (guidsOf(frames(), id).length < NODE_COUNT) text += (await source?.read())?.value ?? '';
  expect(frames()[0]?.type).toBe('hello');
  await source?.cancel();
});
