// `pychain doctor`: looks a running network over, says what is wrong, and what to do.
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from './client.ts';
import { examine, type Finding, type Verdict } from './doctor-checks.ts';
import { gather, type Facts } from './doctor-facts.ts';
import { errorLine, EXIT, type ExitCode } from './errors.ts';
import { pooled } from './members.ts';
import type { QueryOptions } from './queries.ts';
import { parseWhole } from './settings.ts';
import { findTarget } from './target.ts';
import { intervals } from './text.ts';

export interface DoctorOptions extends Omit<QueryOptions, 'url'> {
  /** Whether a message is sent, to see that it arrives. */
  readonly probe: boolean;
  /** Seconds for each question. */
  readonly timeout: string;
}

/** How long a probe may take to reach all, and how long it lives. */
const PROBE_MS = 10_000;
const PROBE_TTL_SECONDS = 30;
const PROBE_POLL_MS = 200;

/** Prints what it finds of the network at `url` (default: as for all commands). Fails where there is a problem. */
export async function doctor(url: string | undefined, options: DoctorOptions): Promise<ExitCode> {
  const timeoutMs = parseWhole(options.timeout, 1, 60, '--timeout') * 1000;
  const target = await findTarget({ url, token: options.token }, process.env);
  const { client, token } = target;
  const facts = await gather(client.url, token, timeoutMs);
  const findings = [...examine(facts), ...(options.probe ? [await probe(facts, token, timeoutMs)] : [])];
  for (const line of options.json ? [JSON.stringify({ url: client.url, findings })] : linesOf(client.url, findings)) {
    process.stdout.write(`${line}\n`);
  }
  return findings.some(({ result }) => result === 'problem') ? EXIT.failed : EXIT.ok;
}

/** Whether a message that one node is given reaches all that answer. */
export async function probe(facts: Facts, token: string | null, timeoutMs: number): Promise<Finding> {
  const check = 'probe';
  if (token === null || facts.token !== 'accepted') {
    return { check, result: 'warning', found: 'not sent', todo: 'give --token, which the network accepts' };
  }
  const isMember = ({ status }: Facts['nodes'][number]) => status !== null && status.left_at === null;
  const members = [...facts.nodes, ...facts.outside].filter(isMember);
  const from = facts.nodes.findIndex(isMember);
  if (from < 0) return { check, result: 'problem', found: 'no node to send it from', todo: 'see nodes above' };
  const client = createClient({ url: facts.url, token, timeoutMs });
  const began = performance.now();
  const missing = new Set(members);
  try {
    const node = facts.hosted === null ? 'own' : from + 1;
    const { id } = await client.broadcast(node, { data: { probe: 'doctor' }, ttl: PROBE_TTL_SECONDS }, null);
    while (missing.size > 0 && performance.now() - began < PROBE_MS) {
      await pooled([...missing], async (member) => {
        if (await client.hasMessage(member.base, id).catch(() => false)) missing.delete(member);
      });
      if (missing.size > 0) await sleep(PROBE_POLL_MS);
    }
  } catch (error) {
    return { check, result: 'problem', found: `not taken: ${errorLine(error)}`, todo: 'see mempool and boot above' };
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  if (missing.size === 0) {
    return { check, result: 'ok', found: `a message reached all ${members.length} in ${seconds} s`, todo: null };
  }
  const found = `a message did not reach ${missing.size} of ${members.length} in ${PROBE_MS / 1000} s: GUIDs ${intervals([...missing].map(({ status }) => status?.guid ?? 0))}`;
  const todo =
    'see whether the queues have consumers (wrangler queues list), delivery_failed in the logs, and peers above';
  return { check, result: 'problem', found, todo };
}

const MARKS: Readonly<Record<Verdict, string>> = { ok: 'ok      ', warning: 'warning ', problem: 'PROBLEM ' };
const NAME_CHARS = 14;

function linesOf(url: string, findings: readonly Finding[]): string[] {
  const count = (result: Verdict) => findings.filter((finding) => finding.result === result).length;
  return [
    url,
    ...findings.flatMap(({ check, result, found, todo }) => [
      `${MARKS[result]}${check.padEnd(NAME_CHARS)}${found}`,
      ...(todo === null ? [] : [`${' '.repeat(MARKS.ok.length + NAME_CHARS)}→ ${todo}`]),
    ]),
    `${count('ok')} ok, ${count('warning')} to look at, ${count('problem')} to mend`,
  ];
}
