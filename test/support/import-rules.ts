// "Who may import whom": the table of docs/architecture.md, and the checks against it.
import { importsOf, isIdentifier, lineOf, resolveImport, walk, type Import, type Source } from './sources.ts';

/** What a row allows: a folder ("store/"), a file ("config.ts"), a package, or all of a scheme ("node:*"). */
export interface Permission {
  readonly target: string;
  readonly isTypesOnly: boolean;
}

/** Rows by their folder ("protocol/") or file ("worker.ts"). */
export type ImportTable = ReadonlyMap<string, readonly Permission[]>;

/** Reads the Markdown table whose header is `| folder | may import |`. */
export function readImportTable(markdown: string): ImportTable {
  const lines = markdown.split('\n');
  const header = lines.findIndex((line) => /^\|\s*folder\s*\|\s*may import\s*\|$/.test(line));
  if (header < 0) throw new Error('no table "| folder | may import |"');
  const table = new Map<string, Permission[]>();
  for (const line of lines.slice(header + 2)) {
    const [, folder, allowed] = /^\|\s*`([^`]+)`\s*\|(.*)\|$/.exec(line) ?? [];
    if (folder === undefined || allowed === undefined) break;
    if (table.has(folder)) throw new Error(`two rows for ${folder}`);
    const permissions = allowed.matchAll(/(types of )?`([^`]+)`/g);
    table.set(
      folder,
      Array.from(permissions, ([, types, target]) => ({ target: target ?? '', isTypesOnly: types !== undefined })),
    );
  }
  return table;
}

/** Every import that the table does not allow, one line each. */
export function findForbiddenImports(table: ImportTable, sources: readonly Source[]): string[] {
  return sources.flatMap((source) => {
    const row = [...table.keys()].find((key) => isUnder(keyOf(source.path), key));
    if (row === undefined) return [`${source.path}: no row of the table covers it`];
    const permissions = [...(table.get(row) ?? []), { target: row, isTypesOnly: false }];
    return importsOf(source)
      .filter((found) => !isAllowed(source, found, permissions))
      .map((found) => `${source.path}:${found.line}: ${row} may not import ${found.specifier ?? 'what is computed'}`);
  });
}

/** Everything asynchronous in a source, and ways to the clock or to randomness that no linter rule sees. */
export function findImpurities(source: Source): string[] {
  const found: string[] = [];
  walk(source, (node, parents) => {
    const parent = parents.at(-1);
    const isAsync = node['async'] === true || node['await'] === true || node.type === 'AwaitExpression';
    const isPromise = node.type === 'Identifier' && /^(Promise|PromiseLike|Async\w+)$/.test(String(node['name']));
    const isClock = isIdentifier(node, 'Date');
    // `Math.floor` is fine; `const { random } = Math` is not.
    const isHiddenMath = isIdentifier(node, 'Math') && parent?.type !== 'MemberExpression';
    if (isAsync || isPromise) found.push(`${source.path}:${lineOf(source, node)}: asynchronous`);
    if (isClock || isHiddenMath) found.push(`${source.path}:${lineOf(source, node)}: reaches clock or randomness`);
  });
  return found;
}

function isAllowed(source: Source, found: Import, permissions: readonly Permission[]): boolean {
  const { specifier, isTypeOnly } = found;
  if (specifier === null) return false;
  const path = resolveImport(source.path, specifier);
  const reaches = (target: string) => (path === null ? isPackage(specifier, target) : isUnder(keyOf(path), target));
  return permissions.some(({ target, isTypesOnly }) => reaches(target) && (isTypeOnly || !isTypesOnly));
}

/** The table leaves `src/` out. */
function keyOf(path: string): string {
  return path.replace(/^src\//, '');
}

function isUnder(key: string, target: string): boolean {
  return target.endsWith('/') ? key.startsWith(target) : key === target;
}

function isPackage(specifier: string, target: string): boolean {
  if (target.endsWith(':*')) return specifier.startsWith(target.slice(0, -1));
  return specifier === target || specifier.startsWith(`${target}/`);
}
