// What `pychain doctor` makes of what it found: a check is one question, its answer, and what to do about it. Pure, so that each fault can be shown.
import { CLOCK_SKEW_MS_MAX } from '../protocol/limits.ts';
import { printable } from './errors.ts';
import { HOSTED_ASKED_MAX, type Facts, type NodeFacts } from './doctor-facts.ts';
import type { Metrics } from './metrics-text.ts';
import { ageText } from './table.ts';
import { intervals } from './text.ts';

export type Verdict = 'ok' | 'warning' | 'problem';

export interface Finding {
  readonly check: string;
  readonly result: Verdict;
  readonly found: string;
  /** Null: nothing. */
  readonly todo: string | null;
}

type Check = (facts: Facts) => Finding | null;

const ok = (check: string, found: string): Finding => ({ check, result: 'ok', found, todo: null });
const warning = (check: string, found: string, todo: string): Finding => ({ check, result: 'warning', found, todo });
const problem = (check: string, found: string, todo: string): Finding => ({ check, result: 'problem', found, todo });

/** Seconds that clocks may differ before it is worth a word; messages from further ahead than the network's limit are refused. */
const SKEW_WARNED = 2;
/** A round of sync may be late by so much: an alarm rings when there is time for it. */
const SYNC_LATE_SECONDS = 180;
const MEMPOOL_WARNED = 0.8;
const TLS_DAYS_WARNED = 14;
const COVERAGE_WARNED = 0.99;
/** Names of nodes in one line. */
const NAMED_MAX = 8;

/** Every check that can be made of the facts, in the order in which to read them. */
export function examine(facts: Facts): Finding[] {
  // Much of it is what nodes elsewhere say.
  return CHECKS.flatMap((check) => check(facts) ?? []).map(({ check, result, found, todo }) => ({
    check,
    result,
    found: printable(found),
    todo: todo && printable(todo),
  }));
}

function all(facts: Facts): NodeFacts[] {
  return [...(facts.boot ? [facts.boot] : []), ...facts.nodes, ...facts.outside];
}

function named(nodes: readonly NodeFacts[]): string {
  const names = nodes.slice(0, NAMED_MAX).map(({ name }) => name);
  return nodes.length > NAMED_MAX ? `${names.join(', ')} and ${nodes.length - NAMED_MAX} more` : names.join(', ');
}

function isLocal(url: string): boolean {
  return /^(127\.\d+\.\d+\.\d+|localhost|\[::1\])$/.test(new URL(url).hostname);
}

const tls: Check = ({ url, tlsDays }) => {
  if (new URL(url).protocol !== 'https:') {
    if (isLocal(url)) return ok('tls', 'http, on this machine');
    return problem('tls', 'reached over http: peers elsewhere call https alone', 'give the URL with https://');
  }
  if (tlsDays !== null && tlsDays < TLS_DAYS_WARNED) {
    return warning('tls', `the host's certificate runs out in ${Math.floor(tlsDays)} days`, 'renew it');
  }
  return ok('tls', tlsDays === null ? 'https' : `https, with a certificate for ${Math.floor(tlsDays)} days`);
};

const version: Check = (facts) => {
  const told = all(facts).filter((node) => node.version !== null);
  const versions = new Map(told.map((node) => [node.version, node]));
  const protocols = new Set(all(facts).flatMap(({ status }) => status?.protocol ?? []));
  if (protocols.size > 1) {
    return problem('version', `protocols differ: ${[...protocols].join(', ')}`, 'upgrade the older ones');
  }
  const names = [...versions.keys()];
  if (versions.size > 1) {
    return warning('version', `versions differ: ${names.join(', ')}`, 'upgrade the older ones when it suits');
  }
  return names.length === 0 ? null : ok('version', `${names.join()}, ${[...protocols].join() || '?'}`);
};

const boot: Check = ({ boot: node, hosted }) => {
  if (hosted === null) return null;
  if (node === null) return ok('boot', 'none here: the nodes joined a network elsewhere');
  if (!node.status) {
    const todo = 'look for its errors in the logs; members deliver without it, newcomers wait';
    return problem('boot', `does not answer: ${node.fault ?? ''}`, todo);
  }
  const is = (metric: string) => (node.metrics?.get(metric) ?? 0) > 0;
  if (is('pychain_boot_lost'))
    return problem('boot', 'its storage was lost', 'take its backup back: pychain boot import');
  if (is('pychain_boot_restoring')) {
    return problem('boot', 'a backup is half taken in: nobody gets a GUID', 'run pychain boot import again');
  }
  if (is('pychain_boot_surveying')) {
    const todo =
      'wait a minute; where a node is gone for good, see survey_incomplete in its log and pychain boot floor';
    return warning('boot', 'is asking its nodes which GUIDs they have', todo);
  }
  return ok('boot', `has given ${node.metrics?.get('pychain_guids_allocated') ?? node.status.max_guid} GUIDs`);
};

const nodesAnswer: Check = ({ nodes, hosted }) => {
  const silent = nodes.filter(({ status, isUnjoined }) => !status && !isUnjoined);
  const more =
    hosted !== null && hosted > HOSTED_ASKED_MAX ? `; the first ${HOSTED_ASKED_MAX} of ${hosted} were asked` : '';
  if (silent.length > 0) {
    return problem(
      'nodes',
      `${silent.length} of ${nodes.length} do not answer: ${named(silent)} (${silent[0]?.fault ?? ''})${more}`,
      'look for their errors in the logs; cron wakes them each minute',
    );
  }
  return ok('nodes', `${nodes.length} answer${more}`);
};

const joined: Check = ({ nodes }) => {
  const out = nodes.filter(({ isUnjoined }) => isUnjoined);
  const left = nodes.filter(({ status }) => (status?.left_at ?? null) !== null);
  if (out.length > 0) {
    const todo = 'wait a minute for cron; then see join_failed in their network_sync logs for the reason';
    return problem('joined', `${out.length} have not joined: ${named(out)}`, todo);
  }
  if (left.length > 0)
    return warning('joined', `have left: ${named(left)}`, 'pychain return N, where they should not have');
  return ok('joined', 'all are members');
};

const clock: Check = (facts) => {
  const off = all(facts).flatMap((node) => {
    const beyond = Math.abs(node.skew?.seconds ?? 0) - (node.skew?.within ?? 0);
    return beyond > SKEW_WARNED ? [{ node, seconds: node.skew?.seconds ?? 0, beyond }] : [];
  });
  const [worst] = off.toSorted((a, b) => b.beyond - a.beyond);
  if (!worst) return ok('clock', `within ${SKEW_WARNED} s of this machine's`);
  const found = `${worst.node.name} is ${worst.seconds.toFixed(1)} s ahead of this machine${off.length > 1 ? `, ${off.length - 1} more are off` : ''}`;
  const todo = 'set the clock by NTP, there or here';
  return (worst.beyond > CLOCK_SKEW_MS_MAX / 1000 ? problem : warning)('clock', found, todo);
};

const guids: Check = (facts) => {
  const byGuid = Map.groupBy(
    [...facts.nodes, ...facts.outside].filter(({ status }) => (status?.guid ?? null) !== null),
    ({ status }) => status?.guid ?? 0,
  );
  const double = [...byGuid].filter(([, nodes]) => nodes.length > 1);
  if (double.length === 0) return byGuid.size === 0 ? null : ok('guids', 'no GUID twice');
  const [guid, nodes] = double[0] ?? [0, []];
  const todo = 'a storage was copied, or restored from before: keep one, and give the others new storage';
  return problem('guids', `${guid} is of ${named(nodes)}${double.length > 1 ? ', and others are double' : ''}`, todo);
};

const rosters: Check = ({ nodes }) => {
  const members = nodes.flatMap(({ status, name }) =>
    status && status.guid !== null && status.left_at === null
      ? [{ name, max: status.max_guid, known: 1 + sum(status.peers, (state) => state !== 'left') }]
      : [],
  );
  if (members.length === 0) return null;
  const max = Math.max(...members.map((one) => one.max));
  const known = Math.max(...members.map((one) => one.known));
  const behind = members.filter((one) => one.max < max || one.known < known);
  if (behind.length === 0) return ok('rosters', `all know ${known} members, the highest GUID is ${max}`);
  const [first] = behind;
  return warning(
    'rosters',
    `${behind.length} of ${members.length} know less than others, such as ${first?.name ?? ''}: ${first?.known ?? 0} of ${known} members, up to GUID ${first?.max ?? 0} of ${max}`,
    'wait for two rounds of sync; where it stays so, see sync_failed in their network_sync logs',
  );
};

function sum(counts: Readonly<Record<string, number>>, counted: (state: string) => boolean): number {
  return Object.entries(counts).reduce((total, [state, count]) => total + (counted(state) ? count : 0), 0);
}

const peers: Check = ({ nodes }) => {
  const bad = new Map<number, string>();
  for (const { roster } of nodes) {
    for (const { guid, state } of roster ?? []) if (state === 'suspect' || state === 'ignored') bad.set(guid, state);
  }
  const inTrouble = nodes.some(
    ({ status }) => sum(status?.peers ?? {}, (state) => state === 'suspect' || state === 'ignored') > 0,
  );
  if (!inTrouble && bad.size === 0) return ok('peers', 'nobody is suspected or ignored');
  const which = bad.size === 0 ? 'some are' : `GUIDs ${intervals([...bad.keys()])} are`;
  const todo = 'see whether they run and can be reached; those gone for GUID_TIMEOUT are forgotten';
  return warning('peers', `${which} suspected or ignored: they do not answer others`, todo);
};

const sync: Check = ({ nodes }) => {
  const members = nodes.filter(({ status }) => status && status.guid !== null && status.left_at === null);
  const late = members.filter(({ status }) => {
    const at = status?.next_sync_at ?? null;
    return status !== null && at !== null && status.time - at > SYNC_LATE_SECONDS;
  });
  if (late.length > 0) {
    const status = late[0]?.status ?? null;
    const found = `rounds are overdue at ${named(late)}: the last was ${ageText(status?.last_sync_at ?? null, status?.time ?? 0)}`;
    return problem(
      'sync',
      found,
      'alarms do not ring: see alarm_failed and alarm_not_set in their logs; cron sets them again',
    );
  }
  return members.length === 0 ? null : ok('sync', 'rounds are on time');
};

const mempool: Check = ({ nodes, limits }) => {
  const most = limits['mempool_messages_max'];
  if (most === undefined) return null;
  const fullest = nodes.toSorted((a, b) => (b.status?.messages ?? 0) - (a.status?.messages ?? 0))[0];
  const messages = fullest?.status?.messages ?? 0;
  const found = `${messages} of ${most} messages at ${fullest?.name ?? ''}`;
  const busy = totalOf(nodes, 'pychain_deliveries_total{result="busy"}');
  const todo = 'send less, or with a shorter ttl: a full mempool takes nothing until some have expired';
  if (messages >= most) return problem('mempool', `full: ${found}`, todo);
  if (messages >= most * MEMPOOL_WARNED) return warning('mempool', `nearly full: ${found}`, todo);
  return ok('mempool', busy > 0 ? `${found}; ${busy} deliveries were put off since they woke` : found);
};

function totalOf(nodes: readonly NodeFacts[], metric: string): number {
  return nodes.reduce((total, { metrics }) => total + valueOf(metrics, metric), 0);
}

function valueOf(metrics: Metrics | null, metric: string): number {
  return metrics?.get(metric) ?? 0;
}

/** A check of a counter or gauge that is 0 in health. */
function zero(
  check: string,
  metric: string,
  said: (count: number) => string,
  todo: string,
  verdict: Verdict = 'warning',
): Check {
  return (facts) => {
    const nodes = [...(facts.boot ? [facts.boot] : []), ...facts.nodes];
    if (!nodes.some(({ metrics }) => metrics?.has(metric))) return null;
    const count = totalOf(nodes, metric);
    if (count === 0) return ok(check, said(0));
    const where = nodes.filter(({ metrics }) => valueOf(metrics, metric) > 0);
    return { check, result: verdict, found: `${said(count)}, at ${named(where)}`, todo };
  };
}

const certificates: Check = ({ nodes, now }) => {
  const lives = nodes.flatMap((node) => {
    const found = node.status?.certificate ?? null;
    return found
      ? [{ node, left: found.expires - (node.status?.time ?? now), whole: found.expires - found.issued }]
      : [];
  });
  if (lives.length === 0) return null;
  const out = lives.filter(({ left }) => left <= 0).map(({ node }) => node);
  // They are renewed at half of their life: one with a fifth left has tried for long.
  const near = lives.filter(({ left, whole }) => left > 0 && left < whole / 5).map(({ node }) => node);
  const todo = 'the boot node does not renew them: see boot above, and join_failed in their logs';
  if (out.length > 0) return problem('certificates', `have run out: ${named(out)}`, todo);
  if (near.length > 0) return warning('certificates', `run out soon: ${named(near)}`, todo);
  return ok('certificates', 'all are valid');
};

const TOKENS: Readonly<Record<string, Finding>> = {
  'accepted': ok('token', 'the admin token is accepted'),
  'refused': problem(
    'token',
    'the admin token is refused',
    'give the one that was set: wrangler secret put ADMIN_TOKEN sets another',
  ),
  'unset': warning(
    'token',
    'the network has no ADMIN_TOKEN: operator calls are off',
    'wrangler secret put ADMIN_TOKEN',
  ),
  'not given': ok('token', 'not looked at: no --token'),
};

const token: Check = (facts) =>
  TOKENS[facts.token] ?? warning('token', `could not be looked at: ${facts.token}`, 'run it again');

function hostOf(url: string): string {
  return url.replace(/^https?:/, '');
}

const publicUrl: Check = ({ url, nodes, hosted }) => {
  const found = nodes.find(({ status }) => status !== null);
  if (!found?.status) return null;
  const { address } = found.status;
  const own = hosted === null ? address : address.replace(/\/n\/\d+$/, '');
  if (address.startsWith('local:')) {
    if (isLocal(url)) return ok('public-url', 'unset, on this machine');
    return warning('public-url', 'PUBLIC_URL is unset: nodes elsewhere cannot join', `set it to ${url} and deploy`);
  }
  // A wrong scheme is told of above.
  if (hostOf(own) === hostOf(url)) return ok('public-url', `${own}, as it was reached`);
  if (isLocal(url)) return ok('public-url', `${own}; reached on this machine`);
  const todo = `set PUBLIC_URL to ${url} where that is right, else give doctor ${own}`;
  return warning('public-url', `nodes tell others ${own}, and were reached at ${url}`, todo);
};

const outside: Check = ({ outside: nodes, outsideKnown }) => {
  if (outsideKnown === 0) return ok('outside', 'no members elsewhere');
  const silent = nodes.filter(({ status }) => !status);
  const asked = nodes.length < outsideKnown ? `${nodes.length} of ${outsideKnown} that are known` : `${outsideKnown}`;
  if (silent.length === 0) return ok('outside', `of ${asked} members elsewhere all answer`);
  const found = `${silent.length} of ${asked} members elsewhere do not answer: ${named(silent)} (${silent[0]?.fault ?? ''})`;
  return warning('outside', found, 'their operators have to look; others deliver past them');
};

const beacon: Check = ({ beacon: found }) => {
  if (!found) return ok('beacon', 'none');
  const { messages, coverage } = found;
  if (messages === 0 || coverage === null) return ok('beacon', 'there; no messages in the last hour');
  const share = `${(coverage * 100).toFixed(1)} % of members had each of ${messages} messages of the last hour`;
  if (coverage >= COVERAGE_WARNED) return ok('beacon', share);
  return warning('beacon', share, 'see which are missing: pychain trace ID, and peers above');
};

const CHECKS: readonly Check[] = [
  tls,
  version,
  boot,
  nodesAnswer,
  joined,
  clock,
  guids,
  rosters,
  peers,
  sync,
  certificates,
  mempool,
  zero(
    'deliveries',
    'pychain_legs_total{result="dropped"}',
    (count) => `${count} were given up since the nodes woke`,
    'too much was owed to nodes that fail: they get these at network sync; see peers above',
  ),
  zero(
    'undeliverable',
    'pychain_legs_total{result="undeliverable"}',
    (count) => `${count} found nobody since the nodes woke`,
    'others took them over; see which node does not answer: peers above, delivery_failed in the logs',
  ),
  zero(
    'owed',
    'pychain_repairs',
    (count) => `${count} ranges wait to be sent again`,
    'see peers above; it should fall to 0',
  ),
  zero(
    'storage',
    'pychain_rows_damaged_total',
    (count) => `${count} rows could not be read`,
    'see row_damaged in the logs; what they held comes again at network sync. Report it',
    'problem',
  ),
  zero(
    'queue',
    'pychain_jobs_unreadable_total',
    (count) => `${count} messages in the queues were no jobs`,
    'something else writes to these queues, or an older version does: give the network queues of its own',
  ),
  zero(
    'handler',
    'pychain_handler_missed_total',
    (count) => `${count} messages expired before the handler took them`,
    'see handler_failed in the logs, and mend the application',
    'problem',
  ),
  token,
  publicUrl,
  outside,
  beacon,
];
