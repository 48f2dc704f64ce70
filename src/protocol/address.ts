// Which addresses a peer elsewhere may have. Peers give us URLs that we will call, so they must not make us call inwards.
// What a host name resolves to is the shell's business: on Workers `global_fetch_strictly_public` refuses private addresses.
import { ADDRESS_CHARS_MAX } from './limits.ts';

/** Why an address is refused. */
export type AddressFault =
  'too-long' | 'not-a-url' | 'not-https' | 'literal-address' | 'not-public' | 'odd-port' | 'own-host';

export interface AddressPolicy {
  /** http, literal addresses and any port are fine: for networks on one machine. */
  readonly localPeers: boolean;
  /** Prefix of this deployment's own nodes. */
  readonly hostedPrefix: string;
}

/** The one spelling of a base URL: lower-case scheme and host, a path without odd characters and without a slash at the end. */
const BASE_URL = /^(https?):\/\/([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::(\d{1,5}))?((?:\/[A-Za-z0-9._~-]+)*)$/;

const PORT_MAX = 65_535;
const IPV4 = /^\d{1,3}(\.\d{1,3}){3}$/;
/** Groups of hexadecimal digits with one gap at most: close enough, since only a network on one machine has such. */
const IPV6 = /^\[(?=.*[0-9a-f:])(?!.*::.*::)(?!.*:::)[0-9a-f]{0,4}(:[0-9a-f]{0,4}){2,7}\]$/;

const LABEL = /^(?!-)[a-z0-9-]{1,63}(?<!-)$/;

/** Top-level names that never lead to the public internet (RFC 6761, RFC 6762, RFC 8375, RFC 9476). */
const SPECIAL_NAMES = [
  'localhost',
  'local',
  'internal',
  'test',
  'example',
  'invalid',
  'onion',
  'alt',
  'arpa',
  'lan',
  'home',
  'corp',
];

/**
 * Second-level names under which others register, for the group of an address. A list of all public suffixes would be a third of
 * the Worker (docs/decisions); what is missing here shares a quota, which its operator can raise.
 */
const SHARED_SECOND_LEVEL = [
  'ac',
  'co',
  'com',
  'edu',
  'go',
  'gob',
  'gov',
  'gv',
  'mil',
  'ne',
  'net',
  'nom',
  'or',
  'org',
];
const SHARED_DOMAINS = [
  'workers.dev',
  'pages.dev',
  'vercel.app',
  'netlify.app',
  'fly.dev',
  'deno.dev',
  'onrender.com',
  'herokuapp.com',
  'github.io',
  'duckdns.org',
];

/** Why a peer elsewhere may not have this address; null where it may. */
export function addressFault(address: string, policy: AddressPolicy): AddressFault | null {
  if (address.length > ADDRESS_CHARS_MAX) return 'too-long';
  const [, scheme, host = '', port, path = ''] = BASE_URL.exec(address) ?? [];
  if (
    scheme === undefined ||
    Number(port ?? 0) > PORT_MAX ||
    path.split('/').some((part) => part === '.' || part === '..')
  )
    return 'not-a-url';
  if (hostOf(policy.hostedPrefix) === host && (!policy.localPeers || address.startsWith(policy.hostedPrefix))) {
    return 'own-host';
  }
  if (policy.localPeers) return isHost(host) ? null : 'not-a-url';
  if (scheme !== 'https') return 'not-https';
  const labels = host.split('.');
  const top = labels.at(-1) ?? '';
  // A name that ends in a number is an IPv4 address to every URL parser, in whatever notation (WHATWG URL, "ends in a number").
  if (host.startsWith('[') || /^\d/.test(top)) return 'literal-address';
  if (labels.length < 2 || !labels.every((label) => LABEL.test(label)) || SPECIAL_NAMES.includes(top))
    return 'not-public';
  // Others are ignored silently on their way out of a Worker (PLATFORM.md 1.5): the call would go elsewhere.
  return port === undefined ? null : 'odd-port';
}

/** Whether a URL parser takes a host that looks like an address for one. */
function isHost(host: string): boolean {
  if (host.startsWith('[')) return IPV6.test(host);
  const isNumber = /^\d/.test(host.split('.').at(-1) ?? '');
  return !isNumber || (IPV4.test(host) && host.split('.').every((part) => Number(part) <= 255));
}

/** Host of a URL, without its port; the text itself where it has none. */
export function hostOf(address: string): string {
  return /^[a-z]+:\/\/(\[[^\]]*\]|[^/:]*)/.exec(address)?.[1] ?? address;
}

/** Who answers for an address: the registered domain, or the host itself where it is a literal. Quotas are counted by it. */
export function addressGroup(address: string): string {
  const host = hostOf(address);
  const labels = host.split('.');
  if (host.startsWith('[') || /^\d+$/.test(labels.at(-1) ?? '')) return host;
  const [second = '', top = ''] = labels.slice(-2);
  const isShared =
    (top.length === 2 && SHARED_SECOND_LEVEL.includes(second)) || SHARED_DOMAINS.includes(`${second}.${top}`);
  return labels.slice(isShared ? -3 : -2).join('.');
}
