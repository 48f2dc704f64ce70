// What `pychain doctor` finds out of a network: everything at once, each question with a time limit, none of them needed for another answer.
import { connect } from 'node:tls';
import type { z } from 'zod';
import { beaconSummarySchema } from './beacon-schemas.ts';
import { createClient, ProblemError, type Client, type NodeName } from './client.ts';
import { CliError, errorLine } from './errors.ts';
import { membersOf, pooled, type MemberPlace } from './members.ts';
import { capabilitiesSchema, type MemberRecord, type NodeStatus } from './schemas.ts';
import { metricsOf, type Metrics } from './metrics-text.ts';

/** Hosted nodes that are asked, and members elsewhere; what is beyond is told. */
export const HOSTED_ASKED_MAX = 256;
export const OUTSIDE_ASKED_MAX = 32;
/** Nodes whose whole rosters are read, and members that are read of each. */
const ROSTERS_READ_MAX = 4;
const MEMBERS_READ_MAX = 1_000;
const TLS_PORT = 443;
const DAY_SECONDS = 86_400;

/** One node of the network, as it answered. */
export interface NodeFacts {
  /** `boot`, `node 3`, or an address. */
  readonly name: string;
  readonly base: string;
  readonly isHosted: boolean;
  /** Null: no answer, or not one of a member. */
  readonly status: NodeStatus | null;
  /** Why there is no status. */
  readonly fault: string | null;
  /** It answers, and says that it has not joined. */
  readonly isUnjoined: boolean;
  /** Seconds by which its clock is ahead of ours, as far as the way there lets one tell. */
  readonly skew: { readonly seconds: number; readonly within: number } | null;
  readonly version: string | null;
  readonly metrics: Metrics | null;
  /** What it thinks of others, where that was read. */
  readonly roster: readonly MemberRecord[] | null;
}

export interface Facts {
  readonly url: string;
  readonly now: number;
  /** Null: it is one node on a server of its own, and no deployment. */
  readonly hosted: number | null;
  /** Null: no boot node is here. */
  readonly boot: NodeFacts | null;
  readonly nodes: readonly NodeFacts[];
  /** Members elsewhere that were asked, of so many. */
  readonly outside: readonly NodeFacts[];
  readonly outsideKnown: number;
  readonly limits: Readonly<Record<string, number>>;
  /** `accepted`, `refused`, `unset` (the network has none), `not given`, or why it is not known. */
  readonly token: string;
  /** What the beacon says of the last hour; null: there is none. */
  readonly beacon: { readonly messages: number; readonly coverage: number | null } | null;
  /** Days until the certificate of the host runs out; null: not https, or not known. */
  readonly tlsDays: number | null;
}

/** Asks all of it. Rejects where nothing of a pychain network answers. `timeoutMs`: of each question. */
export async function gather(url: string, token: string | null, timeoutMs: number): Promise<Facts> {
  const client = createClient({ url, token, timeoutMs });
  const get = getter(timeoutMs);
  const site = await client.site();
  const tls = tlsDays(url, timeoutMs);
  const hosted = site === 'node' ? null : await client.nodes();
  const names: NodeName[] =
    hosted === null ? ['own'] : Array.from({ length: Math.min(hosted, HOSTED_ASKED_MAX) }, (_, index) => index + 1);
  const entry = names[0];
  const [boot, nodes, limits, tokenState, beacon, places] = await Promise.all([
    hosted === null ? null : bootFacts(client, get),
    pooled(names, async (name) => await nodeFacts(client, get, name, names.indexOf(name) < ROSTERS_READ_MAX)),
    entry === undefined ? {} : limitsOf(get, baseOf(url, entry)),
    entry === undefined && hosted !== null ? tokenOf(client, 'boot', token) : tokenOf(client, entry ?? 'own', token),
    beaconOf(get, url),
    entry === undefined ? [] : membersOf(client, entry).catch((): MemberPlace[] => []),
  ]);
  const known = new Set(nodes.map(({ base }) => base));
  const elsewhere = places.filter(({ base }) => !known.has(base) && !isHostedBase(base, url, hosted));
  const outside = await pooled(elsewhere.slice(0, OUTSIDE_ASKED_MAX), (place) => outsideFacts(place, get, timeoutMs));
  return {
    url,
    now: Date.now() / 1000,
    hosted,
    boot,
    nodes,
    outside,
    outsideKnown: elsewhere.length,
    limits,
    token: tokenState,
    beacon,
    tlsDays: await tls,
  };
}

type Get = (target: string) => Promise<Response>;

function getter(timeoutMs: number): Get {
  return (target) => fetch(target, { redirect: 'error', signal: AbortSignal.timeout(timeoutMs) });
}

function baseOf(url: string, name: NodeName): string {
  return typeof name === 'number' ? `${url}/n/${name}` : url;
}

function isHostedBase(base: string, url: string, hosted: number | null): boolean {
  const slot = Number(base.startsWith(`${url}/n/`) ? base.slice(url.length + 3) : NaN);
  return hosted !== null && slot >= 1 && slot <= hosted;
}

/** Null where the deployment has none. */
async function bootFacts(client: Client, get: Get): Promise<NodeFacts | null> {
  const facts = await nodeFacts(client, get, 'boot', false);
  return facts.fault === ABSENT ? null : facts;
}

const ABSENT = 'no boot node';

async function nodeFacts(client: Client, get: Get, name: NodeName, withRoster: boolean): Promise<NodeFacts> {
  const base = baseOf(client.url, name);
  const [told, version, metrics, roster] = await Promise.all([
    statusOf(() => client.status(name)),
    versionOf(get, base),
    metricsAt(get, base),
    withRoster ? rosterOf(client, name) : null,
  ]);
  return { name: nameOf(name, client.url), base, isHosted: true, ...told, version, metrics, roster };
}

function nameOf(name: NodeName, url: string): string {
  if (name === 'own') return url;
  return name === 'boot' ? 'boot node' : `node ${name}`;
}

async function outsideFacts({ base }: MemberPlace, get: Get, timeoutMs: number): Promise<NodeFacts> {
  const client = createClient({ url: base, token: null, timeoutMs });
  const [told, version] = await Promise.all([statusOf(() => client.status('own')), versionOf(get, base)]);
  return { name: base, base, isHosted: false, ...told, version, metrics: null, roster: null };
}

type Told = Pick<NodeFacts, 'status' | 'fault' | 'isUnjoined' | 'skew'>;

async function statusOf(ask: () => Promise<NodeStatus>): Promise<Told> {
  const before = Date.now() / 1000;
  try {
    const status = await ask();
    const after = Date.now() / 1000;
    const skew = { seconds: status.time - (before + after) / 2, within: (after - before) / 2 };
    return { status, fault: null, isUnjoined: false, skew };
  } catch (error) {
    const type = error instanceof ProblemError ? error.type : '';
    const fault = type.endsWith(':no-boot-node') ? ABSENT : errorLine(error);
    return { status: null, fault, isUnjoined: type.endsWith(':not-joined'), skew: null };
  }
}

async function versionOf(get: Get, base: string): Promise<string | null> {
  return (await parsed(get, `${base}/api/v1/capabilities`, capabilitiesSchema))?.version ?? null;
}

async function limitsOf(get: Get, base: string): Promise<Readonly<Record<string, number>>> {
  return (await parsed(get, `${base}/api/v1/capabilities`, capabilitiesSchema))?.limits ?? {};
}

async function beaconOf(get: Get, url: string): Promise<Facts['beacon']> {
  return (await parsed(get, `${url}/api/v1/beacon/summary`, beaconSummarySchema))?.hour ?? null;
}

async function metricsAt(get: Get, base: string): Promise<Metrics | null> {
  try {
    const response = await get(`${base}/api/v1/metrics`);
    const text = await response.text();
    return response.ok ? metricsOf(text) : null;
  } catch {
    return null;
  }
}

/** Null where it is not there, or not so: the check of what it is for says so. */
async function parsed<T extends z.ZodType>(get: Get, target: string, schema: T): Promise<z.infer<T> | null> {
  try {
    const response = await get(target);
    const found = schema.safeParse(await response.json());
    return response.ok && found.success ? found.data : null;
  } catch {
    return null;
  }
}

async function rosterOf(client: Client, name: NodeName): Promise<readonly MemberRecord[] | null> {
  const members: MemberRecord[] = [];
  try {
    for await (const member of client.members(name)) {
      members.push(member);
      if (members.length >= MEMBERS_READ_MAX) break;
    }
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return null;
  }
  return members;
}

async function tokenOf(client: Client, name: NodeName, token: string | null): Promise<string> {
  if (token === null) return 'not given';
  try {
    await client.logs(name, null, 1);
    return 'accepted';
  } catch (error) {
    if (!(error instanceof ProblemError)) return errorLine(error);
    if (error.status === 401) return 'refused';
    return error.status === 403 ? 'unset' : errorLine(error);
  }
}

/** Days that the certificate of an https host lives; null: not known. */
async function tlsDays(url: string, timeoutMs: number): Promise<number | null> {
  const { protocol, hostname, port } = new URL(url);
  if (protocol !== 'https:') return null;
  const { promise, resolve } = Promise.withResolvers<number | null>();
  const socket = connect({ host: hostname, port: Number(port || TLS_PORT), servername: hostname }, () => {
    const until = Date.parse(socket.getPeerCertificate().valid_to) / 1000;
    resolve(Number.isNaN(until) ? null : (until - Date.now() / 1000) / DAY_SECONDS);
  });
  socket.setTimeout(timeoutMs, () => resolve(null));
  socket.on('error', () => resolve(null));
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}
