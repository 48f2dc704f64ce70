// Readers of a node's stream, as an application writes them: docs/protocol.md is all that they know. They come back whenever they are cut.
import { setTimeout as sleep } from 'node:timers/promises';

interface Frame {
  readonly type: string;
  readonly cursor?: string;
  readonly missed?: number | null;
  readonly messages?: readonly { readonly id: string }[];
}

export interface FollowedStream {
  /** Ids in the order in which they came. */
  readonly ids: string[];
  readonly gaps: (number | null)[];
  /** Times that it had to connect. */
  connects: number;
  stop(): Promise<void>;
}

/** Pause before it connects again, milliseconds. */
const PAUSE_MS = 5;

/** Follows `${base}/stream` over either transport, from a cursor on. */
export function followStream(base: string, transport: 'websocket' | 'events', cursor: string): FollowedStream {
  const stopped = new AbortController();
  const followed: FollowedStream = {
    ids: [],
    gaps: [],
    connects: 0,
    stop: async () => {
      stopped.abort();
      await done;
    },
  };
  let last = cursor;
  const take = (frame: Frame) => {
    if (frame.type === 'gap') followed.gaps.push(frame.missed ?? null);
    if (frame.type !== 'messages') return;
    followed.ids.push(...(frame.messages ?? []).map(({ id }) => id));
    last = frame.cursor ?? last;
  };
  const connect = transport === 'websocket' ? overWebSocket : overEvents;
  const follow = async () => {
    while (!stopped.signal.aborted) {
      followed.connects++;
      await connect(`${base}/stream`, last, take, stopped.signal);
      await sleep(PAUSE_MS);
    }
  };
  const done = follow();
  return followed;
}

function overWebSocket(url: string, cursor: string, take: (frame: Frame) => void, stopped: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`${url.replace(/^http/, 'ws')}?cursor=${cursor}`);
    const stop = () => socket.close();
    stopped.addEventListener('abort', stop);
    socket.addEventListener('message', ({ data }) => {
      const frame = JSON.parse(String(data)) as Frame;
      take(frame);
      if (frame.type === 'messages') socket.send(JSON.stringify({ ack: frame.cursor }));
    });
    socket.addEventListener('error', () => undefined);
    socket.addEventListener('close', () => {
      stopped.removeEventListener('abort', stop);
      resolve();
    });
  });
}

async function overEvents(
  url: string,
  cursor: string,
  take: (frame: Frame) => void,
  signal: AbortSignal,
): Promise<void> {
  try {
    const response = await fetch(url, { headers: { 'Last-Event-ID': cursor }, signal });
    if (!response.ok || !response.body) throw new Error(`answered ${response.status}`);
    let text = '';
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      const events = (text + chunk).split('\n\n');
      text = events.pop() ?? '';
      for (const event of events) {
        const data = /^data: (.*)$/m.exec(event)?.[1];
        if (data !== undefined) take(JSON.parse(data) as Frame);
      }
    }
  } catch {
    // It was cut.
  }
}
