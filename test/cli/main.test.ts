// The command as it is typed: what it says where nothing, or too little, is given.
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { SCRIPT } from '../../bench/node-process.ts';

function pychain(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [SCRIPT, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

it.each([
  { args: [], usage: 'Usage: pychain [options] [command]', names: ['up', 'node', 'boot', 'broadcast'] },
  { args: ['boot'], usage: 'Usage: pychain boot [options] [command]', names: ['serve', 'export', 'import', 'floor'] },
])('pychain $args alone: its commands, and exit code 2', ({ args, usage, names }) => {
  const { status, stdout, stderr } = pychain(...args);
  expect([status, stdout, stderr.split('\n')[0]]).toEqual([2, '', usage]);
  for (const name of names) expect(stderr).toMatch(new RegExp(`^  ${name} `, 'm'));
});

it('a wrong command or option: one line, and exit code 2', () => {
  expect(pychain('boot', 'nope')).toEqual({
    status: 2,
    stdout: '',
    stderr: "pychain: unknown command 'nope'; see pychain --help\n",
  });
});
