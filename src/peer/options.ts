// What is checked before a server starts, by its command and by the library alike. Who is told, and with which option's name, is theirs.
import { formatConfigError, readConfig, type Config } from '../config.ts';
import { addressFault } from '../protocol/address.ts';
import { err, ok, type Result } from '../protocol/types.ts';

const LOCAL_HINT = 'or, for a network on this machine, give a loopback address and set LOCAL_PEERS=on';

const ADDRESS_FAULTS: Readonly<Record<string, string>> = {
  'not-https': `others call it over https: put a proxy with a certificate in front, ${LOCAL_HINT}`,
  'literal-address': `it needs a host name, ${LOCAL_HINT}`,
  'not-public': `it needs a host name that is known everywhere, ${LOCAL_HINT}`,
  'odd-port': 'others call port 443 alone: leave the port out, and put a proxy there',
  'not-a-url': 'not a URL of a host alone, in lower case',
};

/** Without the slashes that people put at the end of a URL. */
export function trimUrl(url: string): string {
  return url.replace(/\/+$/, '');
}

/** The configuration of a server with this address; else a line for each variable that is not allowed. */
export function readServerConfig(
  variables: Readonly<Record<string, string>>,
  address: string,
): Result<Config, readonly string[]> {
  const read = readConfig({ ...variables, PUBLIC_URL: address, BOOT_NODE: '', NODE_COUNT: '1' });
  return read.ok ? read : err(read.error.map(formatConfigError));
}

/** Why others could not reach a server at this address; null: they can. */
export function whyNotAt(address: string, localPeers: boolean): string | null {
  const fault = addressFault(address, { localPeers, hostedPrefix: '' });
  return fault && (ADDRESS_FAULTS[fault] ?? fault);
}

/** URL of a boot node, without a slash at the end; else why it is none. Over plain http anybody on the way could be the boot node. */
export function readBootUrl(text: string, localPeers: boolean): Result<string, string> {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isPlain = url !== null && url.search === '' && url.hash === '' && url.username === '' && url.password === '';
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && localPeers);
  if (url && isPlain && isSafe) return ok(trimUrl(`${url.origin}${url.pathname}`));
  return err('give an https URL (http only where LOCAL_PEERS=on)');
}
