// Log lines of nodes: one JSON object a line, for Workers Logs and for the runners to sort into files.
import { LEVELS, type Level } from '../protocol/log-events.ts';
import { logEntry, type LogEvent, type LogLine } from '../protocol/log-line.ts';
import { TokenBucket } from '../protocol/token-bucket.ts';
import type { LogRecord, LogRing } from './log-ring.ts';

export type Log = (...line: LogLine) => void;

/**
 * Lines of one event at once, and a second, above DEBUG: what peers, strangers or a broken queue do again and again must not fill a log, nor the
 * bill for it. The next line that is written tells how many were not (guess).
 */
export const EVENT_BURST = 20;
const EVENT_PER_SECOND = 0.2;

export interface LogOptions {
  /** Keeps what was logged last, to be read. */
  readonly recent?: LogRing;
  readonly write?: (line: string) => void;
}

interface Pace {
  readonly bucket: TokenBucket;
  suppressed: number;
}

/** A logger of one node (`boot`, a slot, `node` for one alone, or `worker`) that leaves out what is below `lowest`. */
export function createLog(node: string, lowest: Level, { recent, write = toConsole }: LogOptions = {}): Log {
  const threshold = LEVELS.indexOf(lowest);
  const paces = new Map<LogEvent, Pace>();
  return (...line) => {
    const { level, log, event, fields } = logEntry(line);
    if (LEVELS.indexOf(level) < threshold) return;
    const now = Date.now();
    const suppressed = level === 'DEBUG' ? 0 : pass(paces, event, now);
    if (suppressed === null) return;
    const record: LogRecord = { time: now / 1000, level, node, log, event, ...fields };
    const text = JSON.stringify(suppressed === 0 ? record : { ...record, suppressed });
    recent?.add(text, level);
    write(text);
  };
}

/** How many lines of this event were left out before this one; null: this one is, too. There are as many paces as events. */
function pass(paces: Map<LogEvent, Pace>, event: LogEvent, now: number): number | null {
  let pace = paces.get(event);
  if (!pace) {
    pace = { bucket: new TokenBucket(EVENT_PER_SECOND, EVENT_BURST, now), suppressed: 0 };
    paces.set(event, pace);
  }
  if (!pace.bucket.take(1, now)) {
    pace.suppressed++;
    return null;
  }
  const { suppressed } = pace;
  pace.suppressed = 0;
  return suppressed;
}

function toConsole(line: string): void {
  console.log(line);
}
