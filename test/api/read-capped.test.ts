import { expect, test } from 'vitest';
import { readCapped, TooLargeError } from '../../src/api/read-capped.ts';

/** A stream of these chunks; notes whether it was cancelled. */
function streamOf(...chunks: readonly (number[] | Error)[]) {
  const seen = { cancelled: false };
  const left = [...chunks];
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      const chunk = left.shift();
      if (chunk === undefined) controller.close();
      else if (chunk instanceof Error) controller.error(chunk);
      else controller.enqueue(Uint8Array.from(chunk));
    },
    cancel() {
      seen.cancelled = true;
      // Whoever waits for this waits for ever.
      return new Promise(() => undefined);
    },
  });
  return { stream, seen };
}

test('all bytes in their order, empty chunks among them', async () => {
  const { stream } = streamOf([1], [], [2, 3], [4]);
  expect(await readCapped(stream, 100)).toEqual(Uint8Array.of(1, 2, 3, 4));
});

test('no stream has no bytes, and an empty one too', async () => {
  expect(await readCapped(null, 0)).toEqual(new Uint8Array());
  expect(await readCapped(streamOf().stream, 0)).toEqual(new Uint8Array());
});

test('as many as may be pass; one more throws, and the rest is not read', async () => {
  expect(await readCapped(streamOf([1, 2], [3]).stream, 3)).toHaveLength(3);
  const { stream, seen } = streamOf([1, 2], [3, 4], [5]);
  await expect(readCapped(stream, 3)).rejects.toBeInstanceOf(TooLargeError);
  expect(seen.cancelled).toBe(true);
});

test('a stream without end is given up', async () => {
  let pulled = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulled++;
      controller.enqueue(new Uint8Array(1_000));
    },
  });
  await expect(readCapped(stream, 10_000)).rejects.toThrow('more than 10000 bytes');
  expect(pulled).toBeLessThan(20);
});

test('a stream that breaks off throws what it broke off with', async () => {
  await expect(readCapped(streamOf([1], new Error('reset')).stream, 10)).rejects.toThrow('reset');
});
