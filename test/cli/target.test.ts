// Which node a command is about: found out by asking what answers at its URL.
import { mkdtempSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findNode } from '../../src/cli/target.ts';
import { isNoneOfOurs } from '../support/watch-fetch.ts';

let folder: string;
let answer: { readonly status: number; readonly body: object };
const server = createServer((_request, response) => {
  const type = answer.status === 200 ? 'application/json' : 'application/problem+json';
  response.writeHead(answer.status, { 'content-type': type }).end(JSON.stringify(answer.body));
});
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pychain-target-'));
  await once(server.listen(0, '127.0.0.1'), 'listening');
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

const status = (guid: number) => ({
  status: 200,
  body: { network: 'test', protocol: 'pychain/1', guid, address: 'https://me.example.org', max_guid: 9, time: 1 },
});
const problem = (code: number, slug: string) => ({
  status: code,
  body: { type: `urn:pychain:problem:${slug}`, title: slug },
});

const ANY = { isBootAllowed: true, slot: 1 };

async function nodeFor(text: string | undefined, wish: { isBootAllowed: boolean; slot: number | null } = ANY) {
  // Safe: a server that listens on TCP has an address with a port.
  const url = isNoneOfOurs(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  return (await findNode(text, wish, { url }, { STORAGE_DIR: folder })).node;
}

describe('a command is about', () => {
  it.each([
    ['a boot node', status(0)],
    ['no boot node', problem(404, 'no-boot-node')],
    ['a boot node that cannot answer', problem(503, 'unavailable')],
  ])('a node in a slot, where there is %s', async (_what, said) => {
    answer = said;
    expect(await nodeFor(undefined)).toBe(1);
    expect(await nodeFor('3')).toBe(3);
    expect(await nodeFor('boot')).toBe('boot');
  });

  it.each([
    ['a node', status(5)],
    ['a node that has not joined yet', problem(503, 'not-joined')],
  ])('the node itself, where there is %s: no other can be named', async (_what, said) => {
    answer = said;
    expect(await nodeFor(undefined)).toBe('own');
    await expect(nodeFor('1')).rejects.toMatchObject({ exitCode: 2, message: expect.stringMatching(/leave 1 out$/) });
    await expect(nodeFor('boot')).rejects.toMatchObject({ exitCode: 2 });
  });

  it('no node that nobody named, where it is told to leave', async () => {
    const leaving = { isBootAllowed: false, slot: null };
    answer = status(0);
    await expect(nodeFor(undefined, leaving)).rejects.toMatchObject({ exitCode: 2 });
    answer = status(5);
    expect(await nodeFor(undefined, leaving)).toBe('own');
  });
});
