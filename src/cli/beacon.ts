// `pychain beacon`: how messages come through, of the recent ones or of one with its curve.
import type { AggregateRecord, BeaconSummary, CoverageDetail, CoverageRecord } from './beacon-schemas.ts';
import { CliError, EXIT, printable, type ExitCode } from './errors.ts';
import type { QueryOptions } from './queries.ts';
import { parseWhole } from './settings.ts';
import { ageText, tableLines } from './table.ts';
import { findTarget } from './target.ts';
import { intervals } from './text.ts';

export interface BeaconArguments extends QueryOptions {
  readonly limit: string;
}

/** As the API pages them. */
const LIMIT_MAX = 500;
const ID_CHARS = 64;
/** Of an id in the table; as many find a message again, where it is among the recent ones. */
const SHORT_ID_CHARS = 12;
const CURVE_COLUMNS = 60;
const CURVE_ROWS = 10;
/** Eighths of a cell. */
const BLOCKS = ' ▁▂▃▄▅▆▇█';
const MISSING_CHARS_MAX = 200;

/** Recent messages and aggregates, or with an id (or how one begins) one message. */
export async function beacon(id: string | undefined, options: BeaconArguments): Promise<ExitCode> {
  const limit = parseWhole(options.limit, 1, LIMIT_MAX, '--limit');
  if (id !== undefined && !new RegExp(`^[0-9a-f]{4,${ID_CHARS}}$`).test(id)) {
    throw new CliError(`id ${printable(id)}: give the id of a message, or its first characters, in hex`, EXIT.usage);
  }
  const { client } = await findTarget(options, process.env);
  if (id === undefined) {
    const { messages } = await client.beacon.messages(limit);
    const summary = await client.beacon.summary();
    if (options.json) say(JSON.stringify({ ...summary, recent: messages }));
    else for (const line of [...messageLines(messages, summary.time), '', ...summaryLines(summary)]) say(line);
    return EXIT.ok;
  }
  const found = await client.beacon.message(
    await wholeId(id, async () => (await client.beacon.messages(LIMIT_MAX)).messages),
  );
  if (options.json) say(JSON.stringify(found));
  else for (const line of [...factLines(found), '', ...curveLines(found)]) say(line);
  return EXIT.ok;
}

/** The id that begins so. */
async function wholeId(id: string, recent: () => Promise<readonly CoverageRecord[]>): Promise<string> {
  if (id.length === ID_CHARS) return id;
  const found = (await recent()).filter((message) => message.id.startsWith(id));
  const [first, second] = found;
  if (!first) throw new CliError(`${id}: none of the last ${LIMIT_MAX} messages begins so; give the whole id`);
  if (second) throw new CliError(`${id}: ${found.length} messages begin so; give more of the id`);
  return first.id;
}

/** Recent messages as a table. `now` in Unix seconds. */
export function messageLines(messages: readonly CoverageRecord[], now: number): string[] {
  const head = ['MESSAGE', 'FROM', 'AGE', 'RECEIVED', 'T50', 'T95', 'T100', 'HOPS', 'DUPLICATES'];
  const rows = messages.map((message) => [
    printable(message.id.slice(0, SHORT_ID_CHARS)),
    String(message.originator),
    ageText(message.broadcast_timestamp, now),
    `${message.received}/${message.members}`,
    ...[message.t50, message.t95, message.t100].map(durationText),
    String(message.hops_max),
    String(message.duplicates),
  ]);
  return tableLines(head, rows, [1, 2, 3, 4, 5, 6, 7, 8]);
}

/** The last hour and day as a table. */
export function summaryLines({ hour, day, members, network }: BeaconSummary): string[] {
  const head = ['LAST', 'MESSAGES', 'COMPLETE', 'COVERAGE', 'T50', 'T95', 'T100', '95 % OF T95', 'HOPS', 'PER MEMBER'];
  const row = (title: string, aggregate: AggregateRecord) => [
    title,
    String(aggregate.messages),
    String(aggregate.complete),
    aggregate.coverage === null ? '–' : percentText(aggregate.coverage),
    ...[aggregate.t50, aggregate.t95, aggregate.t100, aggregate.t95_p95].map(durationText),
    String(aggregate.hops_max),
    aggregate.deliveries_per_member?.toFixed(3) ?? '–',
  ];
  const table = tableLines(head, [row('hour', hour), row('day', day)], [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  return [...table, `${printable(network)} has ${members === 1 ? '1 live member' : `${members} live members`}`];
}

function factLines(message: CoverageDetail): string[] {
  const { members, received, missing_guids: missing } = message;
  const at = new Date(message.broadcast_timestamp * 1000).toISOString();
  const rows: [string, string][] = [
    ['message', printable(message.id)],
    ['from', `${message.originator} at ${at}`],
    ['received', `${received} of ${members} (${percentText(received / Math.max(1, members))})`],
    ...(missing.length > 0 ? [['missing', intervals(missing).slice(0, MISSING_CHARS_MAX)] as [string, string]] : []),
    ['50 %', durationText(message.t50)],
    ['95 %', durationText(message.t95)],
    ['100 %', durationText(message.t100)],
    ['hops', `${message.hops_max} at most, ${message.hops_mean.toFixed(2)} on average`],
    ['duplicates', String(message.duplicates)],
  ];
  return rows.map(([title, value]) => `${title.padEnd(10)} ${value}`);
}

/** Share of the members that have the message over time, from the broadcast until the last one had it. Whoever joined later is left out. */
export function curveLines({ receipts, members, received }: CoverageDetail): string[] {
  // The receipts of those who joined later are the last, as a rule; that is as exact as a curve needs.
  const times = receipts.slice(0, received).map(({ after }) => after);
  const end = times.at(-1) ?? 0;
  const shares = Array.from({ length: CURVE_COLUMNS }, (_, column) => {
    const until = (end * (column + 1)) / CURVE_COLUMNS;
    return times.filter((after) => after <= until + 1e-9).length / Math.max(1, members);
  });
  const lines = Array.from({ length: CURVE_ROWS }, (_, index) => {
    const row = CURVE_ROWS - 1 - index;
    const cells = shares.map((share) => {
      const eighths = Math.round((share * CURVE_ROWS - row) * 8);
      return BLOCKS[Math.max(0, Math.min(8, eighths))] ?? ' ';
    });
    const label = `${Math.round(((row + 1) / CURVE_ROWS) * 100)} %`;
    return `${label.padStart(5)} │${cells.join('')}`.trimEnd();
  });
  const to = durationText(end);
  return [
    ...lines,
    `${' '.repeat(6)}└${'─'.repeat(CURVE_COLUMNS)}`,
    `${' '.repeat(7)}0${to.padStart(CURVE_COLUMNS - 1)}`,
  ];
}

/** `12 ms`, `1.23 s`, `2.0 min`; `–` for null. */
export function durationText(seconds: number | null): string {
  if (seconds === null) return '–';
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  return seconds < 120 ? `${seconds.toFixed(2)} s` : `${(seconds / 60).toFixed(1)} min`;
}

/** Never rounded up to all. */
function percentText(share: number): string {
  return share >= 1 ? '100 %' : `${(Math.floor(share * 1000) / 10).toFixed(1)} %`;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
