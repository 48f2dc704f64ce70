// What a node logged last, as the page keeps and writes it. No DOM.

/** Ascending. */
export const LEVELS = ['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'] as const;
export type Level = (typeof LEVELS)[number];

/** A line as the API gives it; what else it has are the fields of its event. */
export interface LogRecord {
  /** Unix seconds. */
  readonly time: number;
  readonly level: string;
  readonly node: string;
  readonly log: string;
  readonly event: string;
}

export interface LogLine {
  /** Counted up: a key. */
  readonly number: number;
  readonly time: number;
  readonly level: string;
  readonly event: string;
  /** `guid=3 reason="…"`. */
  readonly fields: string;
  /** Lines before it may be gone: the node has forgotten them, or was away. */
  readonly isAfterGap: boolean;
}

/** Of the node that was chosen; `fault`: why it does not tell more. */
export interface NodeLogs {
  readonly guid: number;
  /** Oldest first. */
  readonly lines: readonly LogLine[];
  readonly fault: string | null;
}

/** Lines that are kept: as many as a node keeps. */
export const LINES_KEPT_MAX = 500;
const VALUE_CHARS = 120;
const FIELDS_CHARS = 400;

/** The lines with those that came since. `isMissed`: some between are gone. */
export function withLines(before: readonly LogLine[], records: readonly LogRecord[], isMissed: boolean): LogLine[] {
  const first = (before.at(-1)?.number ?? 0) + 1;
  const lines = records.map((record, index) => lineOf(record, first + index, isMissed && index === 0));
  return [...before, ...lines].slice(-LINES_KEPT_MAX);
}

/** Those of at least this level, the newest first. */
export function newest(lines: readonly LogLine[], level: Level, count: number): LogLine[] {
  const least = LEVELS.indexOf(level);
  return lines
    .filter((line) => rankOf(line.level) >= least)
    .slice(-count)
    .reverse();
}

/** A level that this page does not know is shown rather than hidden. */
function rankOf(level: string): number {
  const rank = LEVELS.findIndex((known) => known === level);
  return rank < 0 ? LEVELS.length : rank;
}

function lineOf(record: LogRecord, number: number, isAfterGap: boolean): LogLine {
  const { time, level, node: _node, log: _log, event, ...rest } = record;
  const fields = Object.entries(rest).map(([key, value]) => `${visible(key)}=${valueOf(value)}`);
  return {
    number,
    time,
    level: visible(level),
    event: visible(event),
    fields: cut(fields.join(' '), FIELDS_CHARS),
    isAfterGap,
  };
}

function valueOf(value: unknown): string {
  const isWord = typeof value === 'string' && /^[\w./:@+-]+$/.test(value);
  return cut(isWord ? value : visible(JSON.stringify(value) ?? ''), VALUE_CHARS);
}

/** Some of it comes from peers: characters that nobody sees, but that turn others around, are written out. */
function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, (char) => `\\u{${char.codePointAt(0)?.toString(16)}}`);
}

function cut(text: string, chars: number): string {
  return text.length <= chars ? text : `${text.slice(0, chars - 1)}…`;
}
