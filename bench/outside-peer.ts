// Peers outside for tests: real HTTP servers on loopback with real keys, honest unless told otherwise. Written against docs/protocol.md with
// the project's own signing code; test/crypto holds that code to vectors made by hand.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { freshNonce, signRequest, type Credential, type Outgoing } from '../src/crypto/http-signature.ts';
import { generateKey, openSigner, signText, type Signer } from '../src/crypto/keys.ts';
import { signAnswer, signRecord } from '../src/crypto/signatures.ts';
import { solveWork } from '../src/protocol/admission.ts';
import { CAPABILITIES, CHALLENGE_MS, PROTOCOL } from '../src/protocol/limits.ts';
import { readMember, writeMember } from '../src/protocol/member.ts';
import { composeMessage, sealMessage, type Message } from '../src/protocol/message.ts';
import { answerText } from '../src/protocol/signed-text.ts';
import { unseal } from '../src/protocol/seal.ts';
import { wholeRing } from '../src/protocol/tree.ts';
import type { Certificate, JsonObject, Member, Range, SelfRecord } from '../src/protocol/types.ts';

/** About five milliseconds. */
const TRIES_AT_ONCE = 4_000;

/** One server for many peers: `${url}/p/<index>` is the address of one. */
export class OutsideHost {
  readonly url: string;
  readonly #server: Server;
  readonly #peers: OutsidePeer[] = [];

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      // A caller that hangs up, as nodes do when their time is over, is no fault of this side.
      this.#answer(request, response).catch(() => response.destroy());
    });
  }

  static async open(): Promise<OutsideHost> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new OutsideHost(server);
  }

  /** A peer with a key of its own, which has not joined. */
  async peer(network: string, key?: Signer): Promise<OutsidePeer> {
    const signer = key ?? openSigner(await generateKey());
    const peer = new OutsidePeer(network, signer, `${this.url}/p/${this.#peers.length}`);
    this.#peers.push(peer);
    await peer.sayWhere();
    return peer;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url);
    const [, , index, ...rest] = url.pathname.split('/');
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const peer = this.#peers[Number(index)];
    const body = Buffer.concat(chunks).toString();
    const nonce =
      url.searchParams.get('nonce') ?? /nonce="([^"]*)"/.exec(String(request.headers['signature-input']))?.[1];
    const answer = await peer?.answer(`/${rest.join('/')}`, nonce ?? '', body);
    // Hangs: takes the call and never answers.
    if (answer === 'hang') return;
    const isAnswer = answer !== undefined && answer !== null;
    response.writeHead(isAnswer ? 200 : 404, { 'content-type': 'application/json' });
    response.end(isAnswer ? JSON.stringify(answer) : '{}');
  }
}

/** What a test makes of an honest answer; 'hang' never answers, null is a 404. */
export type Bend = (path: string, answer: JsonObject) => JsonObject | 'hang' | null;

export class OutsidePeer {
  readonly network: string;
  readonly signer: Signer;
  readonly address: string;
  record: SelfRecord | null = null;
  credential: Credential | null = null;
  networkKey: string | null = null;
  maxGuid = 0;
  /** Messages by id, with how often each came. */
  readonly received = new Map<string, number>();
  readonly ranges: Range[] = [];
  calls = 0;
  bend: Bend = (_, answer) => answer;

  constructor(network: string, signer: Signer, address: string) {
    this.network = network;
    this.signer = signer;
    this.address = address;
  }

  get guid(): number {
    if (!this.credential) throw new Error('has not joined');
    return this.credential.guid;
  }

  /** Signs anew where it is. */
  async sayWhere(changes: Partial<SelfRecord> = {}): Promise<SelfRecord> {
    const facts = { address: this.address, incarnation: 0, capabilities: CAPABILITIES, ...changes };
    this.record = await signRecord(this.signer, this.network, facts);
    return this.record;
  }

  get member(): Member {
    if (!this.record || !this.credential) throw new Error('has not joined');
    return { ...this.record, ...this.credential };
  }

  /** A signed request; `changes` after signing are what an attacker does to it. */
  async request(
    outgoing: Outgoing,
    options: { now?: number; nonce?: string; credential?: Credential | null } = {},
  ): Promise<Request> {
    const { now = Date.now(), nonce = freshNonce(), credential = this.credential } = options;
    return await signRequest(outgoing, this.signer, credential, nonce, now);
  }

  async send(outgoing: Outgoing, options: Parameters<OutsidePeer['request']>[1] = {}) {
    return await read(await fetch(await this.request(outgoing, options)));
  }

  /** Gets a challenge, and solves it for the record as it is now. */
  async work(boot: string): Promise<Work> {
    const challenge = await challengeOf(boot);
    const { publicKey, address } = this.record ?? (await this.sayWhere());
    return { challenge, solution: await solve(challenge, publicKey, address) };
  }

  /** Joins as an honest newcomer does: challenge, work, call-back. */
  async join(boot: string, changes: Readonly<Record<string, unknown>> = {}, work?: Work) {
    const record = this.record ?? (await this.sayWhere());
    const { challenge, solution } = work ?? (await this.work(boot));
    const body = {
      public_key: record.publicKey,
      address: record.address,
      incarnation: record.incarnation,
      capabilities: record.capabilities,
      signature: record.signature,
      challenge,
      solution,
      ...changes,
    };
    const url = `${boot}/api/v1/network/join`;
    const joined = await this.send({ method: 'PUT', url, body: JSON.stringify(body) }, { credential: null });
    if (joined.status === 200) this.#keep(joined.body as unknown as JoinAnswer);
    return joined;
  }

  /** A message of its own, signed. */
  async message(
    data: JsonObject,
    changes: { originator?: number; address?: string; now?: number; ttlMs?: number } = {},
  ): Promise<Message> {
    const { originator = this.guid, address = this.address, now = Date.now(), ttlMs = 600_000 } = changes;
    const content = { network: this.network, data, originator: { guid: originator, address } };
    const draft = composeMessage(
      { ...content, broadcastAt: now, expiresAt: now + ttlMs },
      Math.floor(Math.random() * 2 ** 48),
    );
    if (!draft.ok) throw new Error(draft.error.reason);
    return sealMessage(draft.value, await signText(this.signer, `${PROTOCOL} message\n${draft.value.body}`));
  }

  /** Body of POST /deliveries for these messages. */
  deliveries(messages: readonly Message[], changes: JsonObject = {}, maxGuid = this.maxGuid): string {
    const deliveries = messages.map((message) => {
      const { signature, body } = unseal(message.sealed);
      return { signature, body, range: { ...wholeRing(this.guid) }, hops: 1, ...changes };
    });
    return JSON.stringify({ max_guid: maxGuid, deliveries });
  }

  async deliver(node: string, messages: readonly Message[], changes: JsonObject = {}) {
    return await this.send({
      method: 'POST',
      url: `${node}/api/v1/deliveries`,
      body: this.deliveries(messages, changes),
    });
  }

  /** Network sync, telling of these members. */
  async sync(node: string, members: readonly Member[] = [this.member], changes: JsonObject = {}) {
    const body = {
      guid: this.guid,
      max_guid_node: { guid: this.maxGuid, address: this.address },
      have: [],
      members: members.map(writeMember),
      ...changes,
    };
    return await this.send({ method: 'POST', url: `${node}/api/v1/sync`, body: JSON.stringify(body) });
  }

  /** What it answers as a node. */
  async answer(path: string, nonce: string, body: string): Promise<JsonObject | 'hang' | null> {
    this.calls++;
    const honest = this.#honest(path, body);
    const bent = honest && this.bend(path, honest);
    if (bent === null || bent === 'hang') return bent;
    // A test that bends the signature too has put one in.
    if ('signature' in bent) return bent;
    return await signAnswer((asked, answer) => signText(this.signer, answerText(asked, answer)), nonce, bent);
  }

  #honest(path: string, body: string): JsonObject | null {
    const own = { network: this.network, protocol: PROTOCOL, public_key: this.signer.publicKey };
    switch (path) {
      case '/api/v1/network/challenge':
        return own;
      case '/api/v1/status': {
        if (!this.credential) return null;
        const { guid, certificate } = this.credential;
        const { issuedAt, expiresAt, signature } = certificate;
        const shown = { issued: issuedAt / 1000, expires: expiresAt / 1000, signature };
        return { ...own, guid, address: this.address, capabilities: [...CAPABILITIES], certificate: shown };
      }
      case '/api/v1/sync': {
        const members = this.credential ? [writeMember(this.member)] : [];
        return { guid: this.maxGuid, address: this.address, have: [], members, more: false };
      }
      case '/api/v1/deliveries': {
        const { deliveries } = JSON.parse(body) as { deliveries: { signature: string; body: string; range: Range }[] };
        return { outcomes: deliveries.map((delivery) => this.#take(delivery)) };
      }
      default:
        return null;
    }
  }

  #take({ body, range }: { body: string; range: Range }): string {
    const count = this.received.get(body) ?? 0;
    this.received.set(body, count + 1);
    this.ranges.push(range);
    return count === 0 ? 'new' : 'duplicate';
  }

  #keep(answer: JoinAnswer): void {
    const { issued, expires, signature } = answer.certificate;
    const certificate: Certificate = { issuedAt: issued * 1000, expiresAt: expires * 1000, signature };
    this.credential = { guid: answer.guid, certificate };
    this.networkKey = answer.network_key;
    this.maxGuid = answer.max_guid;
    this.known = answer.members.flatMap((member) => readMember(member) ?? []);
  }

  known: readonly Member[] = [];
}

/** A challenge and what solves it. */
export interface Work {
  readonly challenge: string;
  readonly solution: string;
}

interface JoinAnswer {
  readonly guid: number;
  readonly certificate: { readonly issued: number; readonly expires: number; readonly signature: string };
  readonly network_key: string;
  readonly max_guid: number;
  readonly members: readonly JsonObject[];
}

/** Asks for a challenge until the boot node has one to give, for as long as a challenge would be good. */
async function challengeOf(boot: string): Promise<string> {
  const deadline = Date.now() + CHALLENGE_MS;
  for (;;) {
    const { status, body } = await read(await fetch(`${boot}/api/v1/network/challenge`));
    if (status === 200 && typeof body['challenge'] === 'string') return body['challenge'];
    const isBusy = status === 429 || status === 503;
    if (!isBusy || Date.now() > deadline) throw new Error(`no challenge: ${status} ${JSON.stringify(body)}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Solves a challenge, in turns: who is called back meanwhile must answer. */
async function solve(challenge: string, publicKey: string, address: string): Promise<string> {
  for (let start = 0; ; start += TRIES_AT_ONCE) {
    const solution = solveWork(challenge, publicKey, address, start, TRIES_AT_ONCE);
    if (solution !== null) return solution;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Status and JSON of a response. */
export async function read(response: Response) {
  const text = await response.text();
  const body = (text === '' ? {} : JSON.parse(text)) as JsonObject;
  return { status: response.status, body, headers: response.headers };
}
