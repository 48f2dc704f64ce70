// Gateways that note what they are asked and answer what a test tells them to.
// oxlint-disable-next-line no-restricted-imports -- this is where it is watched
import { createApp } from '../../src/api/app.ts';
import type { ApiConfig } from '../../src/api/env.ts';
import type {
  BeaconGateway,
  BootGateway,
  CoverageDetail,
  LogQuery,
  LogRecord,
  NodeGateway,
  NodeStatus,
} from '../../src/api/ports.ts';
import type { Aggregate } from '../../src/protocol/beacon-aggregates.ts';
import { writeCertificateHeader } from '../../src/protocol/certificate.ts';
import { logEntry } from '../../src/protocol/log-line.ts';
import type { Allocation } from '../../src/protocol/store.ts';
import type { JsonObject, Member, Peer, StoredMessage } from '../../src/protocol/types.ts';
import { handSigned, newKey } from '../crypto/hand-signed.ts';
import { checkAnswer } from '../support/answers.ts';
import { keyOf, NO_SIGNATURE } from '../support/signed.ts';

export const TOKEN = 'a-token-for-these-tests';
export const KEY = keyOf(2);
export const ID = 'ab'.repeat(32);
export const NODE = '/n/1/api/v1';
export const BOOT = '/api/v1';

export const SIGNATURE = NO_SIGNATURE;

export const member: Member = {
  guid: 2,
  address: 'http://127.0.0.1:8787/n/2',
  publicKey: KEY,
  incarnation: 1,
  capabilities: ['sync'],
  signature: SIGNATURE,
  certificate: { issuedAt: 1_600_000_000_000, expiresAt: 1_800_000_000_000, signature: SIGNATURE },
};

export const peer: Peer = {
  ...member,
  state: 'alive',
  lastSeen: 1_700_000_000_250,
  failures: 0,
  troubledSince: null,
  proved: true,
  since: 1_600_000_000_000,
};

/** The same on the wire. */
export const memberWire = {
  guid: 2,
  address: member.address,
  public_key: KEY,
  incarnation: 1,
  capabilities: ['sync'],
  signature: SIGNATURE,
  certificate: { issued: 1_600_000_000, expires: 1_800_000_000, signature: SIGNATURE },
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
  networkKey: KEY,
  certificate: member.certificate,
  incarnation: 1,
  capabilities: ['broadcast', 'sync'],
  maxGuid: 4,
  time: 1_700_000_001_500,
  peers: { alive: 3 },
  messages: 7,
  lastSyncAt: 1_700_000_000_500,
  nextSyncAt: null,
  leftAt: null,
  hostedNodes: 4,
  observedHost: null,
};

export const logRecord: LogRecord = {
  time: 1_700_000_000.5,
  level: 'INFO',
  node: '1',
  log: 'network_sync',
  event: 'peers_added',
  guids: [2],
  count: 1,
};

/** Answers, where a test does not give its own. */
const common = {
  signAnswer: async () => SIGNATURE,
  lookup: async (guid: number) => (guid === 2 ? peer.address : null),
  member: async (guid: number) => (guid === 2 ? peer : null),
  members: async (cursor: string | null) => (cursor === 'bad' ? null : { members: [peer], next: 'more' }),
  sync: async () => ({
    maxGuidNode: { guid: 4, address: 'http://127.0.0.1:8787/n/4' },
    have: [[1, 4] as const],
    members: [member],
    more: false,
    frame: null,
    callerState: null,
    callerHost: null,
  }),
  samples: async () => [
    { name: 'pychain_peers', help: 'Peers', type: 'gauge' as const, labels: { state: 'alive' }, value: 3 },
  ],
  logs: async ({ cursor, level }: LogQuery) =>
    cursor === 'bad' ? null : { logs: [{ ...logRecord, level }], next: null, cursor: '1-1', isMissed: false },
};

const node: NodeGateway = {
  ...common,
  status: async () => nodeStatus,
  leave: async () => ({ ok: true, value: null }),
  return: async () => undefined,
  originate: async (originations) => ({
    ok: true,
    value: originations.map(() => ({ id: ID, broadcastAt: 1_700_000_000_123 })),
  }),
  admit: async () => 'ok',
  deliver: async (_caller, _maxGuid, deliveries) => deliveries.map(() => 'new' as const),
  messages: async (cursor) => (cursor === 'bad' ? null : { messages: [stored], next: null, cursor: '3' }),
  message: async (id) => (id === ID ? stored : null),
  stream: async ({ cursor }) => {
    if (cursor === 'bad') return 'unknown-cursor';
    return new Response('data: {}\n\n', { headers: { 'Content-Type': 'text/event-stream' } });
  },
};

const boot: BootGateway = {
  ...common,
  status: async () => ({ ...nodeStatus, guid: 0, certificate: null }),
  challenge: async () => ({ challenge: 'c', bits: 16, expiresAt: 1_700_000_300_000, networkKey: KEY }),
  join: async ({ record: { address, incarnation } }) => ({
    ok: true,
    value: {
      guid: 5,
      address,
      incarnation,
      certificate: member.certificate,
      networkKey: KEY,
      maxGuid: 5,
      members: [member],
    },
  }),
  depart: async () => undefined,
  backup: async () => ({
    network: 'test',
    networkKey: KEY,
    privateKey: null,
    maxGuid: 7,
    count: 1,
    exportedAt: 1_700_000_000_500,
  }),
  allocations: async (cursor) => (cursor === 'bad' ? null : { allocations: [allocation], next: '2' }),
  beginRestore: async ({ maxGuid }) => ({ ok: true, value: { maxGuid, keyReplaced: false } }),
  restore: async (allocations) => ({ ok: true, value: { new: allocations.length, newer: 0, kept: 0 } }),
  raiseFloor: async (maxGuid) => ({ ok: true, value: { maxGuid } }),
};

export const coverage: CoverageDetail = {
  id: ID,
  n: 1,
  originator: 3,
  broadcastAt: 1_700_000_000_123,
  expiresAt: 1_700_000_600_123,
  members: 3,
  received: 2,
  t50: 250,
  t95: null,
  t100: null,
  hopsMax: 1,
  hopsMean: 1,
  duplicates: 4,
  receipts: [
    { guid: 3, after: 0, hops: 0, from: null },
    { guid: 2, after: 250, hops: 1, from: 3 },
  ],
  missing: [1],
};

const aggregate: Aggregate = {
  messages: 1,
  deliveries: 1,
  duplicates: 4,
  complete: 0,
  coverage: 2 / 3,
  t50: 250,
  t95: null,
  t100: null,
  t95P95: null,
  hopsMax: 1,
  deliveriesPerMember: 2.5,
};

const beacon: BeaconGateway = {
  messages: async (cursor) => (cursor === 'bad' ? null : { messages: [coverage], next: 'more' }),
  message: async (id) => (id === ID ? coverage : null),
  summary: async () => ({
    time: 1_700_000_001_500,
    network: 'test',
    members: 3,
    hour: aggregate,
    day: aggregate,
    kept: { messages: 1, oldest: 1_700_000_000_123 },
  }),
  samples: async () => [
    { name: 'pychain_beacon_messages', help: 'Messages', type: 'gauge' as const, labels: {}, value: 1 },
  ],
  stream: async ({ cursor }) => {
    if (cursor === 'bad') return 'unknown-cursor';
    return new Response('data: {}\n\n', { headers: { 'Content-Type': 'text/event-stream' } });
  },
  admit: async () => 'ok',
  hear: async ({ through }) => ({ heard: through, kept: '0' }),
};

/** A line of a backup, and the same on the wire. */
export const allocation: Allocation = { ...member, group: '127.0.0.1', joinedAt: 1_600_000_000_500 };
export const allocationWire = { ...memberWire, joined_at: 1_600_000_000.5 };

export const backupWire = { network: 'test', network_key: KEY, max_guid: 7 };

export interface Call {
  readonly to: 'node' | 'boot' | 'beacon';
  readonly method: string;
  readonly args: readonly unknown[];
}

export interface Setup {
  readonly node?: Partial<NodeGateway>;
  readonly boot?: Partial<BootGateway> | null;
  readonly beacon?: Partial<BeaconGateway> | null;
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
  const beaconGateway = setup.beacon === null ? null : spied('beacon', { ...beacon, ...setup.beacon });
  const app = createApp({
    gateways: {
      boot: bootGateway,
      node: (slot) => (slot >= 1 && slot <= 4 ? nodeGateway : null),
      beacon: beaconGateway,
    },
    config: {
      adminToken: TOKEN,
      joinToken: null,
      clientAddressHeader: 'CF-Connecting-IP',
      nodeCount: 4,
      protocol: { network: 'test', messageTtlMs: 600_000 },
      ...setup.config,
    },
    // Access lines are looked at by one test of their own.
    log: (of, ...line) => {
      const { level, event, fields } = logEntry(line);
      (event === 'request' ? accesses : logged).push({ node: of, level, event, fields });
    },
  });
  return { app: checked(app), calls, logged, accesses };
}

/** Every answer is held against the document. */
function checked(app: ReturnType<typeof createApp>): ReturnType<typeof createApp> {
  const request = app.request;
  app.request = async (input, init, ...rest) => {
    const response = await request(input, init, ...rest);
    await checkAnswer(input, init, response);
    return response;
  };
  return app;
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

/** Who signs in these tests: a member with the GUID 3, and a joiner. */
export const caller = newKey();
export const CALLER_GUID = 3;
export const CERTIFICATE = writeCertificateHeader(CALLER_GUID, member.certificate);

export const joinBody = {
  public_key: caller.publicKey,
  address: 'http://10.0.0.7:8000/n/1',
  incarnation: 0,
  capabilities: ['sync'],
  signature: SIGNATURE,
};

const delivery = { signature: SIGNATURE, body: '{}', range: { from: 1, to: 0 }, hops: 1 };
export const deliveriesBody = { max_guid: 5, deliveries: [delivery] };

export const reportBody = {
  instance: 'a life',
  number: 1,
  after: '3',
  through: '4.1',
  live: [[1, 5]],
  receipts: [
    {
      id: ID,
      originator: 1,
      broadcast_timestamp: 1_700_000_000.25,
      expires_at: 1_700_000_600.25,
      received_at: 1_700_000_001.5,
      hops: 1,
      from: null,
    },
  ],
  duplicates: [[ID, 2]],
};

/** Where a request goes, and as whom it is signed. */
export interface Target {
  readonly method: string;
  readonly path: string;
  /** `peer` with a certificate, `key` without; null: not signed. */
  readonly signing: 'peer' | 'key' | null;
}

/** A route that takes a body, with one that it takes. */
export interface BodyRoute extends Target {
  readonly body: JsonObject;
  readonly ok: number;
  /** Whether it is the operator's. */
  readonly isOperators: boolean;
}

const unsigned = { signing: null, isOperators: false } as const;
const operators = { signing: null, isOperators: true } as const;

/** Every route that takes a body. */
export const BODY_ROUTES: readonly BodyRoute[] = [
  { ...operators, method: 'POST', path: `${NODE}/messages`, body: { data: { a: 1 } }, ok: 202 },
  { ...operators, method: 'PUT', path: `${NODE}/broadcast`, body: broadcast, ok: 200 },
  { ...operators, method: 'PUT', path: `${BOOT}/boot/backup`, body: backupWire, ok: 200 },
  { ...operators, method: 'PUT', path: `${BOOT}/boot/allocations`, body: { allocations: [allocationWire] }, ok: 200 },
  { ...operators, method: 'PUT', path: `${BOOT}/boot/floor`, body: { max_guid: 7 }, ok: 200 },
  { ...unsigned, method: 'POST', path: `${NODE}/sync`, body: syncBody, ok: 200 },
  { ...unsigned, method: 'POST', path: `${BOOT}/sync`, body: syncBody, ok: 200 },
  { ...unsigned, signing: 'key', method: 'PUT', path: `${BOOT}/network/join`, body: joinBody, ok: 200 },
  { ...unsigned, signing: 'key', method: 'POST', path: `${BOOT}/network/leave`, body: { incarnation: 3 }, ok: 200 },
  { ...unsigned, signing: 'peer', method: 'POST', path: `${NODE}/deliveries`, body: deliveriesBody, ok: 200 },
  { ...unsigned, signing: 'peer', method: 'POST', path: `${NODE}/sync`, body: syncBody, ok: 200 },
  { ...unsigned, signing: 'peer', method: 'POST', path: `${BOOT}/beacon/receipts`, body: reportBody, ok: 200 },
];

/** Headers that sign a body, as `signing` of a target has it; none where it is null. */
export function signatureOf({ method, path, signing }: Target, body: string | Uint8Array): Record<string, string> {
  if (signing === null) return {};
  const url = `http://localhost${path}`;
  return handSigned({ method, url, body, key: caller, ...(signing === 'peer' && { certificate: CERTIFICATE }) });
}

/** Like {@link send}, signed where the target wants it. */
export function sendTo(target: Target, body: unknown, headers: Readonly<Record<string, string>> = {}): RequestInit {
  const init = send(target.method, body, headers);
  return { ...init, headers: { ...init.headers, ...signatureOf(target, String(init.body)) } };
}

/** What of the calls was about the request itself: not who asks, and not to sign the answer. */
export function asked(calls: readonly Call[]): Call[] {
  return calls.filter(({ method }) => method !== 'admit' && method !== 'signAnswer');
}
