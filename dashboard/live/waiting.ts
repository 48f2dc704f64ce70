// Pauses of what goes on by itself: it rests while nobody looks, since each question costs the network something.
import { pause } from '../../src/client/pause.ts';

/** Waits so long, or until `wake` or the signal; then until somebody looks at the page. */
export async function rest(ms: number, wake: EventTarget, signal: AbortSignal): Promise<void> {
  const early = new AbortController();
  const stop = () => early.abort();
  wake.addEventListener('wake', stop, { once: true });
  await pause(ms, AbortSignal.any([early.signal, signal]));
  wake.removeEventListener('wake', stop);
  await visible(signal);
}

/** Resolves while the page is looked at. */
export function visible(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (document.visibilityState !== 'visible' && !signal.aborted) return;
      document.removeEventListener('visibilitychange', look);
      signal.removeEventListener('abort', look);
      resolve();
    };
    document.addEventListener('visibilitychange', look);
    signal.addEventListener('abort', look);
    look();
  });
}
