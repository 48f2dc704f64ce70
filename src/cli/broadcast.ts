// `pychain broadcast`: gives a message to a node and, when asked, waits until every member has it.
import { text as readText } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { JSON_DEPTH_MAX } from '../protocol/limits.ts';
import { parseJson } from '../protocol/scan-json.ts';
import type { Client, NodeName } from './client.ts';
import { CliError, errorLine, EXIT, type ExitCode } from './errors.ts';
import { membersOf } from './members.ts';
import { parseWhole } from './settings.ts';
import { findNode, type TargetOptions } from './target.ts';
import { intervals } from './text.ts';

export interface BroadcastOptions extends TargetOptions {
  readonly from?: string | undefined;
  readonly ttl?: string | undefined;
  readonly idempotencyKey?: string | undefined;
  readonly event?: string | undefined;
  readonly wait?: boolean | undefined;
  /** Seconds. */
  readonly timeout?: string | undefined;
  readonly json: boolean;
}

const WAIT_SECONDS = 30;
const WAIT_SECONDS_MAX = 86_400;
const TTL_MAX = 86_400;
const EXAMPLE = `give an object, for example '{"hello": "world"}'`;
const POLL_MS = 100;
const PARALLEL = 16;

/** Broadcasts; the exit code is 0 only if the message was accepted and, with --wait, is everywhere. */
export async function broadcast(argument: string, options: BroadcastOptions): Promise<ExitCode> {
  refuseEmpty(options.event, '--event');
  refuseEmpty(options.idempotencyKey, '--idempotency-key');
  const ttl = options.ttl === undefined ? undefined : parseWhole(options.ttl, 1, TTL_MAX, '--ttl');
  const timeout =
    options.timeout === undefined ? WAIT_SECONDS : parseWhole(options.timeout, 1, WAIT_SECONDS_MAX, '--timeout');
  const data =
    argument === '-' ? parseData(await readText(process.stdin), 'standard input') : parseData(argument, 'the message');
  const content = options.event === undefined ? { data } : { event: { name: options.event, args: data } };
  const wish = { isBootAllowed: false, slot: 1 };
  const { client, node } = await findNode(options.from, wish, options, process.env);
  const accepted = await client.broadcast(node, { ...content, ttl }, options.idempotencyKey ?? null);
  if (!options.json) process.stdout.write(`${accepted.id}\n`);
  const coverage = options.wait ? await waitForAll(client, node, accepted.id, timeout) : null;
  if (options.json) process.stdout.write(`${JSON.stringify({ ...accepted, ...coverage })}\n`);
  if (coverage === null) return EXIT.ok;
  const all = coverage.missing.length === 0;
  if (!options.json) {
    process.stdout.write(`${coverage.reached} of ${coverage.of} nodes in ${coverage.seconds.toFixed(2)} s\n`);
    if (!all) process.stderr.write(`${missingLine(coverage.missing)}\n`);
  }
  return all ? EXIT.ok : EXIT.failed;
}

/** Where a message is. */
export interface Coverage {
  readonly reached: number;
  readonly of: number;
  /** From when it was accepted to when the last one that we saw had it. */
  readonly seconds: number;
  readonly missing: readonly { readonly guid: number; readonly why: string }[];
}

/** `not at 61 nodes: 5-64 (not there), 70 (no answer within 15 s)` */
export function missingLine(missing: Coverage['missing']): string {
  const groups = Map.groupBy(missing, ({ why }) => why);
  const parts = [...groups].map(([why, nodes]) => `${intervals(nodes.map(({ guid }) => guid))} (${why})`);
  return `not at ${missing.length === 1 ? '1 node' : `${missing.length} nodes`}: ${parts.join(', ')}`;
}

async function waitForAll(client: Client, node: NodeName, id: string, seconds: number): Promise<Coverage> {
  const began = performance.now();
  const deadline = began + seconds * 1000;
  const missing = new Map<number, { base: string; why: string }>();
  for (const { guid, base } of await membersOf(client, node)) missing.set(guid, { base, why: 'not asked yet' });
  const of = missing.size;
  let last = began;
  for (;;) {
    const next = missing.entries();
    const ask = async () => {
      for (const [guid, { base }] of next) {
        const why = await client.hasMessage(base, id).then((has) => (has ? null : 'not there'), errorLine);
        if (why === null) missing.delete(guid);
        else missing.set(guid, { base, why });
        if (why === null) last = performance.now();
      }
    };
    await Promise.all(Array.from({ length: Math.min(PARALLEL, missing.size) }, ask));
    if (missing.size === 0 || performance.now() > deadline) break;
    await sleep(POLL_MS);
  }
  const left = [...missing].map(([guid, { why }]) => ({ guid, why }));
  return { reached: of - missing.size, of, seconds: (last - began) / 1000, missing: left };
}

function refuseEmpty(value: string | undefined, option: string): void {
  if (value?.trim() === '')
    throw new CliError(`${option}: must not be empty; give a text, or leave it out`, EXIT.usage);
}

/** The JSON object in the text; `source` says where that is from. */
export function parseData(text: string, source: string): unknown {
  if (text.trim() === '') throw new CliError(`${source} is empty; give a JSON object`, EXIT.usage);
  // As strict as the nodes are: JSON.parse would change some numbers and drop repeated keys before they see them.
  const parsed = parseJson(text, { depthMax: JSON_DEPTH_MAX });
  if (!parsed.ok) {
    const { path, message } = parsed.error;
    if (message.endsWith('expected nothing'))
      throw new CliError('expected one JSON object, found more after it', EXIT.usage);
    const place = path === '' ? '' : ` at ${path}`;
    // Who gave an object with a slip in it needs no example of one.
    const hint = text.trimStart().startsWith('{') ? '' : `; ${EXAMPLE}`;
    throw new CliError(`not a message${place}: ${message}${hint}`, EXIT.usage);
  }
  const data = parsed.value;
  if (typeof data === 'object' && data !== null && !Array.isArray(data)) return data;
  throw new CliError(`the message is not a JSON object; ${EXAMPLE}`, EXIT.usage);
}
