// A client of the original pychain, as SEED.md section 4 has it: its words, its order of checks, its numbers, and what it is strict about.
// One host each: an address of 127.0.0.0/8, all at the same port, where the original has 80.
import { once } from 'node:events';
// oxlint-disable-next-line no-restricted-imports -- what it is answered is the original's API, which it checks itself
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import * as z from 'zod';
import { primaryPeers } from '../../src/protocol/ring.ts';

export interface SeedMessage {
  readonly data: Record<string, unknown>;
  readonly id: number;
  readonly originator: { readonly address: string; readonly guid: number };
  readonly broadcast_timestamp: number;
  readonly ttl: number;
  readonly seen_by: readonly number[];
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** A bare IPv4 address: no scheme, port or path. Host names are looked up by the original, and are not used here. */
const bareAddress = z.string().regex(/^\d{1,3}(\.\d{1,3}){3}$/);
const place = z.object({ guid: z.int().positive(), address: bareAddress });
/** Its dataclass takes no other keys. Numbers are null where its own operator gives it a message. */
const incoming = z.strictObject({
  data: z.record(z.string(), z.unknown()),
  id: z.int().nullable(),
  originator: place,
  broadcast_timestamp: z.number().nullable(),
  ttl: z.int(),
  seen_by: z.array(z.int()).default([]),
});
const stamped = incoming.extend({ id: z.int(), broadcast_timestamp: z.number() });

export class SeedClient {
  readonly ip: string;
  readonly #boot: string;
  readonly #port: number;
  readonly #server: Server;
  guid = 0;
  #highest = { address: '', guid: 0 };
  #live = new Map<number, string>();
  /** Accepted, in order. */
  readonly messages: SeedMessage[] = [];
  /** Broadcasts that came in, whatever became of them, and what the client could not read. */
  received = 0;
  readonly faults: string[] = [];
  /** Answers go lost. */
  isDeaf = false;
  /** Messages that it fails at: a 500, though there is nothing wrong with them. */
  failsAt: (message: SeedMessage) => boolean | Promise<boolean> = () => false;
  /** Its one worker, which forwards in order. */
  #forwarding: Promise<void> = Promise.resolve();

  constructor(ip: string, boot: string, port: number) {
    [this.ip, this.#boot, this.#port] = [ip, boot, port];
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', async () => {
        const { status, body } = await this.#answer(request, Buffer.concat(chunks).toString());
        if (this.isDeaf) {
          response.destroy();
          return;
        }
        response.writeHead(status, { 'Content-Type': 'application/json' });
        response.end(JSON.stringify(body));
      });
    });
  }

  get maxGuid(): number {
    return this.#highest.guid;
  }

  async listen(): Promise<void> {
    this.#server.listen(this.#port, this.ip);
    await once(this.#server, 'listening');
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** As its network_sync process does first. Throws what would be its exception. */
  async join(): Promise<void> {
    const told = readAnswer(place, 'network/join', await this.#ask(this.#boot, 'PUT', 'network/join'));
    this.guid = told.guid;
    this.#learn(told);
  }

  /** One round of network_sync. */
  async sync(): Promise<void> {
    this.#live = new Map();
    for (const peer of primaryPeers(this.guid, this.#highest.guid)) {
      const where = readAnswer(bareAddress.nullable(), 'nodes', await this.#ask(this.#boot, 'GET', `nodes/${peer}`));
      if (where === null) continue;
      try {
        await this.#ask(where, 'GET', 'status');
      } catch {
        continue;
      }
      this.#live.set(peer, where);
      const body = { guid: this.guid, max_guid_node: this.#highest };
      this.#learn(readAnswer(place, 'sync', await this.#ask(where, 'POST', 'sync', body)));
    }
  }

  /** An operator gives its own node a message, as the README of the original has it. Ends when the message is passed on. */
  async broadcast(data: Record<string, unknown>): Promise<void> {
    const originator = { address: this.ip, guid: this.guid };
    const ttl = Math.floor(this.#highest.guid / Math.max(1, this.#live.size) / 2) - 1;
    const message = { data, id: null, originator, broadcast_timestamp: null, ttl, seen_by: [] };
    const taken = await this.#ask(this.ip, 'PUT', 'broadcast', message);
    if (taken !== true) throw new Error(`its own node answered ${JSON.stringify(taken)}`);
    await this.#forwarding;
  }

  /** Any call in its name. Rejects like its own do. */
  raw(method: string, path: string, body: object): Promise<unknown> {
    return this.#ask(this.#boot, method, path, method === 'GET' ? undefined : body);
  }

  #learn(told: { readonly address: string; readonly guid: number }): void {
    if (told.guid > this.#highest.guid) this.#highest = told;
  }

  #keep(message: SeedMessage): Answer {
    this.messages.push(message);
    this.#forwarding = this.#forwarding.then(() => this.#forward(message));
    return { status: 200, body: true };
  }

  /** To live peers that have not seen it; their failures are theirs. */
  async #forward(message: SeedMessage): Promise<void> {
    for (const [peer, address] of this.#live) {
      if (message.seen_by.includes(peer)) continue;
      try {
        const taken = await this.#ask(address, 'PUT', 'broadcast', message);
        if (typeof taken !== 'boolean') this.faults.push(`a forward was answered with ${JSON.stringify(taken)}`);
      } catch (cause) {
        this.faults.push(String(cause));
      }
    }
  }

  #highestId(): number {
    return Math.max(0, ...this.messages.map(({ id }) => id));
  }

  async #answer({ method, url, headers }: IncomingMessage, text: string): Promise<Answer> {
    switch (`${method} ${url}`) {
      case 'GET /api/v1/status':
      case 'PUT /api/v1/network/join':
        return { status: 200, body: {} };
      case 'POST /api/v1/sync':
        return { status: 200, body: this.#highest };
      case 'PUT /api/v1/broadcast':
        return await this.#receive(text, headers['content-type']);
      default:
        this.faults.push(`${method} ${url}`);
        return { status: 404, body: {} };
    }
  }

  async #receive(text: string, type: string | undefined): Promise<Answer> {
    if (type !== 'application/json') return this.#unreadable(422, `${type}: ${text}`);
    const read = incoming.safeParse(parsed(text));
    if (!read.success) return this.#unreadable(500, `${text}: ${read.error.message}`);
    const { id, broadcast_timestamp: at, originator, ttl, seen_by: seenBy } = read.data;
    if (originator.guid === this.guid && id === null && at === null) {
      const stamps = { id: this.#highestId() + 1, broadcast_timestamp: Date.now() / 1000 };
      return this.#keep({ ...read.data, ...stamps, seen_by: [...seenBy, this.guid] });
    }
    this.received++;
    const message = stamped.safeParse(read.data);
    // What is unstamped cannot be compared.
    if (!message.success) return this.#unreadable(500, text);
    if (await this.failsAt(message.data)) return { status: 500, body: 'Internal Server Error' };
    if (ttl === 0 || seenBy.includes(this.guid) || message.data.id <= this.#highestId()) {
      return { status: 200, body: false };
    }
    return this.#keep({ ...message.data, ttl: ttl - 1, seen_by: [...seenBy, this.guid] });
  }

  #unreadable(status: number, what: string): Answer {
    this.faults.push(`cannot read ${what}`);
    return { status, body: 'cannot read it' };
  }

  /** Any status from 400 is a failure, and so is what is no JSON. Headers and body go in segments of their own. */
  async #ask(address: string, method: string, path: string, body?: object): Promise<unknown> {
    const text = body && JSON.stringify(body);
    const request = httpRequest({
      host: address,
      port: this.#port,
      localAddress: this.ip,
      method,
      path: `/api/v1/${path}`,
      headers: {
        'Host': address,
        'Accept-Encoding': 'gzip, deflate',
        'Content-Length': Buffer.byteLength(text ?? ''),
        ...(method !== 'GET' && { 'Content-Type': text ? 'application/json' : 'application/octet-stream' }),
      },
    });
    request.flushHeaders();
    if (text) request.write(text);
    request.end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    const answer = Buffer.concat(chunks).toString();
    const { statusCode = 0 } = response;
    if (statusCode >= 400) throw new Error(`${method} ${path} answered ${statusCode}: ${answer}`);
    if (!(response.headers['content-type'] ?? '').startsWith('application/json')) throw new Error(`${path}: no JSON`);
    return JSON.parse(answer) as unknown;
  }
}

/** Throws where an answer is not of this shape. */
function readAnswer<Schema extends z.ZodType>(shape: Schema, path: string, answer: unknown): z.output<Schema> {
  const read = shape.safeParse(answer);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw new Error(`its answer to ${path}: ${issue?.path.join('.')} ${issue?.message}`);
}

/** Undefined where it is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
