import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressFault, addressGroup, hostOf, type AddressFault } from '../../src/protocol/address.ts';
import { ADDRESS_CHARS_MAX } from '../../src/protocol/limits.ts';

const PUBLIC = { localPeers: false, hostedPrefix: 'https://own.example.net/n/' };
const LOCAL = { localPeers: true, hostedPrefix: 'http://127.0.0.1:8787/n/' };

describe('the address of a peer elsewhere', () => {
  it.each([
    'https://example.net',
    'https://a.b.c.example.net/n/7',
    'https://xn--bcher-kva.example.org',
    'https://1.2.3.4.example.net',
    'https://7seas.example.net/a/b.c/~me/_x-y',
    'https://own.example.net.example.org',
    'https://not-own.example.net/n/1',
  ])('may be %s', (address) => {
    expect(addressFault(address, PUBLIC)).toBeNull();
  });

  it.each<[string, AddressFault]>([
    // Not a base URL in its one spelling.
    ['', 'not-a-url'],
    ['example.net', 'not-a-url'],
    ['ftp://example.net', 'not-a-url'],
    ['https://', 'not-a-url'],
    ['HTTPS://example.net', 'not-a-url'],
    ['https://Example.net', 'not-a-url'],
    ['https://bücher.example.net', 'not-a-url'],
    ['https://example.net/', 'not-a-url'],
    ['https://example.net//a', 'not-a-url'],
    ['https://example.net/a/', 'not-a-url'],
    ['https://example.net?a', 'not-a-url'],
    ['https://example.net#a', 'not-a-url'],
    ['https://example.net/a b', 'not-a-url'],
    ['https://example.net/%2e%2e', 'not-a-url'],
    ['https://example.net/a;b', 'not-a-url'],
    ['https://example.net\\a', 'not-a-url'],
    ['https:\\\\example.net', 'not-a-url'],
    ['https://example.net\n', 'not-a-url'],
    [' https://example.net', 'not-a-url'],
    ['https://a_b.example.net', 'not-a-url'],
    ['https://example.net:', 'not-a-url'],
    ['https://example.net:123456', 'not-a-url'],
    // Whoever it is meant to look like.
    ['https://user@example.net', 'not-a-url'],
    ['https://user:secret@example.net', 'not-a-url'],
    ['https://example.net@10.0.0.1', 'not-a-url'],
    // Dots that a parser takes away.
    ['https://example.net/.', 'not-a-url'],
    ['https://example.net/..', 'not-a-url'],
    ['https://example.net/a/../n/1', 'not-a-url'],
    ['https://own.example.net.example.org/../n/1', 'not-a-url'],
    ['http://example.net', 'not-https'],
    ['https://127.0.0.1', 'literal-address'],
    ['https://10.0.0.1/n/1', 'literal-address'],
    ['https://127.1', 'literal-address'],
    ['https://2130706433', 'literal-address'],
    ['https://0x7f000001', 'literal-address'],
    ['https://0x7f.0.0.1', 'literal-address'],
    ['https://127.0.0.0x1', 'literal-address'],
    ['https://0177.0.0.01', 'literal-address'],
    ['https://1.example.0x7f', 'literal-address'],
    ['https://[::1]', 'literal-address'],
    ['https://[fd00::1]', 'literal-address'],
    ['https://[::ffff:127.0.0.1]', 'literal-address'],
    ['https://localhost', 'not-public'],
    ['https://intranet', 'not-public'],
    ['https://a.localhost', 'not-public'],
    ['https://printer.local', 'not-public'],
    ['https://metadata.google.internal', 'not-public'],
    ['https://a.test', 'not-public'],
    ['https://a.example', 'not-public'],
    ['https://a.invalid', 'not-public'],
    ['https://a.onion', 'not-public'],
    ['https://a.alt', 'not-public'],
    ['https://1.168.192.in-addr.arpa', 'not-public'],
    ['https://router.home.arpa', 'not-public'],
    ['https://a.lan', 'not-public'],
    ['https://a.corp', 'not-public'],
    ['https://a.home', 'not-public'],
    ['https://127.0.0.1.', 'not-public'],
    ['https://localhost.', 'not-public'],
    ['https://example.net.', 'not-public'],
    ['https://.example.net', 'not-public'],
    ['https://a..example.net', 'not-public'],
    ['https://-a.example.net', 'not-public'],
    ['https://a-.example.net', 'not-public'],
    [`https://${'a'.repeat(64)}.example.net`, 'not-public'],
    ['https://example.net:443', 'odd-port'],
    ['https://example.net:8443/n/1', 'odd-port'],
    ['https://example.net:22', 'odd-port'],
    ['https://own.example.net', 'own-host'],
    ['https://own.example.net/n/1', 'own-host'],
    ['https://own.example.net/elsewhere', 'own-host'],
    ['http://own.example.net/n/1', 'own-host'],
    ['https://own.example.net:8443/n/1', 'own-host'],
  ])('may not be %j: %s', (address, fault) => {
    expect(addressFault(address, PUBLIC)).toBe(fault);
  });

  it('may be as long as the limit and no longer', () => {
    const longest = `https://example.net/${'a'.repeat(ADDRESS_CHARS_MAX - 20)}`;
    expect(longest).toHaveLength(ADDRESS_CHARS_MAX);
    expect(addressFault(longest, PUBLIC)).toBeNull();
    expect(addressFault(`${longest}a`, PUBLIC)).toBe('too-long');
  });

  it('that is taken is what every URL parser makes of it: one host, https, no port, no user', () => {
    const host = fc.stringMatching(/^[a-z0-9.-]{1,30}$/);
    const tail = fc.stringMatching(/^[a-zA-Z0-9./:@?#%\\[\]_~-]{0,30}$/);
    const labels = fc.array(fc.stringMatching(/^[a-z0-9-]{1,8}$/), { minLength: 1, maxLength: 5 });
    const paths = fc.array(fc.stringMatching(/^\/[A-Za-z0-9._~-]{1,8}$/), { maxLength: 4 });
    const address = fc.oneof(
      fc.webUrl({ withQueryParameters: true, withFragments: true }),
      fc.tuple(fc.constantFrom('https://', 'http://', 'https:/', ''), host, tail).map((parts) => parts.join('')),
      fc.tuple(host, tail).map(([name, rest]) => `https://${name}.net${rest}`),
      fc.tuple(labels, paths).map(([names, parts]) => `https://${names.join('.')}.net${parts.join('')}`),
    );
    let taken = 0;
    fc.assert(
      fc.property(address, (text) => {
        if (addressFault(text, PUBLIC) !== null || text.includes('xn--')) return;
        taken++;
        const url = new URL(text);
        expect(url).toMatchObject({ protocol: 'https:', port: '', username: '', password: '', search: '', hash: '' });
        expect(url.hostname).toBe(hostOf(text));
        expect(url.href.replace(/\/$/, '')).toBe(text);
        expect(url.hostname).not.toMatch(/^\[|^\d+\.\d+\.\d+\.\d+$/);
      }),
      { numRuns: 2_000 },
    );
    expect(taken).toBeGreaterThan(50);
  });
});

describe('on one machine', () => {
  it.each([
    'http://127.0.0.1:9999/n/1',
    'http://localhost:3000',
    'https://[::1]:8443',
    'http://10.0.0.7',
    'http://a.lan',
  ])('a peer may be at %s', (address) => {
    expect(addressFault(address, LOCAL)).toBeNull();
  });

  it.each<[string, AddressFault]>([
    ['http://127.0.0.1:8787/n/1', 'own-host'],
    ['http://user@127.0.0.1:9999', 'not-a-url'],
    ['http://127.0.0.1:9999/../n/1', 'not-a-url'],
    ['ftp://127.0.0.1', 'not-a-url'],
  ])('still not at %s', (address, fault) => {
    expect(addressFault(address, LOCAL)).toBe(fault);
  });

  it('the own host under another port or path is another process', () => {
    expect(addressFault('http://127.0.0.1:8788/n/1', LOCAL)).toBeNull();
    expect(addressFault('http://127.0.0.1:8787/other', LOCAL)).toBeNull();
  });
});

describe('the group that quotas count', () => {
  it.each([
    ['https://example.net', 'example.net'],
    ['https://a.b.c.example.net/n/1', 'example.net'],
    ['https://example.net:8443', 'example.net'],
    ['https://a.example.co.uk', 'example.co.uk'],
    ['https://a.b.example.com.au', 'example.com.au'],
    ['https://co.uk', 'co.uk'],
    // Everybody's second level only where the top level is a country's.
    ['https://a.co.net', 'co.net'],
    ['https://one.me.workers.dev', 'me.workers.dev'],
    ['https://me.workers.dev', 'me.workers.dev'],
    ['https://x.me.duckdns.org', 'me.duckdns.org'],
    ['https://me.github.io', 'me.github.io'],
    ['https://a.example.de', 'example.de'],
    ['http://10.1.2.3:80/n/1', '10.1.2.3'],
    ['http://[fd00::1]:80/n/1', '[fd00::1]'],
    ['http://localhost:8787/n/1', 'localhost'],
  ])('of %s is %s', (address, group) => {
    expect(addressGroup(address)).toBe(group);
  });

  it('is the same however many names and paths one domain makes up', () => {
    const label = fc.stringMatching(/^[a-z0-9]{1,10}$/);
    fc.assert(
      fc.property(fc.array(label, { maxLength: 5 }), label, (names, path) => {
        const host = [...names, 'flood', 'net'].join('.');
        expect(addressGroup(`https://${host}/${path}`)).toBe('flood.net');
      }),
    );
  });
});
