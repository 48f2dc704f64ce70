// How a command that runs until it is stopped hears that it should.
import { onParentGone } from './parent.ts';

const SIGNALS = [
  ['SIGINT', 2],
  ['SIGTERM', 15],
  ['SIGHUP', 1],
] as const;

/** The first signal asks for an orderly stop, the second does not wait for it. A parent that goes asks for one too. */
export function stopOnSignals(stopping: () => void): AbortSignal {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) return;
    controller.abort();
    stopping();
  };
  onParentGone(stop);
  for (const [signal, number] of SIGNALS) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(128 + number);
      stop();
    });
  }
  return controller.signal;
}
