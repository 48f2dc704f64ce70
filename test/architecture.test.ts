// Who may import whom: the sources are held to the table of docs/architecture.md, and the table to DESIGN's own rules.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findForbiddenImports, findImpurities, readImportTable, type ImportTable } from './support/import-rules.ts';
import { productOf, repositorySources, ROOT } from './support/sources.ts';

const table = readImportTable(readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8'));
const sources = productOf(repositorySources());

describe('the sources', () => {
  it('import only what docs/architecture.md allows', () => {
    expect(sources).not.toEqual([]);
    expect(findForbiddenImports(table, sources)).toEqual([]);
  });

  it('of the protocol are synchronous and pure', () => {
    const protocol = sources.filter(({ path }) => path.startsWith('src/protocol/'));
    expect(protocol).not.toEqual([]);
    expect(protocol.flatMap(findImpurities)).toEqual([]);
  });
});

describe('the table', () => {
  const rowsWith = (target: string) =>
    [...table].flatMap(([row, all]) => (all.some((p) => p.target === target) ? row : []));

  it('keeps the protocol to itself, hashing and canonical JSON', () => {
    expect(table.get('protocol/')?.map(({ target }) => target)).toEqual(['@noble/hashes', 'canonicalize']);
  });

  it('gives the page nothing of the server but types: what it loads is for browsers', () => {
    const loaded = table.get('dashboard/')?.filter(({ isTypesOnly }) => !isTypesOnly);
    expect(loaded?.map(({ target }) => target)).toEqual(['client/', 'protocol/ring.ts', 'preact', 'uplot']);
  });

  it('keeps the client to itself: it runs in browsers', () => {
    expect(table.get('client/')).toEqual([]);
  });

  it('lets only durable/, worker.ts and what they are compared with know Cloudflare', () => {
    expect([...table.values()].flat().filter(({ target }) => /^cloudflare:(?!workers$)/.test(target))).toEqual([]);
    expect(rowsWith('cloudflare:workers')).toEqual(['durable/', 'worker.ts', 'bench/bare/']);
  });

  it('lets only peer/, cli/, sim/ and bench/ know Node.js', () => {
    expect([...table.values()].flat().filter(({ target }) => /^node:(?!\*$)/.test(target))).toEqual([]);
    expect(rowsWith('node:*')).toEqual(['peer/', 'cli/', 'sim/', 'bench/peers/', 'bench/']);
  });
});

describe('findForbiddenImports', () => {
  const rules: ImportTable = readImportTable(
    [
      '| folder | may import |',
      '|---|---|',
      '| `core/` | `@noble/hashes` |',
      '| `shell/` | `core/`, types of `web/ports.ts`, `node:*` |',
      '| `web/` | `core/` |',
      '',
      '| `not/` | `in the table` |',
    ].join('\n'),
  );
  const check = (path: string, text: string) => findForbiddenImports(rules, [{ path, text }]).length;

  it.each([
    ['src/core/a.ts', "import { b } from './b.ts'; import { sha256 } from '@noble/hashes/sha2.js';"],
    ['src/core/deep/a.ts', "export * from '../b.ts';"],
    ['src/shell/a.ts', "import { b } from '../core/b.ts'; import { join } from 'node:path';"],
    ['src/shell/a.ts', "import type { P } from '../web/ports.ts'; let q: import('../web/ports.ts').Q;"],
    ['src/web/a.ts', "export { b } from '../core/b.ts'; const text = 'import x from \"node:fs\"'; // import 'hono'"],
  ])('allows in %s: %s', (path, text) => {
    expect(check(path, text)).toBe(0);
  });

  it.each([
    ['src/core/a.ts', "import { b } from '../web/b.ts';"],
    ['src/core/a.ts', "import type { B } from '../web/b.ts';"],
    ['src/core/a.ts', "import 'node:fs';"],
    ['src/core/a.ts', "import { x } from '@noble/hashes-evil';"],
    ['src/core/a.ts', "export * from '../shell/a.ts';"],
    ['src/core/a.ts', "export { x } from '../shell/a.ts';"],
    ['src/core/a.ts', "const x = () => import('node:fs');"],
    ['src/core/a.ts', "let x: import('../web/b.ts').B;"],
    ['src/core/deep/a.ts', "import { b } from '../../../test/b.ts';"],
    ['src/shell/a.ts', "import { p } from '../web/ports.ts';"],
    ['src/shell/a.ts', "import { type P } from '../web/ports.ts';"],
    ['src/shell/a.ts', "import type { A } from '../web/app.ts';"],
    ['src/shell/a.ts', 'const x = (name: string) => import(name);'],
    ['src/not/a.ts', 'export const a = 1;'],
  ])('finds in %s: %s', (path, text) => {
    expect(check(path, text)).toBe(1);
  });
});

describe('findImpurities', () => {
  const check = (text: string) => findImpurities({ path: 'src/protocol/a.ts', text });

  it('passes what is synchronous', () => {
    expect(
      check('// async, await, Promise\nexport const a = (b: string) => Math.floor(b.length) + "Date.now()".length;'),
    ).toEqual([]);
  });

  it.each([
    'export async function a() {}',
    'export const a = async () => 1;',
    'export class A { async a() {} }',
    'export const a = await b;',
    'export {}; for await (const a of b) c(a);',
    'export type A = Promise<void>;',
    'export const a = Promise.resolve(1);',
    'export async function* a() {}',
    'export type A = AsyncIterable<number>;',
    'export const a = Date.now();',
    'export type A = Date;',
    'const { random } = Math;',
    'const m = Math;',
  ])('finds %s', (text) => {
    expect(check(text)).not.toEqual([]);
  });
});
