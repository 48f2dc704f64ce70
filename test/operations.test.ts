// What docs/operations.md tells one to type is there: commands of the pinned wrangler, and of `pychain`; and what it has one copy.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { experimental_getWranglerCommands, unstable_readConfig } from 'wrangler';

const text = readFileSync(new URL('../docs/operations.md', import.meta.url), 'utf8');

interface Level {
  readonly definition?: { readonly type: string; readonly args?: object; readonly positionalArgs?: readonly string[] };
  readonly subtree: ReadonlyMap<string, Level>;
}

/** `npx wrangler a b --c` as it is written: up to the end of the line, or of the code. */
const WRITTEN = [...text.matchAll(/npx wrangler ([^\n`;|)]*)/g)].map(([, command = '']) => command.trim());

test('commands of wrangler exist, with their options', () => {
  const { registry, globalFlags } = experimental_getWranglerCommands() as unknown as {
    registry: Level;
    globalFlags: object;
  };
  expect(WRITTEN.length).toBeGreaterThan(15);
  for (const command of WRITTEN) {
    const words = command.split(/\s+/);
    let level: Level = registry;
    for (let next = level.subtree.get(words[0] ?? ''); next; next = level.subtree.get(words[0] ?? '')) {
      level = next;
      words.shift();
    }
    // A group of commands, such as `queues`, is none itself.
    expect([command, level.definition?.type]).toEqual([command, 'command']);
    const known = Object.keys({ ...globalFlags, ...level.definition?.args });
    const options = words.filter((word) => word.startsWith('--')).map((word) => word.slice(2));
    expect([command, options.filter((option) => !known.includes(option))]).toEqual([command, []]);
  }
});

test('what the first deployment creates are the queues of wrangler.toml', () => {
  const toml = readFileSync(new URL('../wrangler.toml', import.meta.url), 'utf8');
  const created = WRITTEN.flatMap((command) => /^queues create (\S+)$/.exec(command)?.[1] ?? []);
  const needed = [...toml.matchAll(/^queue = "(pychain-[^"]+)"$/gm)].map(([, name]) => name);
  expect([...new Set(created.filter((name) => name.startsWith('pychain-')))]).toEqual([...new Set(needed)]);
});

test('an image is made without what git leaves out, such as tokens and keys, and without git’s own', () => {
  const linesOf = (name: string) =>
    readFileSync(new URL(`../${name}`, import.meta.url), 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
  expect(text).toContain('COPY . .');
  // Docker takes a pattern without a folder for the root alone.
  const leftOut = linesOf('.gitignore').map((line) => `**/${line.replace(/\/$/, '')}`);
  expect(leftOut).toContain('**/.pychain');
  const ignored = linesOf('.dockerignore');
  expect(ignored).toEqual(expect.arrayContaining(['.git', ...leftOut]));
  // None of them lets anything in again.
  expect(ignored.filter((line) => line.startsWith('!'))).toEqual([]);
});

test('links within it lead somewhere', () => {
  const slug = (title: string) =>
    title
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-');
  const titles = new Set([...text.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) => slug(title)));
  const links = [...text.matchAll(/\]\(#([^)]+)\)/g)].map(([, to = '']) => to);
  expect(links.length).toBeGreaterThan(10);
  expect(links.filter((to) => !titles.has(to))).toEqual([]);
});

test('logs of a second network in wrangler.toml are kept as those of the first', () => {
  const config = fileURLToPath(new URL('../wrangler.toml', import.meta.url));
  expect(unstable_readConfig({ config, env: 'demo' }).observability).toMatchObject({ enabled: true });
});
