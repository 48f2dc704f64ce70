// Builds the live page, `dashboard/` to `dist/dashboard/`: what a deployment serves at `/`, and the API's reference with it. Every local network of a checkout does, and through
// scripts/build-dashboard.mjs `wrangler deploy` ([build] in wrangler.toml), the tests and the package.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, sep } from 'node:path';
import { docsFiles, docsHeaders } from './docs-build.ts';
import { PROJECT_DIR } from './wrangler-config.ts';

/** Files that are served as they are. */
const COPIED = ['index.html', 'icon.svg'];

/** Tells the platform which headers go with which files. */
const HEADERS = '_headers';

/**
 * Builds the page of the project in this folder; gives the folder that it is in. What has not changed is not written, so that
 * networks which run meanwhile go on serving it.
 */
export async function buildDashboard(projectDir: string = PROJECT_DIR): Promise<string> {
  const source = join(projectDir, 'dashboard');
  const out = join(projectDir, 'dist', 'dashboard');
  // The package does without it.
  const { build } = await import('esbuild');
  const { outputFiles } = await build({
    absWorkingDir: projectDir,
    entryPoints: { app: join(source, 'main.tsx'), style: join(source, 'style.css') },
    outdir: out,
    bundle: true,
    write: false,
    minify: true,
    format: 'esm',
    target: ['es2023', 'chrome123', 'firefox121', 'safari17.5'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'none',
    logLevel: 'silent',
  });
  const files = new Map<string, Uint8Array>(outputFiles.map(({ path, contents }) => [basename(path), contents]));
  for (const name of COPIED) files.set(name, readFileSync(join(source, name)));
  for (const [path, contents] of docsFiles(projectDir)) files.set(path, contents);
  files.set(HEADERS, Buffer.from(`${readFileSync(join(source, HEADERS), 'utf8')}\n${docsHeaders(projectDir)}`));
  for (const [path, contents] of files) replace(join(out, path), contents);
  for (const entry of readdirSync(out, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(out.length + 1).replaceAll(sep, '/');
    if (entry.isFile() && !files.has(name) && !name.includes(TEMPORARY)) rmSync(path, { force: true });
  }
  return out;
}

const TEMPORARY = '.new-';

/** Another process may build, or serve, the same file. */
function replace(path: string, contents: Uint8Array): void {
  if (readOrNull(path)?.equals(contents)) return;
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}${TEMPORARY}${process.pid}`;
  writeFileSync(temporary, contents);
  renameSync(temporary, path);
}

function readOrNull(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch {
    return null;
  }
}
