// docs/protocol.md tells what the original does wrong, and names for each line the tests that show the opposite: they are there.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isNode, repositorySources, ROOT, walk, type Node, type Source } from './support/sources.ts';

const HEADING = '## What the original does, and this does not';

interface Row {
  readonly original: string;
  /** Files under test/ without their ending, and how a test in them begins. */
  readonly tests: readonly { readonly file: string; readonly title: string }[];
}

function readRows(document: string): Row[] {
  const [, section = ''] = document.split(HEADING);
  const lines = section.split('\n').filter((line) => line.startsWith('| '));
  return lines.slice(1).map((line) => {
    const [, original = '', , tests = ''] = line.split('|').map((cell) => cell.trim());
    const named = tests.split('; ').map((test) => /^`([\w/-]+)`: (.+)$/.exec(test));
    return { original, tests: named.map((found) => ({ file: found?.[1] ?? '', title: found?.[2] ?? '' })) };
  });
}

/** What the tests of a file are called. */
function titlesOf(source: Source): string[] {
  const titles: string[] = [];
  walk(source, (node) => {
    if (node.type !== 'CallExpression' || !isTestFunction(node['callee'])) return;
    const [first] = node['arguments'] as readonly Node[];
    if (first?.type === 'Literal' && typeof first['value'] === 'string') titles.push(first['value']);
  });
  return titles;
}

/** `it`, `test`, and what they are with a table: `it.each(…)`. */
function isTestFunction(callee: unknown): boolean {
  if (!isNode(callee)) return false;
  if (callee.type === 'Identifier') return callee['name'] === 'it' || callee['name'] === 'test';
  return isTestFunction(callee.type === 'CallExpression' ? callee['callee'] : callee['object']);
}

const rows = readRows(readFileSync(join(ROOT, 'docs/protocol.md'), 'utf8'));
const sources = repositorySources();

describe('what the original does', () => {
  it('is ten lines', () => {
    expect(rows).toHaveLength(10);
  });

  it.each(rows)('$original: has tests that show the opposite', ({ tests }) => {
    for (const { file, title } of tests) {
      const source = sources.find(({ path }) => path === `test/${file}.test.ts`);
      const titles = source ? titlesOf(source) : [];
      expect(titles.filter((candidate) => candidate.startsWith(title))).not.toEqual([]);
      expect(title).not.toBe('');
    }
  });
});
