// `pychain trace`: the way of a message through the network. The beacon knows who had it from whom; where there is none, each node is asked
// when it got it, and after how many hops.
import { EXIT, CliError, errorLine, printable, type ExitCode } from './errors.ts';
import { unlessMissing, type Client, type NodeName } from './client.ts';
import { membersOf, pooled } from './members.ts';
import type { QueryOptions } from './queries.ts';
import { findNode } from './target.ts';
import { coverageLines, levelLines, type Trace } from './trace-view.ts';

const ID = /^[0-9a-f]{64}$/;
/** Short enough to be typed, long enough to be one message's: lines of logs have twelve. */
const PREFIX = /^[0-9a-f]{8,63}$/;

/** Shows a message's way. `id`: whole, or its first characters. */
export async function trace(id: string, options: QueryOptions): Promise<ExitCode> {
  if (!ID.test(id) && !PREFIX.test(id)) {
    throw new CliError(`${printable(id)}: give the id of a message, or its first 8 characters or more`, EXIT.usage);
  }
  const { client, node } = await findNode(undefined, { isBootAllowed: false, slot: 1 }, options, process.env);
  const whole = ID.test(id) ? id : await findId(client, node, id);
  const say = (told: object, lines: readonly string[]) => {
    for (const line of options.json ? [JSON.stringify(told)] : lines) process.stdout.write(`${line}\n`);
    return EXIT.ok;
  };
  const coverage = await unlessMissing(() => client.beacon.message(whole));
  if (coverage) return say({ source: 'beacon', ...coverage }, coverageLines(coverage));
  const found = await askNodes(client, node, whole);
  if (found.receipts.length === 0) throw new CliError(noneLine(whole, found));
  return say({ source: 'nodes', ...found }, levelLines(found));
}

/** The one message of a node whose id begins so. */
async function findId(client: Client, node: NodeName, prefix: string): Promise<string> {
  const found = new Set<string>();
  for await (const { id } of client.messages(node)) if (id.startsWith(prefix)) found.add(id);
  const [first] = found;
  if (first === undefined) throw new CliError(`${prefix}: the node has no message whose id begins so; give all of it`);
  if (found.size > 1) throw new CliError(`${prefix}: ${found.size} messages begin so; give more of it`);
  return first;
}

/** Times by each node's own clock. */
async function askNodes(client: Client, node: NodeName, id: string): Promise<Trace> {
  const places = await membersOf(client, node);
  const answers = await pooled(places, async ({ guid, base }) => {
    try {
      return { guid, message: await client.message(base, id), why: 'not there' };
    } catch (error) {
      return { guid, message: null, why: errorLine(error) };
    }
  });
  const receipts: Trace['receipts'][number][] = [];
  const missing: Trace['missing'][number][] = [];
  let facts: Pick<Trace, 'originator' | 'broadcast_timestamp'> | null = null;
  for (const { guid, message, why } of answers) {
    if (!message) {
      missing.push({ guid, why });
      continue;
    }
    const { originator, broadcast_timestamp: at, received_at: receivedAt, hops } = message;
    facts ??= { originator: originator.guid, broadcast_timestamp: at };
    receipts.push({ guid, after: receivedAt - at, hops, from: null });
  }
  receipts.sort((a, b) => a.hops - b.hops || a.after - b.after);
  return { id, ...(facts ?? { originator: 0, broadcast_timestamp: 0 }), receipts, missing };
}

function noneLine(id: string, { missing }: Trace): string {
  const silent = missing.filter(({ why }) => why !== 'not there').length;
  const rest = silent === 0 ? '' : `, and ${silent} did not answer`;
  return `${id.slice(0, 12)}: none of the nodes that answer has it${rest}; it may have expired`;
}
