// The only reader of variables: environment -> checked, typed Config. Everything wrong is reported, one line a variable.
import {
  ADDRESS_CHARS_MAX,
  BUSY_MESSAGES,
  FANOUT_INSIDE,
  FANOUT_MAX,
  FANOUT_OUTSIDE,
  POW_BITS_MAX,
  ROSTER_MEMBERS_MAX,
  TTL_SECONDS_MAX,
} from './protocol/limits.ts';
import { addressFault } from './protocol/address.ts';
import type { ProtocolConfig } from './protocol/config.ts';
import { LEVELS, type Level } from './protocol/log-events.ts';
import { isPublicKey } from './protocol/signed-text.ts';
import { err, ok, type Result } from './protocol/types.ts';

export interface Config {
  readonly protocol: ProtocolConfig;
  /** URL at which the deployment answers, without a trailing slash; null where nobody outside needs to reach it. */
  readonly publicUrl: string | null;
  /** URL of the boot node whose network this deployment joins, without a trailing slash; null: it hosts its own. */
  readonly bootNode: string | null;
  readonly nodeCount: number;
  readonly logLevel: Level;
  /** Null: operator calls are refused. */
  readonly adminToken: string | null;
  /** What joiners from elsewhere must know, and what is told to a boot node elsewhere; null: nothing. */
  readonly joinToken: string | null;
  /** `open`: clients of the original, which have no keys, are let in where a node has a host of its own. */
  readonly admission: 'signed' | 'open';
  /** What takes the network's messages; null: nothing. */
  readonly handler: HandlerConfig | null;
  /** Who is told when nodes first have a message: this deployment's own beacon, nobody, or the beacon of a deployment elsewhere. */
  readonly beacon: 'here' | 'off' | { readonly url: string };
}

/** The application's side of a node. `webhook` null: the service binding HANDLER. */
export interface HandlerConfig {
  /** Slot of the node whose messages it takes. */
  readonly slot: number;
  readonly webhook: { readonly url: string; readonly secret: string } | null;
}

export interface ConfigError {
  readonly variable: string;
  readonly value: string;
  readonly allowed: string;
}

/** A variable, as the command line lists it. */
export interface Variable {
  readonly name: string;
  readonly default: string | null;
  readonly allowed: string;
  /** Its value is not shown, not even when it is wrong. */
  readonly secret: boolean;
}

const seconds = (low: number, high: number) => `a number of seconds from ${low} to ${high}`;
const whole = (low: number, high: number) => `a whole number from ${low} to ${high}`;

const NODE_COUNT_MAX = 10_000;
const HANDLER_URL_CHARS_MAX = 2_048;
/** Rounds of network sync that fit into the life of a newcomer's certificate: it is renewed at half of it, and a round may be missed. */
const ROUNDS_A_CERTIFICATE = 4;
const TOKEN = /^[\x21-\x7e]{16,256}$/;
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;
const NETWORK_NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;

/** Reads a variable; null where it is unset or wrong, which is noted. */
type Read = <T>(name: string, parse: (text: string) => T | null) => T | null;

/** Every variable that the Worker reads. */
export const VARIABLES: readonly Variable[] = [
  { name: 'NETWORK', default: 'pychain', allowed: 'a name of 1 to 63 of a-z 0-9 . _ -', secret: false },
  {
    name: 'PUBLIC_URL',
    default: null,
    allowed: 'an http or https URL with no path, query or credentials',
    secret: false,
  },
  {
    name: 'BOOT_NODE',
    default: null,
    allowed: 'an https URL with no path, query or credentials, not PUBLIC_URL (http and loopback with LOCAL_PEERS=on)',
    secret: false,
  },
  { name: 'NODE_COUNT', default: '4', allowed: whole(1, NODE_COUNT_MAX), secret: false },
  { name: 'NETWORK_SYNC_INTERVAL', default: '60', allowed: seconds(1, 86_400), secret: false },
  { name: 'NETWORK_SYNC_JITTER', default: '30', allowed: seconds(0, 86_400), secret: false },
  { name: 'LOG_LEVEL', default: 'INFO', allowed: `one of ${LEVELS.join(', ')}`, secret: false },
  {
    name: 'FANOUT',
    default: null,
    allowed: `${whole(2, FANOUT_MAX)} (unset: ${FANOUT_INSIDE} among nodes of one deployment, else ${FANOUT_OUTSIDE})`,
    secret: false,
  },
  { name: 'MESSAGE_TTL', default: '600', allowed: whole(1, TTL_SECONDS_MAX) + ' (seconds)', secret: false },
  { name: 'MAX_FAILURES', default: '3', allowed: whole(1, 1_000), secret: false },
  { name: 'PROBATION', default: null, allowed: `${seconds(0, 86_400)} (unset: NETWORK_SYNC_INTERVAL)`, secret: false },
  { name: 'GUID_TIMEOUT', default: '3600', allowed: seconds(1, 604_800), secret: false },
  {
    name: 'ADMISSION',
    default: 'signed',
    allowed: 'signed, or open (clients of the original too)',
    secret: false,
  },
  { name: 'POW_BITS', default: '16', allowed: `${whole(0, POW_BITS_MAX)} (0: no proof of work)`, secret: false },
  { name: 'GROUP_MEMBERS', default: '64', allowed: whole(1, ROSTER_MEMBERS_MAX), secret: false },
  { name: 'NETWORK_KEY', default: null, allowed: 'an Ed25519 public key: base64url, 43 characters', secret: false },
  {
    name: 'LOCAL_PEERS',
    default: 'off',
    allowed: 'on or off; on only where PUBLIC_URL is a loopback address',
    secret: false,
  },
  {
    name: 'BEACON',
    default: 'on',
    allowed:
      'on, off, or the https URL of a deployment elsewhere, with no path, query or credentials (http and loopback with LOCAL_PEERS=on)',
    secret: false,
  },
  { name: 'HANDLER_NODE', default: '1', allowed: `${whole(1, NODE_COUNT_MAX)}, NODE_COUNT at most`, secret: false },
  {
    name: 'HANDLER_URL',
    default: null,
    allowed:
      'an https URL without credentials (http only for a loopback address, with LOCAL_PEERS=on), with HANDLER_SECRET, and without a service binding HANDLER',
    secret: false,
  },
  {
    name: 'HANDLER_SECRET',
    default: null,
    allowed: 'whsec_ and 24 to 64 bytes in base64, with HANDLER_URL',
    secret: true,
  },
  { name: 'JOIN_TOKEN', default: null, allowed: '16 to 256 visible ASCII characters, no spaces', secret: true },
  { name: 'ADMIN_TOKEN', default: null, allowed: '16 to 256 visible ASCII characters, no spaces', secret: true },
];

/** Variables of the design that this version does not have: ignoring them would leave a network other than what was asked for. */
const NOT_YET = ['NODE_ADDRESSES'];

/**
 * Checks the environment. Unset and empty mean the default; unknown names are left alone, since a Worker's environment
 * also holds bindings.
 */
export function readConfig(env: Readonly<Record<string, unknown>>): Result<Config, readonly ConfigError[]> {
  const errors: ConfigError[] = [];
  const read = reader(env, errors);

  const network = read('NETWORK', matching(NETWORK_NAME));
  const publicUrl = read('PUBLIC_URL', parseUrl);
  const nodeCount = read('NODE_COUNT', parseWhole(1, NODE_COUNT_MAX));
  const syncIntervalMs = read('NETWORK_SYNC_INTERVAL', parseSeconds(1, 86_400));
  const syncJitterMs = read('NETWORK_SYNC_JITTER', parseSeconds(0, 86_400));
  const logLevel = read('LOG_LEVEL', (text) => LEVELS.find((level) => level === text) ?? null);
  const fanout = read('FANOUT', parseWhole(2, FANOUT_MAX));
  const ttl = read('MESSAGE_TTL', parseWhole(1, TTL_SECONDS_MAX));
  const maxFailures = read('MAX_FAILURES', parseWhole(1, 1_000));
  const probationMs = read('PROBATION', parseSeconds(0, 86_400));
  const guidTimeoutMs = read('GUID_TIMEOUT', parseSeconds(1, 604_800));
  const admission = read('ADMISSION', (text) => (text === 'signed' || text === 'open' ? text : null));
  const powBits = read('POW_BITS', parseWhole(0, POW_BITS_MAX));
  const groupMembersMax = read('GROUP_MEMBERS', parseWhole(1, ROSTER_MEMBERS_MAX));
  const networkKey = read('NETWORK_KEY', (text) => (isPublicKey(text) ? text : null));
  const localPeers = read('LOCAL_PEERS', (text) => {
    if (text === 'off') return false;
    // Refused in production: there, peers' addresses would lead into the operator's own network.
    return text === 'on' && publicUrl !== null && LOOPBACK.test(new URL(publicUrl).hostname) ? true : null;
  });
  const bootNode = read('BOOT_NODE', (text) => parseElsewhere(text, publicUrl, localPeers ?? false));
  const beacon = read('BEACON', (text) => parseBeacon(text, bootNode, publicUrl, localPeers ?? false));
  const adminToken = read('ADMIN_TOKEN', matching(TOKEN));
  const joinToken = read('JOIN_TOKEN', matching(TOKEN));
  const handler = readHandler(read, env, nodeCount ?? 1, localPeers ?? false);

  errors.push(...notYet(env));
  const missing = errors.length === 0 && bootNode !== null ? callableFault(publicUrl, localPeers ?? false) : null;
  if (missing) errors.push(missing);
  if (errors.length > 0) return err(errors);
  // Each of these has a default and was parsed, or there would be an error.
  const interval = syncIntervalMs ?? 0;
  const timeout = guidTimeoutMs ?? 0;
  return ok({
    protocol: {
      network: network ?? '',
      fanout,
      messageTtlMs: (ttl ?? 0) * 1000,
      maxFailures: maxFailures ?? 0,
      guidTimeoutMs: timeout,
      newcomerCertificateMs: Math.max(timeout, ROUNDS_A_CERTIFICATE * (interval + (syncJitterMs ?? 0))),
      powBits: powBits ?? 0,
      groupMembersMax: groupMembersMax ?? 0,
      networkKey,
      localPeers: localPeers ?? false,
      probationMs: probationMs ?? interval,
      syncIntervalMs: interval,
      syncJitterMs: syncJitterMs ?? 0,
      hostedPrefix: hostedPrefix(publicUrl),
      // Each node's own business: see LiveNodeHost.
      hasHandler: false,
      busyMessages: BUSY_MESSAGES,
    },
    publicUrl,
    bootNode,
    nodeCount: nodeCount ?? 0,
    logLevel: logLevel ?? 'INFO',
    adminToken,
    joinToken,
    admission: admission ?? 'signed',
    handler,
    beacon: beacon ?? 'off',
  });
}

/** `NODE_COUNT=0 is not allowed: give a whole number from 1 to 10000`, on one line whatever the value holds. */
export function formatConfigError(error: ConfigError): string {
  const shown = error.value.length > 80 ? `${error.value.slice(0, 80)}…` : error.value;
  return `${error.variable}=${JSON.stringify(shown).slice(1, -1)} is not allowed: give ${error.allowed}`;
}

function isSet(env: Readonly<Record<string, unknown>>, name: string): boolean {
  return env[name] !== undefined && env[name] !== null && env[name] !== '';
}

/**
 * Where a deployment's own nodes live. Without PUBLIC_URL they have addresses that only this deployment can resolve,
 * so that a first deployment works before anyone knows its URL.
 */
function hostedPrefix(publicUrl: string | null): string {
  return `${publicUrl ?? 'local:'}/n/`;
}

function notYet(env: Readonly<Record<string, unknown>>): ConfigError[] {
  const given = NOT_YET.filter((name) => isSet(env, name));
  return given.map((variable) => ({
    variable,
    value: '(set)',
    allowed: 'nothing: this version does not support it',
  }));
}

/** Where nodes join a network elsewhere, its boot node and its members must be able to call them. */
function callableFault(publicUrl: string | null, localPeers: boolean): ConfigError | null {
  const allowed = 'where BOOT_NODE is set, the URL of this deployment, at which others call its nodes';
  if (publicUrl === null) return { variable: 'PUBLIC_URL', value: '', allowed };
  const fault = addressFault(`${hostedPrefix(publicUrl)}1`, { localPeers, hostedPrefix: '' });
  return fault && { variable: 'PUBLIC_URL', value: publicUrl, allowed: `${allowed}: https, a public name, no port` };
}

/** On means the beacon of the boot node's deployment. */
function parseBeacon(
  text: string,
  bootNode: string | null,
  publicUrl: string | null,
  localPeers: boolean,
): Config['beacon'] | null {
  if (text === 'off') return text;
  if (text === 'on') return bootNode === null ? 'here' : { url: bootNode };
  const url = parseElsewhere(text, publicUrl, localPeers);
  return url === null ? null : { url };
}

/** URL of another deployment, or of a server. */
function parseElsewhere(text: string, publicUrl: string | null, localPeers: boolean): string | null {
  const url = parseUrl(text);
  if (url === null || url === publicUrl) return null;
  const isLocal = localPeers && LOOPBACK.test(new URL(url).hostname);
  return url.startsWith('https:') || isLocal ? url : null;
}

function matching(pattern: RegExp): (text: string) => string | null {
  return (text) => (pattern.test(text) ? text : null);
}

function parseWhole(low: number, high: number): (text: string) => number | null {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
    return value >= low && value <= high ? value : null;
  };
}

function parseSeconds(low: number, high: number): (text: string) => number | null {
  return (text) => {
    const value = /^\d{1,9}(\.\d{1,3})?$/.test(text) ? Number(text) : NaN;
    return value >= low && value <= high ? Math.round(value * 1000) : null;
  };
}

function parseUrl(text: string): string | null {
  if (text.length > ADDRESS_CHARS_MAX - 16 || !URL.canParse(text)) return null;
  const url = new URL(text);
  const plain =
    url.username === '' && url.password === '' && url.search === '' && url.hash === '' && url.pathname === '/';
  return plain && (url.protocol === 'https:' || url.protocol === 'http:') ? url.origin : null;
}

/** What reads variables of `env`, and notes the wrong ones in `errors`. */
function reader(env: Readonly<Record<string, unknown>>, errors: ConfigError[]): Read {
  return (name, parse) => {
    const variable = VARIABLES.find((candidate) => candidate.name === name);
    if (!variable) throw new Error(`assertion failed: ${name} is not in VARIABLES`);
    const text = isSet(env, name) ? String(env[name]) : variable.default;
    if (text === null) return null;
    const value = parse(text);
    if (value === null)
      errors.push({ variable: name, value: variable.secret ? '(hidden)' : text, allowed: variable.allowed });
    return value;
  };
}

/** The application's side: a binding, or a webhook with its secret. */
function readHandler(
  read: Read,
  env: Readonly<Record<string, unknown>>,
  nodeCount: number,
  localPeers: boolean,
): HandlerConfig | null {
  // A binding is no text: only what the platform put there can be called.
  const hasBinding = ['object', 'function'].includes(typeof env['HANDLER']) && env['HANDLER'] !== null;
  const slot = read('HANDLER_NODE', parseWhole(1, nodeCount));
  const url = read('HANDLER_URL', (text) =>
    hasBinding || !isSet(env, 'HANDLER_SECRET') ? null : parseHandlerUrl(text, localPeers),
  );
  const secret = read('HANDLER_SECRET', (text) => (isSet(env, 'HANDLER_URL') && isWebhookSecret(text) ? text : null));
  const webhook = url !== null && secret !== null ? { url, secret } : null;
  return hasBinding || webhook ? { slot: slot ?? 1, webhook } : null;
}

function parseHandlerUrl(text: string, localPeers: boolean): string | null {
  if (text.length > HANDLER_URL_CHARS_MAX || !URL.canParse(text)) return null;
  const { protocol, username, password, hash, hostname } = new URL(text);
  if (username !== '' || password !== '' || hash !== '') return null;
  const isLocal = protocol === 'http:' && localPeers && LOOPBACK.test(hostname);
  return protocol === 'https:' || isLocal ? text : null;
}

/** As Standard Webhooks has it: 24 to 64 bytes, base64 with padding. */
function isWebhookSecret(text: string): boolean {
  const [, base64 = ''] = /^whsec_((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)$/.exec(text) ?? [];
  const bytes = (base64.length / 4) * 3 - (base64.endsWith('==') ? 2 : Number(base64.endsWith('=')));
  return bytes >= 24 && bytes <= 64;
}
