// What doctor says of networks that are well, and of each way in which one is not.
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { doctor } from '../../src/cli/doctor.ts';
import { examine, type Finding, type Verdict } from '../../src/cli/doctor-checks.ts';
import type { Facts, NodeFacts } from '../../src/cli/doctor-facts.ts';
import { metricsOf } from '../../src/cli/metrics-text.ts';
import type { NodeStatus } from '../../src/cli/schemas.ts';
import { printed } from '../support/printed.ts';
import { isNoneOfOurs } from '../support/watch-fetch.ts';

const URL_OF = 'https://pychain.example.com';
const NOW = 1_795_377_600;

function statusOf(guid: number, changes: Partial<NodeStatus> = {}): NodeStatus {
  return {
    network: 'test',
    protocol: 'pychain/1',
    guid,
    address: `${URL_OF}/n/${guid}`,
    max_guid: 3,
    time: NOW,
    peers: { alive: 2 },
    messages: 10,
    last_sync_at: NOW - 30,
    next_sync_at: NOW + 30,
    left_at: null,
    certificate: { issued: NOW - 1_000, expires: NOW + 9_000 },
    ...changes,
  };
}

const HEALTHY = metricsOf(
  [
    'pychain_legs_total{result="dropped"} 0',
    'pychain_legs_total{result="undeliverable"} 0',
    'pychain_repairs 0',
    'pychain_rows_damaged_total 0',
    'pychain_handler_missed_total 0',
  ].join('\n'),
);
const HEALTHY_BOOT = metricsOf('pychain_guids_allocated 3\npychain_boot_lost 0\npychain_jobs_unreadable_total 0');

function node(guid: number, changes: Partial<NodeFacts> = {}, status: Partial<NodeStatus> = {}): NodeFacts {
  return {
    name: `node ${guid}`,
    base: `${URL_OF}/n/${guid}`,
    isHosted: true,
    status: statusOf(guid, status),
    fault: null,
    isUnjoined: false,
    skew: { seconds: 0.1, within: 0.05 },
    version: '0.1.0',
    metrics: HEALTHY,
    roster: null,
    ...changes,
  };
}

const bootNode = node(0, { name: 'boot node', base: URL_OF, metrics: HEALTHY_BOOT });
const elsewhere = node(3, { name: 'https://me.example.org', base: 'https://me.example.org', isHosted: false });

function facts(changes: Partial<Facts> = {}): Facts {
  return {
    url: URL_OF,
    now: NOW,
    hosted: 2,
    boot: bootNode,
    nodes: [node(1), node(2)],
    outside: [elsewhere],
    outsideKnown: 1,
    limits: { mempool_messages_max: 100 },
    token: 'accepted',
    beacon: { messages: 5, coverage: 1 },
    tlsDays: 80,
    ...changes,
  };
}

const silent: Partial<NodeFacts> = { status: null, fault: 'no answer within 5 s' };
const metric = (line: string) => metricsOf(line);
const twoNodes = (second: Partial<NodeFacts>, status: Partial<NodeStatus> = {}) => ({
  nodes: [node(1), node(2, second, status)],
});

describe('a network that is well', () => {
  test('gets ok for every check, and nothing to do', () => {
    const findings = examine(facts());
    expect(findings.filter(({ result, todo }) => result !== 'ok' || todo !== null)).toEqual([]);
    expect(findings.map(({ check }) => check)).toEqual([
      'tls',
      'version',
      'boot',
      'nodes',
      'joined',
      'clock',
      'guids',
      'rosters',
      'peers',
      'sync',
      'certificates',
      'mempool',
      'deliveries',
      'undeliverable',
      'owed',
      'storage',
      'queue',
      'handler',
      'token',
      'public-url',
      'outside',
      'beacon',
    ]);
  });

  test.each<[string, Partial<Facts>]>([
    ['on this machine, over http and without PUBLIC_URL', { url: 'http://127.0.0.1:8787', tlsDays: null }],
    ['without a boot node of its own', { boot: null }],
    ['that is one node on a server', { hosted: null, boot: null, nodes: [node(1, {}, { address: URL_OF })] }],
    ['without a beacon', { beacon: null }],
    ['whose beacon has seen no message', { beacon: { messages: 0, coverage: null } }],
    ['with nobody elsewhere', { outside: [], outsideKnown: 0 }],
    ['that is not given a token', { token: 'not given' }],
    ['whose certificate nobody could look at', { tlsDays: null }],
    ['far away, so that clocks cannot be compared', twoNodes({ skew: { seconds: 4, within: 3 } })],
  ])('is well %s', (_name, changes) => {
    expect(examine(facts(changes)).filter(({ result }) => result !== 'ok')).toEqual([]);
  });
});

describe('a network with a fault', () => {
  test.each<[string, Partial<Facts>, string, Verdict, RegExp]>([
    ['over http', { url: 'http://pychain.example.com' }, 'tls', 'problem', /https/],
    ['whose host has a certificate that runs out', { tlsDays: 3.4 }, 'tls', 'warning', /in 3 days/],
    ['of two versions', twoNodes({ version: '0.0.9' }), 'version', 'warning', /0\.1\.0, 0\.0\.9/],
    ['of two protocols', twoNodes({}, { protocol: 'pychain/2' }), 'version', 'problem', /pychain\/2/],
    ['whose boot node is silent', { boot: { ...bootNode, ...silent } }, 'boot', 'problem', /no answer/],
    [
      'whose boot node lost its storage',
      { boot: { ...bootNode, metrics: metric('pychain_boot_lost 1') } },
      'boot',
      'problem',
      /lost/,
    ],
    [
      'whose boot node is half restored',
      { boot: { ...bootNode, metrics: metric('pychain_boot_restoring 1') } },
      'boot',
      'problem',
      /half/,
    ],
    [
      'whose boot node asks around',
      { boot: { ...bootNode, metrics: metric('pychain_boot_surveying 1') } },
      'boot',
      'warning',
      /asking/,
    ],
    ['with a node that is silent', twoNodes(silent), 'nodes', 'problem', /1 of 2.*node 2.*no answer/],
    ['with a node that has not joined', twoNodes({ ...silent, isUnjoined: true }), 'joined', 'problem', /node 2/],
    ['with a node that has left', twoNodes({}, { left_at: NOW }), 'joined', 'warning', /node 2/],
    [
      'with a clock that is off',
      twoNodes({ skew: { seconds: -5, within: 0.1 } }),
      'clock',
      'warning',
      /node 2 is -5\.0 s/,
    ],
    ['with a clock that is far off', twoNodes({ skew: { seconds: 90, within: 0.1 } }), 'clock', 'problem', /90\.0 s/],
    [
      'with a GUID twice',
      { outside: [{ ...elsewhere, status: statusOf(1) }] },
      'guids',
      'problem',
      /1 is of node 1, https/,
    ],
    [
      'with a roster that lacks a member',
      twoNodes({}, { peers: { alive: 1 } }),
      'rosters',
      'warning',
      /node 2: 2 of 3/,
    ],
    ['with a roster that is behind', twoNodes({}, { max_guid: 2 }), 'rosters', 'warning', /GUID 2 of 3/],
    [
      'with members that do not answer others',
      twoNodes(
        { roster: [{ guid: 9, address: 'x', state: 'ignored', last_seen: 1, failures: 4 }] },
        { peers: { alive: 1, ignored: 1 } },
      ),
      'peers',
      'warning',
      /GUIDs 9 are/,
    ],
    [
      'whose alarms do not ring',
      twoNodes({}, { next_sync_at: NOW - 900 }),
      'sync',
      'problem',
      /node 2: the last was 30 s ago/,
    ],
    [
      'with a certificate that ran out',
      twoNodes({}, { certificate: { issued: 1, expires: NOW - 1 } }),
      'certificates',
      'problem',
      /node 2/,
    ],
    [
      'with a certificate that is not renewed',
      twoNodes({}, { certificate: { issued: NOW - 9_000, expires: NOW + 1_000 } }),
      'certificates',
      'warning',
      /soon: node 2/,
    ],
    ['with a mempool that is nearly full', twoNodes({}, { messages: 85 }), 'mempool', 'warning', /85 of 100/],
    ['with a full mempool', twoNodes({}, { messages: 100 }), 'mempool', 'problem', /100 of 100/],
    [
      'that gave deliveries up',
      twoNodes({ metrics: metric('pychain_legs_total{result="dropped"} 2') }),
      'deliveries',
      'warning',
      /2 were/,
    ],
    [
      'with deliveries to nobody',
      twoNodes({ metrics: metric('pychain_legs_total{result="undeliverable"} 3') }),
      'undeliverable',
      'warning',
      /3 found nobody/,
    ],
    ['that owes messages', twoNodes({ metrics: metric('pychain_repairs 4') }), 'owed', 'warning', /4 ranges/],
    [
      'with rows that cannot be read',
      twoNodes({ metrics: metric('pychain_rows_damaged_total 1') }),
      'storage',
      'problem',
      /1 rows.*node 2/,
    ],
    [
      'with something foreign in its queues',
      { boot: { ...bootNode, metrics: metric('pychain_jobs_unreadable_total 1') } },
      'queue',
      'warning',
      /1 messages/,
    ],
    [
      'whose application misses messages',
      twoNodes({ metrics: metric('pychain_handler_missed_total 6') }),
      'handler',
      'problem',
      /6 messages/,
    ],
    ['that refuses the token', { token: 'refused' }, 'token', 'problem', /refused/],
    ['that has no token', { token: 'unset' }, 'token', 'warning', /no ADMIN_TOKEN/],
    ['whose token could not be looked at', { token: 'broken off' }, 'token', 'warning', /broken off/],
    [
      'without PUBLIC_URL',
      { nodes: [node(1, {}, { address: 'local:/n/1' })], hosted: 1 },
      'public-url',
      'warning',
      /unset/,
    ],
    [
      'with another PUBLIC_URL',
      { nodes: [node(1, {}, { address: 'https://old.example.com/n/1' })], hosted: 1 },
      'public-url',
      'warning',
      /old\.example\.com/,
    ],
    [
      'with a member elsewhere that is silent',
      { outside: [{ ...elsewhere, ...silent }] },
      'outside',
      'warning',
      /me\.example\.org/,
    ],
    ['whose messages do not reach all', { beacon: { messages: 5, coverage: 0.9 } }, 'beacon', 'warning', /90\.0 %/],
  ])('%s', (_name, changes, check, result, found) => {
    const findings = examine(facts(changes));
    const finding = findings.find((one) => one.check === check);
    expect(finding).toMatchObject({ result, found: expect.stringMatching(found), todo: expect.any(String) });
    // One fault is told once.
    const others = findings.filter((one) => one.result !== 'ok' && one.check !== check);
    expect(others).toEqual([]);
  });

  test('is told in lines that no answer of a peer can break, or drive a terminal with', () => {
    const findings = examine(facts(twoNodes({ ...silent, fault: 'x\u0007', version: '\u001b[2J' })));
    const other = examine(facts(twoNodes({}, { protocol: 'x\u0007', address: 'x\u001b[2J' })));
    expect([...findings, ...other].filter(({ found, todo }) => /\p{Cc}/u.test(`${found}${todo}`))).toEqual([]);
  });
});

describe('the command', () => {
  /** What is answered, by path; a function answers itself. */
  let answers: Record<string, object | ((response: ServerResponse) => void)> = {};
  const server = createServer(({ url = '' }, response) => {
    const answer = answers[url.split('?')[0] ?? ''];
    if (typeof answer === 'function') return answer(response);
    const [status, type, body] = answer
      ? [200, 'application/json', answer]
      : [404, 'application/problem+json', { type: 'urn:pychain:problem:not-found' }];
    response.writeHead(status, { 'content-type': type }).end(JSON.stringify(body));
  });
  const base = () => isNoneOfOurs(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const run = async (token?: string) => {
    let code: unknown;
    const options = { json: true, probe: token !== undefined, timeout: '1', token };
    const [line] = await printed(async () => (code = await doctor(base(), options)));
    return { code, findings: (JSON.parse(line ?? '') as { findings: Finding[] }).findings };
  };
  const refusal = (status: number, slug: string) => (response: ServerResponse) =>
    void response
      .writeHead(status, { 'content-type': 'application/problem+json' })
      .end(JSON.stringify({ type: `urn:pychain:problem:${slug}`, detail: slug }));
  const now = () => ({ time: Date.now() / 1000, next_sync_at: Date.now() / 1000 + 60 });

  beforeEach(async () => {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    answers = {
      '/api/v1/capabilities': { version: '0.1.0', hosted_nodes: 2, limits: {} },
      '/api/v1/status': statusOf(0, { guid: 0, ...now() }),
      '/n/1/api/v1/status': statusOf(1, { max_guid: 2, peers: { alive: 1 }, certificate: null, ...now() }),
      '/n/2/api/v1/status': statusOf(2, { max_guid: 2, peers: { alive: 1 }, certificate: null, ...now() }),
      '/n/1/api/v1/members': { members: [], next: null },
    };
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  test('looks at every slot, and is done with one that hangs after its time', async () => {
    answers['/n/2/api/v1/status'] = () => undefined;
    const began = performance.now();
    const { code, findings } = await run();
    expect(code).toBe(1);
    expect(findings.find(({ check }) => check === 'nodes')).toMatchObject({
      result: 'problem',
      found: expect.stringContaining('node 2'),
    });
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  test('tells a node that has not joined from one that does not answer', async () => {
    answers['/n/2/api/v1/status'] = refusal(503, 'not-joined');
    const { code, findings } = await run();
    expect(code).toBe(1);
    expect(findings.filter(({ result }) => result === 'problem').map(({ check }) => check)).toEqual(['joined']);
  });

  test.each([
    [refusal(401, 'admin-token-wrong'), 'refused'],
    [refusal(403, 'admin-token-unset'), 'no ADMIN_TOKEN'],
  ])('says where the token is not taken, and sends no probe then', async (answer, found) => {
    answers['/n/1/api/v1/logs'] = answer;
    const { findings } = await run('a-token');
    expect(findings.find(({ check }) => check === 'token')?.found).toContain(found);
    expect(findings.find(({ check }) => check === 'probe')).toMatchObject({ result: 'warning', found: 'not sent' });
  });

  test('fails where nothing of pychain answers', async () => {
    answers = { '/api/v1/status': { hello: 'world' } };
    await expect(run()).rejects.toMatchObject({ exitCode: 1 });
    server.closeAllConnections();
    answers = {
      '/api/v1/status': (response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
    };
    await expect(run()).rejects.toThrow('not a pychain network');
  });
});
