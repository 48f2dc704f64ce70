// `pychain tail --url`: what nodes elsewhere log, asked over HTTP again and again.
import { setTimeout as sleep } from 'node:timers/promises';
import type { LogName } from '../protocol/log-events.ts';
import { ProblemError, type Client, type NodeName } from './client.ts';
import { CliError, errorLine, EXIT, type ExitCode } from './errors.ts';
import { formatRecord } from './log-line.ts';
import { pooled } from './members.ts';
import type { LogPageRecord } from './schemas.ts';
import { stopOnSignals } from './signals.ts';
import { findNode, findTarget, type TargetOptions } from './target.ts';

const POLL_MS = 1_000;
/** As many lines as a node keeps. */
const PAGE = 500;
/** Nodes that are followed together: each is asked once a second. */
const FOLLOWED_MAX = 64;

export interface ElsewhereOptions extends TargetOptions {
  readonly json: boolean;
  readonly follow: boolean;
}

/** Follows the logs of one node or of all of a deployment, until a signal. `log`: only that one; `lines`: shown of what is there. */
export async function tailElsewhere(
  node: string | undefined,
  log: LogName | null,
  lines: number,
  options: ElsewhereOptions,
): Promise<ExitCode> {
  if (node === 'worker') {
    throw new CliError('worker: what the Worker itself logs is in Workers Logs: wrangler tail', EXIT.usage);
  }
  const { client, nodes } = await chosen(node, options);
  const stop = stopOnSignals(() => undefined);
  const cursors = new Map<NodeName, string>();
  const silent = new Set<NodeName>();
  let isFirst = true;
  do {
    const found = (await pooled(nodes, (one) => linesOf(client, one, cursors, silent, nodes.length > 1))).flat();
    const wanted = found.filter((record) => log === null || record.log === log).toSorted((a, b) => a.time - b.time);
    for (const record of isFirst ? wanted.slice(Math.max(0, wanted.length - lines)) : wanted) {
      const from = nodes.length > 1 ? `[${record.node} ${record.log}]` : `[${record.log}]`;
      process.stdout.write(`${options.json ? JSON.stringify(record) : `${from} ${formatRecord(record)}`}\n`);
    }
    isFirst = false;
    if (options.follow) await sleep(POLL_MS, undefined, { signal: stop }).catch(() => undefined);
  } while (options.follow && !stop.aborted);
  return EXIT.ok;
}

async function chosen(text: string | undefined, options: TargetOptions) {
  if (text !== undefined) {
    const { client, node } = await findNode(text, { isBootAllowed: true, slot: null }, options, process.env);
    return { client, nodes: [node] };
  }
  const { client } = await findTarget(options, process.env);
  if ((await client.site()) === 'node') return { client, nodes: ['own' as const] };
  const count = Math.min(await client.nodes(), FOLLOWED_MAX);
  return { client, nodes: ['boot' as const, ...Array.from({ length: count }, (_, index) => index + 1)] };
}

type Records = LogPageRecord['logs'];

/** New lines of a node. One of several that does not answer is told of once, and asked again. */
async function linesOf(
  client: Client,
  node: NodeName,
  cursors: Map<NodeName, string>,
  silent: Set<NodeName>,
  isOneOfMany: boolean,
): Promise<Records> {
  const records: Records = [];
  try {
    for (let next: string | null = cursors.get(node) ?? null, isMore = true; isMore;) {
      const page: LogPageRecord = await client.logs(node, next, PAGE);
      records.push(...page.logs);
      if (page.missed) tell(`node ${node}: lines are gone that were not read`);
      cursors.set(node, page.cursor);
      next = page.next;
      isMore = next !== null;
    }
    silent.delete(node);
  } catch (error) {
    // A deployment that joined a network elsewhere has no boot node.
    const isAbsent = error instanceof ProblemError && error.status === 404;
    const isPassing = isOneOfMany && !(error instanceof ProblemError && [401, 403].includes(error.status));
    if (!isPassing) throw error;
    if (!isAbsent && !silent.has(node)) tell(`node ${node}: ${errorLine(error)}`);
    silent.add(node);
  }
  return records;
}

function tell(line: string): void {
  process.stderr.write(`pychain: ${line}\n`);
}
