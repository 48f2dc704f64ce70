// Answers are checked before they are believed: a few kinds of checks, without a library, so that the client stays small in a browser.
import { unexpected, type InputFault } from './error.ts';
import type { Accepted, Member, Message, MessagePage, NodeStatus, StreamFrame } from './types.ts';

interface Fault {
  readonly path: string;
  readonly expected: string;
}

/** Null: it holds. `Checked` is only there for the compiler: what the value is then. */
export interface Check<Checked> {
  (value: unknown): Fault | null;
  readonly checked?: Checked;
}

/** The value, as what it is checked to be. Throws where it is not; `what` says whose answer it is. */
export function believe<T>(check: Check<T>, value: unknown, what: string): T {
  const fault = check(value);
  if (fault) throw unexpected(`${what}: ${fault.path === '' ? 'the answer' : fault.path}: expected ${fault.expected}`);
  // Safe: this is what the check is for.
  return value as T;
}

const is =
  <T>(expected: string, holds: (value: unknown) => boolean): Check<T> =>
  (value) =>
    holds(value) ? null : { path: '', expected };

export const text = is<string>('a string', (value) => typeof value === 'string');
export const number = is<number>('a number', (value) => typeof value === 'number');
export const whole = is<number>(
  'a whole number, not negative',
  (value) => Number.isSafeInteger(value) && Number(value) >= 0,
);
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const object = is<{ readonly [key: string]: never }>('an object', isObject);

export const nullable =
  <T>(check: Check<T>): Check<T | null> =>
  (value) =>
    value === null ? null : check(value);

const within = (key: string, fault: Fault | null): Fault | null =>
  fault && { ...fault, path: fault.path === '' ? key : `${key}.${fault.path}` };

export const list =
  <T>(check: Check<T>): Check<readonly T[]> =>
  (value) => {
    if (!Array.isArray(value)) return { path: '', expected: 'a list' };
    for (const [index, item] of value.entries()) {
      const fault = check(item);
      if (fault) return within(String(index), fault);
    }
    return null;
  };

const record =
  <T>(check: Check<T>): Check<Readonly<Record<string, T>>> =>
  (value) => {
    if (!isObject(value)) return { path: '', expected: 'an object' };
    for (const [key, item] of Object.entries(value)) {
      const fault = check(item);
      if (fault) return within(key, fault);
    }
    return null;
  };

/** An object that has these keys, and maybe more. */
export const shape =
  <T extends object>(checks: { readonly [Key in keyof T]: Check<T[Key]> }): Check<T> =>
  (value) => {
    if (!isObject(value)) return { path: '', expected: 'an object' };
    for (const key of Object.keys(checks) as (keyof T & string)[]) {
      const fault = checks[key](value[key]);
      if (fault) return within(key, fault);
    }
    return null;
  };

export const nodeStatus = shape<NodeStatus>({
  network: text,
  protocol: text,
  version: text,
  guid: whole,
  address: text,
  public_key: text,
  network_key: nullable(text),
  capabilities: list(text),
  max_guid: whole,
  time: number,
  peers: record(whole),
  messages: whole,
  last_sync_at: nullable(number),
  next_sync_at: nullable(number),
  left_at: nullable(number),
});

export const member = shape<Member>({
  guid: whole,
  address: text,
  public_key: text,
  incarnation: whole,
  capabilities: list(text),
  state: text,
  last_seen: number,
  failures: whole,
});

export const memberPage = shape<{ readonly members: readonly Member[]; readonly next: string | null }>({
  members: list(member),
  next: nullable(text),
});

export const message = shape<Message>({
  id: text,
  data: object,
  originator: shape<Message['originator']>({ guid: whole, address: text }),
  broadcast_timestamp: number,
  expires_at: number,
  received_at: number,
  hops: whole,
});

export const messagePage = shape<MessagePage>({ messages: list(message), next: nullable(text), cursor: text });

export const accepted = shape<Accepted>({ id: text, broadcast_timestamp: number });

/** As many as were sent: each has an id. */
export const acceptedAll = (count: number): Check<{ readonly messages: readonly Accepted[] }> => {
  const answer = shape({ messages: list(accepted) });
  return (value) => {
    const isShort = isObject(value) && Array.isArray(value['messages']) && value['messages'].length !== count;
    return isShort ? { path: 'messages', expected: `${count} of them` } : answer(value);
  };
};

const FRAMES: Readonly<Record<StreamFrame['type'], Check<object>>> = {
  hello: shape<Pick<Extract<StreamFrame, { type: 'hello' }>, 'guid' | 'cursor'>>({
    guid: nullable(whole),
    cursor: text,
  }),
  messages: shape<Pick<MessagePage, 'messages' | 'cursor'>>({ messages: list(message), cursor: text }),
  gap: shape<Pick<Extract<StreamFrame, { type: 'gap' }>, 'missed'>>({ missed: nullable(whole) }),
  end: shape<Pick<Extract<StreamFrame, { type: 'end' }>, 'reason'>>({ reason: text }),
};

/** Reads a frame of a stream; null for kinds that this version does not know. */
export function readFrame(json: string): StreamFrame | null {
  const what = 'a frame of the stream';
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw unexpected(`${what} is no JSON`, null, cause);
  }
  const { type } = believe(shape<{ readonly type: string }>({ type: text }), value, what);
  if (!isFrameType(type)) return null;
  return believe(FRAMES[type], value, what) as StreamFrame;
}

function isFrameType(type: string): type is StreamFrame['type'] {
  return Object.hasOwn(FRAMES, type);
}

/** What an answer of RFC 9457 says, as far as it is one. */
export interface SaidProblem {
  readonly type: string | null;
  readonly title: string | null;
  readonly detail: string | null;
  readonly errors: readonly InputFault[];
}

/** Reads a problem. Whoever answers with an error may be a proxy that knows nothing of RFC 9457. */
export function readProblem(value: unknown): SaidProblem {
  const said = isObject(value) ? value : {};
  const textOf = (key: string) => (typeof said[key] === 'string' ? said[key] : null);
  const isList = list(shape<InputFault>({ path: text, message: text }))(said['errors']) === null;
  return {
    type: textOf('type'),
    title: textOf('title'),
    detail: textOf('detail'),
    errors: isList ? (said['errors'] as readonly InputFault[]) : [],
  };
}
