// The repository's own files, and the syntax trees of its sources, for the tests that hold its rules.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAst } from 'vitest/node';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A file of the repository: its path from the root, with slashes, and its text. */
export interface Source {
  readonly path: string;
  readonly text: string;
}

/** A node of an ESTree syntax tree, TypeScript included. */
export interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

/** One import, re-export, `import()` or `import('…')` type. */
export interface Import {
  /** Null where it is computed. */
  readonly specifier: string | null;
  readonly isTypeOnly: boolean;
  readonly line: number;
}

const BINARY = /\.(png|jpg|gif|ico|woff2?|wasm|sqlite)$/;
const CODE = /\.(ts|tsx|mts|mjs|js)$/;
/** For a copy that git knows nothing of: what .gitignore leaves out. */
const IGNORED_NAMES = new Set(['.git', 'node_modules', 'dist', '.pychain', '.wrangler', 'coverage', 'test-results']);

/** Every text file that is committed, or would be by `git add .`. */
export function repositorySources(): Source[] {
  // What git lists may be deleted since, or be a link to a folder.
  const isFile = (path: string) => statSync(join(ROOT, path), { throwIfNoEntry: false })?.isFile() ?? false;
  const paths = (gitPaths() ?? walkFolder('')).filter((path) => !BINARY.test(path) && isFile(path));
  return paths.toSorted().map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));
}

/** The TypeScript and JavaScript among them. */
export function codeOf(sources: readonly Source[]): Source[] {
  return sources.filter(({ path }) => CODE.test(path));
}

/** What this project is made of, tests and tools left out. */
export function productOf(sources: readonly Source[]): Source[] {
  return codeOf(sources).filter(({ path }) => /^(src|sim|bench|dashboard|examples)\//.test(path));
}

function gitPaths(): string[] | null {
  if (!existsSync(join(ROOT, '.git'))) return null;
  const args = ['ls-files', '-co', '--exclude-standard', '-z'];
  return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' })
    .split('\0')
    .filter((path) => path !== '');
}

function walkFolder(folder: string): string[] {
  const entries = readdirSync(join(ROOT, folder), { withFileTypes: true });
  return entries.flatMap((entry) => {
    if (IGNORED_NAMES.has(entry.name) || entry.name.endsWith('.log')) return [];
    const path = posix.join(folder, entry.name);
    return entry.isDirectory() ? walkFolder(path) : [path];
  });
}

/** Calls `visit` for every node of a source, parents before children. */
export function walk(source: Source, visit: (node: Node, parents: readonly Node[]) => void): void {
  const parents: Node[] = [];
  const step = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(step);
    if (!isNode(value)) return;
    visit(value, parents);
    parents.push(value);
    Object.values(value).forEach(step);
    parents.pop();
  };
  step(parseAst(source.text, { lang: source.path.endsWith('x') ? 'tsx' : 'ts' }, source.path));
}

/** Line of a node, from 1. */
export function lineOf(source: Source, node: Node): number {
  return source.text.slice(0, node.start).split('\n').length;
}

/** Everything that a source imports. */
export function importsOf(source: Source): Import[] {
  const imports: Import[] = [];
  walk(source, (node) => {
    const isImport = /^(Import|ExportAll|ExportNamed)Declaration$|^ImportExpression$|^TSImportType$/.test(node.type);
    const from = node['source'];
    if (!isImport || !isNode(from)) return;
    const specifier = from.type === 'Literal' && typeof from['value'] === 'string' ? from['value'] : null;
    const isTypeOnly = node['importKind'] === 'type' || node['exportKind'] === 'type' || node.type === 'TSImportType';
    imports.push({ specifier, isTypeOnly, line: lineOf(source, node) });
  });
  return imports;
}

/** Path of a relative import from the repository's root, or null for a package. */
export function resolveImport(from: string, specifier: string): string | null {
  return specifier.startsWith('.') ? posix.join(posix.dirname(from), specifier) : null;
}

export function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string';
}

/** Whether a node is the identifier of this name. */
export function isIdentifier(value: unknown, name: string): boolean {
  return isNode(value) && value.type === 'Identifier' && value['name'] === name;
}
