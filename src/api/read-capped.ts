// Reading a stream up to a limit: what others send us has no end until we say so.

/** More came than may. */
export class TooLargeError extends Error {
  constructor(max: number) {
    super(`more than ${max} bytes`);
    this.name = 'TooLargeError';
  }
}

/** What is used of a ReadableStream; its types differ between the runtimes. */
interface ByteStream {
  getReader(): {
    read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
    cancel(): Promise<void>;
  };
}

/** All bytes of a stream. Throws TooLargeError past `max`, and what the stream throws where it breaks off. */
export async function readCapped(stream: ByteStream | null, max: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const reader = stream?.getReader();
  for (let chunk = (await reader?.read())?.value; chunk !== undefined; chunk = (await reader?.read())?.value) {
    bytes += chunk.byteLength;
    if (bytes > max) {
      // Not waited for: the other side may never end the stream.
      reader?.cancel().catch(() => undefined);
      throw new TooLargeError(max);
    }
    chunks.push(chunk);
  }
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}
