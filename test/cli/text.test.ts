// What the commands print of messages, nodes and folders, and what they say about a message that is none.
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { missingLine, parseData } from '../../src/cli/broadcast.ts';
import { CliError } from '../../src/cli/errors.ts';
import { messageLine } from '../../src/cli/queries.ts';
import { tryLine } from '../../src/cli/reporter.ts';
import { cut, intervals, shellWord } from '../../src/cli/text.ts';
import { PROJECT_DIR } from '../../src/cli/wrangler-config.ts';

test('intervals, of numbers in any order', () => {
  expect(intervals([])).toBe('');
  expect(intervals([3, 1, 2, 7, 9, 10])).toBe('1-3, 7, 9-10');
});

test('a line is cut between characters, and says so', () => {
  expect(cut('abcd', 4)).toBe('abcd');
  expect(cut('abcde', 4)).toBe('abc…');
  expect(cut('😀😀😀😀', 4)).toBe('😀😀😀😀');
  expect(cut('😀😀😀😀', 3)).toBe('😀😀…');
});

test('a word of a shell is quoted where it has to be', () => {
  expect(shellWord('/a/b-c.d')).toBe('/a/b-c.d');
  expect(shellWord("/it's mine")).toBe(`'/it'\\''s mine'`);
});

test('the line to paste names the folder of the network, and the project from outside of it', () => {
  const command = `broadcast '{"hello": "world"}' --wait`;
  const folder = resolve(PROJECT_DIR, '.pychain');
  expect(tryLine(folder, PROJECT_DIR)).toBe(`npm run -s pychain -- ${command}`);
  expect(tryLine('/a b', resolve(PROJECT_DIR, 'src'))).toBe(`STORAGE_DIR='/a b' npm run -s pychain -- ${command}`);
  expect(tryLine('/p/.pychain', '/p', true)).toBe(`npx pychain ${command}`);
  expect(tryLine('/q/.pychain', '/p', true)).toBe(`STORAGE_DIR=/q/.pychain npx pychain ${command}`);
  expect(tryLine(folder, '/')).toBe(`npm run -s --prefix ${shellWord(PROJECT_DIR)} pychain -- ${command}`);
});

describe('a message for people', () => {
  const message = (guid: number, data: Record<string, unknown>) => ({
    id: '0123456789abcdef',
    data,
    originator: { guid, address: 'http://a.example' },
    broadcast_timestamp: 0,
    received_at: 0,
    hops: 1,
  });
  const joined = { event: { name: 'PEER_JOINED', args: { members: [1, 2, 3, 4, 6].map((guid) => ({ guid })) } } };

  test('is its data; of those who joined, their numbers', () => {
    expect(messageLine(message(2, { a: 'b\u001b' }))).toBe(
      '1970-01-01T00:00:00.000Z 0123456789ab from 2, 1 hop: {"a":"b\\u001b"}',
    );
    expect(messageLine(message(0, joined))).toMatch(/from 0, 1 hop: PEER_JOINED 1-4, 6$/);
    expect(messageLine(message(2, joined))).toContain('{"event"');
  });
});

test('the nodes that miss a message are told by what they say', () => {
  const missing = [5, 6, 7].map((guid) => ({ guid, why: 'not there' }));
  expect(missingLine(missing)).toBe('not at 3 nodes: 5-7 (not there)');
  expect(missingLine([{ guid: 9, why: 'gone' }])).toBe('not at 1 node: 9 (gone)');
  expect(missingLine([...missing, { guid: 9, why: 'gone' }])).toBe('not at 4 nodes: 5-7 (not there), 9 (gone)');
});

describe('what is no message', () => {
  test.each([
    ['', 'standard input is empty; give a JSON object'],
    [' \n', 'standard input is empty; give a JSON object'],
    ['{"a":1} {"b":2}', 'expected one JSON object, found more after it'],
    ['{"a":1,}', 'not a message: not JSON: wrong at character 8, expected key'],
    ['hello', /wrong at character 1.*give an object, for example/],
    ['[1]', /not a JSON object; give an object, for example/],
  ])('%j', (text, message) => {
    let thrown: unknown;
    try {
      parseData(text, 'standard input');
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(CliError);
    expect(thrown).toMatchObject({ exitCode: 2 });
    expect(thrown instanceof CliError ? thrown.message : '').toEqual(
      typeof message === 'string' ? message : expect.stringMatching(message),
    );
  });

  test('an object is one', () => {
    expect(parseData(' {"a":1}\n', 'standard input')).toEqual({ a: 1 });
  });
});
