// A client of the original pychain, as SEED.md section 4 has it: its words, its order of checks, its numbers, and what it is strict about.
// One host each: an address of 127.0.0.0/8, all at the same port, where the original has 80.
import { once } from 'node:events';
// oxlint-disable-next-line no-restricted-imports -- what it is answered is the original's API, which it checks itself
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
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
const BARE = /^\d{1,3}(\.\d{1,3}){3}$/;
const MESSAGE_KEYS = ['broadcast_timestamp', 'data', 'id', 'originator', 'ttl'];

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

  constructor(ip: string, boot: string, port: number) {
    [this.ip, this.#boot, this.#port] = [ip, boot, port];
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { status, body } = this.#answer(request, Buffer.concat(chunks).toString());
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
    const { address, guid } = (await this.#ask(this.#boot, 'PUT', 'network/join')) as Record<string, unknown>;
    if (typeof guid !== 'number' || !Number.isInteger(guid)) throw new Error(`no integer guid: ${String(guid)}`);
    if (typeof address !== 'string' || !BARE.test(address)) throw new Error(`no bare address: ${String(address)}`);
    this.guid = guid;
    if (guid > this.#highest.guid) this.#highest = { address, guid };
  }

  /** One round of network_sync. */
  async sync(): Promise<void> {
    this.#live = new Map();
    for (const peer of primaryPeers(this.guid, this.#highest.guid)) {
      const address = await this.#ask(this.#boot, 'GET', `nodes/${peer}`);
      if (address === null) continue;
      if (typeof address !== 'string' || !BARE.test(address)) throw new Error(`no bare address: ${String(address)}`);
      try {
        await this.#ask(address, 'GET', 'status');
      } catch {
        continue;
      }
      this.#live.set(peer, address);
      const body = { guid: this.guid, max_guid_node: this.#highest };
      const told = (await this.#ask(address, 'POST', 'sync', body)) as Record<string, unknown>;
      const { guid } = told;
      if (typeof guid !== 'number' || typeof told['address'] !== 'string') throw new Error('sync without its keys');
      if (guid > this.#highest.guid) this.#highest = { address: told['address'], guid };
    }
  }

  /** What an operator gives to its own node. Returns the number of the message. */
  async broadcast(data: Record<string, unknown>): Promise<number> {
    const id = this.#highestId() + 1;
    const originator = { address: this.ip, guid: this.guid };
    const ttl = Math.floor(this.#highest.guid / Math.max(1, this.#live.size) / 2) - 1;
    const message = { data, id, originator, broadcast_timestamp: Date.now() / 1000, ttl, seen_by: [this.guid] };
    this.messages.push(message);
    await this.#forward(message);
    return id;
  }

  /** Any call in its name. Rejects like its own do. */
  raw(method: string, path: string, body: object): Promise<unknown> {
    return this.#ask(this.#boot, method, path, method === 'GET' ? undefined : body);
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

  #answer({ method, url }: IncomingMessage, text: string): Answer {
    switch (`${method} ${url}`) {
      case 'GET /api/v1/status':
      case 'PUT /api/v1/network/join':
        return { status: 200, body: {} };
      case 'POST /api/v1/sync':
        return { status: 200, body: this.#highest };
      case 'PUT /api/v1/broadcast':
        return this.#receive(text);
      default:
        this.faults.push(`${method} ${url}`);
        return { status: 404, body: {} };
    }
  }

  #receive(text: string): Answer {
    this.received++;
    const message = JSON.parse(text) as SeedMessage;
    // Its dataclass takes no other keys: an exception, a 500.
    const { seen_by: seenBy = [], ...others } = message;
    const isSound =
      JSON.stringify(Object.keys(others).toSorted()) === JSON.stringify(MESSAGE_KEYS) &&
      Number.isInteger(message.id) &&
      BARE.test(message.originator.address);
    if (!isSound) {
      this.faults.push(`cannot read ${text}`);
      return { status: 500, body: 'Internal Server Error' };
    }
    if (message.ttl === 0 || seenBy.includes(this.guid) || message.id <= this.#highestId()) {
      return { status: 200, body: false };
    }
    const accepted = { ...message, ttl: message.ttl - 1, seen_by: [...seenBy, this.guid] };
    this.messages.push(accepted);
    void this.#forward(accepted);
    return { status: 200, body: true };
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
