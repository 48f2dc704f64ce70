// The one error of the client: what a node refused, and what went wrong on the way to it.

/** One wrong place in what was sent. */
export interface InputFault {
  /** As in `data.items[3].name`; empty for the whole. */
  readonly path: string;
  readonly message: string;
}

export interface Problem {
  readonly status: number | null;
  readonly type: string;
  readonly title: string;
  readonly detail: string;
  readonly errors?: readonly InputFault[];
  readonly retryAfterMs?: number | null;
  readonly cause?: unknown;
}

/** Problems that the client itself tells of; all others are a node's own, or RFC 9457's `about:blank`. */
export const CLIENT_PROBLEMS = {
  unreachable: 'urn:pychain:client:unreachable',
  timeout: 'urn:pychain:client:timeout',
  unexpected: 'urn:pychain:client:unexpected-answer',
  cut: 'urn:pychain:client:stream-cut',
} as const;

/**
 * A node refused, or could not be asked. `type` is for programs: `urn:pychain:problem:…` as the API documents them, and
 * `urn:pychain:client:` with `unreachable`, `timeout`, `unexpected-answer` (not a node, or not as documented) or `stream-cut`.
 */
export class PychainError extends Error {
  /** HTTP status; null where there was no answer. */
  readonly status: number | null;
  /** RFC 9457 problem type. */
  readonly type: string;
  /** The kind of problem, for people. */
  readonly title: string;
  /** This one, for people. */
  readonly detail: string;
  /** Where the input was wrong; empty where it was not. */
  readonly errors: readonly InputFault[];
  /** How long the node asks to wait, milliseconds; null: it does not say. */
  readonly retryAfterMs: number | null;

  constructor({ status, type, title, detail, errors = [], retryAfterMs = null, cause }: Problem) {
    const faults = errors.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`));
    super([detail, ...faults].join('; '), cause === undefined ? undefined : { cause });
    this.name = 'PychainError';
    this.status = status;
    this.type = type;
    this.title = title;
    this.detail = detail;
    this.errors = errors;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The answer is not what a node gives. */
export function unexpected(detail: string, status: number | null = null, cause?: unknown): PychainError {
  return new PychainError({ status, type: CLIENT_PROBLEMS.unexpected, title: 'Unexpected answer', detail, cause });
}

/** The connection of a stream ended. */
export function cutOff(detail: string): PychainError {
  return new PychainError({ status: null, type: CLIENT_PROBLEMS.cut, title: 'The stream was cut', detail });
}

/** There was no answer in time. */
export function timedOut(detail: string): PychainError {
  return new PychainError({ status: null, type: CLIENT_PROBLEMS.timeout, title: 'No answer in time', detail });
}

/** There was no answer. */
export function unreachable(detail: string, cause?: unknown): PychainError {
  return new PychainError({ status: null, type: CLIENT_PROBLEMS.unreachable, title: 'Not reachable', detail, cause });
}
