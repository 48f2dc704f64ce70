// V8's sampling profiler, over the inspector protocol (Chrome DevTools Protocol, domain Profiler).
import { once } from 'node:events';

/** A profile as the protocol has it; the parts that are used here. */
export interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  /** Ids of nodes, one a sample. */
  readonly samples: readonly number[];
  /** Microseconds between a sample and the one before it. */
  readonly timeDeltas: readonly number[];
}

interface Answer {
  readonly id?: number;
  readonly result?: { readonly profile?: Profile };
  readonly error?: { readonly message: string };
}

/** Microseconds between samples. */
const SAMPLING_US = 200;

export class Inspector {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, { resolve: (answer: Answer) => void; reject: (cause: Error) => void }>();
  #calls = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => {
      const answer = JSON.parse(String(data)) as Answer;
      const waiting = this.#waiting.get(answer.id ?? -1);
      if (answer.error) waiting?.reject(new Error(answer.error.message));
      else waiting?.resolve(answer);
    });
  }

  /** Opens the inspector of the first Worker that listens there. */
  static async open(port: number): Promise<Inspector> {
    const targets = (await (await fetch(`http://127.0.0.1:${port}/json`)).json()) as { webSocketDebuggerUrl: string }[];
    const socket = new WebSocket(targets[0]?.webSocketDebuggerUrl ?? '');
    await once(socket, 'open');
    return new Inspector(socket);
  }

  async start(): Promise<void> {
    await this.#call('Profiler.enable', {});
    await this.#call('Profiler.setSamplingInterval', { interval: SAMPLING_US });
    await this.#call('Profiler.start', {});
  }

  /** Ends profile and connection. */
  async stop(): Promise<Profile> {
    const { result } = await this.#call('Profiler.stop', {});
    this.#socket.close();
    if (!result?.profile) throw new Error('the inspector gave no profile');
    return result.profile;
  }

  #call(method: string, params: object): Promise<Answer> {
    const id = ++this.#calls;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }
}

/** The functions with the most time of their own; waiting is left out. */
export function hottest(profile: Profile, count: number): { name: string; ms: number; share: number }[] {
  const names = new Map(
    profile.nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => [
      id,
      `${functionName || '(anonymous)'} ${url.split('/').at(-1) ?? ''}:${lineNumber + 1}`,
    ]),
  );
  const own = new Map<string, number>();
  for (const [index, id] of profile.samples.entries()) {
    const name = names.get(id) ?? '';
    if (/^\((idle|program)\)/.test(name)) continue;
    own.set(name, (own.get(name) ?? 0) + (profile.timeDeltas[index] ?? 0));
  }
  const all = [...own.values()].reduce((a, b) => a + b, 0);
  const sorted = [...own].toSorted(([, a], [, b]) => b - a).slice(0, count);
  return sorted.map(([name, us]) => ({ name, ms: us / 1000, share: us / all }));
}
