// Gateway calls that fail. A Durable Object that is overloaded, restarts or moves answers by throwing: that passes, the
// caller may try again. A bug on the other side throws too, and comes across as the error that it is.

/** The other side could not answer now. `cause` is what it threw. */
export class UnavailableError extends Error {
  constructor(cause: unknown) {
    super('gateway call failed', { cause });
    this.name = 'UnavailableError';
  }
}

/** The other side has a bug. `cause` is what it threw. */
export class BugError extends Error {
  constructor(cause: unknown) {
    super('gateway call hit a bug', { cause });
    this.name = 'BugError';
  }
}

/** Calls a gateway. Throws UnavailableError or BugError, never what the gateway threw. */
export async function ask<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    throw isBug(cause) ? new BugError(cause) : new UnavailableError(cause);
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
