// `npm pack` and `npm publish` run this first: dist/ is what the package has in place of src/, for a Node.js that strips no types (it does
// not in node_modules) and for projects that have no esbuild.
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorker } from '../src/cli/local-network.ts';
import { buildDashboard } from '../src/cli/page-build.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');

mkdirSync(dist, { recursive: true });
// All but the page, which networks that run from here serve: it is built in place.
for (const name of readdirSync(dist)) if (name !== 'dashboard') rmSync(join(dist, name), { recursive: true });
compile();
const guard = 'cli/workerd-guard.sh';
copyFileSync(join(root, 'src', guard), join(dist, guard));
chmodSync(join(dist, guard), 0o755);
writeFileSync(join(dist, 'worker.js'), await bundleWorker(root));
await buildDashboard(root);

/** One JavaScript file and one declaration for each source that the entries reach. */
function compile() {
  const { status, error } = spawnSync('tsc', ['-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) throw new Error(`tsc ended with ${status}`);
}
