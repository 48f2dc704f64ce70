// Several deployments of one local network: where each is, and what they are told.
import { createServer, type AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { DEPLOYMENTS_MAX, freePorts, neighbourly, plansOf } from '../../src/cli/deployments.ts';
import { ANY_PORT, freePort } from '../../src/cli/ports.ts';
import { deploymentCount } from '../../src/cli/settings.ts';

const FOLDERS = { storageDir: '/net', logDir: '/logs' };

test('the first hosts the boot node, the others join it, each in a folder and on a port of its own', () => {
  const plans = plansOf('0.0.0.0', [8787, 8788, 8789], FOLDERS, { NODE_COUNT: '4' });
  expect(plans.map(({ url, storageDir, logDir, vars }) => [url, storageDir, logDir, vars['BOOT_NODE']])).toEqual([
    ['http://127.0.0.1:8787', '/net', '/logs', undefined],
    ['http://127.0.0.1:8788', '/net/deployment-2', '/logs/deployment-2', 'http://127.0.0.1:8787'],
    ['http://127.0.0.1:8789', '/net/deployment-3', '/logs/deployment-3', 'http://127.0.0.1:8787'],
  ]);
});

test('all join a boot node elsewhere, where one is given', () => {
  const plans = plansOf('127.0.0.1', [1, 2], FOLDERS, { BOOT_NODE: 'http://127.0.0.1:9' });
  expect(plans.map(({ vars }) => vars['BOOT_NODE'])).toEqual(['http://127.0.0.1:9', 'http://127.0.0.1:9']);
});

test('they have room for all nodes in their one address group, and what is given counts', () => {
  const vars = neighbourly({ POW_BITS: '12' }, 16, 32);
  const config = readConfig({ PUBLIC_URL: 'http://127.0.0.1:8788', BOOT_NODE: 'http://127.0.0.1:8787', ...vars });
  expect(config).toMatchObject({
    ok: true,
    value: { protocol: { groupMembersMax: 1024, powBits: 12, localPeers: true } },
  });
  expect(neighbourly({ A: 'b' }, 1, 4)).toEqual({ A: 'b' });
  expect(() => neighbourly({ PUBLIC_URL: 'http://127.0.0.1' }, 2, 4)).toThrow('PUBLIC_URL: with several');
});

test('ports follow each other; one that is taken is named, and there must be enough', async () => {
  expect(new Set(await freePorts('127.0.0.1', 0, 3)).size).toBe(3);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await expect(freePorts('127.0.0.1', port, 2)).rejects.toThrow(`port ${port} of 127.0.0.1 is taken`);
  await new Promise((resolve) => server.close(resolve));
  await expect(freePorts('127.0.0.1', 65_534, 3)).rejects.toThrow('--port 65534');
});

test('any port is free and none of those that outgoing connections get', async () => {
  const ports = await Promise.all(Array.from({ length: 50 }, () => freePort('127.0.0.1', 0)));
  expect(Math.min(...ports)).toBeGreaterThanOrEqual(ANY_PORT.min);
  // From 32768 on, as Linux has it.
  expect(Math.max(...ports)).toBeLessThan(32_768);
  expect(new Set(ports).size).toBeGreaterThan(25);
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(ports[0], '127.0.0.1', resolve);
  });
  await new Promise((resolve) => server.close(resolve));
});

test('as many as are asked for, as there were, or one; never fewer than there were', () => {
  const count = (argument: string | undefined, stored: number | null) =>
    deploymentCount(argument, stored, DEPLOYMENTS_MAX);
  expect([count(undefined, null), count(undefined, 3), count('4', 3), count('2', null)]).toEqual([1, 3, 4, 2]);
  expect(() => count('2', 3)).toThrow('this network has 3 deployments');
  expect(() => count('0', null)).toThrow('--deployments 0');
  expect(() => count('17', null)).toThrow('--deployments 17');
});
