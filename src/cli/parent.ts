// Whether who started this process is still there. npm passes signals to the shell that it runs scripts with, which does
// not always pass them on: without this, `npm start & kill $!` would leave the network running with nobody to stop it.

const POLL_MS = 1_000;
/** The parent of processes that have lost theirs, and of those that were started to be on their own. */
const INIT_PID = 1;

/**
 * Calls once when the parent process has gone. Only in processes that npm started: whoever starts one of ours without it may
 * mean it to outlive their shell (`nohup`).
 */
export function onParentGone(gone: () => void): void {
  const parent = process.ppid;
  if (parent === INIT_PID || process.env['npm_lifecycle_event'] === undefined) return;
  const timer = setInterval(() => {
    // Any other parent will do: orphans may also be given to a session manager that is not process 1.
    if (process.ppid === parent) return;
    clearInterval(timer);
    gone();
  }, POLL_MS);
  timer.unref();
}
