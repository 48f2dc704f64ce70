// Gateway calls that fail. A Durable Object that is overloaded, restarts or moves answers by throwing: that passes, the
// caller may try again. A bug on the other side throws too, and comes across as the error that it is.

/**
 * Longest wait for a gateway, milliseconds (guess: a call back to a joiner takes 3 s at most, all else far less than one). Less than the patience
 * of clients: a caller that hangs up first never hears what it should do.
 */
export const ANSWER_MS = 10_000;

/** The other side could not answer now. `cause` is what it threw. */
export class UnavailableError extends Error {
  constructor(cause: unknown) {
    super('gateway call failed', { cause });
    this.name = 'UnavailableError';
  }
}

/** The other side had not answered when its time was over, and may still do what it was asked. */
export class OverdueError extends Error {
  constructor() {
    super(`gateway call took more than ${ANSWER_MS} ms`);
    this.name = 'OverdueError';
  }
}

/** The other side has a bug. `cause` is what it threw. */
export class BugError extends Error {
  constructor(cause: unknown) {
    super('gateway call hit a bug', { cause });
    this.name = 'BugError';
  }
}

/** Calls a gateway. Throws OverdueError, UnavailableError or BugError, never what the gateway threw. */
export async function ask<T>(call: () => Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | null = null;
  const overdue = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new OverdueError()), ANSWER_MS);
  });
  try {
    return await Promise.race([call(), overdue]);
  } catch (cause) {
    if (cause instanceof OverdueError) throw cause;
    throw isBug(cause) ? new BugError(cause) : new UnavailableError(cause);
  } finally {
    if (timer !== null) clearTimeout(timer);
  }
}

/** Whether to blame the code. Where it cannot be told, the caller is asked to try again. */
function isBug(cause: unknown): boolean {
  if (!(cause instanceof Error)) return false;
  // The platform's own marks on errors that are its doing.
  if (['retryable', 'overloaded', 'durableObjectReset'].some((mark) => Reflect.get(cause, mark) === true)) return false;
  return (
    ['TypeError', 'RangeError', 'ReferenceError', 'SyntaxError'].includes(cause.name) ||
    cause.message.startsWith('assertion failed')
  );
}
