import { describe, expect, it } from 'vitest';
import { formatConfigError, readConfig, VARIABLES } from '../src/config.ts';

describe('configuration', () => {
  it("has the seed's defaults", () => {
    const config = readConfig({});
    expect(config).toMatchObject({
      ok: true,
      value: {
        publicUrl: null,
        nodeCount: 4,
        logLevel: 'INFO',
        adminToken: null,
        protocol: {
          network: 'pychain',
          syncIntervalMs: 60_000,
          syncJitterMs: 30_000,
          probationMs: 60_000,
          messageTtlMs: 600_000,
          maxFailures: 3,
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
      ADMIN_TOKEN: 'x'.repeat(16),
      UNKNOWN_BINDING: {},
    });
    expect(config).toMatchObject({
      ok: true,
      value: {
        publicUrl: 'https://net.example',
        nodeCount: 10_000,
        protocol: { syncIntervalMs: 1_500, probationMs: 0, fanout: 2, hostedPrefix: 'https://net.example/n/' },
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
  ])('%s=%s stops the start with one line that names it and what is allowed', (name, value) => {
    const config = readConfig({ [name]: value });
    if (config.ok) throw new Error('was taken');
    expect(config.error).toHaveLength(1);
    const line = config.error.map(formatConfigError).join('');
    expect(line).toContain(name);
    expect(line).not.toContain('\n');
    expect(line).toContain(VARIABLES.find((variable) => variable.name === name)?.allowed);
    // A secret is not shown, not even a wrong one.
    expect(line.includes(value)).toBe(name !== 'ADMIN_TOKEN');
  });

  it.each(['BOOT_NODE', 'ADMISSION', 'GUID_TIMEOUT'])('%s is refused, not ignored: it is not there yet', (name) => {
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
