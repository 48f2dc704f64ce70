// A made-up network that speaks what the page asks for: of any size, in any state, with a beacon or without. For screenshots, for measuring, and for
// tests of what a real network is seldom in. It also serves the page, with the headers that the platform would add.
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { arrivedBy, spreadOver, summaryOf, type FakeMessage, type FakeReceipt } from './fake-spread.ts';
import { acceptWebSocket, type ServerSocket } from './web-socket.ts';

export const FAKE_TOKEN = 'token-of-a-made-up-network';

export interface FakeOptions {
  readonly nodes: number;
  readonly fanout?: number;
  readonly random?: () => number;
  /** Folder of the built page. */
  readonly page: string;
  /** Slots that this deployment hosts; all unless given. */
  readonly hosted?: number;
}

/** A few frames a second, as the beacon does. */
const FRAME_MS = 250;
/** Frames that a reader is sent before it acknowledges them. */
const WINDOW = 2;
const MESSAGES_MAX = 100;
const PAGE_LIMIT = 100;
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

export class FakeNetwork {
  readonly options: FakeOptions;
  readonly #server = createServer((request, response) => void this.#answer(request, response));
  readonly #sockets = new Map<ServerSocket, { cursor: number; unacknowledged: number }>();
  readonly #states = new Map<number, string>();
  readonly #messages: FakeMessage[] = [];
  /** What the beacon has told, in order: a cursor is a position in it. */
  readonly #told: { readonly message: FakeMessage; readonly receipts: readonly FakeReceipt[] }[] = [];
  readonly #sent = new Map<string, number>();
  readonly #frames: NodeJS.Timeout;
  #forgotten = 0;
  #isDown = false;
  #isSilent = false;

  private constructor(options: FakeOptions) {
    this.options = options;
    for (let guid = 1; guid <= options.nodes; guid++) this.#states.set(guid, 'alive');
    this.#frames = setInterval(() => this.#tell(), FRAME_MS);
    this.#server.on('upgrade', (request, socket) => {
      const cursor = new URL(request.url ?? '/', this.url).searchParams.get('cursor');
      if (this.#isDown) return void socket.destroy();
      const acknowledge = () => {
        const reader = this.#sockets.get(accepted);
        if (reader) reader.unacknowledged -= 1;
      };
      const accepted = acceptWebSocket(request, socket, acknowledge, () => this.#sockets.delete(accepted));
      this.#greet(accepted, cursor);
    });
  }

  static async start(options: FakeOptions): Promise<FakeNetwork> {
    const network = new FakeNetwork(options);
    await new Promise<void>((resolve) => network.#server.listen(0, '127.0.0.1', resolve));
    return network;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get readers(): number {
    return this.#sockets.size;
  }

  setState(guid: number, state: string | null): void {
    if (state === null) this.#states.delete(guid);
    else this.#states.set(guid, state);
    if (state === null) return;
    const frame = JSON.stringify({ type: 'members', members: [[guid, state]] });
    for (const socket of this.#sockets.keys()) socket.send(frame);
  }

  broadcast(from: number, data: object = { hello: 'world' }): FakeMessage {
    const members = [...this.#states].filter(([, state]) => state !== 'left').map(([guid]) => guid);
    const isAway = (guid: number) => ['suspect', 'ignored'].includes(this.#states.get(guid) ?? '');
    const unreached = new Set(members.filter(isAway));
    const { fanout = 64, random = Math.random } = this.options;
    const message = spreadOver(members, from, data, fanout, random, unreached);
    this.#messages.push(message);
    if (this.#messages.length > MESSAGES_MAX) this.#messages.shift();
    return message;
  }

  /** Cuts the streams. */
  cut(): void {
    for (const socket of this.#sockets.keys()) socket.cut();
  }

  /** Answers nothing any more but the page, or again. */
  setDown(isDown: boolean): void {
    this.#isDown = isDown;
    if (isDown) this.cut();
  }

  /** Leaves questions without an answer. */
  setSilent(isSilent: boolean): void {
    this.#isSilent = isSilent;
  }

  /** Forgets what was told so far, once a message is among it and complete: who comes back with a cursor has a gap. */
  forget(id: string): boolean {
    const message = this.#messages.find((one) => one.id === id);
    if (!message || this.#sent.get(id) !== message.receipts.length) return false;
    this.#forgotten = this.#told.length;
    return true;
  }

  async close(): Promise<void> {
    clearInterval(this.#frames);
    this.cut();
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #greet(socket: ServerSocket, cursor: string | null): void {
    const from = cursor === 'now' ? this.#told.length : Number(cursor ?? 0);
    const isGone = from < this.#forgotten;
    const hello = { type: 'hello', network: 'made-up', members: this.#states.size, cursor: String(from) };
    socket.send(JSON.stringify(hello));
    if (isGone) socket.send(JSON.stringify({ type: 'gap' }));
    this.#sockets.set(socket, { cursor: Math.max(from, this.#forgotten), unacknowledged: 0 });
  }

  /** Notes what has arrived since, and tells it to everybody. */
  #tell(): void {
    const now = Date.now() / 1000;
    for (const message of this.#messages) {
      const arrived = arrivedBy(message, now);
      const before = this.#sent.get(message.id) ?? 0;
      if (arrived.length === before) continue;
      this.#sent.set(message.id, arrived.length);
      this.#told.push({ message, receipts: arrived.slice(before) });
    }
    for (const [socket, reader] of this.#sockets) {
      const news = this.#told.slice(reader.cursor);
      if (news.length === 0 || reader.unacknowledged >= WINDOW) continue;
      reader.cursor = this.#told.length;
      reader.unacknowledged += 1;
      const messages = news.map(({ message: { id, originator, at, members }, receipts }) => ({
        id,
        originator,
        broadcast_timestamp: at,
        members,
        duplicates: 0,
        receipts,
      }));
      socket.send(JSON.stringify({ type: 'receipts', cursor: String(reader.cursor), messages }));
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url);
    if (!/^\/(api|n)\//.test(url.pathname)) return await this.#serve(url.pathname, response);
    if (this.#isSilent) return;
    if (this.#isDown) return problem(response, 503, 'unavailable', 'unavailable for the moment');
    const [, slot, path = ''] = /^(?:\/n\/(\d+))?\/api\/v1(\/.*)$/.exec(url.pathname) ?? [];
    if (slot === undefined) this.#answerBoot(path, url, response);
    else await this.#answerNode(Number(slot), path, url, request, response);
  }

  #answerBoot(path: string, url: URL, response: ServerResponse): void {
    const [, id] = /^\/beacon\/messages\/(\w+)$/.exec(path) ?? [];
    const message = this.#messages.find((one) => one.id === id);
    if (path === '/beacon/summary') return json(response, this.#overall());
    if (path === '/beacon/messages') {
      const limit = Number(url.searchParams.get('limit') ?? PAGE_LIMIT);
      return json(response, { messages: this.#messages.slice(-limit).reverse().map(summaryOf), next: null });
    }
    if (!message) return problem(response, 404, 'not-found', 'there is nothing here');
    const receipts = arrivedBy(message, Date.now() / 1000);
    const told = receipts.map(([guid, after, hops, from]) => ({ guid, after, hops, from }));
    return json(response, { ...summaryOf(message), receipts: told, missing_guids: [] });
  }

  #overall() {
    // As the beacon does, without what is under way.
    const isUnderWay = (one: FakeMessage) => arrivedBy(one, Date.now() / 1000).length < one.receipts.length;
    const summaries = this.#messages.filter((one) => !isUnderWay(one)).map(summaryOf);
    const { length } = summaries;
    const hour = {
      messages: length,
      deliveries: summaries.reduce((sum, { received }) => sum + received - 1, 0),
      duplicates: 0,
      complete: summaries.filter(({ missing }) => missing === 0).length,
      coverage: length === 0 ? 0 : summaries.reduce((sum, one) => sum + one.received / one.members, 0) / length,
      t50: summaries.at(-1)?.t50 ?? null,
      t95: summaries.at(-1)?.t95 ?? null,
      t100: summaries.at(-1)?.t100 ?? null,
      t95_p95: null,
      hops_max: 2,
      deliveries_per_member: length === 0 ? 0 : 1,
    };
    return { time: Date.now() / 1000, network: 'made-up', members: this.#states.size, hour, day: hour, kept: {} };
  }

  async #answerNode(slot: number, path: string, url: URL, request: IncomingMessage, response: ServerResponse) {
    const { nodes, hosted = nodes } = this.options;
    if (slot < 1 || slot > hosted) return problem(response, 404, 'no-such-slot', `slots 1 to ${hosted} exist`);
    if (!this.#states.has(1) || nodes === 0) return problem(response, 503, 'not-joined', 'it has not joined yet');
    if (request.method === 'POST') return await this.#operate(slot, path, request, response);
    if (path === '/status') return json(response, this.#statusOf(slot));
    if (path === '/logs') {
      if (!isOperator(request)) return problem(response, 401, 'admin-token-wrong', 'the operator token is wrong');
      return json(response, logsOf(slot, url.searchParams.get('cursor')));
    }
    if (path === '/metrics') return void response.end(METRICS);
    if (path === '/members') {
      const after = Number(url.searchParams.get('cursor') ?? 0);
      const rest = [...this.#states.keys()].filter((guid) => guid > after).sort((a, b) => a - b);
      const page = rest.slice(0, PAGE_LIMIT);
      const next = rest.length > PAGE_LIMIT ? String(page.at(-1)) : null;
      return json(response, { members: page.map((guid) => this.#memberOf(guid)), next });
    }
    const [, id] = /^\/messages\/(\w+)$/.exec(path) ?? [];
    const message = this.#messages.find((one) => one.id === id);
    if (!message) return problem(response, 404, 'not-found', 'there is nothing here');
    const { originator, at, data } = message;
    const address = this.#memberOf(originator).address;
    const times = { broadcast_timestamp: at, expires_at: at + 600, received_at: at };
    return json(response, { id, data, originator: { guid: originator, address }, ...times, hops: 1 });
  }

  async #operate(slot: number, path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    if (!isOperator(request)) return problem(response, 401, 'admin-token-wrong', 'the operator token is wrong');
    if (path === '/messages') {
      const { data } = JSON.parse(text) as { data: object };
      const { id, at } = this.broadcast(slot, data);
      return json(response, { id, broadcast_timestamp: at }, 202);
    }
    this.setState(slot, path === '/network/leave' ? 'left' : 'alive');
    return json(response, { guid: slot, left_at: path === '/network/leave' ? Date.now() / 1000 : null });
  }

  #memberOf(guid: number) {
    const state = this.#states.get(guid) ?? 'alive';
    const { nodes, hosted = nodes } = this.options;
    return {
      guid,
      address: guid <= hosted ? `${this.url}/n/${guid}` : `https://node-${guid}.example.org`,
      public_key: 'k',
      incarnation: 0,
      capabilities: [],
      state,
      last_seen: Date.now() / 1000 - (state === 'alive' ? 3 : 90),
      failures: state === 'alive' || state === 'probation' || state === 'left' ? 0 : 2,
    };
  }

  #statusOf(guid: number) {
    const peers: Record<string, number> = {};
    for (const [other, state] of this.#states) if (other !== guid) peers[state] = (peers[state] ?? 0) + 1;
    const now = Date.now() / 1000;
    const times = { time: now, last_sync_at: now - 12, next_sync_at: now + 63 };
    return {
      network: 'made-up',
      protocol: 'pychain/1',
      version: '0.1.0',
      guid,
      address: this.#memberOf(guid).address,
      public_key: 'k',
      network_key: 'k',
      capabilities: [],
      max_guid: this.#states.size,
      peers,
      messages: this.#messages.length,
      left_at: this.#states.get(guid) === 'left' ? now : null,
      ...times,
    };
  }

  async #serve(path: string, response: ServerResponse): Promise<void> {
    const name = path === '/' ? 'index.html' : path.slice(1);
    if (!/^[\w-]+\.\w+$/.test(name)) return problem(response, 404, 'not-found', 'there is nothing here');
    const rules = await readFile(join(this.options.page, '_headers'), 'utf8');
    for (const [, header = '', value = ''] of rules.matchAll(/^\s+([\w-]+): (.*)$/gm))
      response.setHeader(header, value);
    response.setHeader('Content-Type', TYPES[extname(name)] ?? 'text/plain');
    response.end(await readFile(join(this.options.page, name)));
  }
}

function isOperator({ headers }: IncomingMessage): boolean {
  return headers.authorization === `Bearer ${FAKE_TOKEN}`;
}

/** One of each kind that looks different. */
function logsOf(slot: number, cursor: string | null) {
  const common = { time: Date.now() / 1000 - 40, node: String(slot), log: 'network_sync' };
  const logs = [
    { ...common, level: 'INFO', event: 'joined', guid: slot, attempts: 1 },
    { ...common, level: 'WARNING', event: 'peer_suspected', guid: 9, reason: 'no answer within 5 s' },
    { ...common, level: 'ERROR', event: 'handler_failed', error: '<b>not bold</b>' },
  ];
  return { logs: cursor === null ? logs : [], next: null, cursor: '1-3', missed: false };
}

/** Of one node, as `/metrics` writes it. */
const METRICS = `pychain_deliveries_total{result="new"} 1000
pychain_deliveries_total{result="duplicate"} 0
pychain_deliver_calls_total 3
pychain_rows_written_total 140
pychain_queue_operations_total 40
`;

function json(response: ServerResponse, value: object, status = 200): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
}

function problem(response: ServerResponse, status: number, slug: string, detail: string): void {
  const body = { type: `urn:pychain:problem:${slug}`, title: slug, status, detail };
  response.writeHead(status, { 'Content-Type': 'application/problem+json' }).end(JSON.stringify(body));
}
