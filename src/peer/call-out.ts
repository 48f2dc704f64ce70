// Calls to peers over node:http, which looks a host name up and connects to what it found in one step: a name that leads into the operator's
// own network is refused there, and cannot lead somewhere else a moment later. Workers have `global_fetch_strictly_public` for that.
import { lookup as lookUp, type LookupAddress } from 'node:dns';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { Readable } from 'node:stream';
import type { PeerClientOptions } from '../api/peer-client.ts';

/** Connections to one host, and how long one is kept for the next call. */
const SOCKETS_MAX = 64;
const KEEP_ALIVE_MS = 10_000;

/** IPv4 that is not of the public internet (RFC 6890, RFC 5737, RFC 6598, RFC 1112). */
const CLOSED_V4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
];

/** Of what is public in IPv6, 2000::/3, that which holds an IPv4 address, or is for documents (RFC 4380, RFC 3056, RFC 3849, RFC 9637). */
const CLOSED_V6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];

const closed = new BlockList();
const open = new BlockList();
for (const [list, subnets, family] of [
  [closed, CLOSED_V4, 'ipv4'],
  [closed, CLOSED_V6, 'ipv6'],
  [open, ['0.0.0.0/0'], 'ipv4'],
  [open, ['2000::/3'], 'ipv6'],
] as const) {
  for (const subnet of subnets) {
    const [net = '', prefix] = subnet.split('/');
    list.addSubnet(net, Number(prefix), family);
  }
}

/** Whether an address is of the public internet. */
export function isPublicAddress(address: string): boolean {
  const version = isIP(address);
  if (version === 0) return false;
  const family = version === 4 ? 'ipv4' : 'ipv6';
  // An IPv4 address in IPv6 notation is in none of the open IPv6 networks.
  return (version === 4 || !address.startsWith('::')) && open.check(address, family) && !closed.check(address, family);
}

/** Resolves names, and fails where any address that a name has is not public. */
export const lookUpPublic: LookupFunction = (hostname, options, done) => {
  lookUp(hostname, { ...options, all: true }, (error, found: LookupAddress[]) => {
    if (error) return done(error, '');
    const inward = found.find(({ address }) => !isPublicAddress(address));
    if (inward) return done(new Error(`${hostname} leads to ${inward.address}, which is not public`), '');
    const [first] = found;
    if (options.all) done(null, found);
    else done(null, first?.address ?? '', first?.family);
  });
};

/** A way to call peers. `localPeers`: they may be anywhere. Redirects are not followed. Everything under way ends with `stop`. */
export function createCallOut(localPeers: boolean, stop: AbortSignal): PeerClientOptions['fetch'] {
  const keep = { keepAlive: true, timeout: KEEP_ALIVE_MS, maxSockets: SOCKETS_MAX };
  const agents = { 'http:': new HttpAgent(keep), 'https:': new HttpsAgent(keep) };
  stop.addEventListener('abort', () => {
    for (const agent of Object.values(agents)) agent.destroy();
  });
  return async (request, { signal }) => {
    const url = new URL(request.url);
    const isTls = url.protocol === 'https:';
    if (!isTls && url.protocol !== 'http:') throw new Error(`${url.protocol} is not called`);
    // A literal address is connected to without being looked up.
    if (!localPeers && isIP(url.hostname.replace(/^\[|\]$/g, '')) !== 0)
      throw new Error('a literal address is not called');
    const body = Buffer.from(await request.arrayBuffer());
    const options: RequestOptions = {
      method: request.method,
      headers: { ...Object.fromEntries(request.headers), 'content-length': body.length },
      agent: isTls ? agents['https:'] : agents['http:'],
      signal: AbortSignal.any([signal, stop]),
      ...(!localPeers && { lookup: lookUpPublic }),
    };
    const incoming = await new Promise<IncomingMessage>((resolve, reject) => {
      const outgoing = (isTls ? httpsRequest : httpRequest)(url, options, resolve);
      outgoing.on('error', reject);
      outgoing.end(body);
    });
    return responseOf(incoming);
  };
}

/** Statuses whose answers have no body. */
const BODILESS = [204, 205, 304];

function responseOf(incoming: IncomingMessage): Response {
  const status = incoming.statusCode ?? 0;
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) if (typeof value === 'string') headers.set(name, value);
  // Below 200 is none of ours, and no Response can say so.
  if (status < 200 || status > 599 || BODILESS.includes(status)) {
    incoming.resume();
    return new Response(null, { status: BODILESS.includes(status) ? status : 502, headers });
  }
  return new Response(Readable.toWeb(incoming) as ReadableStream<Uint8Array>, { status, headers });
}
