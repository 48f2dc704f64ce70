// The house rules that no tool of ours knows (STYLE.md calls this "style that matters is a test").
import { describe, expect, it } from 'vitest';
import { codeOf, productOf, repositorySources, type Source } from './support/sources.ts';
import * as rules from './support/tidy-rules.ts';

const all = repositorySources();
const code = codeOf(all);
const product = productOf(all);
const tests = code.filter(({ path }) => path.startsWith('test/'));
/** Texts that are not ours to write. */
const own = all.filter(({ path }) => path !== 'LICENSE' && path !== 'package-lock.json');
const named = (path: string) => all.filter((source) => source.path === path);

/** What a user starts or imports, and the store of the simulator and the tests. Everything in src/ is there for one of these. */
const ENTRIES = [
  'src/peer/embed.ts',
  'src/worker.ts',
  'src/cli/main.ts',
  'src/client/client.ts',
  'src/store/memory-store.ts',
];

describe('the repository has', () => {
  it.each<[string, readonly Source[], (source: Source) => string[]]>([
    ['no long files', product, rules.findLongFiles],
    ['no long functions', product, rules.findLongFunctions],
    ['no any', code, rules.findAny],
    ['nothing left for later', own, rules.findLeftovers],
    ['no path of a machine', own, rules.findMachinePaths],
    ['no default exports', code, rules.findDefaultExports],
    ['kebab-case names', code, rules.findBadNames],
    ['no barrels', code, rules.findBarrels],
    ['no test that is switched off', tests, rules.findSwitchedTests],
    ['no registry in the lock file', named('package-lock.json'), rules.findResolved],
    ['every platform in the lock file', named('package-lock.json'), rules.findMissingOptional],
    ['exact versions', named('package.json'), rules.findInexactVersions],
  ])('%s', (_name, sources, find) => {
    expect(sources).not.toEqual([]);
    expect(sources.flatMap(find)).toEqual([]);
  });

  it('no dead files', () => {
    const src = product.filter(({ path }) => path.startsWith('src/'));
    expect(rules.findDeadFiles(ENTRIES, src)).toEqual([]);
  });
});

describe('the rules find', () => {
  // Written so that this file does not break the rules itself.
  const word = ['TO', 'DO'].join('');
  const path = ['', 'root', 'x'].join('/');
  const lines = (count: number) => Array.from({ length: count }, (_, i) => `  f(${i});`).join('\n');

  it.each<[string, (source: Source) => string[], string, string]>([
    ['long files', rules.findLongFiles, 'src/a.ts', lines(401)],
    ['long functions', rules.findLongFunctions, 'src/a.ts', `export function a() {\n${lines(69)}\n}`],
    ['long arrow functions', rules.findLongFunctions, 'src/a.ts', `export const a = () => {\n${lines(69)}\n};`],
    ['long methods', rules.findLongFunctions, 'src/a.ts', `export class A { a() {\n${lines(69)}\n} }`],
    ['any', rules.findAny, 'src/a.ts', 'export const a = (b: Map<string, any[]>) => b;'],
    ['any in casts', rules.findAny, 'src/a.ts', 'export const a = (b as any).c;'],
    ['leftovers', rules.findLeftovers, 'src/a.ts', `// ${word}: later`],
    ['paths of a machine', rules.findMachinePaths, 'docs/a.md', `see ${path}`],
    ['paths of a machine in code', rules.findMachinePaths, 'src/a.ts', `const a = '${path}';`],
    ['default exports', rules.findDefaultExports, 'src/a.ts', 'export default 1;'],
    ['renamed default exports', rules.findDefaultExports, 'src/a.ts', 'const a = 1; export { a as default };'],
    ['camel-case names', rules.findBadNames, 'src/nodeObject.ts', ''],
    ['snake-case folders', rules.findBadNames, 'src/my_folder/a.ts', ''],
    ['index files', rules.findBarrels, 'src/api/index.ts', 'export const a = 1;'],
    ['barrels', rules.findBarrels, 'src/api/all.ts', "export * from './a.ts';\nexport { b } from './b.ts';"],
    ['.only', rules.findSwitchedTests, 'test/a.test.ts', "it.only('a', () => {});"],
    ['.skip', rules.findSwitchedTests, 'test/a.test.ts', "describe.skip('a', () => {});"],
    ['.todo', rules.findSwitchedTests, 'test/a.test.ts', "it.todo('a');"],
    ['.skip with a table', rules.findSwitchedTests, 'test/a.test.ts', "test.skip.each([1])('a', () => {});"],
    ['.only after another word', rules.findSwitchedTests, 'test/a.test.ts', "it.concurrent.only('a', () => {});"],
    ['xit', rules.findSwitchedTests, 'test/a.test.ts', "xit('a', () => {});"],
    ['registries', rules.findResolved, 'package-lock.json', '{ "resolved": "https://registry.example/a.tgz" }'],
    [
      'platforms',
      rules.findMissingOptional,
      'package-lock.json',
      '{ "packages": { "": { "optionalDependencies": { "a": "1.0.0" } } } }',
    ],
    ['ranges', rules.findInexactVersions, 'package.json', '{ "dependencies": { "a": "^1.0.0" } }'],
    ['tags', rules.findInexactVersions, 'package.json', '{ "devDependencies": { "a": "latest" } }'],
  ])('%s', (_name, find, at, text) => {
    expect(find({ path: at, text })).toHaveLength(1);
  });

  it('dead files and missing entry points', () => {
    const sources = [
      {
        path: 'src/main.ts',
        text: "import type { A } from './a.ts'; const u = new URL('./thread.ts', import.meta.url);",
      },
      { path: 'src/a.ts', text: "export const a = () => import('./deep/b.ts');" },
      { path: 'src/deep/b.ts', text: "export * from '../c.ts';" },
      { path: 'src/c.ts', text: 'export const c = 1;' },
      { path: 'src/thread.ts', text: 'export const d = 1;' },
      { path: 'src/dead.ts', text: "import { c } from './c.ts'; export const e = c;" },
    ];
    expect(rules.findDeadFiles(['src/main.ts', 'src/gone.ts'], sources)).toEqual([
      'src/gone.ts: an entry point that is not there',
      'src/dead.ts: reached by no entry point',
    ]);
  });
});

describe('the rules pass', () => {
  const lines = (count: number) => Array.from({ length: count }, (_, i) => `  f(${i});`).join('\n');

  it.each<[string, (source: Source) => string[], string, string]>([
    ['files of 400 lines', rules.findLongFiles, 'src/a.ts', `${lines(400)}\n`],
    ['functions of 70 lines', rules.findLongFunctions, 'src/a.ts', `export function a() {\n${lines(68)}\n}`],
    ['any in a comment', rules.findAny, 'src/a.ts', "// any\nexport const any = 'any';"],
    ['the default export of the Worker', rules.findDefaultExports, 'src/worker.ts', 'export default {};'],
    ['names with suffixes', rules.findBadNames, 'test/worker/node-object.test.ts', ''],
    ['files that add something', rules.findBarrels, 'src/a.ts', "export * from './b.ts';\nexport const a = 1;"],
    ['.each', rules.findSwitchedTests, 'test/a.test.ts', "it.each([1])('a', () => {});"],
    ['.skip of something else', rules.findSwitchedTests, 'test/a.test.ts', 'cursor.skip(1);'],
    ['pre-releases', rules.findInexactVersions, 'package.json', '{ "dependencies": { "a": "5.2.0-beta" } }'],
    ['URLs', rules.findMachinePaths, 'docs/a.md', ['see https://example.com', 'work', 'a'].join('/')],
  ])('%s', (_name, find, at, text) => {
    expect(find({ path: at, text })).toEqual([]);
  });
});
