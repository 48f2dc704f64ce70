// Clients of the original pychain, which have no keys (ADMISSION=open). Each is stood in for by a node of this process: it has a key and a GUID,
// speaks with the network as all members do, and with its client in the original's words, which are in src/api/seed-adapter.ts.
import { isIPv4 } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { refusalOf } from '../api/originate-routes.ts';
import type { NodeStatus } from '../api/ports.ts';
import { notJoined, ProblemError } from '../api/problem.ts';
import {
  AnsweredError,
  answers,
  isSeedJoin,
  seedApp,
  SeedCaller,
  type SeedBroadcast,
  type SeedHost,
} from '../api/seed-adapter.ts';
import { hashOf, toCanonical } from '../protocol/canonical.ts';
import type { Origination, Taken } from '../protocol/effects.ts';
import {
  HANDLER_ASIDE_MAX,
  HANDLER_MESSAGES_MAX,
  HANDLER_MS_MAX,
  ORIGINATOR_BURST,
  ORIGINATOR_PER_SECOND,
} from '../protocol/limits.ts';
import { eventOf, PEER_JOINED, PEER_LEAVING } from '../protocol/message.ts';
import { reasonOf } from '../protocol/reason.ts';
import { TokenBucket } from '../protocol/token-bucket.ts';
import type { Guid, MessageId, Millis, StoredMessage } from '../protocol/types.ts';
import type { Handle } from '../shell/handler-client.ts';
import type { Log } from '../shell/log.ts';
import { migrate } from '../store/migrations.ts';
import type { NodeSql } from './node-sql.ts';
import { noteSent, readSent, type Sent } from './seed-sent.ts';

/** Clients at once, each a whole node in this process; and those whose GUIDs are kept for their return. */
const CLIENTS_MAX = 64;
const KNOWN_MAX = 1_024;

/** How long a client that joins may take to answer a call back, and its node to join; the original's own call waits longer (guess). */
const CALL_BACK_MS = 5_000;
const JOIN_MS = 15_000;
const POLL_MS = 100;

/** Of the time for a batch: what the last message may need. */
const LAST_MESSAGE_MS = 5_000;

/** Where a client drops a message for its number, higher ones are tried, the steps doubling: it may know numbers of another network. */
const NUMBERS_TRIED_MAX = 40;

/** Broadcasts of a client that are known to be the same when they come again: it sends each to all of its peers, who are all here. */
const RECENT_MAX = 1_000;

/** How often within GUID_TIMEOUT it is looked for clients that are gone. */
const SWEEPS = 4;
const LEAVE_MS = 5_000;

/** Append-only, as those of store/migrations.ts are. `number`: of the message last sent, or, not `taken`, to be sent again. */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE clients (ip TEXT PRIMARY KEY, heard_at INTEGER NOT NULL, message TEXT, number INTEGER NOT NULL, taken INTEGER NOT NULL)`,
];

/** Messages of a batch, and those that were set aside. */
const AHEAD_MAX = HANDLER_MESSAGES_MAX + HANDLER_ASIDE_MAX;

/** Messages that are about members of our kind: they mean nothing to the original. */
const OURS: readonly string[] = [PEER_JOINED, PEER_LEAVING];

/** The node that stands in for a client. */
export interface StandIn {
  fetch(request: Request, caller: string | null): Promise<Response>;
  status(): Promise<NodeStatus>;
  originate(originations: readonly Origination[]): Promise<Taken>;
  /** Whether it knows a member. */
  knows(guid: Guid): Promise<boolean>;
  stop(options: { readonly leave: boolean; readonly withinMs: number }): Promise<void>;
}

export interface SeedClientsOptions {
  /** Bare IPv4 address or host name under which clients reach this process, for every GUID. */
  readonly host: string;
  /** Port of clients: 80, but in tests. */
  readonly port: number;
  readonly guidTimeoutMs: Millis;
  readonly sql: NodeSql;
  readonly log: Log;
  /** Starts the node of a client, anew or again. */
  start(ip: string, handle: Handle): Promise<StandIn>;
  /** Removes what a node that is stopped has stored. */
  forget(ip: string): Promise<void>;
  call(request: Request, init: { readonly signal: AbortSignal }): Promise<Response>;
  now(): Millis;
}

interface Client {
  readonly ip: string;
  readonly node: StandIn;
  /** Answers what it asks. */
  readonly app: ReturnType<typeof seedApp>;
  readonly bucket: TokenBucket;
  /** Hashes of what it has broadcast, the latest. */
  readonly recent: Set<string>;
  /** The last message, where it may be there though no answer said so. Forgotten with the process: then it may come twice. */
  unsure: StoredMessage | null;
  /** What it has of batches that are not done: the same messages come again, fewer at once. */
  readonly ahead: Set<MessageId>;
  heardAt: Millis;
}

export class SeedClients {
  readonly #options: SeedClientsOptions;
  readonly #clients = new Map<string, Client>();
  readonly #joining = new Map<string, Promise<Client>>();
  /** Nodes that are being stopped: their files are theirs still. */
  readonly #ending = new Map<string, Promise<void>>();
  /** Highest numbers that clients have used themselves. */
  readonly #used = new Map<string, number>();
  readonly #sweep: NodeJS.Timeout;
  #isStopped = false;

  constructor(options: SeedClientsOptions) {
    this.#options = options;
    migrate(options.sql, MIGRATIONS);
    this.#sweep = setInterval(() => this.#endSilent(), options.guidTimeoutMs / SWEEPS);
    this.#sweep.unref();
  }

  /** Starts the nodes of clients that were there lately. */
  async start(): Promise<void> {
    const since = this.#options.now() - this.#options.guidTimeoutMs;
    const rows = this.#options.sql.all('SELECT ip FROM clients WHERE heard_at > ? LIMIT ?', since, CLIENTS_MAX);
    for (const { ip } of rows) await this.#begin(String(ip));
  }

  /** Ends all nodes of clients. Never rejects. */
  async stop(options: { readonly leave: boolean; readonly withinMs: number }): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#sweep);
    // Who is being let in fails now, or is a client by then.
    await Promise.allSettled([...this.#joining.values(), ...this.#ending.values()]);
    await Promise.all([...this.#clients.values()].map((client) => this.#end(client, options)));
    this.#options.sql.close();
  }

  async #end({ ip, node }: Client, options: { readonly leave: boolean; readonly withinMs: number }): Promise<void> {
    try {
      await node.stop(options);
    } catch (cause) {
      this.#options.log('seed_client_not_ended', { client: ip, reason: reasonOf(cause) });
    }
  }

  /** The path under which the node of a client has its API, in the address of the process. */
  static pathOf(ip: string): string {
    return `/seed/${ip}`;
  }

  /** Answers what clients ask, and what members ask the nodes of clients; null: it is neither. */
  async answer(request: Request, caller: string | null): Promise<Response | null> {
    const [, first, ip = ''] = new URL(request.url).pathname.split('/');
    if (first === 'seed') return (await this.#clients.get(ip)?.node.fetch(request, caller)) ?? null;
    const isSigned = request.headers.has('signature') || request.headers.has('authorization');
    if (caller === null || !isIPv4(caller) || isSigned) return null;
    const client = this.#clients.get(caller);
    if (!client) return isSeedJoin(request) ? await this.#appOf(caller).fetch(request) : null;
    client.heardAt = this.#options.now();
    return answers(client.app, request) ? await client.app.fetch(request) : null;
  }

  #appOf(ip: string): Client['app'] {
    const { log } = this.#options;
    return seedApp(ip, this.#hostOf(ip), (_node, ...line) => log(...line));
  }

  #hostOf(ip: string): SeedHost {
    const clientOf = () => {
      const client = this.#clients.get(ip);
      if (!client) throw notJoined();
      return client;
    };
    // Its own address for its own GUID; for all others this process, which answers for them.
    const lookup = async (of: Guid) => {
      const { node } = clientOf();
      if ((await node.status()).guid === of) return ip;
      return (await node.knows(of)) ? this.#options.host : null;
    };
    return {
      join: async () => (await joined(this.#clients.get(ip) ?? (await this.#admitOnce(ip)))).guid,
      lookup,
      highest: async () => {
        const { maxGuid: guid } = await joined(clientOf());
        return { address: (await lookup(guid)) ?? this.#options.host, guid };
      },
      take: (broadcast) => this.#take(clientOf(), broadcast),
    };
  }

  /** However often it calls: one node an address. */
  async #admitOnce(ip: string): Promise<Client> {
    const under = this.#joining.get(ip) ?? this.#admit(ip).finally(() => this.#joining.delete(ip));
    this.#joining.set(ip, under);
    return await under;
  }

  async #admit(ip: string): Promise<Client> {
    const retry = { headers: { 'Retry-After': '60' } };
    if (this.#isStopped || this.#clients.size + this.#joining.size >= CLIENTS_MAX) {
      throw new ProblemError('network-full', `this node stands in for ${CLIENTS_MAX} clients already`, retry);
    }
    const fault = await this.#callBack(ip);
    if (fault !== null) {
      throw new ProblemError('not-admitted', `http://${ip}/api/v1/status must answer with JSON: ${fault}`);
    }
    await this.#ending.get(ip);
    await this.#makeRoom();
    const client = await this.#begin(ip);
    const until = this.#options.now() + JOIN_MS;
    // The original takes no other answer to its join than a GUID.
    while ((await client.node.status()).guid === null && this.#hasTime(until)) await sleep(POLL_MS);
    return client;
  }

  /** Whether there is time to wait once more. */
  #hasTime(until: Millis): boolean {
    return !this.#isStopped && this.#options.now() + POLL_MS <= until;
  }

  /** Null where there is a client: something at its address answers as the original does. */
  async #callBack(ip: string): Promise<string | null> {
    const until = this.#options.now() + CALL_BACK_MS;
    for (;;) {
      try {
        await this.#callerOf(ip).status();
        return null;
      } catch (cause) {
        // Its API may start after what joins.
        if (!this.#hasTime(until)) return reasonOf(cause);
        await sleep(POLL_MS);
      }
    }
  }

  #callerOf(ip: string): SeedCaller {
    return new SeedCaller(ip, this.#options.port, (request, init) => this.#options.call(request, init));
  }

  async #begin(ip: string): Promise<Client> {
    const { sql, now } = this.#options;
    const heardAt = now();
    sql.all(
      `INSERT INTO clients VALUES (?, ?, NULL, 0, 1) ON CONFLICT (ip) DO UPDATE SET heard_at = excluded.heard_at`,
      ip,
      heardAt,
    );
    const bucket = new TokenBucket(ORIGINATOR_PER_SECOND, ORIGINATOR_BURST, heardAt);
    const caller = this.#callerOf(ip);
    let last: Promise<void> = Promise.resolve();
    const node = await this.#options.start(ip, (source, messages) => {
      // One after the other, also where the node has given the last batch up.
      last = last.catch(() => undefined).then(() => this.#deliver(ip, caller, source.guid ?? 0, messages));
      return last;
    });
    const client = {
      ip,
      node,
      app: this.#appOf(ip),
      bucket,
      recent: new Set<string>(),
      unsure: null,
      ahead: new Set<MessageId>(),
      heardAt,
    };
    this.#clients.set(ip, client);
    return client;
  }

  /** Whoever was silent longest loses its GUID to the next. */
  async #makeRoom(): Promise<void> {
    const { sql, forget } = this.#options;
    const rows = sql.all('SELECT ip FROM clients ORDER BY heard_at DESC LIMIT -1 OFFSET ?', KNOWN_MAX - 1);
    for (const { ip } of rows) {
      if (this.#clients.has(String(ip)) || this.#ending.has(String(ip))) continue;
      await forget(String(ip));
      sql.all('DELETE FROM clients WHERE ip = ?', String(ip));
    }
  }

  /** Nodes of clients that are gone leave, as a member would. */
  #endSilent(): void {
    const { now, guidTimeoutMs, log } = this.#options;
    for (const client of this.#clients.values()) {
      this.#note(client);
      if (now() - client.heardAt < guidTimeoutMs) continue;
      this.#clients.delete(client.ip);
      log('seed_client_gone', { client: client.ip });
      const ended = this.#end(client, { leave: true, withinMs: LEAVE_MS });
      this.#ending.set(
        client.ip,
        ended.finally(() => this.#ending.delete(client.ip)),
      );
    }
  }

  #note({ ip, heardAt }: Client): void {
    this.#options.sql.all('UPDATE clients SET heard_at = ? WHERE ip = ?', heardAt, ip);
  }

  /** A broadcast of the client. False: it came before, or is another's, which the network has brought already. */
  async #take(client: Client, { id, at, originator, data }: SeedBroadcast): Promise<boolean> {
    const { ip, node, bucket, recent } = client;
    if (originator !== (await joined(client)).guid) return false;
    this.#used.set(ip, Math.max(id, this.#used.get(ip) ?? id));
    const key = hashOf(toCanonical({ id, at, data }));
    if (recent.has(key)) return false;
    if (!bucket.take(1, this.#options.now())) {
      const retry = { headers: { 'Retry-After': '1' } };
      throw new ProblemError('too-many-requests', `${ORIGINATOR_PER_SECOND} messages a second, no more`, retry);
    }
    const taken = await node.originate([{ data, ttlSeconds: null, idempotencyKey: `seed ${key}` }]);
    if (!taken.ok) throw refusalOf(taken.error.error);
    keepLast(recent, key, RECENT_MAX);
    return true;
  }

  /** Brings a client messages, in order, each once: what was under way when this process ended goes again under the same number. */
  async #deliver(ip: string, caller: SeedCaller, own: Guid, messages: readonly StoredMessage[]): Promise<void> {
    const until = this.#options.now() + HANDLER_MS_MAX - LAST_MESSAGE_MS;
    await this.#makeSure(ip, caller, own, messages);
    const known = messages.findIndex(({ id }) => id === readSent(this.#options.sql, ip).message);
    for (const message of messages.slice(Math.max(0, known))) {
      if (this.#clients.get(ip)?.ahead.has(message.id)) continue;
      if (message.originator.guid === own || OURS.includes(eventOf(message.data)?.name ?? '')) continue;
      const sent = readSent(this.#options.sql, ip);
      if (sent.message === message.id && sent.isTaken) continue;
      if (this.#options.now() > until) throw new Error('the client is too slow for so many messages');
      await this.#bring(ip, caller, own, message, sent);
    }
    for (const { id } of messages) this.#clients.get(ip)?.ahead.delete(id);
  }

  /**
   * A message was set aside for others, and the client may have it. It drops all numbers below the highest that it knows, so after the others
   * nothing could tell any more: it goes again before them.
   */
  async #makeSure(ip: string, caller: SeedCaller, own: Guid, messages: readonly StoredMessage[]): Promise<void> {
    const client = this.#clients.get(ip);
    const unsure = client?.unsure ?? null;
    if (!client || unsure === null || messages.some(({ id }) => id === unsure.id)) return;
    if (unsure.expiresAt <= this.#options.now()) return void (client.unsure = null);
    await this.#bring(ip, caller, own, unsure, readSent(this.#options.sql, ip));
  }

  async #bring(ip: string, caller: SeedCaller, own: Guid, message: StoredMessage, sent: Sent): Promise<void> {
    const client = this.#clients.get(ip);
    const to = { guid: own, maxGuid: (await client?.node.status())?.maxGuid ?? own };
    const isAgain = sent.message === message.id;
    const used = () => this.#used.get(ip) ?? 0;
    let number = isAgain ? sent.number : Math.max(sent.number, used()) + 1;
    for (let tries = 0; tries < NUMBERS_TRIED_MAX; tries++) {
      noteSent(this.#options.sql, ip, { message: message.id, number, isTaken: false });
      let isNew: boolean;
      try {
        isNew = await caller.broadcast(message, number, to, this.#options.host);
      } catch (cause) {
        // What answers with an error has not taken it, unless an earlier try was unsure.
        if (client && !(cause instanceof AnsweredError)) client.unsure = message;
        throw cause;
      }
      if (client) [client.heardAt, client.unsure] = [this.#options.now(), null];
      // Its answer was lost the last time, unless the client has used the number itself.
      const hasIt = isAgain && tries === 0 && number > used();
      if (isNew || hasIt) {
        if (client) keepLast(client.ahead, message.id, AHEAD_MAX);
        return noteSent(this.#options.sql, ip, { message: message.id, number, isTaken: true });
      }
      number += 2 ** tries;
    }
    throw new Error(`the client takes no message, whatever its number; the last was ${number}`);
  }
}

/** Adds to a set, whose oldest goes where it has more than `most`. */
function keepLast(set: Set<string>, value: string, most: number): void {
  set.add(value);
  const [oldest] = set;
  if (set.size > most && oldest !== undefined) set.delete(oldest);
}

/** What its node says of itself. Throws while it has no GUID. */
async function joined({ node }: Client): Promise<NodeStatus & { readonly guid: Guid }> {
  const status = await node.status();
  if (status.guid === null) throw notJoined();
  return { ...status, guid: status.guid };
}
