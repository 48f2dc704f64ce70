// Gateways that note what they are asked and answer what a test tells them to.
import { createApp } from '../../src/api/app.ts';
import type { ApiConfig } from '../../src/api/env.ts';
import type { BootGateway, NodeGateway, NodeStatus } from '../../src/api/ports.ts';
import type { JsonObject, Member, Peer, StoredMessage } from '../../src/protocol/types.ts';

export const TOKEN = 'a-token-for-these-tests';
export const KEY = 'A'.repeat(43);
export const ID = 'ab'.repeat(32);
export const NODE = '/n/1/api/v1';
export const BOOT = '/api/v1';

export const member: Member = {
  guid: 2,
  address: 'http://127.0.0.1:8787/n/2',
  publicKey: KEY,
  incarnation: 1,
  capabilities: ['sync'],
};

export const peer: Peer = {
  ...member,
  state: 'alive',
  lastSeen: 1_700_000_000_250,
  failures: 0,
  since: 1_600_000_000_000,
};

/** The same on the wire. */
export const memberWire = {
  guid: 2,
  address: member.address,
  public_key: KEY,
  incarnation: 1,
  capabilities: ['sync'],
};
export const peerWire = { ...memberWire, state: 'alive', last_seen: 1_700_000_000.25, failures: 0 };

export const stored: StoredMessage = {
  id: ID,
  network: 'test',
  data: { event: { name: 'DEAD_PEER', args: { guid: 1 } } },
  originator: { guid: 3, address: 'http://127.0.0.1:8787/n/3' },
  broadcastAt: 1_700_000_000_123,
  expiresAt: 1_700_000_600_123,
  receivedAt: 1_700_000_000_456,
  hops: 2,
};

export const nodeStatus: NodeStatus = {
  network: 'test',
  guid: 1,
  address: 'http://127.0.0.1:8787/n/1',
  publicKey: KEY,
  capabilities: ['broadcast', 'sync'],
  maxGuid: 4,
  time: 1_700_000_001_500,
  peers: { alive: 3 },
  messages: 7,
  lastSyncAt: 1_700_000_000_500,
  nextSyncAt: null,
};

/** Answers, where a test does not give its own. */
const common = {
  lookup: async (guid: number) => (guid === 2 ? peer.address : null),
  member: async (guid: number) => (guid === 2 ? peer : null),
  members: async (cursor: string | null) => (cursor === 'bad' ? null : { members: [peer], next: 'more' }),
  sync: async () => ({
    maxGuidNode: { guid: 4, address: 'http://127.0.0.1:8787/n/4' },
    have: [[1, 4] as const],
    members: [member],
    more: false,
  }),
  samples: async () => [
    { name: 'pychain_peers', help: 'Peers', type: 'gauge' as const, labels: { state: 'alive' }, value: 3 },
  ],
};

const node: NodeGateway = {
  ...common,
  status: async () => nodeStatus,
  originate: async () => ({ ok: true, value: { id: ID, broadcastAt: 1_700_000_000_123 } }),
  receive: async () => 'new',
  messages: async (cursor) => (cursor === 'bad' ? null : { messages: [stored], next: null }),
  message: async (id) => (id === ID ? stored : null),
};

const boot: BootGateway = {
  ...common,
  status: async () => ({ ...nodeStatus, guid: 0, publicKey: null }),
  join: async (_publicKey, address) => ({
    ok: true,
    value: { guid: 5, address, incarnation: 0, maxGuid: 5, members: [member] },
  }),
};

export interface Call {
  readonly to: 'node' | 'boot';
  readonly method: string;
  readonly args: readonly unknown[];
}

export interface Setup {
  readonly node?: Partial<NodeGateway>;
  readonly boot?: Partial<BootGateway> | null;
  readonly config?: Partial<ApiConfig>;
}

/** An app over fakes, what they were called with, and what was logged. */
export function setUp(setup: Setup = {}) {
  const calls: Call[] = [];
  interface Line {
    node: string;
    level: string;
    event: string;
    fields: Readonly<Record<string, unknown>>;
  }
  const logged: Line[] = [];
  const accesses: Line[] = [];
  const spied = <T extends object>(to: Call['to'], gateway: T): T =>
    new Proxy(gateway, {
      get:
        (target, method: string) =>
        (...args: unknown[]) => {
          calls.push({ to, method, args });
          return Reflect.apply(Reflect.get(target, method) as (...all: unknown[]) => unknown, target, args);
        },
    });
  const nodeGateway = spied('node', { ...node, ...setup.node });
  const bootGateway = setup.boot === null ? null : spied('boot', { ...boot, ...setup.boot });
  const app = createApp({
    gateways: { boot: bootGateway, node: (slot) => (slot >= 1 && slot <= 4 ? nodeGateway : null) },
    config: { adminToken: TOKEN, nodeCount: 4, protocol: { network: 'test', messageTtlMs: 600_000 }, ...setup.config },
    // Access lines are looked at by one test of their own.
    log: (of, level, event, fields) =>
      (event === 'request' ? accesses : logged).push({ node: of, level, event, fields }),
  });
  return { app, calls, logged, accesses };
}

/** A JSON request with the operator's token. A string is sent as it is. */
export function send(method: string, body: unknown, headers: Readonly<Record<string, string>> = {}): RequestInit {
  return {
    method,
    headers: { 'Content-Type': 'application/json', 'Authorization': `Bearer ${TOKEN}`, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  };
}

/** The problem that a response carries; throws where it carries none. */
export async function problemOf(response: Response) {
  const body = (await response.json()) as JsonObject;
  if (response.headers.get('Content-Type') !== 'application/problem+json' || body['status'] !== response.status) {
    throw new Error(`no problem+json: ${response.status} ${JSON.stringify(body)}`);
  }
  return {
    slug: String(body['type']).replace('urn:pychain:problem:', ''),
    title: String(body['title']),
    detail: String(body['detail']),
    errors: (body['errors'] ?? []) as unknown as { path: string; message: string }[],
  };
}

export const broadcast = {
  data: { event: { name: 'DEAD_PEER', args: { guid: 1 } } },
  broadcast_timestamp: null,
  id: null,
  originator: { address: '10.0.0.7', guid: 3 },
  ttl: 1,
  seen_by: [],
};

export const syncBody = { guid: 3, max_guid_node: { address: '10.0.0.9', guid: 5 } };
export const joinBody = { public_key: KEY, address: 'http://10.0.0.7:8000/n/1' };

/** Every route that takes a body, with one that it takes. */
export const BODY_ROUTES = [
  { method: 'POST', path: `${NODE}/messages`, body: { data: { a: 1 } }, ok: 202 },
  { method: 'PUT', path: `${NODE}/broadcast`, body: broadcast, ok: 200 },
  { method: 'POST', path: `${NODE}/sync`, body: syncBody, ok: 200 },
  { method: 'POST', path: `${BOOT}/sync`, body: syncBody, ok: 200 },
  { method: 'PUT', path: `${BOOT}/network/join`, body: joinBody, ok: 200 },
] as const;
