// The live table fits the terminal, whatever the number of nodes.
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { NodeRow } from '../../src/cli/network-view.ts';
import { ageText, networkTable, peersText } from '../../src/cli/table.ts';

const NOW = 1_795_377_600;

function joined(slot: number, of: number): NodeRow {
  const status = {
    network: 'pychain',
    protocol: 'pychain/1',
    guid: slot,
    address: `http://127.0.0.1:8787/n/${slot}`,
    max_guid: of,
    time: NOW,
    peers: { alive: of - 1, suspect: 0 },
    messages: 12_345,
    last_sync_at: NOW - 59,
    next_sync_at: null,
    left_at: null,
  };
  return { deployment: 1, slot, status, problem: null };
}

function render(rows: readonly NodeRow[], height: number): string[] {
  return networkTable(rows, NOW, height).map((line) => stripVTControlCharacters(line));
}

describe('the live table', () => {
  test('has a line for each node where they fit', () => {
    const rows = Array.from({ length: 4 }, (_, index) => joined(index + 1, 4));
    expect(render(rows, 20)).toEqual([
      'NODE  GUID  STATE   PEERS    MAX GUID  MESSAGES  LAST SYNC',
      '   1     1  joined  3 alive         4     12345   59 s ago',
      '   2     2  joined  3 alive         4     12345   59 s ago',
      '   3     3  joined  3 alive         4     12345   59 s ago',
      '   4     4  joined  3 alive         4     12345   59 s ago',
    ]);
  });

  test('tells the deployments apart where there are several', () => {
    const rows = [joined(1, 2), { ...joined(1, 2), deployment: 2 }];
    expect(render(rows, 20)).toEqual([
      'DEPLOYMENT  NODE  GUID  STATE   PEERS    MAX GUID  MESSAGES  LAST SYNC',
      '         1     1     1  joined  1 alive         2     12345   59 s ago',
      '         2     1     1  joined  1 alive         2     12345   59 s ago',
    ]);
  });

  test('256 nodes fit 80 x 24, with the rest summed up', () => {
    const rows = Array.from({ length: 256 }, (_, index) => joined(index + 1, 256));
    const lines = render(rows, 21);
    expect(lines).toHaveLength(21);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
    expect(lines.at(-1)).toBe('and 237 more: 237 joined, max GUID 256, messages 12345');
  });

  test.each([1, 2, 3, 5, 22, 23, 24, 256])('%i nodes never need more lines than there are', (count) => {
    const rows = Array.from({ length: count }, (_, index) => joined(index + 1, count));
    for (const height of [3, 4, 10, 24]) expect(render(rows, height).length).toBeLessThanOrEqual(height);
  });

  test('a node that has not joined is shown before healthy ones', () => {
    const rows = Array.from({ length: 256 }, (_, index) => joined(index + 1, 256));
    rows[199] = { deployment: 1, slot: 200, status: null, problem: 'has not joined' };
    const lines = render(rows, 10);
    expect(lines.find((line) => line.trim().startsWith('200 '))).toContain('joining');
    expect(lines.at(-1)).toContain('and 248 more: 248 joined');
  });
});

test('peers are told most first, and with nothing that drives the terminal', () => {
  expect(peersText({ suspect: 1, alive: 3, left: 0 })).toBe('3 alive, 1 suspect');
  expect(peersText({})).toBe('0');
  expect(peersText({ '\u001b[2J': 1 })).toBe('1 \\u001b[2J');
});

test('ages', () => {
  expect(ageText(null, NOW)).toBe('never');
  expect(ageText(NOW + 5, NOW)).toBe('0 s ago');
  expect(ageText(NOW - 600, NOW)).toBe('10 min ago');
  expect(ageText(NOW - 3 * 86_400, NOW)).toBe('3 d ago');
});
