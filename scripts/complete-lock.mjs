// `npm run lock`, after every `npm install` that changes package-lock.json: adds the binaries of other platforms that a
// package names in its optionalDependencies and npm left out, as it does where a registry does not offer them. Without
// them "npm ci" refuses the lock file everywhere ("Missing: … from lock file"). They get no integrity: only the
// registry has it.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const OSES = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32'];
const CPUS = ['arm', 'arm64', 'ia32', 'ppc64', 'riscv64', 's390x', 'x64'];
/** @type {Record<string, string>} */
const SYNONYMS = { windows: 'win32', 64: 'x64' };

/** @typedef {{ version: string, dev?: boolean, engines?: object, optionalDependencies?: Record<string, string> }} Entry */

const path = fileURLToPath(new URL('../package-lock.json', import.meta.url));
const lock = JSON.parse(readFileSync(path, 'utf8'));
/** @type {Record<string, Entry>} */
const packages = lock.packages;
for (const parent of Object.values(packages)) {
  for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
    const key = `node_modules/${name}`;
    if (!(key in packages)) packages[key] = entry(parent, name, version);
  }
}
const [root = '', ...others] = Object.keys(packages);
const sorted = others.toSorted((a, b) => a.localeCompare(b, 'en'));
lock.packages = Object.fromEntries([root, ...sorted].map((key) => [key, packages[key]]));
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);

/**
 * @param {Entry} parent
 * @param {string} name
 * @param {string} version
 */
function entry(parent, name, version) {
  const words = name.split(/[/-]/).map((word) => SYNONYMS[word] ?? word);
  const os = words.find((word) => OSES.includes(word));
  const cpu = words.find((word) => CPUS.includes(word));
  const libc = /-gnu/.test(name) ? 'glibc' : 'musl';
  if (!os || !cpu || !/^\d+\.\d+\.\d+$/.test(version)) throw new Error(`cannot tell what ${name}@${version} is for`);
  return {
    version,
    cpu: [cpu],
    ...(parent.dev && { dev: true }),
    ...(os === 'linux' && /-(gnu|musl)/.test(name) && { libc: [libc] }),
    optional: true,
    os: [os],
  };
}
