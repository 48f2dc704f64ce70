// How a command ends: exit codes that scripts can rely on, and one line for people.

/** Exit codes of every command. */
export const EXIT = { ok: 0, failed: 1, usage: 2, unreachable: 3 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** An expected failure: its message is shown as one line, with no stack. */
export class CliError extends Error {
  readonly exitCode: ExitCode;

  constructor(message: string, exitCode: ExitCode = EXIT.failed) {
    super(message);
    this.name = 'CliError';
    this.exitCode = exitCode;
  }
}

/** The system's code of an error, such as `EACCES`; null where there is none. */
export function errorCode(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error)) return null;
  return typeof error.code === 'string' ? error.code : null;
}

/** What to show of anything that was thrown: its message, on one line. */
export function errorLine(error: unknown): string {
  return printable((error instanceof Error ? error.message : String(error)).trim().replace(/\s*\n\s*/g, ' '));
}

// C0 and C1 controls, and the characters that reorder text: what a peer sends must not drive the reader's terminal.
const UNSAFE = /[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/** Text from elsewhere with control characters shown as `\u001b`. */
export function printable(text: string): string {
  return text.replace(UNSAFE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
