// Pauses between attempts: longer each time, and drawn, so that many clients do not come back at the same moment.

const FIRST_MS = 250;
const MOST_MS = 30_000;
/** A node that asks for more than this is not believed. */
const ASKED_MS_MAX = 60_000;

/** How long to wait after so many failures in a row, and at least as long as was asked for. Milliseconds. */
export function pauseMs(failures: number, askedMs: number | null = null): number {
  const most = Math.min(MOST_MS, FIRST_MS * 2 ** failures);
  const drawn = most / 2 + (Math.random() * most) / 2;
  return Math.round(Math.max(drawn, Math.min(askedMs ?? 0, ASKED_MS_MAX)));
}

/** Waits, or until the signal: then it resolves at once. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener('abort', end);
  });
}
