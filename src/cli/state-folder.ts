// STORAGE_DIR of a local network: whose it is, who runs on it, and what other commands find there.
import { randomBytes, randomUUID } from 'node:crypto';
import { chmod, mkdir, readFile, rename, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { LOCK_FILE, makeFolder, takeFolder } from '../peer/folder.ts';
import { CliError, errorCode, errorLine } from './errors.ts';

/** Folder of the Durable Objects' databases, inside STORAGE_DIR. */
export function stateDir(storageDir: string): string {
  return join(storageDir, 'state');
}

/** Where the admin token of the local network is kept. */
export function adminTokenFile(storageDir: string): string {
  return join(storageDir, 'admin-token');
}

function networkFile(storageDir: string): string {
  return join(storageDir, 'network.json');
}

function pidFile(storageDir: string): string {
  return join(storageDir, 'up.pid');
}

/** Makes a folder and writes a file to it, so that what cannot work says so before anything starts. */
export async function ensureWritable(dir: string, variable: string): Promise<void> {
  const probe = join(dir, `.write-check-${randomUUID()}`);
  try {
    await makeFolder(dir);
    await writeFile(probe, '');
    await unlink(probe);
  } catch (error) {
    const why = FOLDER_FAULTS[errorCode(error) ?? ''] ?? errorLine(error);
    throw new CliError(
      `${dir}: ${why}; make it a folder that you can write to, or give another with -e ${variable}=DIR`,
    );
  }
}

const FOLDER_FAULTS: Readonly<Record<string, string>> = {
  EACCES: 'not writable',
  EPERM: 'not writable',
  EROFS: 'on a read-only file system',
  ENOENT: 'cannot be made',
  ENOTDIR: 'not a folder',
  EEXIST: 'not a folder',
  ENOSPC: 'no space left on the disk',
};

/** Makes this process the only runner on the folder. No number of a dead process can be mistaken for it: see folder-lock.ts. */
export async function lockFolder(storageDir: string): Promise<{ release(): Promise<void> }> {
  const lock = takeOrExplain(storageDir);
  if (lock === null) {
    const pid = (await readFile(pidFile(storageDir), 'utf8').catch(() => '')).trim();
    const who = /^\d+$/.test(pid) ? ` (process ${pid})` : '';
    throw new CliError(
      `${storageDir}: another pychain${who} runs on this folder; stop it, or give another folder with -e STORAGE_DIR=DIR, and another port with --port (a node: --listen)`,
    );
  }
  await writeFile(pidFile(storageDir), `${process.pid}\n`);
  return {
    release: async () => {
      await rm(pidFile(storageDir), { force: true });
      lock.release();
    },
  };
}

function takeOrExplain(storageDir: string): ReturnType<typeof takeFolder> {
  try {
    return takeFolder(storageDir);
  } catch (cause) {
    const file = join(storageDir, LOCK_FILE);
    throw new CliError(`${file}: ${errorLine(cause)}; remove this file if nothing of yours is in it`);
  }
}

const MARKER = 'made-by-pychain-up.json';

/** Makes the state folder, or finds the one that we made; another's folder of that name is left alone. */
export async function openState(storageDir: string, fresh: boolean): Promise<string> {
  const dir = stateDir(storageDir);
  if (await exists(dir)) {
    if (!(await exists(join(dir, MARKER)))) {
      throw new CliError(
        `${dir}: not made by pychain, so it stays as it is; give another folder with -e STORAGE_DIR=DIR`,
      );
    }
    if (!fresh) return dir;
    // Renamed first: a removal that is cut short must not leave half a state with the marker gone or, worse, in place.
    const doomed = `${dir}.removed-${process.pid}`;
    await rename(dir, doomed);
    await rm(doomed, { recursive: true, force: true });
  }
  const making = `${dir}.new-${process.pid}`;
  await mkdir(making);
  await writeFile(join(making, MARKER), `${JSON.stringify({ made_by: 'pychain up', at: new Date().toISOString() })}\n`);
  await rename(making, dir);
  return dir;
}

const markerSchema = z.looseObject({ nodes: z.int().min(1).optional(), deployments: z.int().min(1).optional() });

/** How many nodes the network in this folder has; null where none has run yet. */
export async function readNodeCount(storageDir: string): Promise<number | null> {
  return (await readMarker(storageDir))?.nodes ?? null;
}

async function readMarker(storageDir: string): Promise<z.infer<typeof markerSchema> | null> {
  try {
    return markerSchema.parse(JSON.parse(await readFile(join(stateDir(storageDir), MARKER), 'utf8')));
  } catch {
    return null;
  }
}

/** How many deployments the network has whose first is in this folder; null where none has run yet. */
export async function readDeployments(storageDir: string): Promise<number | null> {
  const marker = await readMarker(storageDir);
  return marker?.nodes === undefined ? null : (marker.deployments ?? 1);
}

/** Notes how many nodes there are, and in how many deployments, for the next run. */
export async function writeSize(storageDir: string, nodes: number, deployments: number): Promise<void> {
  const path = join(stateDir(storageDir), MARKER);
  const marker = markerSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  if (marker.nodes === nodes && marker.deployments === deployments) return;
  // Renamed into place: with half a marker the next run would not know the folder for its own.
  await writeFile(`${path}.new`, `${JSON.stringify({ ...marker, nodes, deployments })}\n`);
  await rename(`${path}.new`, path);
}

/** The token that operators' calls need: given, or kept from an earlier run, or made now. Only the owner can read the file. */
export async function ensureAdminToken(storageDir: string, given: string | undefined): Promise<string> {
  const path = adminTokenFile(storageDir);
  const kept = (await readFile(path, 'utf8').catch(() => '')).trim();
  const token = given ?? (kept !== '' ? kept : randomBytes(32).toString('base64url'));
  // The mode of writeFile counts for new files only.
  await writeFile(path, `${token}\n`, { mode: 0o600 });
  await chmod(path, 0o600);
  return token;
}

const networkSchema = z.object({
  url: z.string(),
  pid: z.number(),
  nodes: z.number(),
  started: z.number(),
  log_dir: z.string(),
  /** URLs of the other deployments of the network. */
  others: z.array(z.string()).default([]),
});

/** What `pychain up` tells the other commands. */
export type RunningNetwork = z.infer<typeof networkSchema>;

/** Tells other commands about the network that runs on this folder. */
export async function writeRunning(storageDir: string, network: RunningNetwork): Promise<void> {
  const path = networkFile(storageDir);
  await writeFile(`${path}.new`, `${JSON.stringify(network)}\n`);
  await rename(`${path}.new`, path);
}

/** Nothing runs here any more. */
export async function clearRunning(storageDir: string): Promise<void> {
  await rm(networkFile(storageDir), { force: true });
}

/** The network that runs, or ran when it was killed, on this folder. */
export async function readRunning(storageDir: string): Promise<RunningNetwork | null> {
  try {
    const parsed = networkSchema.safeParse(JSON.parse(await readFile(networkFile(storageDir), 'utf8')));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

/** The token of the network that runs on this folder; null where there is none that we can read. */
export async function readAdminToken(storageDir: string): Promise<string | null> {
  const token = (await readFile(adminTokenFile(storageDir), 'utf8').catch(() => '')).trim();
  return token === '' ? null : token;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: unknown) => {
      if (errorCode(error) === 'ENOENT') return false;
      throw new CliError(errorLine(error));
    },
  );
}
