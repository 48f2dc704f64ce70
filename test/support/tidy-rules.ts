// What every file of the repository is held to. Each rule gives one line for each place that breaks it.
import { importsOf, isNode, lineOf, resolveImport, walk, type Node, type Source } from './sources.ts';

const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;

export function findLongFiles(source: Source): string[] {
  const lines = source.text.trimEnd().split('\n').length;
  return lines > FILE_LINES_MAX ? [`${source.path}: ${lines} lines of at most ${FILE_LINES_MAX}`] : [];
}

export function findLongFunctions(source: Source): string[] {
  const found: string[] = [];
  walk(source, (node) => {
    if (!/^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type)) return;
    const lines = source.text.slice(node.start, node.end).split('\n').length;
    if (lines <= FUNCTION_LINES_MAX) return;
    found.push(`${at(source, node)}: a function of ${lines} lines of at most ${FUNCTION_LINES_MAX}`);
  });
  return found;
}

export function findAny(source: Source): string[] {
  const found: string[] = [];
  walk(source, (node) => {
    if (node.type === 'TSAnyKeyword') found.push(`${at(source, node)}: any`);
  });
  return found;
}

/** Words that promise to come back later: an issue does that better. */
export function findLeftovers(source: Source): string[] {
  return findText(source, /\b(TO[D]O|FIX[M]E|XX[X]|HAC[K])\b/);
}

/** Paths of the machine that a file was written on. */
export function findMachinePaths(source: Source): string[] {
  return findText(source, /(?<![\w.)-])\/(wor[k]|roo[t]|hom[e])\//);
}

/** Default exports, but for the files whose readers ask for one. */
export function findDefaultExports(source: Source): string[] {
  if (/[/-]worker\.ts$/.test(source.path) || source.path.endsWith('.config.ts')) return [];
  // Describes modules that are not ours.
  if (source.path.endsWith('.d.ts')) return [];
  const found: string[] = [];
  walk(source, (node) => {
    const isRenamed =
      node.type === 'ExportSpecifier' && isNode(node['exported']) && node['exported']['name'] === 'default';
    if (isRenamed || node.type === 'ExportDefaultDeclaration') found.push(`${at(source, node)}: default export`);
  });
  return found;
}

/** Code files and their folders: lower case, words joined by hyphens, suffixes by dots. */
export function findBadNames(source: Source): string[] {
  const isKebab = source.path.split('/').every((part) => /^\.?[a-z0-9]+([.-][a-z0-9]+)*$/.test(part));
  return isKebab ? [] : [`${source.path}: not kebab-case`];
}

/** Files that only pass on what others export: importers should name the file that has it. */
export function findBarrels(source: Source): string[] {
  if (/(^|\/)index\.[a-z]+$/.test(source.path)) return [`${source.path}: an index file`];
  let statements = 0;
  let passedOn = 0;
  walk(source, (node, parents) => {
    if (parents.at(-1)?.type !== 'Program') return;
    statements += 1;
    if (/^Export(All|Named)Declaration$/.test(node.type) && isNode(node['source'])) passedOn += 1;
  });
  return statements > 0 && statements === passedOn ? [`${source.path}: only passes exports on`] : [];
}

/** Tests that are switched off, and tests that switch the others off. */
export function findSwitchedTests(source: Source): string[] {
  const found: string[] = [];
  walk(source, (node) => {
    const isSwitched =
      isTestFunction(node['object']) && /^(only|skip|todo|fails|skipIf|runIf)$/.test(nameOf(node['property']));
    const isPrefixed =
      node.type === 'CallExpression' && /^(xit|xtest|xdescribe|fit|fdescribe)$/.test(nameOf(node['callee']));
    if (isSwitched || isPrefixed) found.push(`${at(source, node)}: a test that is switched off, or others are`);
  });
  return found;
}

/** Files of src/ that no entry point reaches, types and `new URL('./x.ts', import.meta.url)` counted. */
export function findDeadFiles(entries: readonly string[], sources: readonly Source[]): string[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const reached = new Set<string>();
  const queue = [...entries];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    const source = byPath.get(path);
    if (!source || reached.has(path)) continue;
    reached.add(path);
    queue.push(...reachableFrom(source));
  }
  const missing = entries
    .filter((path) => !byPath.has(path))
    .map((path) => `${path}: an entry point that is not there`);
  const dead = sources.filter(({ path }) => !reached.has(path)).map(({ path }) => `${path}: reached by no entry point`);
  return [...missing, ...dead];
}

/** Where packages come from is each machine's own business. */
export function findResolved(source: Source): string[] {
  return findText(source, /"resolved"/);
}

/** Binaries of other platforms that the lock file does not name: "npm ci" would refuse it. See scripts/complete-lock.mjs. */
export function findMissingOptional(source: Source): string[] {
  const { packages } = JSON.parse(source.text) as { packages: Record<string, { optionalDependencies?: object }> };
  const names = Object.values(packages).flatMap(({ optionalDependencies }) => Object.keys(optionalDependencies ?? {}));
  return names.filter((name) => !(`node_modules/${name}` in packages)).map((name) => `${source.path}: no ${name}`);
}

/** Dependencies whose version is a range. */
export function findInexactVersions(source: Source): string[] {
  const manifest = JSON.parse(source.text) as Record<string, Record<string, string> | undefined>;
  const fields = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'];
  return fields
    .flatMap((field) => Object.entries(manifest[field] ?? {}))
    .filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
    .map(([name, version]) => `${source.path}: ${name} is "${version}", not one version`);
}

function findText(source: Source, pattern: RegExp): string[] {
  const lines = source.text.split('\n');
  return lines.flatMap((line, index) => {
    const [text] = pattern.exec(line) ?? [];
    return text === undefined ? [] : [`${source.path}:${index + 1}: ${text}`];
  });
}

function reachableFrom(source: Source): string[] {
  const specifiers = importsOf(source).map(({ specifier }) => specifier);
  walk(source, (node) => {
    if (node.type !== 'NewExpression' || nameOf(node['callee']) !== 'URL' || !Array.isArray(node['arguments'])) return;
    const [first] = node['arguments'] as unknown[];
    if (isNode(first) && typeof first['value'] === 'string') specifiers.push(first['value']);
  });
  return specifiers.flatMap((specifier) => (specifier === null ? [] : (resolveImport(source.path, specifier) ?? [])));
}

function isTestFunction(value: unknown): boolean {
  if (!isNode(value)) return false;
  if (value.type === 'MemberExpression') return isTestFunction(value['object']);
  return /^(it|test|describe|suite|bench)$/.test(nameOf(value));
}

function nameOf(value: unknown): string {
  return isNode(value) && typeof value['name'] === 'string' ? value['name'] : '';
}

function at(source: Source, node: Node): string {
  return `${source.path}:${lineOf(source, node)}`;
}
