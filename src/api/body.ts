// Request bodies: a size that is checked while reading, plain JSON only, and text that JSON.parse will not change.
import type { Context, MiddlewareHandler } from 'hono';
import { BODY_BYTES_MAX, JSON_DEPTH_MAX } from '../protocol/limits.ts';
import { scanJson } from '../protocol/scan-json.ts';
import type { ApiEnv } from './env.ts';
import { ProblemError } from './problem.ts';
import { readCapped, TooLargeError } from './read-capped.ts';

/** A message's `data` may be JSON_DEPTH_MAX deep, the body around it is one more. */
const BODY_DEPTH_MAX = JSON_DEPTH_MAX + 1;

const JSON_TYPE = /^application\/(?:[a-z.-]+\+)?json$/i;
const CHARSET_UTF_8 = /^charset="?utf-?8"?$/i;

/**
 * Reads the body. Throws 415 for another type, charset or encoding; 413 over BODY_BYTES_MAX, whatever Content-Length
 * says; 400 for what is not strict JSON in UTF-8, or nested deeper than `depthMax`.
 */
export async function readJson(c: Context<ApiEnv>, depthMax = BODY_DEPTH_MAX): Promise<unknown> {
  requireJson(c);
  const text = decode(await readBody(c));
  const scanned = scanJson(text, { depthMax });
  if (!scanned.ok) throw new ProblemError('malformed-body', 'the body is not strict JSON', { errors: [scanned.error] });
  return JSON.parse(text);
}

/**
 * Answers a client of the original, which joins without a key: with an empty body and no JSON type. Comes before signatures are
 * asked for, or such a client would never learn why.
 */
export function refuseSeedJoin(): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const isJson = JSON_TYPE.test(mediaType(c));
    const isEmpty = c.req.header('Content-Length') === '0' || c.req.raw.body === null;
    if (isEmpty && !isJson) {
      const detail =
        'this network admits members by key: send a signed request, see GET /network/challenge and docs/protocol.md. A client of the original needs a node with a host of its own, which nodes of a deployment have not: let it join at a `pychain node` with ADMISSION=open, see docs/operations.md';
      const missing = 'missing, and needed';
      const errors = ['public_key', 'address', 'signature'].map((path) => ({ path, message: missing }));
      throw new ProblemError('members-need-keys', detail, { errors });
    }
    await next();
  };
}

function requireJson(c: Context): void {
  const [, ...parameters] = (c.req.header('Content-Type') ?? '').split(';').map((part) => part.trim());
  const charset = parameters.find((parameter) => /^charset=/i.test(parameter));
  if (!JSON_TYPE.test(mediaType(c)) || (charset !== undefined && !CHARSET_UTF_8.test(charset))) {
    const headers = { Accept: 'application/json' };
    throw new ProblemError('unsupported-media-type', 'send the body as Content-Type: application/json', { headers });
  }
  // Compressed bodies would need a limit of their own on what they unpack to.
  const encoding = (c.req.header('Content-Encoding') ?? 'identity').trim();
  if (encoding !== '' && encoding.toLowerCase() !== 'identity') {
    const headers = { 'Accept-Encoding': 'identity' };
    throw new ProblemError('unsupported-media-type', 'send the body without a Content-Encoding', { headers });
  }
}

function mediaType(c: Context): string {
  return (c.req.header('Content-Type') ?? '').split(';', 1)[0]?.trim() ?? '';
}

/** The body's bytes, BODY_BYTES_MAX at most: read once, whoever asks first. */
export async function readBody(c: Context<ApiEnv>): Promise<Uint8Array> {
  const known = c.get('bodyBytes');
  if (known) return known;
  // Saves reading what says itself that it is too long; what lies is found out while reading.
  if (Number(c.req.header('Content-Length') ?? 0) > BODY_BYTES_MAX) throw tooLarge();
  const bytes = await readCapped(c.req.raw.body, BODY_BYTES_MAX).catch((cause: unknown) => {
    throw cause instanceof TooLargeError ? tooLarge() : new ProblemError('malformed-body', 'the body broke off');
  });
  if (bytes.byteLength === 0) throw new ProblemError('malformed-body', 'the body is empty: JSON is needed');
  c.set('bodyBytes', bytes);
  return bytes;
}

function tooLarge(): ProblemError {
  return new ProblemError('body-too-large', `a body may have ${BODY_BYTES_MAX} bytes`);
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch {
    throw new ProblemError('malformed-body', 'the body is not UTF-8');
  }
}
