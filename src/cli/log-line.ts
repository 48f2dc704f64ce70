// One log record in its two forms: the Worker's JSON line, and the line that people read in LOG_DIR. Both ways, so that
// `pychain tail --json` gives what the Worker logged.
import { z } from 'zod';
import { LEVELS, LOG_NAMES } from '../protocol/log-events.ts';
import { printable } from './errors.ts';

const recordSchema = z.looseObject({
  time: z.number(),
  level: z.enum(LEVELS),
  node: z.string().regex(/^(boot|node|worker|[1-9]\d{0,9})$/),
  log: z.enum(LOG_NAMES),
  event: z.string(),
});

/** What the Worker logs. */
export type LogRecord = z.infer<typeof recordSchema>;

/** The record in a line that the Worker printed; null for anything else that it or the runtime printed. */
export function parseWorkerLine(text: string): LogRecord | null {
  if (!text.startsWith('{')) return null;
  try {
    const parsed = recordSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

/** `2026-11-22T20:00:00.123Z INFO peer_added guid=3 address=http://…` */
export function formatRecord(record: LogRecord): string {
  const { time, level, node: _node, log: _log, event, ...fields } = record;
  const pairs = Object.entries(fields).map(([key, value]) => ` ${formatValue(key)}=${formatValue(value)}`);
  return `${isoTime(time)} ${level} ${formatValue(event)}${pairs.join('')}`;
}

/** A line of a log file, as formatRecord writes it; null for anything else. */
export function parseFileLine(line: string): Omit<LogRecord, 'node' | 'log'> | null {
  const head = /^(\S+) (DEBUG|INFO|WARNING|ERROR|CRITICAL) /.exec(line);
  const time = Date.parse(head?.[1] ?? '') / 1000;
  if (!head || Number.isNaN(time)) return null;
  const reader = { line, at: head[0].length };
  const event = readValue(reader);
  if (typeof event !== 'string') return null;
  const fields: Record<string, unknown> = {};
  while (reader.at < line.length) {
    reader.at += 1; // the space
    const key = readValue(reader, '=');
    if (key === undefined || line[reader.at] !== '=') return null;
    reader.at += 1;
    const value = readValue(reader);
    if (value === undefined) return null;
    fields[String(key)] = value;
  }
  return { ...fields, time, level: recordSchema.shape.level.parse(head[2]), event };
}

function isoTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? new Date(0).toISOString() : date.toISOString();
}

/** Strings that cannot be mistaken for another kind of value, nor for two of them. */
const BARE = /^[A-Za-z_/][\w./:@+-]*$/;
const WORDS: readonly string[] = ['true', 'false', 'null'];

function formatValue(value: unknown): string {
  if (typeof value === 'string' && BARE.test(value) && !WORDS.includes(value)) return value;
  return printable(JSON.stringify(value) ?? 'null');
}

/** Reads a bare word or a JSON value up to the space or `end` that follows it; undefined where there is none. */
function readValue(reader: { readonly line: string; at: number }, end = ' '): unknown {
  const { line, at } = reader;
  let depth = 0;
  let quoted = false;
  let to = at;
  for (; to < line.length; to++) {
    const char = line[to];
    if (quoted) {
      if (char === '\\') to += 1;
      else if (char === '"') quoted = false;
    } else if (char === '"') quoted = true;
    else if (char === '{' || char === '[') depth += 1;
    else if (char === '}' || char === ']') depth -= 1;
    else if (depth === 0 && (char === ' ' || char === end)) break;
  }
  const text = line.slice(at, to);
  reader.at = to;
  if (text === '') return undefined;
  if (BARE.test(text) && !WORDS.includes(text)) return text;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
