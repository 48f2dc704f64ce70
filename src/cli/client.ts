// The network's HTTP API as the commands use it. Everything that comes back is checked; failures are CliErrors.
import type { z } from 'zod';
import { BACKUP_PAGE_MAX } from '../protocol/limits.ts';
import { CliError, EXIT, errorCode, errorLine, printable } from './errors.ts';
import * as beaconSchemas from './beacon-schemas.ts';
import * as schemas from './schemas.ts';

/** A slot number, the boot node, or the one node that a URL is of itself. */
export type NodeName = number | 'boot' | 'own';

/** What answers at a URL: nodes in slots, with or without the boot node; or one node. */
export type Site = 'deployment' | 'node';

export interface ClientOptions {
  /** Base URL of the deployment. */
  readonly url: string;
  readonly token: string | null;
  readonly timeoutMs?: number;
}

export interface Client {
  readonly url: string;
  /** Asks what answers there. */
  site(): Promise<Site>;
  status(node: NodeName): Promise<schemas.NodeStatus>;
  members(node: NodeName): AsyncGenerator<schemas.MemberRecord>;
  messages(node: NodeName): AsyncGenerator<schemas.MessageRecord>;
  /** Whether the node at this base URL has the message. */
  hasMessage(base: string, id: string): Promise<boolean>;
  /** The message at the node at this base URL; null where it has none such. */
  message(base: string, id: string): Promise<schemas.MessageRecord | null>;
  /** What a node logged last, after the cursor. */
  logs(node: NodeName, cursor: string | null, limit: number): Promise<schemas.LogPageRecord>;
  /** Nodes that a deployment hosts. */
  nodes(): Promise<number>;
  broadcast(node: NodeName, body: unknown, idempotencyKey: string | null): Promise<schemas.Accepted>;
  /** Has a node leave the network, or come back. */
  setMember(node: NodeName, isMember: boolean): Promise<schemas.Membership>;
  readonly backup: BackupClient;
  readonly beacon: BeaconClient;
}

/** What the beacon of the deployment tells. */
export interface BeaconClient {
  /** The newest first. */
  messages(limit: number): Promise<beaconSchemas.CoveragePage>;
  /** Rejects where there is no beacon, or it knows nothing of the message. */
  message(id: string): Promise<beaconSchemas.CoverageDetail>;
  summary(): Promise<beaconSchemas.BeaconSummary>;
}

/** What keeps the boot node's allocations. All of it needs the operator's token. */
export interface BackupClient {
  head(withKey: boolean): Promise<schemas.BackupRecord>;
  /** All allocations, in ascending order of GUID. */
  allocations(): AsyncGenerator<schemas.AllocationRecord>;
  /** Begins a restore; `isDry`: only checks whether it would. */
  begin(head: object, isDry: boolean): Promise<schemas.BackupBegun>;
  restore(allocations: readonly object[], isLast: boolean): Promise<schemas.BackupCounts>;
  raiseFloor(guid: number): Promise<schemas.Floor>;
}

/** A refusal of the network, with its HTTP status and the problem's `type` (empty: it names none). */
export class ProblemError extends CliError {
  readonly status: number;
  readonly type: string;

  constructor(message: string, status: number, type = '') {
    super(message, EXIT.failed);
    this.status = status;
    this.type = type;
  }
}

const TIMEOUT_MS = 15_000;

/** What a node says that has no GUID yet. */
const NOT_JOINED = 'urn:pychain:problem:not-joined';

/** Base URL of one node. */
export function nodeUrl(url: string, node: NodeName): string {
  return typeof node === 'number' ? `${url}/n/${node}` : url;
}

/** A client of the deployment at `url`. */
export function createClient(options: ClientOptions): Client {
  const url = options.url.replace(/\/+$/, '');
  const request = (target: string, init?: RequestInit) => send(target, url, options.timeoutMs ?? TIMEOUT_MS, init);
  const get = async <T extends z.ZodType>(schema: T, target: string) =>
    read(schema, await request(target), target, url);
  const api = (node: NodeName) => `${nodeUrl(url, node)}/api/v1`;
  const operate = operatorOf(url, options);
  const message = (base: string, id: string) =>
    unlessMissing(async () => {
      const target = `${base}/api/v1/messages/${encodeURIComponent(id)}`;
      return await read(schemas.messageSchema, await request(target), target, base);
    });
  const status = (node: NodeName) => get(schemas.statusSchema, `${api(node)}/status`);
  return {
    url,
    site: () => siteOf(() => status('boot')),
    status,
    members: (node) =>
      pages(`${api(node)}/members`, async (target) => {
        const page = await get(schemas.memberPageSchema, target);
        return { items: page.members, next: page.next };
      }),
    messages: (node) =>
      pages(`${api(node)}/messages`, async (target) => {
        const page = await get(schemas.messagePageSchema, target);
        return { items: page.messages, next: page.next };
      }),
    hasMessage: async (base, id) => (await message(base, id)) !== null,
    message,
    logs: (node, cursor, limit) => {
      const from = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      return operate(schemas.logPageSchema, 'GET', `${api(node)}/logs?limit=${limit}${from}`);
    },
    nodes: async () => {
      const at = (node: NodeName) => unlessMissing(() => get(schemas.capabilitiesSchema, `${api(node)}/capabilities`));
      // A deployment that joined a network elsewhere has no boot node.
      return ((await at('boot')) ?? (await at(1)))?.hosted_nodes ?? 0;
    },
    broadcast: async (node, body, idempotencyKey) => {
      const headers = idempotencyKey === null ? {} : { 'idempotency-key': idempotencyKey };
      return operate(schemas.acceptedSchema, 'POST', `${api(node)}/messages`, body, headers);
    },
    setMember: (node, isMember) =>
      operate(schemas.membershipSchema, 'POST', `${api(node)}/network/${isMember ? 'return' : 'leave'}`),
    backup: backupClient(`${api('boot')}/boot`, operate),
    beacon: {
      messages: (limit) => get(beaconSchemas.coveragePageSchema, `${api('boot')}/beacon/messages?limit=${limit}`),
      message: (id) => get(beaconSchemas.coverageDetailSchema, `${api('boot')}/beacon/messages/${id}`),
      summary: () => get(beaconSchemas.beaconSummarySchema, `${api('boot')}/beacon/summary`),
    },
  };
}

/** Null where the network says that there is no such thing. */
export async function unlessMissing<T>(ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof ProblemError && error.status === 404) return null;
    throw error;
  }
}

/** By what answers where a deployment has its boot node: that is GUID 0, and all others are nodes, with or without a GUID yet. */
async function siteOf(ask: () => Promise<schemas.NodeStatus>): Promise<Site> {
  try {
    return (await ask()).guid === 0 ? 'deployment' : 'node';
  } catch (error) {
    // Any other refusal is the boot node's own affair: nodes may be well, and say for themselves where they are not.
    if (error instanceof ProblemError) return error.type === NOT_JOINED ? 'node' : 'deployment';
    throw error;
  }
}

/** A call that only the operator may make. */
type Operate = <T extends z.ZodType>(
  schema: T,
  method: 'GET' | 'POST' | 'PUT',
  target: string,
  body?: unknown,
  headers?: Readonly<Record<string, string>>,
) => Promise<z.infer<T>>;

function operatorOf(url: string, { token, timeoutMs = TIMEOUT_MS }: ClientOptions): Operate {
  return async (schema, method, target, body, extra = {}) => {
    if (token === null) {
      // Where no network runs there is no token either: that it does not run is what one needs to hear.
      const status = target.replace(/(\/api\/v1)\/.*$/, '$1/status');
      await read(schemas.statusSchema, await send(status, url, timeoutMs), status, url);
      throw new CliError(
        'no admin token: give --token, or PYCHAIN_ADMIN_TOKEN, or the STORAGE_DIR of the network',
        EXIT.usage,
      );
    }
    const headers = new Headers({ authorization: `Bearer ${token}`, ...extra });
    if (body !== undefined) headers.set('content-type', 'application/json');
    const init = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) };
    const response = await send(target, url, timeoutMs, init);
    if (response.status === 401) {
      await response.body?.cancel();
      throw new ProblemError(`${url}: not the admin token of this network`, response.status);
    }
    return read(schema, response, target, url);
  };
}

function backupClient(base: string, operate: Operate): BackupClient {
  return {
    head: (withKey) => operate(schemas.backupSchema, 'GET', `${base}/backup?with_key=${withKey}`),
    allocations: () =>
      pages(`${base}/allocations?limit=${BACKUP_PAGE_MAX}`, async (target) => {
        const page = await operate(schemas.allocationPageSchema, 'GET', target);
        return { items: page.allocations, next: page.next };
      }),
    begin: (head, isDry) => operate(schemas.backupBegunSchema, 'PUT', `${base}/backup?dry_run=${isDry}`, head),
    restore: (allocations, isLast) =>
      operate(schemas.backupCountsSchema, 'PUT', `${base}/allocations`, { allocations, last: isLast }),
    raiseFloor: (guid) => operate(schemas.floorSchema, 'PUT', `${base}/floor`, { max_guid: guid }),
  };
}

/** Follows the cursor; each item as it comes, so that a long list needs no memory. */
async function* pages<T>(
  target: string,
  fetchPage: (target: string) => Promise<{ items: readonly T[]; next: string | null }>,
): AsyncGenerator<T> {
  let cursor: string | null = null;
  do {
    const page: { items: readonly T[]; next: string | null } = await fetchPage(
      cursor === null ? target : `${target}${target.includes('?') ? '&' : '?'}cursor=${encodeURIComponent(cursor)}`,
    );
    yield* page.items;
    if (page.next !== null && page.next === cursor)
      throw new CliError(`${target}: the cursor ${cursor} leads to itself`);
    cursor = page.next;
  } while (cursor !== null);
}

async function send(target: string, url: string, timeoutMs: number, init: RequestInit = {}): Promise<Response> {
  try {
    return await fetch(target, { redirect: 'error', ...init, signal: AbortSignal.timeout(timeoutMs) });
  } catch (error) {
    if (error instanceof Error && error.name === 'TimeoutError') {
      throw new CliError(`${url}: no answer within ${timeoutMs / 1000} s`, EXIT.unreachable);
    }
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    const why = errorCode(cause) === 'ECONNREFUSED' ? 'nothing listens there' : errorLine(cause);
    throw new CliError(
      `${url}: not reachable: ${why}; start a network with "pychain up", or give --url`,
      EXIT.unreachable,
    );
  }
}

async function read<T extends z.ZodType>(
  schema: T,
  response: Response,
  target: string,
  url: string,
): Promise<z.infer<T>> {
  const text = await readBody(response, target);
  if (isElsewhere(response)) throw new CliError(`${url}: answers, but is not a pychain network`);
  if (!response.ok) throw problem(response, text, target);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new CliError(`${url}: answers, but is not a pychain network`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new CliError(
    `${target}: unexpected answer: ${issue?.path.join('.') || 'body'}: ${issue?.message ?? ''}; is it a pychain network?`,
  );
}

/** Whether this is nothing that a pychain network answers. Failures may be those of a proxy before one. */
function isElsewhere(response: Response): boolean {
  const type = response.headers.get('content-type') ?? '';
  if (response.status >= 500) return false;
  return type.startsWith('text/html') || (response.status === 404 && !type.startsWith('application/problem+json'));
}

async function readBody(response: Response, target: string): Promise<string> {
  try {
    return await response.text();
  } catch (error) {
    throw new CliError(`${target}: the answer broke off: ${errorLine(error)}`, EXIT.unreachable);
  }
}

function problem(response: Response, text: string, target: string): ProblemError {
  let parsed;
  try {
    parsed = schemas.problemSchema.safeParse(JSON.parse(text));
  } catch {
    parsed = null;
  }
  const said = parsed?.success ? parsed.data : null;
  const fields = (said?.errors ?? []).map((error) => `${error.path}: ${error.message}`).join('; ');
  const detail = [said?.detail ?? said?.title ?? `HTTP ${response.status} from ${target}`, fields].filter(
    (part) => part !== '',
  );
  return new ProblemError(printable(detail.join(': ')), response.status, said?.type);
}
