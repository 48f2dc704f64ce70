// What a command writes to standard output.
import { vi } from 'vitest';

/** The lines that `run` prints; it may not run beside others that print. */
export async function printed(run: () => Promise<unknown>): Promise<string[]> {
  let text = '';
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    text += String(chunk);
    return true;
  });
  try {
    await run();
  } finally {
    spy.mockRestore();
  }
  return text.split('\n').slice(0, -1);
}
