// Who proves who calls, over fake gateways, at a clock that stands still unless a test moves it.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { NONCE_CHARS_MIN } from '../../src/protocol/limits.ts';
import type { Admission } from '../../src/api/ports.ts';
import { handSigned, newKey, type HandRequest } from '../crypto/hand-signed.ts';
import {
  asked,
  BOOT,
  broadcast,
  caller,
  CALLER_GUID,
  CERTIFICATE,
  deliveriesBody,
  member,
  memberWire,
  NODE,
  problemOf,
  send,
  sendTo,
  setUp,
  SIGNATURE,
  syncBody,
  TOKEN,
  type Setup,
} from './fakes.ts';

const deliveries = { method: 'POST', path: `${NODE}/deliveries`, signing: 'peer' } as const;
const sync = { method: 'POST', path: `${NODE}/sync`, signing: 'peer' } as const;
const BODY = JSON.stringify(deliveriesBody);

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: 1_700_000_000_000 }));
afterEach(() => void vi.useRealTimers());

/** Deliveries signed by hand, with changes to what is signed and to what is sent. */
function deliver(changes: Partial<HandRequest> = {}, headers: Readonly<Record<string, string>> = {}, body = BODY) {
  const request = { method: 'POST', url: `http://localhost${deliveries.path}`, body: BODY, key: caller };
  return send('POST', body, { ...handSigned({ ...request, certificate: CERTIFICATE, ...changes }), ...headers });
}

async function answered(setup: Setup, init: RequestInit, path: string = deliveries.path) {
  const { app, calls, logged } = setUp(setup);
  const response = await app.request(path, init);
  const headers = Object.fromEntries(response.headers);
  const { 'x-request-id': _, ...shown } = headers;
  return { status: response.status, headers: shown, body: await response.text(), calls, logged };
}

describe('a call that proves nothing', () => {
  const admitted = (admission: Admission): Setup => ({ node: { admit: async () => admission } });
  const soon = { created: 1_700_000_000 };
  const failures: [string, Setup, () => RequestInit, string][] = [
    ['not signed', {}, () => send('POST', BODY), 'unsigned'],
    ['half signed', {}, () => send('POST', BODY, { signature: 'sig1=:AAAA:' }), 'unsigned'],
    ['a field too long', {}, () => deliver({}, { signature: 'x'.repeat(2_000) }), 'too-long'],
    ['another body', {}, () => deliver({}, {}, BODY.replace('5', '6')), 'bad-digest'],
    ['another path', {}, () => deliver({ url: `http://localhost${sync.path}` }), 'VerificationFailed'],
    ['another host', {}, () => deliver({ url: `http://other${deliveries.path}` }), 'VerificationFailed'],
    ['another key', {}, () => deliver({ key: { ...newKey(), publicKey: caller.publicKey } }), 'VerificationFailed'],
    ['too old', {}, () => deliver({ created: soon.created - 3_600 }), 'PolicyViolation'],
    ['too long a window', {}, () => deliver({ ...soon, parameters: { expires: soon.created + 61 } }), 'bad-window'],
    ['a short nonce', {}, () => deliver({ parameters: { nonce: 'short' } }), 'bad-nonce'],
    ['another tag', {}, () => deliver({ parameters: { tag: 'other' } }), 'other-tag'],
    ['garbage', {}, () => deliver({}, { 'signature-input': '(((' }), 'MalformedField'],
    ['a certificate that is none', {}, () => deliver({ certificate: 'x' }), 'bad-certificate'],
    ['no certificate', {}, () => sendTo({ ...deliveries, signing: 'key' }, BODY), 'no-certificate'],
    ['a certificate that does not prove it', admitted('unproven'), () => deliver(), 'unproven'],
    ['heard before', admitted('replayed'), () => deliver(), 'replayed'],
    ['a GUID of another key', admitted('other-key'), () => deliver(), 'other-key'],
  ];

  test.each(failures)(
    '%s: 401, like every other; the reason is in the log alone',
    async (_name, setup, init, reason) => {
      const plain = await answered({}, send('POST', BODY));
      const found = await answered(setup, init());
      expect(found.status).toBe(401);
      expect(found.headers['www-authenticate']).toBe('Signature realm="pychain"');
      expect(found.body).not.toContain(reason);
      // Byte by byte, headers and all.
      expect({ ...found, calls: [], logged: [] }).toEqual({ ...plain, calls: [], logged: [] });
      expect(asked(found.calls)).toEqual([]);
      expect(found.logged).toEqual([
        {
          node: '1',
          level: 'WARNING',
          event: 'request_unauthenticated',
          fields: { request_id: expect.any(String), path: deliveries.path, reason },
        },
      ]);
    },
  );

  test('does not fill the log: so many lines, then so many a second', async () => {
    const { app, logged } = setUp();
    const flood = async () => {
      for (let i = 0; i < 100; i++) await app.request(deliveries.path, send('POST', BODY));
    };
    await flood();
    expect(logged).toHaveLength(50);
    vi.setSystemTime(Date.now() + 2_000);
    await flood();
    expect(logged).toHaveLength(60);
  });

  test('leaves a short line, whatever it sent', async () => {
    const { app, logged } = setUp();
    const long = 'x'.repeat(10_000);
    await app.request(deliveries.path, deliver({}, { 'signature-input': long, 'X-Request-Id': long }));
    await app.request(`${deliveries.path}?${long}`, deliver({ parameters: { keyid: 'k'.repeat(300) } }));
    expect(logged).toHaveLength(2);
    for (const line of logged) expect(JSON.stringify(line).length).toBeLessThan(500);
  });
});

describe('a call that is understood, and not heard now', () => {
  test.each<[Admission, number, string, string]>([
    ['limited', 429, 'too-many-requests', '1'],
    ['shut-out', 429, 'shut-out', '40'],
    ['busy', 503, 'unavailable', '1'],
    ['not-joined', 503, 'not-joined', '1'],
  ])('%s: %i %s, with Retry-After', async (admission, status, slug, retry) => {
    for (const target of [deliveries, sync]) {
      const { app, calls, logged } = setUp({ node: { admit: async () => admission } });
      const body = target === sync ? syncBody : deliveriesBody;
      const response = await app.request(target.path, sendTo(target, body));
      expect(response.status).toBe(status);
      expect(response.headers.get('Retry-After')).toBe(retry);
      expect((await problemOf(response)).slug).toBe(slug);
      expect(asked(calls)).toEqual([]);
      // No news for the operator: the node counts it.
      expect(logged).toEqual([]);
    }
  });

  test('a gateway that throws: 503', async () => {
    const { app, calls } = setUp({ node: { admit: async () => Promise.reject(new Error('overloaded')) } });
    expect((await app.request(deliveries.path, deliver())).status).toBe(503);
    expect(asked(calls)).toEqual([]);
  });
});

test('the node hears who called: key, GUID, certificate, nonce and until when', async () => {
  const nonce = 'n'.repeat(NONCE_CHARS_MIN);
  const { calls } = await answered({}, deliver({ parameters: { nonce } }));
  expect(calls[0]).toEqual({
    to: 'node',
    method: 'admit',
    args: [
      {
        publicKey: caller.publicKey,
        credential: { guid: CALLER_GUID, certificate: member.certificate },
        nonce,
        expiresAt: 1_700_000_000_000 + 60_000 + 60_000,
      },
    ],
  });
});

test('a nonce is used up once a request', async () => {
  const { calls } = await answered({}, deliver());
  expect(calls.map(({ method }) => method)).toEqual(['admit', 'deliver', 'signAnswer']);
});

describe('the body of a stranger', () => {
  const endless = () => {
    const seen = { pulled: 0 };
    const stream = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          seen.pulled++;
          controller.enqueue(new Uint8Array(1_000));
        },
      },
      { highWaterMark: 0 },
    );
    return { seen, stream };
  };
  const routes = [
    ['POST', deliveries.path],
    ['PUT', `${NODE}/broadcast`],
    ['PUT', `${BOOT}/network/join`],
  ] as const;

  test.each(routes)('%s %s: an endless one is not begun', async (method, path) => {
    const { seen, stream } = endless();
    const init: RequestInit & { duplex: 'half' } = {
      method,
      headers: { 'Content-Type': 'application/json' },
      body: stream,
      duplex: 'half',
    };
    expect((await setUp().app.request(path, init)).status).toBe(401);
    expect(seen.pulled).toBe(0);
  });

  test.each(routes)('%s %s: ten megabytes are not read', async (method, path) => {
    const request = new Request(`http://localhost${path}`, {
      method,
      headers: { 'Content-Type': 'application/json' },
      body: new Uint8Array(10_000_000),
    });
    expect((await setUp().app.request(request)).status).toBe(401);
    expect(request.bodyUsed).toBe(false);
  });

  test('with fields that are too long is not begun either', async () => {
    const { seen, stream } = endless();
    const { body: _, ...rest } = deliver({}, { signature: 'x'.repeat(1_025) });
    const init: RequestInit & { duplex: 'half' } = { ...rest, body: stream, duplex: 'half' };
    expect((await setUp().app.request(deliveries.path, init)).status).toBe(401);
    expect(seen.pulled).toBe(0);
  });

  test('that only looks signed is read up to the limit', async () => {
    const { seen, stream } = endless();
    const { body: _, ...rest } = deliver();
    const init: RequestInit & { duplex: 'half' } = { ...rest, body: stream, duplex: 'half' };
    expect((await setUp().app.request(deliveries.path, init)).status).toBe(413);
    expect(seen.pulled).toBeLessThan(300);
  });
});

describe('POST /sync', () => {
  const body = { ...syncBody, members: [memberWire] };

  test('of anybody is answered, unsigned, and what it says of members is not passed on', async () => {
    const { app, calls } = setUp();
    const response = await app.request(sync.path, sendTo({ ...sync, signing: null }, body));
    expect(response.status).toBe(200);
    expect(await response.json()).not.toHaveProperty('signature');
    expect(calls.map(({ method }) => method)).toEqual(['sync']);
    expect(calls[0]?.args).toMatchObject([{ guid: 3, members: [] }, null]);
  });

  test('of a member is answered with a signature over its nonce, and its members are passed on', async () => {
    const { app, calls } = setUp();
    const init = sendTo(sync, body);
    const response = await app.request(sync.path, init);
    expect(response.status).toBe(200);
    const { signature, ...answer } = (await response.json()) as Record<string, unknown>;
    expect(signature).toBe(SIGNATURE);
    expect(calls[1]?.args).toMatchObject([{ guid: 3, members: [member] }, CALLER_GUID]);
    expect(calls[2]).toEqual({ to: 'node', method: 'signAnswer', args: [expect.any(String), answer] });
    expect(new Headers(init.headers).get('signature-input')).toContain(`nonce="${String(calls[2]?.args[0])}"`);
  });

  test('of a member is told where it came from, as the platform says; nobody else is', async () => {
    for (const [target, told] of [
      [sync, '2001:db8::7'],
      [{ ...sync, signing: null }, null],
    ] as const) {
      const init = sendTo(target, body);
      const headers = new Headers(init.headers);
      headers.set('CF-Connecting-IP', '2001:db8::7');
      const response = await setUp().app.request(sync.path, { ...init, headers });
      expect(await response.json()).toMatchObject({ caller_host: told });
    }
  });

  test('of a member in the name of another: 401', async () => {
    for (const guid of [0, 4]) {
      const { app, calls } = setUp();
      const response = await app.request(sync.path, sendTo(sync, { ...body, guid }));
      expect(response.status).toBe(401);
      expect((await problemOf(response)).slug).toBe('unauthenticated');
      expect(asked(calls)).toEqual([]);
    }
  });

  test('with a bad signature is not taken for anybody’s: 401', async () => {
    const { app, calls } = setUp();
    const headers = [{ signature: 'sig1=:AAAA:' }, { 'signature-input': 'sig1=()' }];
    for (const header of headers) {
      const response = await app.request(sync.path, sendTo({ ...sync, signing: null }, body, header));
      expect(response.status).toBe(401);
    }
    expect(calls).toEqual([]);
  });

  test('with a key alone: 401', async () => {
    const { app, calls } = setUp();
    expect((await app.request(sync.path, sendTo({ ...sync, signing: 'key' }, body))).status).toBe(401);
    expect(calls).toEqual([]);
  });

  test('at the boot node, which believes nobody: answered unsigned, and no members are passed on', async () => {
    const path = `${BOOT}/sync`;
    for (const signing of ['peer', 'key', null] as const) {
      const { app, calls } = setUp();
      const response = await app.request(path, sendTo({ method: 'POST', path, signing }, body));
      expect(response.status).toBe(200);
      expect(await response.json()).not.toHaveProperty('signature');
      expect(calls).toMatchObject([{ to: 'boot', method: 'sync', args: [{ members: [] }, null] }]);
    }
  });
});

describe('PUT /broadcast', () => {
  const path = `${NODE}/broadcast`;

  test('with a signature is a member’s, though it has the operator’s token too', async () => {
    const { app, calls } = setUp({ node: { admit: async () => 'unproven' } });
    const response = await app.request(path, sendTo({ method: 'PUT', path, signing: 'peer' }, {}));
    expect(response.status).toBe(401);
    expect((await problemOf(response)).slug).toBe('unauthenticated');
    expect(asked(calls)).toEqual([]);
  });

  test('that is half signed is no operator’s either', async () => {
    for (const header of [{ signature: 'sig1=:AAAA:' }, { 'signature-input': 'sig1=()' }]) {
      const { app, calls } = setUp();
      const response = await app.request(path, send('PUT', broadcast, header));
      expect(response.status).toBe(401);
      expect((await problemOf(response)).slug).toBe('unauthenticated');
      expect(calls).toEqual([]);
    }
  });

  test('with neither is told of the token', async () => {
    const init = send('PUT', {}, { Authorization: '' });
    const response = await setUp().app.request(path, init);
    expect(response.status).toBe(401);
    expect((await problemOf(response)).slug).toBe('admin-token-wrong');
  });

  test('of a member needs no token, and none to be set', async () => {
    const { app, calls } = setUp({ config: { adminToken: null } });
    const init = sendTo({ method: 'PUT', path, signing: 'peer' }, {}, { Authorization: '' });
    // Refused for its body alone.
    expect((await app.request(path, init)).status).toBe(422);
    expect(calls.map(({ method }) => method)).toEqual(['admit']);
    expect(JSON.stringify(init)).not.toContain(TOKEN);
  });
});
