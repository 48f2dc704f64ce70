// Leaving and coming back on a real network, through the command line and over HTTP.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  broadcast,
  eventually,
  getJson,
  messagesOf,
  startMeasured,
  TOKEN,
  type Measured,
} from '../../bench/network.ts';

const NODES = 4;
const LEAVER = 3;
const OTHERS = [1, 2, 4];
const run = promisify(execFile);

let network: Measured;
beforeAll(async () => {
  network = await startMeasured(NODES, { NETWORK_SYNC_INTERVAL: '1', NETWORK_SYNC_JITTER: '1', MESSAGE_TTL: '60' });
});
afterAll(() => network.dispose());

async function pychain(...args: readonly string[]): Promise<string> {
  const options = ['--url', network.url, '--token', TOKEN];
  const { stdout } = await run(process.execPath, ['src/cli/main.ts', ...args, ...options], { timeout: 60_000 });
  return stdout;
}

async function stateAt(slot: number): Promise<string> {
  const { state } = (await getJson(`${network.url}/n/${slot}/api/v1/members/${LEAVER}`)) as { state: string };
  return state;
}

async function everywhere(state: string): Promise<void> {
  await eventually(`node ${LEAVER} is ${state} everywhere`, async () => {
    const states = await Promise.all(OTHERS.map(stateAt));
    return states.every((found) => found === state);
  });
}

describe('a node that leaves', () => {
  it('is gone for all, comes back with its GUID, and gets what it missed', async () => {
    const last = await broadcast(network, LEAVER, { last: 'words' });
    expect(await pychain('leave', String(LEAVER))).toBe('node 3 (GUID 3) has left\n');
    await everywhere('left');
    const missed = await broadcast(network, 1, { missed: true });
    for (const slot of OTHERS) {
      await eventually('both messages', async () => {
        const ids = (await messagesOf(network, slot)).map(({ id }) => id);
        return ids.includes(last) && ids.includes(missed);
      });
    }
    expect((await messagesOf(network, LEAVER)).map(({ id }) => id)).not.toContain(missed);
    // Asked again, it has left still.
    expect(JSON.parse(await pychain('leave', String(LEAVER), '--json'))).toMatchObject({ guid: LEAVER });
    const refused = await fetch(`${network.url}/n/${LEAVER}/api/v1/messages`, {
      method: 'POST',
      headers: { 'authorization': `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      body: '{"data": {}}',
    });
    expect(refused.status).toBe(409);
    expect(await refused.json()).toMatchObject({ type: 'urn:pychain:problem:left' });

    // Nothing brings it back but an operator's word.
    await network.cron();
    expect(await getJson(`${network.url}/n/${LEAVER}/api/v1/status`)).toMatchObject({
      left_at: expect.any(Number) as number,
    });
    expect(await pychain('return', String(LEAVER))).toBe('node 3 (GUID 3) is a member again\n');
    await everywhere('alive');
    await eventually('what it missed', async () => (await messagesOf(network, LEAVER)).some(({ id }) => id === missed));
    const status = await getJson(`${network.url}/n/${LEAVER}/api/v1/status`);
    expect(status).toMatchObject({ guid: LEAVER, left_at: null, incarnation: 1 });
    expect(network.trouble).toEqual([]);
  });

  it('needs an operator', async () => {
    for (const path of ['leave', 'return']) {
      const url = `${network.url}/n/2/api/v1/network/${path}`;
      expect((await fetch(url, { method: 'POST' })).status).toBe(401);
      expect((await fetch(url, { method: 'POST', headers: { authorization: 'Bearer wrong' } })).status).toBe(401);
    }
    expect(await getJson(`${network.url}/n/2/api/v1/status`)).toMatchObject({ left_at: null });
  });
});
