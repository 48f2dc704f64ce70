// Commands that read from a running network: status, peers, messages, tail.
import { setTimeout as sleep } from 'node:timers/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { isFolder } from '../peer/folder.ts';
import { LOG_NAMES } from '../protocol/log-events.ts';
import { CliError, EXIT, printable, type ExitCode } from './errors.ts';
import { onParentGone } from './parent.ts';
import type { MessageRecord } from './schemas.ts';
import { folders, parseWhole } from './settings.ts';
import { readNodeCount, readRunning } from './state-folder.ts';
import { ageText, peersText, tableLines } from './table.ts';
import { Tail, tailedJson, type TailedLine } from './tail.ts';
import { tailElsewhere } from './tail-elsewhere.ts';
import { findNode, type NodeWish, type TargetOptions } from './target.ts';
import { cut, intervals } from './text.ts';

export interface QueryOptions extends TargetOptions {
  readonly json: boolean;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const ANY: NodeWish = { isBootAllowed: true, slot: 1 };
const OF_RING: NodeWish = { isBootAllowed: false, slot: 1 };

/** Who a node is and how it fares. `text`: which, as given. */
export async function status(text: string | undefined, options: QueryOptions): Promise<ExitCode> {
  const { client, node } = await findNode(text, ANY, options, process.env);
  const found = await client.status(node);
  if (options.json) {
    say(JSON.stringify(found));
    return EXIT.ok;
  }
  const rows: [string, string][] = [
    ['node', String(node)],
    ['network', printable(found.network)],
    ['GUID', found.guid === null ? 'not joined' : String(found.guid)],
    ['address', printable(found.address)],
    ['max GUID', String(found.max_guid)],
    ['peers', peersText(found.peers)],
    ['messages', String(found.messages)],
    ['last sync', ageText(found.last_sync_at, found.time)],
    ...(found.left_at === null ? [] : [['left', ageText(found.left_at, found.time)] as [string, string]]),
  ];
  for (const [title, value] of rows) say(`${title.padEnd(10)} ${value}`);
  return EXIT.ok;
}

/** A node's members, with what it thinks of them. */
export async function peers(text: string | undefined, options: QueryOptions): Promise<ExitCode> {
  const { client, node } = await findNode(text, ANY, options, process.env);
  const rows: string[][] = [];
  const now = Date.now() / 1000;
  for await (const member of client.members(node)) {
    if (options.json) {
      say(JSON.stringify(member));
      continue;
    }
    const { guid, state, last_seen: lastSeen, failures, address } = member;
    rows.push([String(guid), printable(state), ageText(lastSeen, now), String(failures), printable(address)]);
  }
  if (!options.json)
    for (const line of tableLines(['GUID', 'STATE', 'LAST SEEN', 'FAILURES', 'ADDRESS'], rows, [0, 2, 3])) say(line);
  return EXIT.ok;
}

/** A node's mempool, oldest first; with a limit the newest ones. */
export async function messages(
  text: string | undefined,
  options: QueryOptions & { readonly limit?: string | undefined },
): Promise<ExitCode> {
  const limit = options.limit === undefined ? Infinity : parseWhole(options.limit, 1, 1_000_000, '--limit');
  const { client, node } = await findNode(text, OF_RING, options, process.env);
  const width = process.stdout.isTTY ? process.stdout.columns || LINE_CHARS : LINE_CHARS;
  const show = (message: MessageRecord) =>
    say(options.json ? JSON.stringify(message) : cut(messageLine(message), width));
  const newest: MessageRecord[] = [];
  for await (const message of client.messages(node)) {
    if (limit === Infinity) show(message);
    else newest.push(message);
    if (newest.length >= limit * 2 + 1_000) newest.splice(0, newest.length - limit);
  }
  if (limit !== Infinity) for (const message of newest.slice(-limit)) show(message);
  return EXIT.ok;
}

/** Width of a line where there is no terminal to ask. */
const LINE_CHARS = 160;

const joinedSchema = z.object({
  event: z.object({
    name: z.literal('PEER_JOINED'),
    args: z.object({ members: z.array(z.looseObject({ guid: z.number() })) }),
  }),
});

/** One line for people, however long; whole messages are what --json is for. */
export function messageLine(message: MessageRecord): string {
  const at = new Date(message.broadcast_timestamp * 1000).toISOString();
  const hops = message.hops === 1 ? '1 hop' : `${message.hops} hops`;
  const { guid } = message.originator;
  // The boot node's alone: to others' events of that name nobody listens.
  const joined = guid === 0 ? joinedSchema.safeParse(message.data).data?.event.args.members : undefined;
  const what =
    joined === undefined
      ? printable(JSON.stringify(message.data))
      : `PEER_JOINED ${intervals(joined.map((member) => member.guid))}`;
  return `${at} ${printable(message.id.slice(0, 12))} from ${guid}, ${hops}: ${what}`;
}

export interface TailArguments extends TargetOptions {
  readonly log?: string | undefined;
  readonly lines: string;
  readonly json: boolean;
  /** Ends after the lines that are there. */
  readonly follow: boolean;
}

const TAIL_POLL_MS = 250;

/** Follows the log files of one node or of all, until a signal. */
export async function tail(node: string | undefined, options: TailArguments): Promise<ExitCode> {
  const lines = parseWhole(options.lines, 0, 100_000, '--lines');
  const log = LOG_NAMES.find((name) => name === options.log) ?? null;
  if (options.log !== undefined && log === null) {
    throw new CliError(`--log ${options.log}: give one of ${LOG_NAMES.join(', ')}`, EXIT.usage);
  }
  if (node !== undefined && !/^(boot|worker|[1-9]\d{0,9})$/.test(node)) {
    throw new CliError(`node ${node}: give a number from 1, boot or worker`, EXIT.usage);
  }
  if (options.url !== undefined) return await tailElsewhere(node, log, lines, options);
  const logDir = await findLogDir(process.env);
  if (node !== undefined) await checkLogged(node, logDir);
  const onLine = (line: TailedLine) =>
    say(options.json ? tailedJson(line) : tailedText(line, node === undefined, log === null));
  const follower = new Tail({ logDir, node: node ?? null, log, lines, onLine });
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  onParentGone(() => stop.abort());
  do {
    await follower.poll();
    if (options.follow) await sleep(TAIL_POLL_MS, undefined, { signal: stop.signal }).catch(() => undefined);
  } while (options.follow && !stop.signal.aborted);
  return EXIT.ok;
}

/** Refuses a node that the network has not, whose log would never come. */
async function checkLogged(node: string, logDir: string): Promise<void> {
  const { storageDir } = folders(process.env);
  const nodes = (await readRunning(storageDir))?.nodes ?? (await readNodeCount(storageDir));
  if (nodes === null || !(Number(node) > nodes) || (await isFolder(join(logDir, node)))) return;
  throw new CliError(
    `node ${node}: the network has ${nodes === 1 ? '1 node' : `${nodes} nodes`}, and no log of this one`,
  );
}

/** LOG_DIR of the environment, that of the network that runs on STORAGE_DIR, or the default. */
async function findLogDir(env: Readonly<Record<string, string | undefined>>): Promise<string> {
  const { storageDir, logDir } = folders(env);
  const dir = env['LOG_DIR'] ? resolve(env['LOG_DIR']) : ((await readRunning(storageDir))?.log_dir ?? logDir);
  if (await isFolder(dir)) return dir;
  throw new CliError(
    `${dir}: no such folder; start a network with "pychain up", or say where its logs are with LOG_DIR`,
  );
}

function tailedText(line: TailedLine, withNode: boolean, withLog: boolean): string {
  const from = [...(withNode ? [line.node] : []), ...(withLog && line.log !== null ? [line.log] : [])];
  return from.length === 0 ? line.text : `[${from.join(' ')}] ${line.text}`;
}
