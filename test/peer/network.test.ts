// A network without any deployment, in this process: a boot node and nodes over real HTTP, storage in memory.
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually, getJson } from '../../bench/network.ts';
import { freePort } from '../../src/cli/ports.ts';
import { readConfig, type Config } from '../../src/config.ts';
import { signRequest } from '../../src/crypto/http-signature.ts';
import { generateKey, openSigner } from '../../src/crypto/keys.ts';
import { signCertificate } from '../../src/crypto/signatures.ts';
import { aloneAt } from '../../src/peer/alone.ts';
import { PeerBoot } from '../../src/peer/boot.ts';
import { PeerNode } from '../../src/peer/node.ts';
import { addressFault } from '../../src/protocol/address.ts';
import { LogRing } from '../../src/shell/log-ring.ts';
import { isHosted } from '../../src/protocol/whom.ts';

const HOOK_KEY = Buffer.alloc(24, 7);
const ADMIN_TOKEN = 'token-of-a-network-in-a-test';
/** No sync round but the first, so that what arrives was delivered. */
const VARIABLES = { NETWORK_SYNC_INTERVAL: '3600', NETWORK_SYNC_JITTER: '0', PROBATION: '0', POW_BITS: '0' };

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});

function configAt(address: string, changes: Readonly<Record<string, string>> = {}): Config {
  const config = readConfig({ ...VARIABLES, PUBLIC_URL: address, LOCAL_PEERS: 'on', ADMIN_TOKEN, ...changes });
  if (!config.ok) throw new Error(JSON.stringify(config.error));
  return config.value;
}

async function options(changes: Readonly<Record<string, string>> = {}) {
  const port = await freePort('127.0.0.1', 0);
  const address = `http://127.0.0.1:${port}`;
  const quiet = { storageDir: null, proxyHeader: null, log: () => undefined, recentLogs: new LogRing() };
  return { ...quiet, config: configAt(address, changes), address, host: '127.0.0.1', port };
}

async function startBoot(changes: Readonly<Record<string, string>> = {}): Promise<string> {
  const at = await options(changes);
  const boot = await PeerBoot.start(at);
  stops.push(() => boot.stop(1_000));
  return at.address;
}

/** Starts a node and waits until it has joined. */
async function startNode(
  boot: string,
  changes: Readonly<Record<string, string>> = {},
): Promise<{ address: string; guid: number; node: PeerNode }> {
  const at = await options(changes);
  const node = await PeerNode.start({ ...at, boot });
  stops.push(() => node.stop({ leave: false, withinMs: 1_000 }));
  const guid = await eventually('the join', async () => (await node.status()).guid ?? false);
  return { address: at.address, guid, node };
}

interface Page {
  readonly messages: readonly { id: string; originator: { guid: number }; hops: number }[];
}

async function messagesAt(address: string): Promise<Page['messages']> {
  return ((await getJson(`${address}/api/v1/messages`)) as Page).messages;
}

async function peersAt(address: string): Promise<number[]> {
  const page = (await getJson(`${address}/api/v1/members`)) as { members: { guid: number }[] };
  return page.members.map(({ guid }) => guid);
}

async function duplicatesAt(address: string): Promise<number> {
  const text = await (await fetch(`${address}/api/v1/metrics`)).text();
  return Number(/deliveries_total\{result="duplicate"\} (\d+)/.exec(text)?.[1]);
}

describe('a network without a deployment', () => {
  it('has all hear of newcomers from the boot node, and of messages from each other', async () => {
    const boot = await startBoot();
    const nodes: Awaited<ReturnType<typeof startNode>>[] = [];
    for (let count = 0; count < 4; count++) nodes.push(await startNode(boot));
    expect(nodes.map(({ guid }) => guid)).toEqual([1, 2, 3, 4]);
    const first = nodes[0]?.address ?? '';
    // The first joined alone, and asks nobody for an hour: it can know of the others by announcements alone.
    await eventually('all know all', async () => {
      const known = await Promise.all(nodes.map(({ address }) => peersAt(address)));
      return known.every((guids) => guids.length === nodes.length);
    });
    const told = (await messagesAt(first)).filter(({ originator }) => originator.guid === 0);
    expect(told.length).toBeGreaterThan(0);
    const answer = await fetch(`${first}/api/v1/messages`, {
      method: 'POST',
      headers: { 'authorization': `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify({ data: { hello: 'all' } }),
    });
    const { id } = (await answer.json()) as { id: string };
    await eventually('all have it', async () => {
      const all = await Promise.all(nodes.map(({ address }) => messagesAt(address)));
      return all.every((messages) => messages.some((message) => message.id === id));
    });
    expect(await Promise.all(nodes.map(({ address }) => duplicatesAt(address)))).toEqual([0, 0, 0, 0]);
  });

  it('takes deliveries of GUID 0 from nobody but the boot node', async () => {
    const boot = await startBoot();
    const { address } = await startNode(boot);
    const stranger = openSigner(await generateKey());
    const issuedAt = Math.floor(Date.now() / 1000) * 1000;
    const period = { issuedAt, expiresAt: issuedAt + 60_000 };
    const certificate = await signCertificate(stranger, 'pychain', 0, stranger.publicKey, period);
    const body = JSON.stringify({ max_guid: 1, deliveries: [] });
    const outgoing = { method: 'POST', url: `${address}/api/v1/deliveries`, body } as const;
    const request = await signRequest(
      outgoing,
      stranger,
      { guid: 0, certificate },
      'a-nonce-of-a-stranger',
      Date.now(),
    );
    expect((await fetch(request)).status).toBe(401);
  });

  it('lets nobody in where the boot node has another key than its operator says', async () => {
    const other = (await generateKey()).x;
    const boot = await startBoot({ NETWORK_KEY: other });
    const { network_key: told } = (await getJson(`${boot}/api/v1/status`)) as { network_key: string };
    expect(told).toBe(other);
    const at = await options();
    const node = await PeerNode.start({ ...at, boot });
    stops.push(() => node.stop({ leave: false, withinMs: 1_000 }));
    await eventually('a refusal', async () => {
      const text = await (await fetch(`${at.address}/api/v1/metrics`)).text();
      return Number(/joins_total\{result="failed"\} (\d+)/.exec(text)?.[1]) > 0;
    });
    expect((await node.status()).guid).toBeNull();
  });
});

describe('a node on its own', () => {
  it('gives its messages to the webhook of its operator, signed', async () => {
    const boot = await startBoot();
    const asked: { readonly isSigned: boolean; readonly body: string }[] = [];
    const hook = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const [id, at] = [request.headers['webhook-id'], request.headers['webhook-timestamp']];
        const body = Buffer.concat(chunks).toString();
        const signature = createHmac('sha256', HOOK_KEY)
          .update(`${String(id)}.${String(at)}.${body}`)
          .digest('base64');
        asked.push({ isSigned: request.headers['webhook-signature'] === `v1,${signature}`, body });
        response.writeHead(204).end();
      });
    }).listen(0, '127.0.0.1');
    stops.push(async () => void hook.close());
    await once(hook, 'listening');
    const { node, guid } = await startNode(boot, {
      HANDLER_URL: `http://127.0.0.1:${(hook.address() as AddressInfo).port}/hook`,
      HANDLER_SECRET: `whsec_${HOOK_KEY.toString('base64')}`,
    });
    const said = await node.originate([{ data: { said: 'here' }, ttlSeconds: null, idempotencyKey: null }]);
    await eventually('the call', async () => asked.some(({ body }) => body.includes('"said":"here"')));
    expect(said.ok).toBe(true);
    expect(asked.every(({ isSigned, body }) => isSigned && body.includes(`"guid":${guid}`))).toBe(true);
  });

  it.each(['https://me.example.org.evil.example.net', 'https://me.example.org/other', 'https://me.example.org'])(
    'takes nobody at %s for one of its operator',
    (address) => {
      const { protocol } = aloneAt('https://me.example.org', configAt('http://127.0.0.1:1'), 1);
      expect(isHosted({ address }, protocol.hostedPrefix)).toBe(false);
      // And no peer may have an address that would be.
      expect(addressFault(`${protocol.hostedPrefix}x`, { localPeers: true, hostedPrefix: '' })).toBe('not-a-url');
    },
  );
});
