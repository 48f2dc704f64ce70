// Jobs: what a node hands to the queue. One queue message holds whole batches of messages with all their legs. The text is
// lines: a header of JSON, then one sealed message a line, so that no message is parsed or escaped on its way.
import { utf8Length } from './canonical.ts';
import {
  FAILOVERS_MAX,
  JOB_BYTES_MAX,
  JOB_HEADERS_CHARS_MAX,
  JOB_LEGS_BYTES_MAX,
  JOB_LEGS_MAX,
  PROTOCOL,
} from './limits.ts';
import { isAddress, isGuid, isObject } from './message.ts';
import { Recent } from './recent.ts';
import type { Sealed } from './seal.ts';
import { isPublicKey } from './signed-text.ts';
import { assert, err, ok, type Guid, type JsonValue, type Range, type Result } from './types.ts';

/** A delivery to make: where to, and the range that the target becomes responsible for. */
export interface JobLeg {
  readonly to: Guid;
  readonly address: string;
  readonly range: Range;
  /** Of a peer of another deployment or process, which is called over HTTP; null for this deployment's own nodes. */
  readonly outside: Outside | null;
}

/** What the consumer must know of a peer outside: the key that its answer must prove, and how long it may take. */
export interface Outside {
  readonly publicKey: string;
  readonly isTrusted: boolean;
}

/** Messages that all go the same ways. */
export interface Bundle {
  readonly bodies: readonly Sealed[];
  readonly legs: readonly JobLeg[];
  /** Hops of the copies when they arrive. */
  readonly hops: number;
  /** 0 at first; how often these legs were handed over again after a pause. */
  readonly attempt: number;
  /** Who has just failed for this range: others are tried before them. */
  readonly without: readonly Guid[];
}

/** Who sends; failures are reported to it. */
export interface Sender {
  readonly guid: Guid;
  readonly address: string;
  /** Highest GUID that it knows: a receiver that knows less asks it for the difference. */
  readonly maxGuid: Guid;
}

export interface Job {
  readonly network: string;
  readonly from: Sender;
  readonly bundles: readonly Bundle[];
  /** How often the queue's consumer has tried the legs that are left. */
  readonly tries: number;
}

/**
 * Packs bundles into as few jobs as the platform's size limit allows. A bundle that does not fit is split by messages,
 * and by legs where there are more than JOB_LEGS_MAX.
 */
export function packJobs(network: string, from: Sender, bundles: readonly Bundle[]): Job[] {
  const jobs: Job[] = [];
  let current: Bundle[] = [];
  let bytes = 0;
  let legs = 0;
  const flush = () => {
    if (current.length > 0) jobs.push({ network, from, bundles: current, tries: 0 });
    current = [];
    bytes = 0;
    legs = 0;
  };
  const overhead = 256 + from.address.length;
  for (const bundle of bundles.flatMap(splitLegs)) {
    const head = 64 + bundle.without.length * 11 + bundle.legs.reduce((sum, leg) => sum + legBytes(leg), 0);
    let bodies: Sealed[] = [];
    const close = () => {
      if (bodies.length > 0) current.push({ ...bundle, bodies });
      bodies = [];
    };
    for (const body of bundle.bodies) {
      const size = utf8Length(body) + 1;
      const opening = bodies.length === 0 ? head : 0;
      const full =
        overhead + bytes + opening + size > JOB_BYTES_MAX || (opening > 0 && legs + bundle.legs.length > JOB_LEGS_MAX);
      if (full) {
        close();
        flush();
      }
      if (bodies.length === 0) {
        bytes += head;
        legs += bundle.legs.length;
      }
      bodies.push(body);
      bytes += size;
    }
    close();
  }
  flush();
  return jobs;
}

/** Lists of legs as they stand in jobs: a node's messages mostly go the same ways. */
const legTexts = new WeakMap<readonly JobLeg[], string>();

/** Headers that were read last, which hold the legs: those of one node's jobs differ only where peers have changed, or in how many messages there are. */
const headers = new Recent<Header>(JOB_HEADERS_CHARS_MAX);

/** What stands before the messages of a job. */
interface Header {
  readonly job: Omit<Job, 'bundles'>;
  readonly bundles: readonly (Omit<Bundle, 'bodies'> & { readonly messages: number })[];
}

/** Text of a job, at most JOB_BYTES_MAX bytes where it came from packJobs. */
export function encodeJob(job: Job): string {
  const { network, from, tries } = job;
  const head = JSON.stringify({ protocol: PROTOCOL, network, from: [from.guid, from.address, from.maxGuid], tries });
  const bundles = job.bundles.map(({ bodies, hops, attempt, without, legs }) => {
    const facts = { messages: bodies.length, hops, attempt, ...(without.length > 0 && { without }) };
    return withPart(JSON.stringify(facts), 'legs', legsText(legs));
  });
  const header = withPart(head, 'bundles', `[${bundles.join()}]`);
  const text = [header, ...job.bundles.flatMap((bundle) => bundle.bodies)].join('\n');
  assert(text.length <= JOB_BYTES_MAX, 'a job fits one queue message');
  return text;
}

/** A JSON object, which is not empty, with one property more. */
function withPart(object: string, name: string, json: string): string {
  return `${object.slice(0, -1)},"${name}":${json}}`;
}

function legsText(legs: readonly JobLeg[]): string {
  const text = legTexts.get(legs) ?? JSON.stringify(legs.map(writeLeg));
  legTexts.set(legs, text);
  return text;
}

/** Reads a job. The error says what is wrong with it; such a job can never be delivered. */
export function decodeJob(text: unknown): Result<Job, string> {
  if (typeof text !== 'string') return err('not text');
  const [head = '', ...bodies] = text.split('\n') as [string, ...Sealed[]];
  const known = headers.get(head);
  const header = known ? ok(known) : readHeader(head);
  if (!header.ok) return header;
  if (!known) headers.set(head, header.value, head.length);
  let next = 0;
  const bundles = header.value.bundles.map(({ messages, ...bundle }): Bundle => {
    const start = next;
    next += messages;
    return { ...bundle, bodies: bodies.slice(start, next) };
  });
  if (next !== bodies.length) return err('the number of bodies is not what the header says');
  return ok({ ...header.value.job, bundles });
}

function readHeader(text: string): Result<Header, string> {
  let header: JsonValue;
  try {
    header = JSON.parse(text) as JsonValue;
  } catch {
    return err('header is not JSON');
  }
  if (!isObject(header) || header['protocol'] !== PROTOCOL) return err(`protocol is not ${PROTOCOL}`);
  const { network, from, tries, bundles } = header;
  if (typeof network !== 'string') return err('network is missing');
  if (!Array.isArray(from)) return err('from is not a node');
  const [guid, address, maxGuid] = from as readonly JsonValue[];
  if (!isGuid(guid) || !isAddress(address) || !isGuid(maxGuid)) return err('from is not a node');
  if (!isCount(tries)) return err('tries is not a count');
  if (!Array.isArray(bundles)) return err('bundles is not a list');
  const read = (bundles as readonly JsonValue[]).map(readBundle);
  if (read.includes(null)) return err('a bundle is malformed');
  return ok({
    job: { network, from: { guid, address, maxGuid }, tries },
    bundles: read.filter((bundle) => bundle !== null),
  });
}

function readBundle(value: JsonValue): Header['bundles'][number] | null {
  if (!isObject(value)) return null;
  const { messages, hops, attempt, legs, without = [] } = value;
  if (!Array.isArray(without) || without.length > FAILOVERS_MAX || !(without as readonly JsonValue[]).every(isGuid))
    return null;
  if (!isCount(messages) || !isCount(hops) || !isCount(attempt) || !Array.isArray(legs)) return null;
  if (messages === 0 || legs.length > JOB_LEGS_MAX) return null;
  const read: JobLeg[] = [];
  for (const leg of legs as readonly JsonValue[]) {
    if (!Array.isArray(leg)) return null;
    const [to, address, first, last, publicKey, trusted] = leg as readonly JsonValue[];
    if (!isGuid(to) || !isAddress(address) || !isGuid(first) || !isGuid(last)) return null;
    if (publicKey !== undefined && !isPublicKey(publicKey)) return null;
    const outside = publicKey === undefined ? null : { publicKey, isTrusted: trusted === 1 };
    read.push({ to, address, range: { from: first, to: last }, outside });
  }
  return { messages, legs: read, hops, attempt, without: without as readonly Guid[] };
}

function writeLeg({ to, address, range, outside }: JobLeg): readonly (string | number)[] {
  const leg = [to, address, range.from, range.to];
  return outside === null ? leg : [...leg, outside.publicKey, outside.isTrusted ? 1 : 0];
}

/** Cuts the list of legs so that each part leaves room for the largest message. */
function splitLegs(bundle: Bundle): Bundle[] {
  const parts: JobLeg[][] = [];
  let bytes = Infinity;
  for (const leg of bundle.legs) {
    const part = parts.at(-1);
    bytes += legBytes(leg);
    if (part && bytes <= JOB_LEGS_BYTES_MAX && part.length < JOB_LEGS_MAX) {
      part.push(leg);
    } else {
      parts.push([leg]);
      bytes = legBytes(leg);
    }
  }
  // The list itself, where it is whole: its text is known.
  return parts.length === 1 ? [bundle] : parts.map((legs) => ({ ...bundle, legs }));
}

/** Upper bound of a leg's JSON: three numbers of ten digits, an address that needs no escapes, a key, punctuation. */
function legBytes(leg: JobLeg): number {
  return 48 + leg.address.length + (leg.outside === null ? 0 : 48);
}

function isCount(value: JsonValue | undefined): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0;
}
