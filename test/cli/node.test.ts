// `pychain node`: what is wrong with how it is started is said before anything starts.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../bench/network.ts';
import { startNode } from '../../bench/node-process.ts';
import { joinComplaints, runNode, type NodeArguments } from '../../src/cli/node.ts';
import { freePort } from '../../src/cli/ports.ts';
import { DEFAULT_LISTEN, DEFAULT_STOP_SECONDS } from '../../src/cli/settings.ts';

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'pychain-node-args-'))));
afterAll(() => rmSync(folder, { recursive: true }));

const BOOT = 'https://network.example.org';
const ADDRESS = 'https://me.example.org';

async function expectRefused(changes: Partial<NodeArguments>, says: RegExp, variables: readonly string[] = []) {
  const started = runNode({
    boot: BOOT,
    address: ADDRESS,
    listen: DEFAULT_LISTEN,
    stopSeconds: DEFAULT_STOP_SECONDS,
    leaveOnExit: false,
    json: true,
    variables: [`STORAGE_DIR=${folder}`, `LOG_DIR=${folder}`, ...variables],
    ...changes,
  });
  await expect(started).rejects.toThrow(says);
}

it('says why it cannot join: at once, when that changes, and once a minute', () => {
  const lines: string[] = [];
  let now = 1_000;
  const complain = joinComplaints(
    (line) => void lines.push(line),
    () => now,
  );
  const after = (ms: number, reason: string) => {
    now += ms;
    complain(reason);
    return lines.splice(0);
  };
  const away = 'the join failed, and is tried again: nobody answers';
  expect(after(0, 'nobody answers')).toEqual([away]);
  expect(after(59_000, 'nobody answers')).toEqual([]);
  expect(after(1_000, 'nobody answers')).toEqual([away]);
  expect(after(1, 'another\u001b network')).toEqual(['the join failed, and is tried again: another\\u001b network']);
  expect(after(1, 'nobody answers')).toEqual([away]);
});

it('says on standard error that its boot node is away', async () => {
  const [port, nowhere] = [await freePort('127.0.0.1', 0), await freePort('127.0.0.1', 0)];
  const node = await startNode({ boot: `http://127.0.0.1:${nowhere}`, port, folder, vars: {} });
  await eventually('a line', async () => node.trouble().includes('\n'), 20_000);
  const { code, trouble } = await node.end('SIGTERM');
  expect(code).toBe(0);
  expect(trouble).toMatch(/^pychain: the join failed, and is tried again: .*ECONNREFUSED.*\n$/);
});

describe('pychain node refuses', () => {
  it.each<[what: string, changes: Partial<NodeArguments>, says: RegExp]>([
    ['no boot node', { boot: undefined }, /--boot: give the URL/],
    ['no address', { address: undefined }, /--address: give the URL/],
    ['an address over http', { address: 'http://me.example.org' }, /--address .* over https/],
    ['an address without a host name', { address: 'https://192.0.2.1' }, /--address .* a host name/],
    ['an address with a port', { address: 'https://me.example.org:8443' }, /--address .* port 443/],
    ['an address with a path', { address: 'https://me.example.org/node' }, /PUBLIC_URL=.* no path/],
    ['a boot node over http', { boot: 'http://network.example.org' }, /--boot .* https/],
    ['a boot node that is no URL', { boot: 'network' }, /--boot network/],
    ['no port to listen at', { listen: '0.0.0.0' }, /--listen 0.0.0.0: give ADDRESS:PORT/],
    ['a port that is none', { listen: '0.0.0.0:70000' }, /--listen port 70000/],
    ['no time to stop in', { stopSeconds: '0' }, /--stop-seconds 0/],
  ])('%s', async (_what, changes, says) => {
    await expectRefused(changes, says);
  });

  it('an open network without a host that clients of the original could reach, and such a host without one', async () => {
    await expectRefused({}, /ADMISSION=open: give --seed-host/, ['ADMISSION=open']);
    await expectRefused({ seedHost: '203.0.113.7' }, /--seed-host 203.0.113.7: give, with -e ADMISSION=open/);
    for (const seedHost of ['http://203.0.113.7', '203.0.113.7:8080', '203.0.113.7/api', '', 'a b']) {
      await expectRefused({ seedHost }, /--seed-host/, ['ADMISSION=open']);
    }
  });

  it('LOCAL_PEERS where the address is no loopback address', async () => {
    await expectRefused({}, /LOCAL_PEERS=on is not allowed/, ['LOCAL_PEERS=on']);
  });

  it.each(['STORAGE_DIR', 'LOG_DIR'])('a %s that it cannot write to', async (name) => {
    const file = join(folder, 'a-file');
    writeFileSync(file, '');
    await expectRefused({}, new RegExp(`-e ${name}=DIR`), [`${name}=${file}/below`]);
  });
});
