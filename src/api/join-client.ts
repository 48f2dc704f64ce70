// Joining a network whose boot node is elsewhere, over HTTP as docs/protocol.md has it. The boot node is believed what it certifies, and
// nothing else: its answer counts where it is signed with the network's key, and each member in it proves itself.
import { freshNonce, signRequest } from '../crypto/http-signature.ts';
import type { Signer } from '../crypto/keys.ts';
import { provenMembers, verifyAnswer, verifyCertificate } from '../crypto/signatures.ts';
import type { AddressPolicy } from '../protocol/address.ts';
import { bitsOf, type Solution } from '../protocol/admission.ts';
import type { Joined } from '../protocol/effects.ts';
import {
  ANSWER_BYTES_MAX,
  CHALLENGE_MS,
  MEMBERS_PAGE_MAX,
  PATIENT_MS,
  POW_BITS_MAX,
  PROTOCOL,
} from '../protocol/limits.ts';
import { readMember } from '../protocol/member.ts';
import { isObject } from '../protocol/message.ts';
import { reasonOf } from '../protocol/reason.ts';
import { parseJson } from '../protocol/scan-json.ts';
import { err, ok, type JsonObject, type Member, type Millis, type Result, type SelfRecord } from '../protocol/types.ts';
import type { PeerClientOptions } from './peer-client.ts';
import { readCapped } from './read-capped.ts';
import * as schemas from './schemas.ts';
import { goOn, type Work } from './solve-challenge.ts';
import { knownIncarnation } from './stale-record.ts';

/** A join may take as long as the boot node's call-back, and the boot node's own work. With the challenge and the work less than JOIN_RETRY_MS. */
const JOIN_MS = 2 * PATIENT_MS;

/** A challenge that has no longer to live than this is not begun with, nor shown: a new one is asked for. */
const CHALLENGE_MARGIN_MS = 30_000;

const ANSWER_DEPTH_MAX = 16;

const OTHER_KEY = "it has another key than the network's";

/** Who joins, or comes again. */
export interface Joiner {
  readonly signer: Signer;
  readonly record: SelfRecord;
  /** It has a GUID already, and needs no work. */
  readonly isMember: boolean;
  /** The network's key where it is known; null: the boot node's word is taken, and kept by whoever joins. */
  readonly networkKey: string | null;
}

/** Why a join failed. `above`: the boot node knows a later record of this key, with this incarnation. */
export interface JoinFault {
  readonly reason: string;
  readonly above: number | null;
}

export interface JoinClientOptions {
  /** URL of the boot node, without a slash at the end. */
  readonly boot: string;
  readonly network: string;
  readonly policy: AddressPolicy;
  /** The token of a private network. */
  readonly joinToken: string | null;
  /** Whether a told member at an address of the joiner's own host is what it says, see {@link provenMembers}. */
  readonly isOwn?: (member: Member) => Promise<boolean>;
  readonly fetch: PeerClientOptions['fetch'];
  readonly now: () => Millis;
}

/** What is told of a boot node's words: the first fields that it did not take, and no more than a line. */
const FAULTS_TOLD = 2;
const REASON_CHARS_MAX = 200;

/** What a boot node refused. */
class RefusedError extends Error {
  readonly status: number;
  readonly above: number | null;

  constructor(status: number, detail: string, above: number | null) {
    super(`HTTP ${status}${detail === '' ? '' : `: ${detail}`}`);
    this.name = 'RefusedError';
    this.status = status;
    this.above = above;
  }
}

/** One node's way to the boot node. It keeps work that is not done or was not taken yet, for the next attempt. */
export class JoinClient {
  readonly #options: JoinClientOptions;
  #work: Work | null = null;
  /** The boot node did not know a member: it has lost it, and wants work as from anybody. */
  #isForgotten = false;

  constructor(options: JoinClientOptions) {
    this.#options = options;
  }

  /** One attempt, of 14 s at most. Members of the answer that do not prove themselves are left out. Never rejects. */
  async join(joiner: Joiner): Promise<Result<Joined, JoinFault>> {
    try {
      const proof = joiner.isMember && !this.#isForgotten ? null : await this.#solution(joiner);
      const joined = await this.#put(joiner, proof);
      this.#work = null;
      this.#isForgotten = false;
      return ok(joined);
    } catch (cause) {
      const refused = cause instanceof RefusedError ? cause : null;
      // Not admitted: not known, too little work, or an address that did not answer. Others are told to come later, with what they have.
      if (refused?.status === 403) this.#isForgotten = true;
      if (refused && refused.status < 500 && refused.status !== 429) this.#work = null;
      return err({ reason: `boot node ${this.#options.boot}: ${reasonOf(cause)}`, above: refused?.above ?? null });
    }
  }

  /** Says that this incarnation of a member has left. Rejects where the boot node did not hear it. */
  async depart(signer: Signer, incarnation: number): Promise<void> {
    const { boot, now } = this.#options;
    const url = `${boot}/api/v1/network/leave`;
    const outgoing = { method: 'POST', url, body: JSON.stringify({ incarnation }) } as const;
    await this.#send(await signRequest(outgoing, signer, null, freshNonce(), now()), PATIENT_MS);
  }

  /** The proof of work; goes on with what was begun, where it is for this record and still young. */
  async #solution(joiner: Joiner): Promise<Solution> {
    const { now } = this.#options;
    const { publicKey, address } = joiner.record;
    const begun = this.#work;
    const isGood =
      begun?.publicKey === publicKey &&
      begun.address === address &&
      now() - begun.beganAt < CHALLENGE_MS - CHALLENGE_MARGIN_MS;
    const work = isGood ? begun : await this.#challenge(joiner);
    this.#work = work;
    await goOn(work, now);
    if (work.solution) return work.solution;
    throw new Error(`${bitsOf(work.challenge)} bits of work are not done after ${work.next} tries, and go on`);
  }

  async #challenge({ record, networkKey }: Joiner): Promise<Work> {
    const { boot, network, now } = this.#options;
    const request = new Request(`${boot}/api/v1/network/challenge`, { redirect: 'manual' });
    const answer = schemas.challenge.safeParse(await this.#send(request, PATIENT_MS));
    if (!answer.success) throw new Error('what answers is no boot node');
    const { data } = answer;
    if (data.protocol !== PROTOCOL) throw new Error('it speaks another protocol');
    if (data.network !== network) throw new Error('it is the boot node of another network');
    if (networkKey !== null && data.network_key !== networkKey) throw new Error(OTHER_KEY);
    const bits = bitsOf(data.challenge);
    if (bits === null || bits > POW_BITS_MAX) throw new Error(`it asks for more than ${POW_BITS_MAX} bits of work`);
    const { publicKey, address } = record;
    return { challenge: data.challenge, publicKey, address, beganAt: now(), next: 0, solution: null };
  }

  async #put({ signer, record, networkKey }: Joiner, proof: Solution | null): Promise<Joined> {
    const { boot, network, policy, joinToken, isOwn, now } = this.#options;
    const { publicKey, address, incarnation, capabilities, signature } = record;
    const body = { public_key: publicKey, address, incarnation, capabilities, signature, ...proof };
    const outgoing = { method: 'PUT', url: `${boot}/api/v1/network/join`, body: JSON.stringify(body) } as const;
    const nonce = freshNonce();
    const request = await signRequest(outgoing, signer, null, nonce, now());
    if (joinToken !== null) request.headers.set('authorization', `Bearer ${joinToken}`);
    const answer = await this.#send(request, JOIN_MS);
    const joined = readJoined(answer);
    if (networkKey !== null && joined.networkKey !== networkKey) throw new Error(OTHER_KEY);
    if (!(await verifyAnswer(joined.networkKey, nonce, answer))) throw new Error('its answer is not signed by its key');
    if (joined.address !== address || joined.incarnation !== incarnation)
      throw new Error('it answers for another record');
    const authority = { network, networkKey: joined.networkKey };
    if (!(await verifyCertificate(authority, joined.guid, publicKey, joined.certificate, now()))) {
      throw new Error('its certificate proves nothing');
    }
    return { ...joined, members: await provenMembers(joined.members, authority, policy, now(), isOwn) };
  }

  async #send(request: Request, timeoutMs: Millis): Promise<JsonObject> {
    return await readObject(await this.#options.fetch(request, { signal: AbortSignal.timeout(timeoutMs) }));
  }
}

/** The JSON object of a good answer. Throws a RefusedError with what the boot node says about any other. */
async function readObject(response: Response): Promise<JsonObject> {
  const { status } = response;
  // It would lead where no setting points.
  if (status >= 300 && status < 400) {
    response.body?.cancel().catch(() => undefined);
    throw new RefusedError(status, 'redirects are not followed', null);
  }
  const text = new TextDecoder().decode(await readCapped(response.body, ANSWER_BYTES_MAX));
  const parsed = parseJson(text, { depthMax: ANSWER_DEPTH_MAX });
  const object = parsed.ok && isObject(parsed.value) ? parsed.value : null;
  if (!response.ok) {
    const problem = schemas.problem.safeParse(object);
    if (!problem.success) throw new RefusedError(status, '', null);
    const { detail, errors = [] } = problem.data;
    const faults = errors.slice(0, FAULTS_TOLD).map(({ path, message }) => `${path}: ${message}`);
    const what = [detail, ...faults].join(': ').slice(0, REASON_CHARS_MAX);
    throw new RefusedError(status, what, status === 409 ? knownIncarnation(problem.data) : null);
  }
  if (!object) throw new Error('what answers is no boot node');
  return object;
}

/** What a boot node answered to a join, nothing of it checked but its form. */
function readJoined(answer: JsonObject): Joined {
  const read = schemas.joinAnswer.safeParse(answer);
  if (!read.success || read.data.members.length > MEMBERS_PAGE_MAX) throw new Error('its answer is none to a join');
  const { guid, address, incarnation, certificate, network_key: networkKey, max_guid: maxGuid, members } = read.data;
  const { issued, expires, signature } = certificate;
  return {
    guid,
    address,
    incarnation,
    certificate: { issuedAt: issued * 1000, expiresAt: expires * 1000, signature },
    networkKey,
    maxGuid,
    members: members.flatMap((member) => readMember(member) ?? []),
  };
}
