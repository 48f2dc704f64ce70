// The folder of a server: made, and one process's alone, since two on the same databases would be two nodes with one key.
import { mkdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { openDatabase } from './sqlite.ts';

/** The file that is locked. */
export const LOCK_FILE = 'up.lock';

/**
 * Makes this process the only one on the folder until `release`; null where another is. The lock is the operating system's, held by
 * SQLite, so it is gone with the process however that ends. Throws where the file is none that can be locked.
 */
export function takeFolder(folder: string): { release(): void } | null {
  const database = openDatabase(join(folder, LOCK_FILE));
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    database.close();
    if (cause instanceof Error && /locked|busy/i.test(cause.message)) return null;
    throw cause;
  }
  return { release: () => database.close() };
}

/** `mkdir -p`. Node.js's own never ends where a parent exists and takes no folder, as /proc does. */
export async function makeFolder(folder: string): Promise<void> {
  if (await isFolder(folder)) return;
  if (dirname(folder) !== folder) await makeFolder(dirname(folder));
  try {
    await mkdir(folder);
  } catch (cause) {
    // Another made it meanwhile.
    if (!(await isFolder(folder))) throw cause;
  }
}

/** Whether there is a folder at the path, and we may know. */
export async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
