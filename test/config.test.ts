import { describe, expect, it } from 'vitest';
import { formatConfigError, readConfig, VARIABLES, type ConfigError } from '../src/config.ts';

/** Has the form of a public key. */
const KEY = `${'a'.repeat(42)}A`;

/** Has the form of a webhook's secret: 24 bytes. */
const SECRET = `whsec_${'a'.repeat(32)}`;

describe('configuration', () => {
  it("has the seed's defaults", () => {
    const config = readConfig({});
    expect(config).toMatchObject({
      ok: true,
      value: {
        publicUrl: null,
        bootNode: null,
        nodeCount: 4,
        logLevel: 'INFO',
        adminToken: null,
        joinToken: null,
        handler: null,
        protocol: {
          network: 'pychain',
          syncIntervalMs: 60_000,
          syncJitterMs: 30_000,
          probationMs: 60_000,
          messageTtlMs: 600_000,
          maxFailures: 3,
          guidTimeoutMs: 3_600_000,
          newcomerCertificateMs: 3_600_000,
          powBits: 16,
          groupMembersMax: 64,
          networkKey: null,
          localPeers: false,
          hostedPrefix: 'local:/n/',
        },
      },
    });
  });

  it('takes what is allowed, at both ends', () => {
    const config = readConfig({
      NETWORK: 'a.b-c_1',
      PUBLIC_URL: 'https://Net.Example/',
      NODE_COUNT: '10000',
      NETWORK_SYNC_INTERVAL: '1.5',
      NETWORK_SYNC_JITTER: '0',
      PROBATION: '0',
      LOG_LEVEL: 'CRITICAL',
      FANOUT: '2',
      GUID_TIMEOUT: '604800',
      ADMISSION: 'signed',
      POW_BITS: '0',
      GROUP_MEMBERS: '1',
      NETWORK_KEY: KEY,
      LOCAL_PEERS: 'off',
      ADMIN_TOKEN: 'x'.repeat(16),
      JOIN_TOKEN: '~'.repeat(256),
      UNKNOWN_BINDING: {},
    });
    expect(config).toMatchObject({
      ok: true,
      value: {
        publicUrl: 'https://net.example',
        nodeCount: 10_000,
        adminToken: 'x'.repeat(16),
        joinToken: '~'.repeat(256),
        protocol: {
          syncIntervalMs: 1_500,
          probationMs: 0,
          fanout: 2,
          guidTimeoutMs: 604_800_000,
          powBits: 0,
          groupMembersMax: 1,
          networkKey: KEY,
          localPeers: false,
          hostedPrefix: 'https://net.example/n/',
        },
      },
    });
  });

  it.each([
    ['NETWORK', 'With Space'],
    ['NETWORK', 'x'.repeat(64)],
    ['PUBLIC_URL', 'net.example'],
    ['PUBLIC_URL', 'ftp://net.example'],
    ['PUBLIC_URL', 'https://net.example/path'],
    ['PUBLIC_URL', 'https://user:secret@net.example'],
    ['NODE_COUNT', '0'],
    ['NODE_COUNT', '10001'],
    ['NODE_COUNT', '4.5'],
    ['NODE_COUNT', 'four'],
    ['NETWORK_SYNC_INTERVAL', '0'],
    ['NETWORK_SYNC_INTERVAL', '-1'],
    ['NETWORK_SYNC_INTERVAL', '1e3'],
    ['NETWORK_SYNC_JITTER', 'NaN'],
    ['LOG_LEVEL', 'debug'],
    ['FANOUT', '1'],
    ['MESSAGE_TTL', '0'],
    ['MAX_FAILURES', '0'],
    ['PROBATION', '86401'],
    ['ADMIN_TOKEN', 'short'],
    ['ADMIN_TOKEN', 'x'.repeat(257)],
    ['ADMIN_TOKEN', 'with a space inside it'],
    ['JOIN_TOKEN', 'short'],
    ['JOIN_TOKEN', 'x'.repeat(257)],
    ['JOIN_TOKEN', 'with a space inside it'],
    ['JOIN_TOKEN', 'mit-einem-ü-darin'],
    ['GUID_TIMEOUT', '0'],
    ['GUID_TIMEOUT', '604801'],
    ['ADMISSION', 'SIGNED'],
    ['ADMISSION', 'unsigned'],
    ['POW_BITS', '-1'],
    ['POW_BITS', '25'],
    ['POW_BITS', '1.5'],
    ['GROUP_MEMBERS', '0'],
    ['GROUP_MEMBERS', '100001'],
    ['NETWORK_KEY', 'A'.repeat(42)],
    ['NETWORK_KEY', 'A'.repeat(44)],
    ['NETWORK_KEY', `${'A'.repeat(42)}B`],
    ['NETWORK_KEY', `${'A'.repeat(42)}+`],
    ['LOCAL_PEERS', 'on'],
    ['LOCAL_PEERS', 'ON'],
    ['LOCAL_PEERS', 'true'],
    ['LOCAL_PEERS', '1'],
    ['BEACON', 'ON'],
    ['BEACON', 'true'],
    ['BEACON', 'http://beacon.example'],
    ['BEACON', 'https://beacon.example/path'],
    ['BEACON', 'https://user:secret@beacon.example'],
    ['BEACON', 'beacon.example'],
    ['HANDLER_NODE', '0'],
    ['HANDLER_NODE', '5'],
    ['HANDLER_URL', 'https://app.example/hook'],
    ['HANDLER_SECRET', SECRET],
  ])('%s=%s stops the start with one line that names it and what is allowed', (name, value) => {
    const config = readConfig({ [name]: value });
    if (config.ok) throw new Error('was taken');
    expect(config.error).toHaveLength(1);
    const line = config.error.map(formatConfigError).join('');
    expect(line).toContain(name);
    expect(line).not.toContain('\n');
    expect(line).toContain(VARIABLES.find((variable) => variable.name === name)?.allowed);
    // A secret is not shown, not even a wrong one.
    expect(line.includes(value)).toBe(!/_(TOKEN|SECRET)$/.test(name));
  });

  it.each([
    [{}, 'here'],
    [{ BEACON: 'on' }, 'here'],
    [{ BEACON: 'off' }, 'off'],
    [{ BEACON: 'https://Beacon.example/' }, { url: 'https://beacon.example' }],
    [{ BOOT_NODE: 'https://boot.example' }, { url: 'https://boot.example' }],
    [{ BOOT_NODE: 'https://boot.example', BEACON: 'https://other.example' }, { url: 'https://other.example' }],
    [{ BOOT_NODE: 'https://boot.example', BEACON: 'off' }, 'off'],
  ])('the beacon is that of the boot node, unless it is told otherwise: %j', (env, beacon) => {
    expect(readConfig({ PUBLIC_URL: 'https://joiner.net', ...env })).toMatchObject({ ok: true, value: { beacon } });
  });

  it('BEACON is not the URL of this deployment: that is "on"', () => {
    const config = readConfig({ PUBLIC_URL: 'https://joiner.net', BEACON: 'https://JOINER.net/' });
    expect(config).toMatchObject({ ok: false, error: [{ variable: 'BEACON' }] });
  });

  it('an open network is one that clients of the original may join', () => {
    expect(readConfig({ ADMISSION: 'open' })).toMatchObject({ ok: true, value: { admission: 'open' } });
    expect(readConfig({})).toMatchObject({ ok: true, value: { admission: 'signed' } });
  });

  it.each([
    'http://localhost:8787',
    'http://127.0.0.1',
    'http://127.8.9.10:1',
    'http://[::1]:8787',
    // Other ways to write the same.
    'http://127.1',
    'http://LOCALHOST',
    'https://localhost',
  ])('LOCAL_PEERS=on is for networks on one machine: %s', (url) => {
    const config = readConfig({ PUBLIC_URL: url, LOCAL_PEERS: 'on' });
    expect(config).toMatchObject({ ok: true, value: { protocol: { localPeers: true } } });
    expect(readConfig({ PUBLIC_URL: url })).toMatchObject({ ok: true, value: { protocol: { localPeers: false } } });
  });

  it.each([
    'https://net.example',
    'http://10.0.0.7',
    'http://192.168.1.1:8787',
    'http://127.0.0.1.example.net',
    'http://localhost.example.net',
    'http://notlocalhost',
    'http://0.0.0.0',
    'http://[::2]',
    'http://[fe80::1]',
    'http://128.0.0.1',
  ])('LOCAL_PEERS=on is refused elsewhere, where peers could make us call inwards: %s', (url) => {
    const config = readConfig({ PUBLIC_URL: url, LOCAL_PEERS: 'on' });
    expect(!config.ok && config.error.map(formatConfigError)).toEqual([
      'LOCAL_PEERS=on is not allowed: give on or off; on only where PUBLIC_URL is a loopback address',
    ]);
  });

  it.each([
    ['https://Boot.Example.org/', 'https://boot.example.org'],
    ['https://boot.example.org:8443', 'https://boot.example.org:8443'],
  ])('BOOT_NODE=%s: the network of a boot node elsewhere', (given, read) => {
    const config = readConfig({ BOOT_NODE: given, PUBLIC_URL: 'https://joiner.net' });
    expect(config).toMatchObject({ ok: true, value: { bootNode: read } });
  });

  it('BOOT_NODE may be http on loopback where everything is on one machine', () => {
    const env = { BOOT_NODE: 'http://127.0.0.1:8787', PUBLIC_URL: 'http://127.0.0.1:8788' };
    expect(readConfig({ ...env, LOCAL_PEERS: 'on' })).toMatchObject({ ok: true, value: { bootNode: env.BOOT_NODE } });
    expect(readConfig(env)).toMatchObject({ ok: false, error: [{ variable: 'BOOT_NODE' }] });
  });

  it.each([
    ['http://boot.example.org', 'https://joiner.net'],
    ['https://boot.example.org/path', 'https://joiner.net'],
    ['https://boot.example.org?query', 'https://joiner.net'],
    ['https://user:secret@boot.example.org', 'https://joiner.net'],
    ['boot.example.org', 'https://joiner.net'],
    ['https://joiner.net', 'https://joiner.net'],
    ['https://JOINER.net/', 'https://joiner.net'],
  ])('BOOT_NODE=%s at %s is refused', (bootNode, publicUrl) => {
    const config = readConfig({ BOOT_NODE: bootNode, PUBLIC_URL: publicUrl });
    expect(config).toMatchObject({ ok: false, error: [{ variable: 'BOOT_NODE' }] });
  });

  it.each([
    [
      'LOCAL_PEERS=on is not for others’ boot nodes',
      'http://boot.example.org',
      'http://127.0.0.1:8788',
      'on',
      'BOOT_NODE',
    ],
    ['without PUBLIC_URL nobody could call the nodes', 'https://boot.example.org', undefined, 'off', 'PUBLIC_URL'],
    [
      'nor at an address that members may not have',
      'https://boot.example.org',
      'http://joiner.net',
      'off',
      'PUBLIC_URL',
    ],
    ['nor there', 'https://boot.example.org', 'https://10.0.0.7', 'off', 'PUBLIC_URL'],
    ['nor there', 'https://boot.example.org', 'https://joiner.net:8443', 'off', 'PUBLIC_URL'],
  ])('%s: BOOT_NODE=%s, PUBLIC_URL=%s, LOCAL_PEERS=%s', (_, bootNode, publicUrl, localPeers, variable) => {
    const config = readConfig({ BOOT_NODE: bootNode, PUBLIC_URL: publicUrl, LOCAL_PEERS: localPeers });
    if (config.ok) throw new Error('was taken');
    expect(config.error.map((error) => error.variable)).toEqual([variable]);
    expect(formatConfigError(config.error[0] as ConfigError)).not.toContain('\n');
  });

  it.each([
    [{ GUID_TIMEOUT: '3600' }, 3_600_000],
    [{ GUID_TIMEOUT: '1' }, 4 * 90_000],
    [{ GUID_TIMEOUT: '100', NETWORK_SYNC_INTERVAL: '1', NETWORK_SYNC_JITTER: '0' }, 100_000],
    [{ GUID_TIMEOUT: '100', NETWORK_SYNC_INTERVAL: '30', NETWORK_SYNC_JITTER: '10.5' }, 162_000],
  ])('a newcomer’s certificate outlives some sync rounds, so that it can be renewed: %j', (env, ms) => {
    expect(readConfig(env)).toMatchObject({ ok: true, value: { protocol: { newcomerCertificateMs: ms } } });
  });

  describe('of the handler', () => {
    const URL = 'https://app.example/hook?key=1';
    const local = { PUBLIC_URL: 'http://127.0.0.1:8787', LOCAL_PEERS: 'on' };

    it.each<[string, Record<string, unknown>, object]>([
      ['a webhook', { HANDLER_URL: URL, HANDLER_SECRET: SECRET }, { slot: 1, webhook: { url: URL, secret: SECRET } }],
      ['of another node', { HANDLER_URL: URL, HANDLER_SECRET: SECRET, HANDLER_NODE: '4' }, { slot: 4 }],
      ['a service binding', { HANDLER: { fetch: () => undefined } }, { slot: 1, webhook: null }],
      [
        'a webhook on this machine',
        { ...local, HANDLER_URL: 'http://localhost:1/', HANDLER_SECRET: SECRET },
        { webhook: { url: 'http://localhost:1/' } },
      ],
    ])('%s', (_name, env, handler) => {
      expect(readConfig(env)).toMatchObject({ ok: true, value: { handler } });
    });

    it.each<[string, Record<string, unknown>]>([
      ['http', { HANDLER_URL: 'http://app.example/' }],
      ['http on this machine where peers may not be there', { HANDLER_URL: 'http://localhost/' }],
      ['http elsewhere where peers may be on this machine', { ...local, HANDLER_URL: 'http://app.example/' }],
      ['another scheme', { HANDLER_URL: 'ftp://app.example/' }],
      ['credentials', { HANDLER_URL: 'https://user:pass@app.example/' }],
      ['a fragment', { HANDLER_URL: 'https://app.example/#x' }],
      ['no URL', { HANDLER_URL: 'app' }],
      ['a long one', { HANDLER_URL: `https://app.example/${'x'.repeat(2_048)}` }],
      ['a binding too', { HANDLER_URL: URL, HANDLER: {} }],
    ])('refuses %s', (_name, env) => {
      const config = readConfig({ HANDLER_SECRET: SECRET, ...env });
      expect(config.ok ? [] : config.error.map(({ variable }) => variable)).toEqual(['HANDLER_URL']);
    });

    it.each([
      'a'.repeat(32),
      'whsec_',
      `whsec_${'a'.repeat(28)}`,
      `whsec_${'a'.repeat(88)}`,
      `whsec_${'a'.repeat(33)}`,
    ])('refuses the secret %s, and does not show it', (secret) => {
      const config = readConfig({ HANDLER_URL: URL, HANDLER_SECRET: secret });
      expect(config.ok ? [] : config.error.map(({ variable, value }) => [variable, value])).toEqual([
        ['HANDLER_SECRET', '(hidden)'],
      ]);
    });
  });

  it('lists as secret what is not to be shown', () => {
    const secret = VARIABLES.filter((variable) => variable.secret).map(({ name }) => name);
    expect(secret.toSorted()).toEqual(['ADMIN_TOKEN', 'HANDLER_SECRET', 'JOIN_TOKEN']);
  });

  it.each(['NODE_ADDRESSES'])('%s is refused, not ignored: it is not there yet', (name) => {
    const config = readConfig({ [name]: 'https://boot.example' });
    expect(!config.ok && config.error.map(formatConfigError)).toEqual([
      `${name}=(set) is not allowed: give nothing: this version does not support it`,
    ]);
  });

  it('reports everything that is wrong at once, on a line each, whatever the values hold', () => {
    const config = readConfig({ NODE_COUNT: 'a\nb', LOG_LEVEL: 'x'.repeat(10_000) });
    if (config.ok) throw new Error('was taken');
    const lines = config.error.map(formatConfigError);
    expect(lines).toHaveLength(2);
    for (const line of lines) {
      expect(line).not.toContain('\n');
      expect(line.length).toBeLessThan(300);
    }
  });
});
